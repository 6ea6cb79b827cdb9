//! One lifecycle step of a job with all its effects.

use serde_json::{Value, json};

use crate::{
    budget::{Amount, Expiry, Release, Take},
    job::{
        id::{AttemptId, JobId, NoticeId},
        lifecycle::{self, Effect, Event},
        pull::Pull,
        routing::Failure,
        state::State,
        time::Timestamp,
    },
    ledger::{
        command::Reply,
        rows::{NoticeRow, Phase},
        working_set::WorkingSet,
    },
};

/// What comes with a step.
#[derive(Debug, Default)]
pub struct Detail {
    pub pull: Option<Pull>,
    pub failure: Option<Failure>,
    pub note: Option<String>,
    pub due_at: Option<Timestamp>,
}

/// A step by the pipeline, as a command of its own.
pub fn step(set: &mut WorkingSet, job: JobId, event: Event, detail: Detail) -> Reply {
    match take_step(set, job, event, detail, "sluicegate") {
        Ok(_) => Reply::Done,
        Err(stale) => Reply::Stale(stale),
    }
}

/// Moves the job and performs every effect; Err leaves everything as it was.
pub fn take_step(
    set: &mut WorkingSet,
    job: JobId,
    event: Event,
    detail: Detail,
    actor: &str,
) -> Result<State, String> {
    let row = set.jobs.get(&job).cloned().ok_or_else(|| format!("job {job} is not known"))?;
    let step = lifecycle::apply(row.state, event).map_err(|illegal| illegal.to_string())?;
    let attempt = row.attempt_id;
    let mut released = Vec::new();
    for effect in step.effects {
        if let Some(attempt) = attempt {
            released.extend(hold_effect(set, job, attempt, *effect, event.as_str()));
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
        if let Some(pull) = &detail.pull {
            changed.pull_number = Some(pull.number);
            changed.pull_json = serde_json::to_string(pull).ok();
        }
        if step.next == State::Queued {
            changed.reviewer = None;
        }
        if step.next.is_terminal() || step.next == State::Quarantined {
            changed.outcome_json = Some(outcome(event, &detail).to_string());
        }
    }
    close_attempt(set, attempt, step.next, event);
    let mut body = json!({ "from": row.state, "to": step.next });
    fill(&mut body, "released", json!(released), !released.is_empty());
    fill(&mut body, "failure", failure_json(&detail), detail.failure.is_some());
    fill(&mut body, "note", json!(detail.note), detail.note.is_some());
    fill(&mut body, "due_at", json!(detail.due_at.map(|at| at.to_string())), detail.due_at.is_some());
    fill(&mut body, "pull", json!(detail.pull.as_ref().map(|pull| pull.number)), detail.pull.is_some());
    set.enter(&format!("job.{}", event.as_str()), set.about(job), actor, &body);
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

fn failure_json(detail: &Detail) -> Value {
    detail.failure.as_ref().map_or(Value::Null, |failure| {
        json!({ "class": failure.class, "fingerprint": failure.fingerprint, "message": failure.message })
    })
}

fn outcome(event: Event, detail: &Detail) -> Value {
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

/// The part of an effect that moves holds; returns the budgets that got room.
fn hold_effect(
    set: &mut WorkingSet,
    job: JobId,
    attempt: AttemptId,
    effect: Effect,
    why: &str,
) -> Vec<crate::budget::Key> {
    match effect {
        Effect::ReleaseSlots => set.release(job, attempt, why, |hold| hold.release == Release::AgentStops),
        Effect::ReleaseChange => set.release(job, attempt, why, |hold| hold.release == Release::Change),
        Effect::Refund => set.release(job, attempt, why, |_| true),
        Effect::SettleSpend => {
            settle(set, job, attempt);
            Vec::new()
        }
        Effect::RetakeSlots => {
            retake(set, job, attempt);
            Vec::new()
        }
        Effect::Offer
        | Effect::Withdraw
        | Effect::NoticeNeedsUser
        | Effect::NoticeDead
        | Effect::NoticeQuarantined => Vec::new(),
    }
}

/// Exchanges spend estimates for what the attempt used. Unknown cost keeps the estimate: it fails closed.
pub fn settle(set: &mut WorkingSet, job: JobId, attempt: AttemptId) {
    let actual =
        set.attempts.get(&attempt).and_then(|row| row.nano_credits).and_then(|nano| Amount::new(nano).ok());
    let ids = set.holds_of_job.get(&job).cloned().unwrap_or_default();
    for id in ids {
        let Some(hold) = set.holds.get(&id) else { continue };
        if hold.attempt_id != attempt || hold.release != Release::Settled || hold.released_at.is_some() {
            continue;
        }
        let (key, before) = (hold.budget_id.clone(), hold.amount);
        let Some(actual) = actual else { continue };
        if let Some(hold) = set.holds.edit(&id) {
            hold.amount = actual;
        }
        set.discharge(&key, before);
        set.charge(&key, actual);
    }
}

/// The agent works again without having asked: its slots are charged, above the limit if need be.
fn retake(set: &mut WorkingSet, job: JobId, attempt: AttemptId) {
    let Some(row) = set.jobs.get(&job).cloned() else { return };
    let held = set.holds_of_job.get(&job).cloned().unwrap_or_default();
    let holds_slots = held.iter().filter_map(|id| set.holds.get(id)).any(|hold| {
        hold.attempt_id == attempt && hold.release == Release::AgentStops && hold.released_at.is_none()
    });
    if holds_slots {
        return;
    }
    let demands = set.demands(&row);
    let takes: Vec<Take> = demands
        .into_iter()
        .filter(|demand| demand.release == Release::AgentStops && demand.amount > Amount::ZERO)
        .map(|demand| Take {
            key: demand.key,
            amount: demand.amount,
            release: demand.release,
            expires_at: match demand.expiry {
                Expiry::Never => None,
                Expiry::Period(period) => period.expires(set.now),
            },
        })
        .collect();
    set.take(job, attempt, &takes);
}

fn notice_effect(set: &mut WorkingSet, job: JobId, effect: Effect, detail: &Detail) {
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
    let episode = set.jobs.get(&job).map_or(0, |row| row.episode);
    let body = json!({ "failure": failure_json(detail), "note": detail.note });
    put_notice(set, format!("{job}/{kind}/{episode}"), kind, Some(job), body);
}

/// Puts a notice into the outbox, once per `dedup`.
pub fn put_notice(
    set: &mut WorkingSet,
    dedup: String,
    kind: &str,
    job: Option<JobId>,
    mut body: Value,
) -> bool {
    if !set.dedups.insert(dedup.clone()) {
        return false;
    }
    let row = job.and_then(|job| set.jobs.get(&job)).cloned();
    let shared = row.as_ref().and_then(|row| set.request_of(row));
    if let (Some(row), Some(map)) = (&row, body.as_object_mut()) {
        let attempt = row.attempt_id.and_then(|attempt| set.attempts.get(&attempt));
        map.insert("job".into(), json!(row.id));
        map.insert("request".into(), json!(row.request_id));
        map.insert("repository".into(), json!(row.repository));
        map.insert("state".into(), json!(row.state));
        map.insert("owner".into(), json!(shared.as_ref().map(|shared| shared.row.owner.clone())));
        map.insert("task_url".into(), json!(attempt.and_then(|attempt| attempt.task_url.clone())));
    }
    let id = NoticeId::new(set.now, set.draw());
    let notice = NoticeRow {
        id,
        dedup,
        kind: kind.to_owned(),
        job_id: job,
        request_id: row.map(|row| row.request_id),
        body_json: body.to_string(),
        created_at: set.now,
        tries: 0,
        next_at: Some(set.now),
        delivered_at: None,
        dead_at: None,
        last_error: None,
    };
    set.notices.put(id, notice);
    true
}
