//! How a task was seen. The attempt's own facts are kept even when its job was cancelled meanwhile: the task still
//! holds what it holds until its end is seen.

use serde_json::json;

use crate::{
    budget::{Amount, Release},
    job::{
        id::AttemptId,
        lifecycle,
        remote::{RemoteState, Task},
        state::State,
    },
    ledger::{
        apply::{
            attempt::{Target, end_attempt, is_current, reply, rows},
            holds::{Moves, retake, settle},
            notices::put_notice,
            step::{Detail, check_event, take_step},
        },
        command::{Reply, Seen},
        rows::{AttemptRow, JobRow, Phase},
        working_set::WorkingSet,
    },
    policy::models::differs,
};

pub fn seen(set: &mut WorkingSet, target: Target, seen: &Seen) -> Reply {
    reply(take_sighting(set, target, seen))
}

fn take_sighting(set: &mut WorkingSet, target: Target, seen: &Seen) -> Result<(), String> {
    let (job, attempt) = rows(set, target)?;
    let task = &seen.task;
    if !matches!(attempt.phase, Phase::Live | Phase::Done) || attempt.task_id.as_ref() != Some(&task.id) {
        return Err(format!("attempt {} does not follow task {}", attempt.id, task.id));
    }
    let current = is_current(&job, &attempt);
    if let (true, Some(event)) = (current, seen.event) {
        check_event(event)?;
        lifecycle::apply(job.state, event).map_err(|illegal| illegal.to_string())?;
        record(set, &attempt, task);
        let detail = Detail {
            pull: None,
            failure: seen.failure.as_ref(),
            note: seen.advice.as_deref(),
            due_at: seen.due_at,
        };
        return take_step(set, job.id, event, detail, "sluicegate").map(drop);
    }
    let news = record(set, &attempt, task);
    if current || !task.state.is_terminal() {
        let moves = if current { Moves::default() } else { wake(set, &job, &attempt, &task.state) };
        if news || !moves.retaken.is_empty() {
            let mut body = json!({ "task": task.id, "remote": task.state, "job_state": job.state });
            moves.tell(set, &mut body);
            set.enter("attempt.seen", set.about(job.id), "sluicegate", &body);
        }
    } else {
        late_end(set, &job, &attempt, task);
    }
    Ok(())
}

/// The task of a cancelled job works: it holds its slots, also when it had given them back to wait for a person.
fn wake(set: &mut WorkingSet, job: &JobRow, attempt: &AttemptRow, remote: &RemoteState) -> Moves {
    let mut moves = Moves::default();
    if matches!(remote, RemoteState::Queued | RemoteState::InProgress | RemoteState::Unknown(_)) {
        retake(set, job.id, attempt.id, &mut moves);
    }
    moves
}

/// The task of a job that was cancelled has ended: what it held comes back, and what it left is not used.
fn late_end(set: &mut WorkingSet, job: &JobRow, attempt: &AttemptRow, task: &Task) {
    let mut moves = Moves::default();
    settle(set, job.id, attempt.id, &mut moves);
    moves.released = set.release(job.id, attempt.id, "late_end", |hold| {
        matches!(hold.release, Release::AgentStops | Release::Change)
    });
    end_attempt(set, attempt.id, "late_end");
    let left = json!({
        "task": task.id, "remote": task.state, "branch": task.branch(), "pull_database_id": task.pull_database_id(),
    });
    let mut body = left.clone();
    moves.tell(set, &mut body);
    set.enter("attempt.late_end", set.about(job.id), "sluicegate", &body);
    if job.state == State::Cancelled && !task.artifacts.is_empty() {
        put_notice(set, format!("{}/late_result", attempt.id), "job.late_result", Some(job.id), left);
    }
}

/// Keeps what was seen; false when nothing of it is new.
fn record(set: &mut WorkingSet, attempt: &AttemptRow, task: &Task) -> bool {
    let fresh = sighted(attempt, task, set.now);
    let news = fresh != *attempt;
    if news {
        let told = |row: &AttemptRow| row.nano_credits.unwrap_or_default();
        let more = told(&fresh).saturating_sub(told(attempt));
        set.happened.nano_credits = set.happened.nano_credits.saturating_add(more);
        let differing = other_model(&fresh).filter(|_| other_model(attempt).is_none());
        set.put_attempt(fresh.clone());
        if let Some((wanted, used)) = differing {
            let body = json!({ "wanted": wanted, "used": used });
            if put_notice(set, model_dedup(attempt.id), "model.differs", Some(attempt.job_id), body.clone()) {
                set.enter("attempt.model_differs", set.about(attempt.job_id), "sluicegate", &body);
            }
        }
    }
    news
}

/// The model that was asked for and the one that works, if they are not the same.
fn other_model(attempt: &AttemptRow) -> Option<(String, String)> {
    let (wanted, used) = (attempt.model.as_ref()?, attempt.model_used.as_ref()?);
    differs(wanted, used).then(|| (wanted.clone(), used.clone()))
}

/// Told once for an attempt.
pub fn model_dedup(attempt: AttemptId) -> String {
    format!("{attempt}/model_differs")
}

/// The attempt with what was seen of its task. What the provider leaves out this time is not forgotten.
fn sighted(attempt: &AttemptRow, task: &Task, now: crate::job::Timestamp) -> AttemptRow {
    let mut row = attempt.clone();
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
    // A cost that no amount can hold is no cost that we know.
    let cost = task.nano_credits().filter(|nano| Amount::new(*nano).is_ok());
    row.nano_credits = cost.or(row.nano_credits);
    let models = task.sessions.iter().flatten().rev().filter_map(|session| session.model.as_ref());
    if let Some(model) = models.into_iter().find(|model| !model.is_empty()) {
        row.model_used = Some(model.clone());
    }
    row
}
