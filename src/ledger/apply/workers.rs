//! Workers and their fencing tokens: a new life gets a higher one, and takes over what a dead one drove.

use serde_json::json;

use crate::{
    job::{id::WorkerId, time::Timestamp},
    ledger::{
        apply::attempt::{Target, reply, rows},
        command::Reply,
        rows::{Phase, WorkerRow},
        working_set::{About, WorkingSet},
    },
};

/// A new life of a worker gets the next fencing token; the same life asking again keeps its own.
pub fn register(set: &mut WorkingSet, worker: WorkerId, name: &str, lease_until: Timestamp) -> Reply {
    if let Some(known) = set.workers.get(&worker) {
        return if known.stopped_at.is_none() {
            Reply::Registered { token: known.token }
        } else {
            Reply::Conflict(format!("worker {worker} has stopped: a new life has a new id"))
        };
    }
    let token = set.last_token.saturating_add(1);
    set.last_token = token;
    let row = WorkerRow {
        id: worker,
        token,
        name: name.to_owned(),
        started_at: set.now,
        lease_until,
        stopped_at: None,
    };
    set.workers.put(worker, row);
    set.enter(
        "worker.registered",
        About::default(),
        "sluicegate",
        &json!({ "worker": worker, "name": name, "token": token }),
    );
    Reply::Registered { token }
}

pub fn renew(set: &mut WorkingSet, worker: WorkerId, lease_until: Timestamp) -> Reply {
    match set.workers.get(&worker) {
        Some(row) if row.stopped_at.is_none() => {}
        _ => return Reply::Stale(format!("worker {worker} is not registered")),
    }
    if let Some(row) = set.workers.edit(&worker) {
        row.lease_until = row.lease_until.max(lease_until);
    }
    Reply::Done
}

pub fn stop(set: &mut WorkingSet, worker: WorkerId) -> Reply {
    let now = set.now;
    match set.workers.get(&worker) {
        None => return Reply::Stale(format!("worker {worker} is not registered")),
        Some(row) if row.stopped_at.is_some() => return Reply::Done,
        Some(_) => {}
    }
    if let Some(row) = set.workers.edit(&worker) {
        row.stopped_at = Some(now);
        row.lease_until = now;
    }
    set.enter("worker.stopped", About::default(), "sluicegate", &json!({ "worker": worker }));
    Reply::Done
}

pub fn take_over(set: &mut WorkingSet, target: Target) -> Reply {
    reply(change_driver(set, target))
}

fn change_driver(set: &mut WorkingSet, target: Target) -> Result<(), String> {
    let (job, attempt) = rows(set, target)?;
    if attempt.worker_id == target.fence.worker && attempt.token == target.fence.token {
        return Ok(());
    }
    if attempt.phase == Phase::Ended || attempt.token == target.fence.token {
        return Err(format!("attempt {} needs no new driver", attempt.id));
    }
    set.check_worker(target.fence)?;
    // A driver that lives keeps what it drives.
    let lives = set
        .workers
        .get(&attempt.worker_id)
        .is_some_and(|worker| worker.stopped_at.is_none() && worker.lease_until > set.now);
    if lives {
        return Err(format!("attempt {} is driven by worker {}, which lives", attempt.id, attempt.worker_id));
    }
    let from = attempt.worker_id;
    if let Some(row) = set.attempts.edit(&attempt.id) {
        row.worker_id = target.fence.worker;
        row.token = target.fence.token;
    }
    let body = json!({ "from_worker": from, "to_worker": target.fence.worker, "token": target.fence.token });
    set.enter("attempt.taken_over", set.about(job.id), "sluicegate", &body);
    Ok(())
}
