//! Jobs per second from submit to settled: every step, a SQLite file with full durability, four budgets a job.

use std::{sync::Arc, time::Duration};

use crate::{
    boot::{
        Daemon,
        bench::{Figure, end_to_end, world},
    },
    clock::SystemClock,
    job::cadence::CadenceRule,
    simulator::SimClock,
};

pub const SCENARIO: &str = r#"
[server]
etags = false
[defaults]
queued_ms = 0
run_ms = 0
session_delay_ms = 0
artifact_delay_ms = 0
[[repositories]]
match = "bench/*"
[[users]]
login = "bench"
[[tokens]]
name = "bench"
secret = "bench-token"
user = "bench"
"#;

/// Runs `jobs` jobs with `slots` of them at once.
pub async fn run(jobs: usize, slots: u32) -> anyhow::Result<Vec<Figure>> {
    let folder = Folder::new()?;
    let cadence = CadenceRule { running_ms: 20, overlap_ms: 200, ..CadenceRule::default() };
    let clock = Arc::new(SystemClock);
    let (parts, github) = world::parts(SCENARIO, SimClock::Real, clock, &folder.0, slots, cadence)?;
    let daemon = Daemon::start(parts).await?;
    let begun = now(&daemon);
    end_to_end::submit(&daemon, jobs).await?;
    let submitted = now(&daemon).saturating_sub(begun);
    end_to_end::until_ended(&daemon).await?;
    let elapsed = now(&daemon).saturating_sub(begun);
    let requests: u64 = github.counters().iter().map(|(_, _, count)| *count).sum();
    let broken = daemon.context.ledger.broken_invariants().await?;
    anyhow::ensure!(broken.is_empty(), "broken invariants: {broken:?}");
    daemon.stop().await?;
    let jobs = f64::from(u32::try_from(jobs)?);
    Ok(vec![
        Figure::new("jobs per second, submit to settled", jobs / elapsed.as_secs_f64(), "1/s"),
        Figure::new("time to accept", submitted.as_secs_f64(), "s"),
        Figure::new("whole time", elapsed.as_secs_f64(), "s"),
        Figure::new("remote requests per job", f64::from(u32::try_from(requests)?) / jobs, ""),
    ])
}

fn now(daemon: &Daemon) -> Duration {
    Duration::from_millis(u64::try_from(daemon.context.now().0).unwrap_or(0))
}

/// A folder of its own under the system's place for such, removed at the end.
pub struct Folder(pub std::path::PathBuf);

impl Folder {
    pub fn new() -> anyhow::Result<Self> {
        let name =
            format!("sluice-bench-{}-{:x}", std::process::id(), crate::clock::Entropy::from_system().draw());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}
