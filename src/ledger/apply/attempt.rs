//! What is learnt of an attempt: started, lost, proven not started, seen, taken over. The attempt's own facts are kept even when the
//! job has been cancelled meanwhile: its task still holds what it holds.

use serde_json::json;

use crate::{
    budget::{Closure, Key, Release},
    job::{
        id::{AttemptId, JobId},
        lifecycle::Event,
        remote::{Task, TaskId},
        routing::Failure,
        state::State,
        time::Timestamp,
    },
    ledger::{
        apply::step::{Detail, put_notice, settle, take_step},
        command::{Fence, Reply, Seen, is_end},
        rows::{AttemptRow, JobRow, Phase},
        working_set::WorkingSet,
    },
};

/// Which attempt, and who writes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub job: JobId,
    pub attempt: AttemptId,
    pub fence: Fence,
}

/// A proven non-start.
#[derive(Debug)]
pub struct NotStarted {
    pub why: String,
    pub counts: bool,
    pub due_at: Option<Timestamp>,
    pub close: Option<(Key, Closure)>,
}

/// The rows, if the writer may still write to them.
fn rows(set: &WorkingSet, target: Target) -> Result<(JobRow, AttemptRow), Reply> {
    let job = set.jobs.get(&target.job).cloned();
    let attempt = set.attempts.get(&target.attempt).filter(|attempt| attempt.job_id == target.job).cloned();
    let (Some(job), Some(attempt)) = (job, attempt) else {
        return Err(Reply::Stale(format!("attempt {} of job {} is not known", target.attempt, target.job)));
    };
    if target.fence.token < attempt.token {
        return Err(Reply::Stale(format!(
            "worker {} writes with token {}, but token {} has taken attempt {} over",
            target.fence.worker, target.fence.token, attempt.token, attempt.id
        )));
    }
    Ok((job, attempt))
}

/// True if the attempt is the one that its job goes by and the job still follows it.
fn is_current(job: &JobRow, attempt: &AttemptRow) -> bool {
    job.attempt_id == Some(attempt.id) && !job.state.is_terminal()
}

pub fn started(set: &mut WorkingSet, target: Target, task: &Task, found: bool) -> Reply {
    let (job, attempt) = match rows(set, target) {
        Ok(rows) => rows,
        Err(stale) => return stale,
    };
    if !matches!(attempt.phase, Phase::Intent | Phase::Unknown) {
        return Reply::Stale(format!("attempt {} already has a task or an end", attempt.id));
    }
    let now = set.now;
    if let Some(row) = set.attempts.edit(&attempt.id) {
        row.phase = Phase::Live;
        row.started_at = Some(now);
        row.task_id = Some(task.id.clone());
        row.task_url.clone_from(&task.html_url);
        // The state is taken from the first sighting, so that a task that ended at once is not missed.
        row.remote_state = None;
        row.remote_since = Some(now);
    }
    if is_current(&job, &attempt) {
        let note = format!("task {}{}", task.id, if found { ", found by its marker" } else { "" });
        let detail = Detail { note: Some(note), ..Detail::default() };
        return match take_step(set, job.id, Event::Started, detail, "sluicegate") {
            Ok(_) => Reply::Done,
            Err(stale) => Reply::Stale(stale),
        };
    }
    let body = json!({ "task": task.id, "job_state": job.state, "found": found });
    set.enter("attempt.started_after_cancel", set.about(job.id), "sluicegate", &body);
    Reply::Done
}

pub fn start_lost(set: &mut WorkingSet, target: Target, why: &str) -> Reply {
    let (job, attempt) = match rows(set, target) {
        Ok(rows) => rows,
        Err(stale) => return stale,
    };
    if attempt.phase != Phase::Intent {
        return Reply::Stale(format!("attempt {} is past its intent", attempt.id));
    }
    if let Some(row) = set.attempts.edit(&attempt.id) {
        row.phase = Phase::Unknown;
    }
    if is_current(&job, &attempt) {
        let detail = Detail { note: Some(why.to_owned()), ..Detail::default() };
        return match take_step(set, job.id, Event::StartLost, detail, "sluicegate") {
            Ok(_) => Reply::Done,
            Err(stale) => Reply::Stale(stale),
        };
    }
    set.enter("attempt.start_lost", set.about(job.id), "sluicegate", &json!({ "why": why }));
    Reply::Done
}

