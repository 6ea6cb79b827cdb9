//! An hour of simulated time with a thousand live tasks: how many requests following them costs.

use std::sync::Arc;

use crate::{
    boot::{
        Daemon,
        bench::{Figure, submit::Folder, world},
    },
    clock::{Clock, ManualClock},
    job::{
        cadence::CadenceRule,
        time::{Millis, Timestamp},
    },
    simulator::SimClock,
};

const SCENARIO: &str = r#"
[server]
etags = false
[defaults]
queued_ms = [1000, 20000]
run_ms = [300000, 1500000]
session_delay_ms = 1000
artifact_delay_ms = 20000
[[repositories]]
match = "bench/*"
[[users]]
login = "bench"
[[tokens]]
name = "bench"
secret = "bench-token"
user = "bench"
"#;

/// Keeps `live` tasks alive for an hour of simulated time, sweeping at the given freshness.
pub async fn run(live: u32, freshness: Millis) -> anyhow::Result<Vec<Figure>> {
    let folder = Folder::new()?;
    let start = Timestamp(1_800_000_000_000);
    let clock = Arc::new(ManualClock::new(start));
    let cadence = CadenceRule { running_ms: freshness.0, ..CadenceRule::default() };
    let as_clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let (parts, github) =
        world::parts(SCENARIO, SimClock::Manual(clock.cell()), as_clock, &folder.0, live, cadence)?;
    let daemon = Daemon::start(parts).await?;
    let context = &daemon.context;
    // Enough work that a task that ends is followed by another: a task lives 5 to 25 minutes.
    let wanted = usize::try_from(live)?.saturating_mul(6);
    let mut first = 0;
    while first < wanted {
        let some = wanted.saturating_sub(first).min(10_000);
        context.submit(world::request(first, some)).await?;
        first = first.saturating_add(some);
    }
    quiesce(&daemon).await;
    let (starts_before, listed_before, seen_before) = counts(&github);
    let hour = Millis::hours(1);
    let mut at = start;
    let mut sweeps = 0_u64;
    let mut lived = 0_u64;
    while at < start.plus(hour) {
        at = at.plus(freshness);
        clock.set(at);
        // The step's own worker sweeps too when its time comes; waiting for quiet counts each of its requests.
        quiesce(&daemon).await;
        sweeps = sweeps.saturating_add(1);
        lived = lived.saturating_add(u64::try_from(context.tracker.live())?);
    }
    let (starts, listed, seen) = counts(&github);
    let (starts_in, listed, seen) = (starts - starts_before, listed - listed_before, seen - seen_before);
    let ended: i64 = context
        .ledger
        .counts(None)
        .await?
        .iter()
        .filter(|count| count.state.is_terminal())
        .map(|count| count.jobs)
        .sum();
    daemon.stop().await?;
    let hour_s = 3_600.0;
    let number = |value: u64| f64::from(u32::try_from(value).unwrap_or(u32::MAX));
    Ok(vec![
        Figure::new("live tasks on average", number(lived) / number(sweeps.max(1)), ""),
        Figure::new("freshness", number(freshness.0) / 1_000.0, "s"),
        Figure::new("list requests per second", number(listed) / hour_s, "1/s"),
        Figure::new("requests for one task per second", number(seen) / hour_s, "1/s"),
        Figure::new("tracking requests per second", number(listed.saturating_add(seen)) / hour_s, "1/s"),
        Figure::new(
            "requests for one task, per task in its life",
            number(seen) / f64::from(u32::try_from(ended.max(1))?),
            "",
        ),
        Figure::new("tasks started in the hour", number(starts_in), ""),
        Figure::new("tasks ended", f64::from(u32::try_from(ended)?), ""),
    ])
}

/// Starts, lists, and looks at one task, so far.
fn counts(github: &crate::agent::github::GitHub) -> (u64, u64, u64) {
    let mut counts = (0, 0, 0);
    for (endpoint, _, count) in github.counters() {
        match endpoint.as_str() {
            "start" => counts.0 += count,
            "tasks" => counts.1 += count,
            "task" => counts.2 += count,
            _ => {}
        }
    }
    counts
}

/// Lets everything that is due at this simulated moment happen.
async fn quiesce(daemon: &Daemon) {
    let mut quiet = 0;
    let mut last = 0;
    while quiet < 5 {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        let steps = daemon.statistics.steps();
        let handled: u64 = steps.iter().map(|step| step.handled).sum();
        let busy = steps.iter().any(|step| step.in_flight > 0);
        quiet = if busy || handled != last { 0 } else { quiet + 1 };
        last = handled;
    }
}
