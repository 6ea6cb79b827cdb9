//! Admission: every hold of a job or none, and the intent that authorises one start.

use serde_json::json;

use crate::{
    budget::{Decision, Take, decide},
    job::{
        id::{AttemptId, JobId},
        lifecycle::{self, Event, Step},
    },
    ledger::{
        apply::breakers,
        command::{Fence, Reply},
        rows::{AttemptRow, JobRow, Phase},
        working_set::WorkingSet,
    },
};

/// An admission that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Intent {
    pub job: JobId,
    pub attempt: AttemptId,
    pub nonce: u64,
    pub fence: Fence,
}

pub fn admit(set: &mut WorkingSet, intent: Intent) -> Reply {
    let Some(row) = set.jobs.get(&intent.job).cloned() else {
        return Reply::Stale(format!("job {} is not known", intent.job));
    };
    if let Some(known) = repeated(set, &row, intent) {
        return Reply::Admitted { attempt: Box::new(known), job: Box::new(row) };
    }
    let step = match may_start(set, &row, intent.fence) {
        Ok(step) => step,
        Err(why) => return Reply::Stale(why),
    };
    let demands = set.demands(&row);
    let takes = match decide(set, &demands, set.now) {
        Decision::Admit(takes) => takes,
        Decision::Refuse(refusal) => return Reply::Refused(refusal),
    };
    let attempt = attempt_row(set, &row, intent);
    set.put_attempt(attempt.clone());
    set.take(row.id, attempt.id, &takes);
    let job = admitted(set, &row, step, attempt.id, &takes);
    let body = json!({
        "from": row.state, "to": job.state, "attempt": attempt.number, "holds": set.figures(&takes),
        "waited_ms": set.now.since(row.state_since), "nonce": attempt.nonce,
        "prompt_digest": row.prompt_digest, "token": intent.fence.token,
    });
    set.enter("job.admitted", set.about(row.id), "sluicegate", &body);
    breakers::admitted(set, &row, attempt.id);
    Reply::Admitted { attempt: Box::new(attempt), job: Box::new(job) }
}

/// The attempt of an admission that was committed and whose answer was lost: the asker may go on with it.
fn repeated(set: &WorkingSet, row: &JobRow, intent: Intent) -> Option<AttemptRow> {
    let known = set.attempts.get(&intent.attempt)?;
    let same = row.attempt_id == Some(known.id)
        && known.phase == Phase::Intent
        && known.token == intent.fence.token
        && known.nonce == nonce_text(intent.nonce);
    (same && !row.state.is_terminal()).then(|| known.clone())
}

fn may_start(set: &WorkingSet, row: &JobRow, fence: Fence) -> Result<Step, String> {
    let step = lifecycle::apply(row.state, Event::Admitted).map_err(|illegal| illegal.to_string())?;
    if let Some(due) = row.due_at.filter(|due| *due > set.now) {
        return Err(format!("job {} is not due before {due}", row.id));
    }
    set.check_worker(fence)?;
    Ok(step)
}

fn nonce_text(nonce: u64) -> String {
    format!("{nonce:016x}")
}

fn attempt_row(set: &WorkingSet, row: &JobRow, intent: Intent) -> AttemptRow {
    AttemptRow {
        id: intent.attempt,
        job_id: row.id,
        number: set.last_number(row.id).saturating_add(1),
        phase: Phase::Intent,
        nonce: nonce_text(intent.nonce),
        worker_id: intent.fence.worker,
        token: intent.fence.token,
        identity: row.identity.clone(),
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
    }
}

/// The job as it goes on.
fn admitted(set: &mut WorkingSet, row: &JobRow, step: Step, attempt: AttemptId, takes: &[Take]) -> JobRow {
    let job = JobRow {
        state: step.next,
        state_since: set.now,
        updated_at: set.now,
        due_at: None,
        attempts: row.attempts.saturating_add(1),
        attempt_id: Some(attempt),
        reviewer: takes.iter().find_map(|take| take.key.member_login().map(ToOwned::to_owned)),
        ..row.clone()
    };
    set.moves(row, Some(attempt), job.state);
    set.jobs.put(job.id, job.clone());
    job
}
