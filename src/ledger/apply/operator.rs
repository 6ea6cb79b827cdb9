//! What people do, and the ledger's own housekeeping: limits, gates, replays, workers, notices, roll-over.

use serde_json::{Value, json};

use crate::{
    budget::Key,
    job::{
        id::{JobId, NoticeId, WorkerId},
        lifecycle::Event,
        state::State,
        time::Timestamp,
    },
    ledger::{
        apply::step::{Detail, put_notice, take_step},
        command::{BudgetChange, By, Reply},
        rows::{PromptRow, WorkerRow},
        working_set::{About, WorkingSet},
    },
};

pub fn act(set: &mut WorkingSet, job: JobId, event: Event, by: &By) -> Reply {
    if set.jobs.get(&job).is_none() {
        return Reply::Conflict(format!("job {job} is not known"));
    }
    let detail = Detail { note: Some(by.reason.clone()), ..Detail::default() };
    match take_step(set, job, event, detail, &by.actor) {
        Ok(_) => Reply::Done,
        Err(illegal) => Reply::Conflict(illegal),
    }
}

/// A dead letter stays as it is; its replay is a new job that names it. Asking again gives the same new job.
pub fn replay(set: &mut WorkingSet, job: JobId, new: JobId, by: &By) -> Reply {
    let Some(row) = set.jobs.get(&job).cloned() else {
        return Reply::Conflict(format!("job {job} is not known"));
    };
    if let Some(known) = set.replays.get(&job) {
        return Reply::Replayed { job: *known, already: true };
    }
    if row.state != State::Dead {
        return Reply::Conflict(format!(
            "job {job} is {}, not a dead letter: only dead letters are retried this way",
            row.state
        ));
    }
    if row.discarded_at.is_some() {
        return Reply::Conflict(format!("job {job} was discarded: submit the work again as a new request"));
    }
    let mut fresh = row.clone();
    fresh.id = new;
    fresh.state = State::Queued;
    (fresh.state_since, fresh.created_at, fresh.updated_at) = (set.now, set.now, set.now);
    fresh.position = set.head.seq.saturating_add(1).saturating_mul(POSITION_STEP);
    (fresh.due_at, fresh.deadline_at, fresh.attempts, fresh.attempt_id, fresh.episode) =
        (None, None, 0, None, 0);
    (fresh.reviewer, fresh.pull_number, fresh.pull_json, fresh.outcome_json) = (None, None, None, None);
    fresh.replay_of = Some(job);
    let Some(prompt) = set.prompts.get(&job).cloned() else {
        return Reply::Conflict(format!("the prompt of job {job} is missing from the ledger"));
    };
    set.new_prompts.push(PromptRow { job_id: new, prompt });
    set.jobs.put(new, fresh);
    set.replays.insert(job, new);
    let body = json!({ "from": State::Dead, "new_job": new, "reason": by.reason });
    set.enter("job.replayed", set.about(job), &by.actor, &body);
    set.enter("job.queued", set.about(new), &by.actor, &json!({ "to": State::Queued, "replay_of": job }));
    Reply::Replayed { job: new, already: false }
}

/// Jobs of one transaction are numbered inside a step of this size.
pub const POSITION_STEP: i64 = 100_000;

pub fn discard(set: &mut WorkingSet, job: JobId, by: &By) -> Reply {
    let Some(row) = set.jobs.get(&job) else { return Reply::Conflict(format!("job {job} is not known")) };
    if row.state != State::Dead {
        return Reply::Conflict(format!("job {job} is {}, not a dead letter", row.state));
    }
    if row.discarded_at.is_some() {
        return Reply::Done;
    }
    let now = set.now;
    if let Some(row) = set.jobs.edit(&job) {
        row.discarded_at = Some(now);
        row.updated_at = now;
    }
    set.enter("job.dead_letter_discarded", set.about(job), &by.actor, &json!({ "reason": by.reason }));
    Reply::Done
}

