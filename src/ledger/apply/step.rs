//! One lifecycle step of a job with all its effects.

use serde_json::{Value, json};

use crate::{
    job::{
        failure::FailureClass,
        id::{AttemptId, JobId},
        lifecycle::{self, Effect, Event},
        pull::Pull,
        routing::Failure,
        state::State,
        time::Timestamp,
    },
    ledger::{
        apply::{
            attempt::{Target, rows},
            breakers,
            holds::{Moves, perform},
            notices::put_notice,
            retries,
        },
        command::{Reply, Warrant},
        rows::Phase,
        working_set::WorkingSet,
    },
};

/// What comes with a step.
#[derive(Debug, Default)]
pub struct Detail<'a> {
    pub pull: Option<&'a Pull>,
    pub failure: Option<&'a Failure>,
    pub note: Option<&'a str>,
    pub due_at: Option<Timestamp>,
}

/// Approval, admission and the end of a start have commands of their own, which also move holds and the attempt.
pub fn check_event(event: Event) -> Result<(), String> {
    let own = matches!(
        event,
        Event::Approved
            | Event::Admitted
            | Event::Started
            | Event::StartLost
            | Event::NotStarted
            | Event::StartRejected
    );
    if own { Err(format!("the event {} comes only with its own command", event.as_str())) } else { Ok(()) }
}

/// A step by the pipeline, as a command of its own.
pub fn step(set: &mut WorkingSet, job: JobId, event: Event, detail: Detail<'_>, warrant: &Warrant) -> Reply {
    if let Err(why) = check_event(event).and_then(|()| check_warrant(set, job, warrant)) {
        return Reply::Stale(why);
    }
    match take_step(set, job, event, detail, "sluicegate") {
        Ok(_) => Reply::Done,
        Err(stale) => Reply::Stale(stale),
    }
}

/// Err if the worker has been succeeded, or if what it looked at is not what the job goes by any more.
pub(super) fn check_warrant(set: &mut WorkingSet, job: JobId, warrant: &Warrant) -> Result<(), String> {
    let attempt = match warrant {
        Warrant::Free => return Ok(()),
        &Warrant::Driver(attempt, fence) => rows(set, Target::new(job, attempt, fence))?.1.id,
        Warrant::Holder(attempt, worker, lease) => {
            if set.leases.get(lease).is_none_or(|row| row.worker_id != *worker) {
                set.fenced = set.fenced.saturating_add(1);
                return Err(format!("worker {worker} does not hold the lease {lease} any more"));
            }
            *attempt
        }
    };
    let current = set.jobs.get(&job).and_then(|row| row.attempt_id);
    if current == Some(attempt) { Ok(()) } else { Err(format!("job {job} has left attempt {attempt}")) }
}

