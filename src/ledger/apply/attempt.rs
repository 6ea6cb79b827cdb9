//! What is learnt of an attempt's start: it started, its answer is lost, or it is proven not to have started. The
//! attempt's own facts are kept even when the job has been cancelled meanwhile: its task still holds what it holds.

use serde_json::json;

use crate::{
    budget::{Closure, Key, Source},
    job::{
        id::{AttemptId, JobId, WorkerId},
        lifecycle::Event,
        remote::Task,
        role::LeaseName,
        routing::Failure,
        time::Timestamp,
    },
    ledger::{
        apply::{
            operator,
            step::{Detail, take_step},
        },
        command::{Fence, Reply},
        rows::{AttemptRow, BudgetRow, JobRow, Phase},
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

impl Target {
    pub const fn new(job: JobId, attempt: AttemptId, fence: Fence) -> Self {
        Self { job, attempt, fence }
    }
}

/// A proven non-start.
#[derive(Debug)]
pub struct NotStarted<'a> {
    pub why: &'a str,
    pub counts: bool,
    pub due_at: Option<Timestamp>,
    pub close: Option<&'a (Key, Closure)>,
}

/// The rows, whoever drives the attempt.
pub(super) fn unfenced(set: &WorkingSet, target: Target) -> Result<(JobRow, AttemptRow), String> {
    let job = set.jobs.get(&target.job).cloned();
    let attempt = set.attempts.get(&target.attempt).filter(|attempt| attempt.job_id == target.job).cloned();
    let (Some(job), Some(attempt)) = (job, attempt) else {
        return Err(format!("attempt {} of job {} is not known", target.attempt, target.job));
    };
    Ok((job, attempt))
}

/// The rows, if the writer may still write to them.
pub(super) fn rows(set: &mut WorkingSet, target: Target) -> Result<(JobRow, AttemptRow), String> {
    let (job, attempt) = unfenced(set, target)?;
    if (target.fence.worker, target.fence.token) != (attempt.worker_id, attempt.token) {
        set.fenced = set.fenced.saturating_add(1);
        return Err(format!(
            "worker {} writes with token {}, but worker {} has taken attempt {} over with token {}",
            target.fence.worker, target.fence.token, attempt.worker_id, attempt.id, attempt.token
        ));
    }
    Ok((job, attempt))
}

/// The rows of an attempt whose start is not settled yet.
fn unsettled(set: &mut WorkingSet, target: Target) -> Result<(JobRow, AttemptRow), String> {
    let (job, attempt) = rows(set, target)?;
    if matches!(attempt.phase, Phase::Intent | Phase::Unknown) {
        Ok((job, attempt))
    } else {
        Err(format!("attempt {} already has a task or an end", attempt.id))
    }
}

pub(super) fn reply(done: Result<(), String>) -> Reply {
    done.map_or_else(Reply::Stale, |()| Reply::Done)
}

/// True if the attempt is the one that its job goes by and the job still follows it.
pub(super) fn is_current(job: &JobRow, attempt: &AttemptRow) -> bool {
    job.attempt_id == Some(attempt.id) && !job.state.is_terminal()
}

pub fn started(set: &mut WorkingSet, target: Target, task: &Task, found: bool) -> Reply {
    reply(take_start(set, target, task, found))
}

fn take_start(set: &mut WorkingSet, target: Target, task: &Task, found: bool) -> Result<(), String> {
    let (_, attempt) = rows(set, target)?;
    if attempt.task_id.as_ref() == Some(&task.id) {
        // Told again, since the answer was lost.
        return Ok(());
    }
    let (job, attempt) = unsettled(set, target)?;
    let now = set.now;
    let follower = follower(set, &attempt);
    if let Some(row) = set.attempts.edit(&attempt.id) {
        row.phase = Phase::Live;
        row.started_at = Some(now);
        row.task_id = Some(task.id.clone());
        row.task_url.clone_from(&task.html_url);
        // The state is taken from the first sighting, so that a task that ended at once is not missed.
        row.remote_state = None;
        row.remote_since = Some(now);
        if let Some((worker, token)) = follower {
            (row.worker_id, row.token) = (worker, token);
        }
    }
    if is_current(&job, &attempt) {
        let note = format!("task {}{}", task.id, if found { ", found by its marker" } else { "" });
        let detail = Detail { note: Some(&note), ..Detail::default() };
        take_step(set, job.id, Event::Started, detail, "sluicegate")?;
    } else {
        let body = json!({ "task": task.id, "job_state": job.state, "found": found });
        set.enter("attempt.started_after_cancel", set.about(job.id), "sluicegate", &body);
    }
    if let Some((worker, token)) = follower {
        let body = json!({ "from_worker": attempt.worker_id, "to_worker": worker, "token": token });
        set.enter("attempt.handed_over", set.about(job.id), "sluicegate", &body);
    }
    Ok(())
}

/// Who follows the task: the worker that follows all tasks of the identity, if there is one. It gets a token above that of
/// whoever started the task.
fn follower(set: &WorkingSet, attempt: &AttemptRow) -> Option<(WorkerId, i64)> {
    let holder = set.holder(&LeaseName::track(&attempt.identity))?;
    (holder.id != attempt.worker_id).then(|| (holder.id, above(attempt.token, holder.token)))
}

/// The token of an attempt that changes hands: above the one before it, and not below that of its new driver's life.
pub(super) fn above(before: i64, own: i64) -> i64 {
    before.saturating_add(1).max(own)
}

pub fn start_lost(set: &mut WorkingSet, target: Target, why: &str) -> Reply {
    reply(lose_start(set, target, why))
}

pub(super) fn lose_start(set: &mut WorkingSet, target: Target, why: &str) -> Result<(), String> {
    let (job, attempt) = unsettled(set, target)?;
    if attempt.phase == Phase::Unknown {
        // Told again, since the answer was lost.
        return Ok(());
    }
    if let Some(row) = set.attempts.edit(&attempt.id) {
        row.phase = Phase::Unknown;
    }
    if is_current(&job, &attempt) {
        let detail = Detail { note: Some(why), ..Detail::default() };
        return take_step(set, job.id, Event::StartLost, detail, "sluicegate").map(drop);
    }
    set.enter("attempt.start_lost", set.about(job.id), "sluicegate", &json!({ "why": why }));
    Ok(())
}

pub fn not_started(set: &mut WorkingSet, target: Target, end: &NotStarted<'_>) -> Reply {
    reply(refund(set, target, end))
}

fn refund(set: &mut WorkingSet, target: Target, end: &NotStarted<'_>) -> Result<(), String> {
    let (job, attempt) = unsettled(set, target)?;
    if attempt.phase == Phase::Unknown && !end.counts {
        // Whoever hands it back does not know that it was sent meanwhile: only a look at the provider can prove that it was not.
        return Err(format!("the start of attempt {} was sent and is being looked for", attempt.id));
    }
    if let Some((key, closure)) = end.close {
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
        return take_step(set, job.id, Event::NotStarted, detail, "sluicegate").map(drop);
    }
    set.release(job.id, attempt.id, "not_started", |_| true);
    end_attempt(set, attempt.id, "not_started");
    set.enter("attempt.not_started", set.about(job.id), "sluicegate", &json!({ "why": end.why }));
    Ok(())
}

/// A cool-down never shortens one that is in force.
fn close_budget(set: &mut WorkingSet, key: &Key, closure: &Closure) {
    let known = set.budgets.get(key).map(BudgetRow::closed_by).unwrap_or_default();
    let opens = |closure: &Closure| closure.opens_at.map_or(i64::MAX, |at| at.0);
    if known.get(&Source::CoolDown).is_none_or(|known| opens(closure) > opens(known)) {
        operator::close(set, key, (&Source::CoolDown, closure), "sluicegate");
    }
}

pub fn start_rejected(set: &mut WorkingSet, target: Target, failure: &Failure, advice: &str) -> Reply {
    reply(reject_start(set, target, failure, advice))
}

fn reject_start(set: &mut WorkingSet, target: Target, failure: &Failure, advice: &str) -> Result<(), String> {
    let (job, attempt) = unsettled(set, target)?;
    if is_current(&job, &attempt) {
        let detail = Detail { failure: Some(failure), note: Some(advice), ..Detail::default() };
        return take_step(set, job.id, Event::StartRejected, detail, "sluicegate").map(drop);
    }
    set.release(job.id, attempt.id, "not_started", |_| true);
    end_attempt(set, attempt.id, "start_rejected");
    set.enter("attempt.start_rejected", set.about(job.id), "sluicegate", &json!({ "why": failure.message }));
    Ok(())
}

pub(super) fn end_attempt(set: &mut WorkingSet, attempt: AttemptId, why: &str) {
    let now = set.now;
    if let Some(row) = set.attempts.edit(&attempt) {
        row.phase = Phase::Ended;
        row.ended_at = Some(now);
        row.end_reason = Some(why.to_owned());
    }
}
