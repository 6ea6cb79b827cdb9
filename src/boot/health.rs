//! `sluice health`: has a worker of this machine or container renewed its lease in the ledger? That tells more than a
//! process that exists: its loop turns, its clock is right, and it reaches the ledger. Changes nothing.

use std::sync::Arc;

use serde_json::json;

use crate::{
    boot::{
        commands::{load, say},
        service::readable,
        wire,
    },
    cli::{CliError, Exit, local::HealthArgs},
    clock::{Clock as _, SystemClock},
    config,
    job::time::Timestamp,
    ledger::{Ledger, rows::WorkerRow},
};

/// Ends well if a worker of this host is alive.
pub async fn run(args: &HealthArgs) -> anyhow::Result<u8> {
    let loaded = load(&args.shared)?;
    let env = config::environment();
    let location = wire::location(&loaded, &env)?;
    let rules = Arc::new(loaded.settings.rules.clone());
    let ledger = Ledger::open_read_only(&location, rules).await.map_err(|error| readable(error.into()))?;
    let workers = ledger.workers().await;
    ledger.close().await;
    let workers = workers.map_err(|error| readable(error.into()))?;
    let host = wire::host(&loaded, &env);
    let now = SystemClock.now();
    let Some(alive) = newest_alive(&workers, &host, now) else {
        return Err(CliError::new(Exit::Failure, format!("no worker of {host} has a lease that lasts"))
            .hint("look at its log; look at all of them with `sluice doctor`")
            .into());
    };
    if args.shared.json {
        say(&json!({ "healthy": true, "worker": alive }).to_string())?;
    } else {
        let lease = alive.lease_until.since(now);
        say(&format!("healthy: worker {} ({}) has a lease for another {lease}", alive.id, alive.name))?;
    }
    Ok(Exit::Ok.code())
}

/// The worker of the host that was started last, among those that live.
fn newest_alive<'w>(workers: &'w [WorkerRow], host: &str, now: Timestamp) -> Option<&'w WorkerRow> {
    let here = |worker: &&WorkerRow| worker.name.rsplit_once(':').is_some_and(|(name, _)| name == host);
    workers.iter().filter(here).filter(|worker| worker.lives(now)).max_by_key(|worker| worker.token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{id::WorkerId, role::Roles};

    #[test]
    fn only_a_worker_of_this_host_whose_lease_lasts_is_alive() {
        let worker = |token: i64, name: &str, lease: i64, stopped: Option<i64>| WorkerRow {
            id: WorkerId::new(Timestamp(0), 7),
            token,
            name: name.to_owned(),
            roles: Roles::all(),
            seen: 0,
            started_at: Timestamp(0),
            lease_until: Timestamp(lease),
            stopped_at: stopped.map(Timestamp),
        };
        let found =
            |workers: &[WorkerRow]| newest_alive(workers, "a", Timestamp(10)).map(|worker| worker.token);
        assert_eq!(found(&[worker(1, "a:7", 11, None), worker(2, "a:8", 12, None)]), Some(2));
        for (name, lease, stopped) in
            [("b:7", 11, None), ("a", 11, None), ("a:7", 10, None), ("a:7", 11, Some(9))]
        {
            assert_eq!(found(&[worker(1, name, lease, stopped)]), None, "{name} {lease} {stopped:?}");
        }
    }
}