pub fn not_started(set: &mut WorkingSet, target: Target, end: NotStarted) -> Reply {
    let (job, attempt) = match rows(set, target) {
        Ok(rows) => rows,
        Err(stale) => return stale,
    };
    if !matches!(attempt.phase, Phase::Intent | Phase::Unknown) {
        return Reply::Stale(format!("attempt {} already has a task or an end", attempt.id));
    }
    if let Some((key, closure)) = &end.close {
        close_budget(set, key, closure);
    }
    let current = is_current(&job, &attempt);
    if !end.counts {
        if let Some(row) = set.attempts.edit(&attempt.id) {
            row.counted = 0;
        }
        if current && let Some(row) = set.jobs.edit(&job.id) {
            row.attempts = row.attempts.saturating_sub(1);
        }
    }
    if current {
        let detail = Detail { note: Some(end.why), due_at: end.due_at, ..Detail::default() };
        return match take_step(set, job.id, Event::NotStarted, detail, "sluicegate") {
            Ok(_) => Reply::Done,
            Err(stale) => Reply::Stale(stale),
        };
    }
    set.release(job.id, attempt.id, "not_started", |_| true);
    end_attempt(set, attempt.id, "not_started");
    set.enter("attempt.not_started", set.about(job.id), "sluicegate", &json!({ "why": end.why }));
    Reply::Done
}

/// A cool-down never shortens one that is in force.
fn close_budget(set: &mut WorkingSet, key: &Key, closure: &Closure) {
    let known = set.budgets.get(key).and_then(crate::ledger::rows::BudgetRow::closure);
    let longer = known.is_none_or(|known| match (known.opens_at, closure.opens_at) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(old), Some(new)) => new > old,
    });
    if longer {
        set.budget(key).closed_json = serde_json::to_string(closure).ok();
    }
}

pub fn start_rejected(set: &mut WorkingSet, target: Target, failure: &Failure, advice: &str) -> Reply {
    let (job, attempt) = match rows(set, target) {
        Ok(rows) => rows,
        Err(stale) => return stale,
    };
    if !matches!(attempt.phase, Phase::Intent | Phase::Unknown) {
        return Reply::Stale(format!("attempt {} already has a task or an end", attempt.id));
    }
    if is_current(&job, &attempt) {
        let detail =
            Detail { failure: Some(failure.clone()), note: Some(advice.to_owned()), ..Detail::default() };
        return match take_step(set, job.id, Event::StartRejected, detail, "sluicegate") {
            Ok(_) => Reply::Done,
            Err(stale) => Reply::Stale(stale),
        };
    }
    set.release(job.id, attempt.id, "not_started", |_| true);
    end_attempt(set, attempt.id, "start_rejected");
    set.enter("attempt.start_rejected", set.about(job.id), "sluicegate", &json!({ "why": failure.message }));
    Reply::Done
}

pub fn doubles(set: &mut WorkingSet, job: JobId, attempt: AttemptId, tasks: &[TaskId]) -> Reply {
    let dedup = format!("{attempt}/doubles");
    if put_notice(set, dedup, "job.duplicate_tasks", Some(job), json!({ "tasks": tasks })) {
        set.enter("attempt.duplicate_tasks", set.about(job), "sluicegate", &json!({ "tasks": tasks }));
    }
    Reply::Done
}

