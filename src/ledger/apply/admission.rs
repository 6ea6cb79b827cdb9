//! Admission: every hold of a job or none, and the intent that authorises one start.

use serde_json::json;

use crate::{
    budget::{Decision, decide},
    job::{
        id::{AttemptId, JobId},
        lifecycle::{self, Event},
    },
    ledger::{
        command::{Fence, Reply},
        rows::{AttemptRow, Phase},
        working_set::WorkingSet,
    },
};

pub fn admit(set: &mut WorkingSet, job: JobId, attempt: AttemptId, nonce: u64, fence: Fence) -> Reply {
    let Some(row) = set.jobs.get(&job).cloned() else {
        return Reply::Stale(format!("job {job} is not known"));
    };
    let step = match lifecycle::apply(row.state, Event::Admitted) {
        Ok(step) => step,
        Err(illegal) => return Reply::Stale(illegal.to_string()),
    };
    if let Some(due) = row.due_at.filter(|due| *due > set.now) {
        return Reply::Stale(format!("job {job} is not due before {due}"));
    }
    if set
        .workers
        .get(&fence.worker)
        .is_some_and(|worker| worker.token != fence.token || worker.stopped_at.is_some())
    {
        return Reply::Stale(format!("worker {} has been succeeded by another life", fence.worker));
    }
    let demands = set.demands(&row);
    let takes = match decide(set, &demands, set.now) {
        Decision::Admit(takes) => takes,
        Decision::Refuse(refusal) => return Reply::Refused(refusal),
    };
    let identity = set.request_of(&row).map(|shared| shared.row.identity.clone()).unwrap_or_default();
    let number = set
        .attempts
        .map
        .values()
        .filter(|attempt| attempt.job_id == job)
        .map(|attempt| attempt.number)
        .max()
        .unwrap_or(0)
        .saturating_add(1);
    let attempt_row = AttemptRow {
        id: attempt,
        job_id: job,
        number,
        phase: Phase::Intent,
        nonce: format!("{nonce:016x}"),
        worker_id: fence.worker,
        token: fence.token,
        identity,
        model: row.model.clone(),
        intent_at: set.now,
        started_at: None,
        ended_at: None,
        end_reason: None,
        task_id: None,
        task_url: None,
        remote_state: None,
        remote_since: None,
        remote_updated_at: None,
        session_count: None,
        branch: None,
        pull_database_id: None,
        model_used: None,
        nano_credits: None,
        counted: 1,
    };
    let reviewer = takes.iter().find_map(|take| take.key.member_login().map(ToOwned::to_owned));
    set.take(job, attempt, &takes);
    set.attempts.put(attempt, attempt_row.clone());
    let now = set.now;
    let waited = now.since(row.state_since);
    let Some(changed) = set.jobs.edit(&job) else { return Reply::Stale(format!("job {job} is not known")) };
    changed.state = step.next;
    changed.state_since = now;
    changed.updated_at = now;
    changed.due_at = None;
    changed.attempts = changed.attempts.saturating_add(1);
    changed.attempt_id = Some(attempt);
    changed.reviewer = reviewer;
    let changed = changed.clone();
    let holds: Vec<_> = takes.iter().map(|take| json!([take.key, take.amount])).collect();
    let body = json!({
        "from": row.state, "to": changed.state, "attempt": number, "holds": holds, "waited_ms": waited.0,
        "marker": attempt_row.marker().to_string(), "prompt_digest": row.prompt_digest, "token": fence.token,
    });
    set.enter("job.admitted", set.about(job), "sluicegate", &body);
    Reply::Admitted { attempt: Box::new(attempt_row), job: Box::new(changed) }
}
