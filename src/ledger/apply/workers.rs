//! Workers, their fencing tokens and their leases: a new life gets a higher token, and takes over what a dead one drove.

use serde_json::json;

use crate::{
    job::{
        id::WorkerId,
        role::{LeaseName, Roles},
        time::Timestamp,
    },
    ledger::{
        apply::attempt::{Target, above, lose_start, reply, unfenced},
        command::{Fence, Reply},
        rows::{AttemptRow, LeaseRow, Phase, WorkerRow},
        working_set::{About, WorkingSet},
    },
};

/// Why the start of an attempt that was taken over is looked for: whether its worker sent it cannot be known.
const DIED: &str = "its worker ended between intent and answer";

/// A new life of a worker gets the next fencing token; the same life asking again keeps its own.
pub fn register(
    set: &mut WorkingSet,
    worker: WorkerId,
    (name, roles): (&str, &Roles),
    lease_until: Timestamp,
) -> Reply {
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
        roles: roles.clone(),
        started_at: set.now,
        lease_until,
        // It has looked at nothing yet, and starts nothing before it has.
        seen: 0,
        stopped_at: None,
    };
    set.workers.put(worker, row);
    let body = json!({ "worker": worker, "name": name, "token": token, "roles": roles });
    set.enter("worker.registered", About::default(), "sluicegate", &body);
    Reply::Registered { token }
}

pub fn renew(set: &mut WorkingSet, worker: WorkerId, lease_until: Timestamp, seen: i64) -> Reply {
    match set.workers.get(&worker) {
        Some(row) if row.stopped_at.is_none() => {}
        _ => return Reply::Stale(format!("worker {worker} is not registered")),
    }
    if let Some(row) = set.workers.edit(&worker) {
        row.lease_until = row.lease_until.max(lease_until);
        row.seen = row.seen.max(seen);
    }
    Reply::Done
}

pub fn stop(set: &mut WorkingSet, worker: WorkerId) -> Reply {
    match set.workers.get(&worker) {
        None => return Reply::Stale(format!("worker {worker} is not registered")),
        Some(row) if row.stopped_at.is_some() => return Reply::Done,
        Some(_) => {}
    }
    end(set, worker, "worker.stopped");
    Reply::Done
}

/// Its silence has lasted longer than its lease: from here on it can only begin a new life.
pub fn expire(set: &mut WorkingSet, worker: WorkerId) -> Reply {
    match set.workers.get(&worker) {
        Some(row) if row.lives(set.now) => Reply::Stale(format!("worker {worker} lives")),
        Some(row) if row.stopped_at.is_none() => {
            end(set, worker, "worker.expired");
            Reply::Done
        }
        _ => Reply::Done,
    }
}

fn end(set: &mut WorkingSet, worker: WorkerId, kind: &str) {
    let now = set.now;
    if let Some(row) = set.workers.edit(&worker) {
        row.stopped_at = Some(now);
        row.lease_until = now;
    }
    set.enter(kind, About::default(), "sluicegate", &json!({ "worker": worker }));
}

/// Whoever loses something by its silence has lost its life: it must not go on believing that it has the rest.
fn end_if_silent(set: &mut WorkingSet, worker: WorkerId) {
    if set.workers.get(&worker).is_some_and(|row| row.stopped_at.is_none()) {
        end(set, worker, "worker.expired");
    }
}

pub fn claim(set: &mut WorkingSet, name: &LeaseName, fence: Fence) -> Reply {
    if let Err(why) = set.check_worker(fence) {
        return Reply::Stale(why);
    }
    let before = set.leases.get(name).map(|row| row.worker_id);
    if before == Some(fence.worker) {
        return Reply::Done;
    }
    if let Some(holder) = set.holder(name) {
        return Reply::Stale(format!("the lease {name} is held by worker {}, which lives", holder.id));
    }
    if let Some(before) = before {
        end_if_silent(set, before);
    }
    let row = LeaseRow { name: name.clone(), worker_id: fence.worker, since: set.now };
    set.leases.put(name.clone(), row);
    let body = json!({ "lease": name, "from_worker": before, "to_worker": fence.worker });
    set.enter("lease.claimed", About::default(), "sluicegate", &body);
    Reply::Done
}

pub fn take_over(set: &mut WorkingSet, target: Target) -> Reply {
    reply(change_driver(set, target))
}

fn change_driver(set: &mut WorkingSet, target: Target) -> Result<(), String> {
    let (job, attempt) = unfenced(set, target)?;
    set.check_worker(target.fence)?;
    if attempt.worker_id == target.fence.worker {
        return Ok(());
    }
    if attempt.phase == Phase::Ended {
        return Err(format!("attempt {} needs no new driver", attempt.id));
    }
    let from = attempt.worker_id;
    let lives = set.workers.get(&from).is_some_and(|worker| worker.lives(set.now));
    if lives && !follows(set, &attempt, target.fence) {
        return Err(format!("attempt {} is driven by worker {from}, which lives", attempt.id));
    }
    if !lives {
        end_if_silent(set, from);
    }
    let token = above(attempt.token, target.fence.token);
    if let Some(row) = set.attempts.edit(&attempt.id) {
        (row.worker_id, row.token) = (target.fence.worker, token);
    }
    let body = json!({ "from_worker": from, "to_worker": target.fence.worker, "token": token });
    set.enter("attempt.taken_over", set.about(job.id), "sluicegate", &body);
    if attempt.phase == Phase::Intent {
        // In the same breath: nobody may ever see an intent of this worker that another may have sent.
        let fence = Fence { worker: target.fence.worker, token };
        return lose_start(set, Target { fence, ..target }, DIED);
    }
    Ok(())
}

/// The holder of an identity's lease follows every task of it, whoever started it.
fn follows(set: &WorkingSet, attempt: &AttemptRow, fence: Fence) -> bool {
    let has_task = matches!(attempt.phase, Phase::Live | Phase::Done);
    let holder = set.holder(&LeaseName::track(&attempt.identity));
    has_task && holder.is_some_and(|holder| holder.id == fence.worker)
}