pub fn seen(set: &mut WorkingSet, target: Target, seen: &Seen) -> Reply {
    let (job, attempt) = match rows(set, target) {
        Ok(rows) => rows,
        Err(stale) => return stale,
    };
    if !matches!(attempt.phase, Phase::Live | Phase::Done) || attempt.task_id.as_ref() != Some(&seen.task.id)
    {
        return Reply::Stale(format!("attempt {} does not follow task {}", attempt.id, seen.task.id));
    }
    record_sighting(set, &attempt, &seen.task);
    if is_current(&job, &attempt) {
        let Some(event) = seen.event else {
            let body = json!({ "task": seen.task.id, "remote": seen.task.state });
            set.enter("attempt.seen", set.about(job.id), "sluicegate", &body);
            return Reply::Done;
        };
        let detail = Detail {
            pull: None,
            failure: seen.failure.clone(),
            note: seen.advice.clone(),
            due_at: seen.due_at,
        };
        return match take_step(set, job.id, event, detail, "sluicegate") {
            Ok(_) => Reply::Done,
            Err(stale) => Reply::Stale(stale),
        };
    }
    if is_end(&seen.task.state) {
        late_end(set, &job, &attempt, &seen.task);
    } else {
        let body = json!({ "task": seen.task.id, "remote": seen.task.state, "job_state": job.state });
        set.enter("attempt.seen", set.about(job.id), "sluicegate", &body);
    }
    Reply::Done
}

/// The task of a job that was cancelled (or has moved on) has ended: what it held comes back, and what it left is not used.
fn late_end(set: &mut WorkingSet, job: &JobRow, attempt: &AttemptRow, task: &Task) {
    settle(set, job.id, attempt.id);
    set.release(job.id, attempt.id, "late_end", |hold| {
        matches!(hold.release, Release::AgentStops | Release::Change)
    });
    end_attempt(set, attempt.id, "late_end");
    let left = json!({ "task": task.id, "remote": task.state, "branch": task.branch(), "pull_database_id": task.pull_database_id() });
    set.enter("attempt.late_end", set.about(job.id), "sluicegate", &left);
    if job.state == State::Cancelled && !task.artifacts.is_empty() {
        put_notice(set, format!("{}/late_result", attempt.id), "job.late_result", Some(job.id), left);
    }
}

fn record_sighting(set: &mut WorkingSet, attempt: &AttemptRow, task: &Task) {
    let now = set.now;
    let Some(row) = set.attempts.edit(&attempt.id) else { return };
    if row.remote_state.as_ref() != Some(&task.state) {
        row.remote_state = Some(task.state.clone());
        row.remote_since = Some(now);
    }
    row.remote_updated_at = task.updated_at.or(row.remote_updated_at);
    row.session_count = task.session_count.or(row.session_count);
    if let Some(url) = &task.html_url {
        row.task_url = Some(url.clone());
    }
    if let Some(branch) = task.branch() {
        row.branch = Some(branch.to_owned());
    }
    row.pull_database_id = task.pull_database_id().or(row.pull_database_id);
    row.nano_credits = task.nano_credits().or(row.nano_credits);
    let model = task
        .sessions
        .iter()
        .flatten()
        .rev()
        .find_map(|session| session.model.clone())
        .filter(|m| !m.is_empty());
    row.model_used = model.or_else(|| row.model_used.take());
}

fn end_attempt(set: &mut WorkingSet, attempt: AttemptId, why: &str) {
    let now = set.now;
    if let Some(row) = set.attempts.edit(&attempt) {
        row.phase = Phase::Ended;
        row.ended_at = Some(now);
        row.end_reason = Some(why.to_owned());
    }
}

pub fn take_over(set: &mut WorkingSet, target: Target) -> Reply {
    let (job, attempt) = match rows(set, target) {
        Ok(rows) => rows,
        Err(stale) => return stale,
    };
    if attempt.phase == Phase::Ended || attempt.token == target.fence.token {
        return Reply::Stale(format!("attempt {} needs no new driver", attempt.id));
    }
    // A driver that lives keeps what it drives.
    let lives = set
        .workers
        .get(&attempt.worker_id)
        .is_some_and(|worker| worker.stopped_at.is_none() && worker.lease_until > set.now);
    if lives {
        return Reply::Stale(format!(
            "attempt {} is driven by worker {}, which lives",
            attempt.id, attempt.worker_id
        ));
    }
    let from = attempt.worker_id;
    if let Some(row) = set.attempts.edit(&attempt.id) {
        row.worker_id = target.fence.worker;
        row.token = target.fence.token;
    }
    let body = json!({ "from": from, "to": target.fence.worker, "token": target.fence.token });
    set.enter("attempt.taken_over", set.about(job.id), "sluicegate", &body);
    Reply::Done
}