/// Moves the job and performs every effect; Err leaves everything as it was.
pub fn take_step(
    set: &mut WorkingSet,
    job: JobId,
    event: Event,
    detail: Detail<'_>,
    actor: &str,
) -> Result<State, String> {
    let row = set.jobs.get(&job).cloned().ok_or_else(|| format!("job {job} is not known"))?;
    let mut step = lifecycle::apply(row.state, event).map_err(|illegal| illegal.to_string())?;
    let retry = if event == Event::Retried { retries::take(set, &row) } else { Ok(Vec::new()) };
    let (event, detail) = match &retry {
        Ok(_) => (event, detail),
        Err(advice) => (Event::GaveUp, Detail { note: Some(advice), due_at: None, ..detail }),
    };
    if retry.is_err() {
        step = lifecycle::apply(row.state, event).map_err(|illegal| illegal.to_string())?;
    }
    let attempt = row.attempt_id;
    let mut moves = Moves::default();
    for effect in step.effects {
        if let Some(attempt) = attempt {
            perform(set, (job, attempt), *effect, event.as_str(), &mut moves);
        }
    }
    let now = set.now;
    if let Some(changed) = set.jobs.edit(&job) {
        changed.state = step.next;
        changed.state_since = now;
        changed.updated_at = now;
        changed.due_at = detail.due_at;
        if event == Event::NeedsUser {
            changed.episode = changed.episode.saturating_add(1);
        }
        if let Some(pull) = detail.pull {
            changed.pull_number = Some(pull.number);
            changed.pull_json = serde_json::to_string(pull).ok();
        }
        if event == Event::Retried
            && detail.failure.is_some_and(|failure| failure.class == FailureClass::TimedOut)
        {
            changed.fallen_back = 1;
        }
        if step.next == State::Queued {
            changed.reviewer = None;
            changed.checks_json = None;
        }
        if step.next.is_terminal() || step.next == State::Quarantined {
            changed.outcome_json = Some(outcome(event, &detail).to_string());
        }
    }
    set.moves(&row, attempt, step.next);
    close_attempt(set, attempt, step.next, event);
    let mut body = json!({ "from": row.state, "to": step.next });
    moves.tell(set, &mut body);
    let taken = retry.as_deref().unwrap_or_default();
    fill(&mut body, "retry_holds", set.figures(taken), !taken.is_empty());
    fill(&mut body, "failure", failure_json(&detail), detail.failure.is_some());
    fill(&mut body, "note", json!(detail.note), detail.note.is_some());
    fill(&mut body, "due_at", json!(detail.due_at.map(|at| at.to_string())), detail.due_at.is_some());
    fill(&mut body, "pull", json!(detail.pull.map(|pull| pull.number)), detail.pull.is_some());
    set.enter(&format!("job.{}", event.as_str()), set.about(job), actor, &body);
    breakers::took_step(set, &row, event, detail.failure);
    for effect in step.effects {
        notice_effect(set, job, *effect, &detail);
    }
    Ok(step.next)
}

fn fill(body: &mut Value, name: &str, value: Value, wanted: bool) {
    if wanted && let Some(map) = body.as_object_mut() {
        map.insert(name.to_owned(), value);
    }
}

fn failure_json(detail: &Detail<'_>) -> Value {
    detail.failure.map_or(Value::Null, |failure| {
        json!({ "class": failure.class, "fingerprint": failure.fingerprint, "message": failure.message })
    })
}

fn outcome(event: Event, detail: &Detail<'_>) -> Value {
    json!({ "event": event, "failure": failure_json(detail), "advice": detail.note })
}

/// After the step the attempt is done (may reopen) or ended; a cancelled job's attempt is neither while its task lives.
fn close_attempt(set: &mut WorkingSet, attempt: Option<AttemptId>, next: State, event: Event) {
    let now = set.now;
    let Some(attempt) = attempt else { return };
    let Some(row) = set.attempts.get(&attempt) else { return };
    let phase = match (row.phase, next) {
        (Phase::Live, State::Verifying | State::InReview | State::Quarantined) => Phase::Done,
        (Phase::Done, State::Running | State::WaitingForUser) => Phase::Live,
        (Phase::Intent | Phase::Unknown | Phase::Live, State::Cancelled) => return,
        (phase, State::Queued) if phase != Phase::Ended => Phase::Ended,
        (phase, next) if next.is_terminal() && phase != Phase::Ended => Phase::Ended,
        _ => return,
    };
    if let Some(row) = set.attempts.edit(&attempt) {
        row.phase = phase;
        if phase == Phase::Ended {
            row.ended_at = Some(now);
            row.end_reason = Some(event.as_str().to_owned());
        }
    }
}

fn notice_effect(set: &mut WorkingSet, job: JobId, effect: Effect, detail: &Detail<'_>) {
    let kind = match effect {
        Effect::NoticeNeedsUser => "job.needs_user",
        Effect::NoticeDead => "job.dead",
        Effect::NoticeQuarantined => "job.quarantined",
        Effect::Offer
        | Effect::Withdraw
        | Effect::ReleaseSlots
        | Effect::RetakeSlots
        | Effect::ReleaseChange
        | Effect::SettleSpend
        | Effect::Refund => return,
    };
    // An entry is written once, so its position tells one episode from the next.
    let dedup = format!("{job}/{kind}/{}", set.head.seq);
    let body = json!({ "failure": failure_json(detail), "note": detail.note });
    put_notice(set, dedup, kind, Some(job), body);
}
