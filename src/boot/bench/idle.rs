//! Memory of a daemon that has nothing to do.

use std::{sync::Arc, time::Duration};

use crate::{
    boot::{
        Daemon,
        bench::{
            Figure, resident_mib,
            submit::{Folder, SCENARIO},
            world,
        },
    },
    clock::SystemClock,
    job::cadence::CadenceRule,
    simulator::SimClock,
};

/// Starts a daemon, lets it be for a second, and reads the resident memory of this process.
pub async fn run() -> anyhow::Result<Vec<Figure>> {
    let folder = Folder::new()?;
    let clock = Arc::new(SystemClock);
    let (parts, _) = world::parts(SCENARIO, SimClock::Real, clock, &folder.0, 16, CadenceRule::default())?;
    let daemon = Daemon::start(parts).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let figures = resident_mib()
        .map(|mib| Figure::new("resident memory of an idle daemon", mib, "MiB"))
        .into_iter()
        .collect();
    daemon.stop().await?;
    Ok(figures)
}
