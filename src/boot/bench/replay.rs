//! Decisions per second of a policy replay: a ledger filled by the real way in, read from disk, each request decided again under
//! a policy with rules and routes, and told apart.

use std::{fmt::Write as _, sync::Arc};

use crate::{
    boot::{
        Daemon,
        bench::{
            Figure, end_to_end,
            submit::{Folder, SCENARIO},
            world,
        },
    },
    clock::{Clock as _, SystemClock},
    job::{cadence::CadenceRule, time::Timestamp},
    ledger::Ledger,
    pipeline::{
        Policy,
        replay::{Replay, Span},
    },
    policy::{Models, RepositoryRules, models::Route, replay::Tally, repositories::Class},
    simulator::SimClock,
};

/// Rules of groups of repositories.
const GROUPS: usize = 100;

/// Replays so many decisions.
pub async fn run(decisions: usize) -> anyhow::Result<Vec<Figure>> {
    let folder = Folder::new()?;
    let clock = Arc::new(SystemClock);
    // Without a slot nothing starts: only the decisions are of interest.
    let (parts, _) = world::parts(SCENARIO, SimClock::Real, clock, &folder.0, 0, CadenceRule::default())?;
    let location = parts.location.clone();
    let daemon = Daemon::start(parts).await?;
    end_to_end::submit(&daemon, decisions).await?;
    let mut policy = another(&daemon.context.policy);
    let ledger = Ledger::open_read_only(&location, Arc::default()).await?;
    let same = replayed(&ledger, &policy).await?;
    anyhow::ensure!(u64::try_from(decisions)? == same.0.decisions, "not every decision was replayed");
    anyhow::ensure!(same.0.unknown == 0 && same.0.differs > 0, "{:?}", same.0);
    // Nothing is known of the repositories, and rules ask for it: the way through the kept facts is measured too.
    policy.repositories = rules()?;
    let asked = replayed(&ledger, &policy).await?;
    ledger.close().await;
    daemon.stop().await?;
    let rate = |seconds: f64| f64::from(u32::try_from(decisions).unwrap_or(u32::MAX)) / seconds;
    Ok(vec![
        Figure::new("decisions replayed per second", rate(same.1), "1/s"),
        Figure::new("whole replay", same.1, "s"),
        Figure::new("whole replay, with rules of repositories", asked.1, "s"),
    ])
}

async fn replayed(ledger: &Ledger, policy: &Policy) -> anyhow::Result<(Tally, f64)> {
    let clock = SystemClock;
    let begun = clock.now();
    let span = Span { since: Timestamp(0), until: Timestamp(i64::MAX), newest: false };
    let (mut replay, mut tally) = (Replay::new(ledger, policy, span), Tally::default());
    while let Some(rows) = replay.next().await? {
        tally.add(rows.iter().map(|row| &row.compared));
    }
    Ok((tally, clock.now().since(begun).duration().as_secs_f64()))
}

/// The policy of the daemon with another model.
fn another(policy: &Policy) -> Policy {
    let route = |name: &str, class| Route {
        name: name.to_owned(),
        template: None,
        risk: None,
        class,
        model: name.to_owned(),
    };
    let routes = vec![route("gpt-a", None), route("gpt-b", Some(Class::Sensitive))];
    Policy { models: Models { routes, ..Models::default() }, ..policy.clone() }
}

fn rules() -> anyhow::Result<RepositoryRules> {
    let mut text = String::new();
    for group in 0..GROUPS {
        write!(
            text,
            "[[repository]]\nmatch = \"bench/r{group}*\"\nclass = \"sensitive\"\nteam = \"t-{group}\"\n"
        )?;
    }
    RepositoryRules::parse("repositories.toml", &text).map_err(|problems| anyhow::anyhow!("{problems:?}"))
}