pub fn budget(set: &mut WorkingSet, key: &Key, change: BudgetChange, by: &By) -> Reply {
    let (kind, body) = match change {
        BudgetChange::Close(closure) => {
            let body = json!({ "budget": key, "reason": closure.reason, "opens_at": closure.opens_at.map(|at| at.to_string()) });
            set.budget(key).closed_json = serde_json::to_string(&closure).ok();
            ("budget.closed", body)
        }
        BudgetChange::Open => {
            set.budget(key).closed_json = None;
            ("budget.opened", json!({ "budget": key, "reason": by.reason }))
        }
        BudgetChange::Limit(limit) => {
            if key.is_gate() || set.rules.limit(key).is_none() {
                return Reply::Conflict(format!(
                    "budget {key} has no limit in the configuration: declare it with [[budget]] first"
                ));
            }
            set.budget(key).limit_override = limit;
            ("budget.limit_set", json!({ "budget": key, "limit": limit, "reason": by.reason }))
        }
    };
    set.enter(kind, About::default(), &by.actor, &body);
    Reply::Done
}

/// Gives back every loaded hold whose period is over.
pub fn roll_over(set: &mut WorkingSet) -> Reply {
    let now = set.now;
    let mut expired: Vec<String> = set
        .holds
        .map
        .values()
        .filter(|hold| hold.released_at.is_none() && hold.expires_at.is_some_and(|at| at <= now))
        .map(|hold| hold.id.clone())
        .collect();
    expired.sort_unstable();
    let mut keys: Vec<Key> = expired.iter().filter_map(|id| set.release_hold(id, "expired")).collect();
    keys.sort_unstable();
    keys.dedup();
    if !keys.is_empty() {
        let body = json!({ "holds": expired.len(), "budgets": keys });
        set.enter("budget.rolled_over", About::default(), "sluicegate", &body);
    }
    Reply::Done
}

/// A new life of a worker gets the next fencing token.
pub fn register(set: &mut WorkingSet, worker: WorkerId, name: String, lease_until: Timestamp) -> Reply {
    let token = set.last_token.saturating_add(1);
    set.last_token = token;
    let row = WorkerRow {
        id: worker,
        token,
        name: name.clone(),
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
    let Some(row) = set.workers.edit(&worker) else {
        return Reply::Stale(format!("worker {worker} is not registered"));
    };
    if row.stopped_at.is_none() {
        row.stopped_at = Some(now);
        row.lease_until = now;
    }
    set.enter("worker.stopped", About::default(), "sluicegate", &json!({ "worker": worker }));
    Reply::Done
}

pub fn notice(set: &mut WorkingSet, dedup: String, kind: &str, job: Option<JobId>, body: Value) -> Reply {
    let about = job.map_or_else(About::default, |job| set.about(job));
    if put_notice(set, dedup, kind, job, body) {
        set.enter("notice.queued", about, "sluicegate", &json!({ "kind": kind }));
    }
    Reply::Done
}

pub fn delivered(set: &mut WorkingSet, notice: NoticeId) -> Reply {
    let now = set.now;
    let Some(row) = set.notices.get(&notice).cloned() else {
        return Reply::Stale(format!("notice {notice} is not known"));
    };
    if row.delivered_at.is_some() {
        return Reply::Done;
    }
    if let Some(row) = set.notices.edit(&notice) {
        row.delivered_at = Some(now);
        row.next_at = None;
        row.tries = row.tries.saturating_add(1);
    }
    let about = About { request: row.request_id, job: row.job_id, attempt: None };
    let body = json!({ "notice": notice, "kind": row.kind, "tries": row.tries.saturating_add(1) });
    set.enter("notice.delivered", about, "sluicegate", &body);
    Reply::Done
}

pub fn undelivered(
    set: &mut WorkingSet,
    notice: NoticeId,
    error: String,
    next_at: Option<Timestamp>,
) -> Reply {
    let now = set.now;
    let Some(row) = set.notices.get(&notice).cloned() else {
        return Reply::Stale(format!("notice {notice} is not known"));
    };
    if row.delivered_at.is_some() || row.dead_at.is_some() {
        return Reply::Stale(format!("notice {notice} is settled"));
    }
    if let Some(row) = set.notices.edit(&notice) {
        row.tries = row.tries.saturating_add(1);
        row.next_at = next_at;
        row.last_error = Some(error.clone());
        if next_at.is_none() {
            row.dead_at = Some(now);
        }
    }
    if next_at.is_none() {
        let about = About { request: row.request_id, job: row.job_id, attempt: None };
        set.enter(
            "notice.given_up",
            about,
            "sluicegate",
            &json!({ "notice": notice, "kind": row.kind, "error": error }),
        );
    }
    Reply::Done
}
