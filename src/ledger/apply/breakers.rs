//! Breakers on the ledger: each end of an attempt is counted in the transaction that tells of it, and admission makes the one job
//! that an open breaker lets through its canary. The gate is closed by the breaker's own closure, which nobody else lifts.

use serde_json::json;

use crate::{
    budget::{Closure, Key, Scope as Of, Source},
    job::{id::AttemptId, lifecycle::Event, routing::Failure, state::State as JobState, time::Timestamp},
    ledger::{
        apply::{notices::put_notice, operator},
        command::{BudgetChange, By, Reply},
        rows::{BreakerRow, JobRow, Turn},
        working_set::{About, Shared, WorkingSet},
    },
    policy::breaker::{ACTOR, Move, Rule, Scope, State, Verdict, Window, follow, verdict},
};

/// The gate that a rule stops.
pub fn gate(shared: &Shared, rule: &Rule) -> Key {
    match rule.scope {
        Scope::Request => Key::gate(Of::Request, &shared.row.id.to_string()),
        Scope::Template => Key::gate(Of::Template, &shared.row.template),
    }
}

/// The gates at which breakers may let a job through.
pub fn gates(shared: &Shared) -> Vec<Key> {
    let own = shared.spec.breaker.as_ref().map(|rule| gate(shared, rule));
    let template = Key::gate(Of::Template, &shared.row.template);
    let mut gates: Vec<Key> = own.into_iter().chain([template]).collect();
    gates.dedup();
    gates
}

/// Names the breaker of a job's template, version and model at a gate.
fn id(gate: &Key, template: &str, model: &str) -> String {
    let name = format!("{gate}\n{template}\n{model}");
    format!("{:016x}", crate::budget::demand::digest(name.as_bytes()))
}

/// The job that is admitted becomes the canary of every breaker whose cool-down is over: from here on its gate is closed to all
/// others until the canary has told.
pub fn admitted(set: &mut WorkingSet, job: &JobRow, attempt: AttemptId) {
    let Some(shared) = set.request_of(job) else { return };
    for gate in gates(&shared) {
        for id in at(set, &gate, |row| row.state == State::Open) {
            let why = format!("one canary is tried: job {} in {}", job.id, job.repository);
            turn(set, &id, State::HalfOpen, ACTOR, &why);
            if let Some(row) = set.breakers.edit(&id) {
                (row.canary_job, row.canary_attempt) = (Some(job.id), Some(attempt));
            }
            let body = json!({ "breaker": id, "gate": gate, "canary": job.id, "attempt": attempt });
            set.enter("breaker.half_opened", set.about(job.id), "sluicegate", &body);
            shut(set, &gate, &id, &why, None);
        }
    }
}

fn at(set: &WorkingSet, gate: &Key, which: impl Fn(&BreakerRow) -> bool) -> Vec<String> {
    let rows = set.breakers.map.values().filter(|row| row.gate == *gate && which(row));
    let mut ids: Vec<String> = rows.map(|row| row.id.clone()).collect();
    ids.sort_unstable();
    ids
}

/// Takes in what an event says of the job's attempt.
pub fn took_step(set: &mut WorkingSet, before: &JobRow, event: Event, failure: Option<&Failure>) {
    let Some(verdict) = verdict(before.state, event, failure) else { return };
    let (Some(attempt), Some(shared)) = (before.attempt_id, set.request_of(before)) else { return };
    // A dead letter or a job that waits has no attempt at work.
    if matches!(before.state, JobState::Held | JobState::Queued) {
        return;
    }
    for gate in gates(&shared) {
        for id in at(set, &gate, |row| row.canary_attempt == Some(attempt)) {
            let step = follow(State::HalfOpen, true, &verdict, false);
            act(set, &id, step, before, &shared, &format!("its canary {}", word(&verdict)));
        }
    }
    if let Some(rule) = shared.spec.breaker {
        count(set, before, &shared, &rule, &verdict);
    }
}

fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Good => "went well".to_owned(),
        Verdict::Bad(kind) => format!("failed: {kind}"),
        Verdict::NotStarted => "was not started".to_owned(),
        Verdict::Unclear => "told nothing".to_owned(),
    }
}

/// Counts an end in the window of the job's template, version and model.
fn count(set: &mut WorkingSet, job: &JobRow, shared: &Shared, rule: &Rule, verdict: &Verdict) {
    let fingerprint = match verdict {
        Verdict::Good => None,
        Verdict::Bad(kind) => Some(kind.as_str()),
        Verdict::NotStarted | Verdict::Unclear => return,
    };
    let gate = gate(shared, rule);
    let template = format!("{}@{}", shared.row.template, shared.row.template_version);
    let model = job.model.clone().unwrap_or_else(|| "auto".to_owned());
    let id = id(&gate, &template, &model);
    let now = set.now;
    let new = || BreakerRow::new(id.clone(), gate, template, model, now);
    let mut row = set.breakers.get(&id).cloned().unwrap_or_else(new);
    let mut window = row.window();
    window.add(fingerprint, rule, now);
    row.window_json = serde_json::to_string(&window).unwrap_or_default();
    let storm = window.storm(rule, now);
    let step = follow(row.state, false, verdict, storm.is_some());
    set.breakers.put(id.clone(), row);
    if let Some(storm) = storm {
        let why = format!("{} of {} ended alike: {}", storm.failures, storm.ends, storm.fingerprint);
        act(set, &id, step, job, shared, &why);
    }
}

fn act(set: &mut WorkingSet, id: &str, step: Move, job: &JobRow, shared: &Shared, why: &str) {
    let Some(row) = set.breakers.get(&id.to_owned()).cloned() else { return };
    let rule = shared.spec.breaker.unwrap_or_default();
    let trips = match step {
        Move::Stay => return,
        Move::Close => return close(set, &row, ("breaker.closed", ACTOR), why, set.about(job.id)),
        Move::Open => row.trips.saturating_add(1),
        Move::Again | Move::Free => row.trips,
    };
    let opens_at = if step == Move::Free { set.now } else { set.now.plus(rule.cool_down(trips)) };
    turn(set, id, State::Open, ACTOR, why);
    if let Some(row) = set.breakers.edit(&id.to_owned()) {
        row.trips = trips;
    }
    let body = json!({
        "breaker": id, "gate": row.gate, "template": row.template, "model": row.model, "reason": why,
        "trips": trips, "one_is_tried_at": opens_at.to_string(),
    });
    set.enter("breaker.opened", set.about(job.id), "sluicegate", &body);
    shut(set, &row.gate, id, why, Some(opens_at));
    if step == Move::Open {
        let dedup = format!("breaker/{id}/{}", set.head.seq);
        put_notice(set, dedup, "breaker.opened", Some(job.id), body);
    }
}

fn shut(set: &mut WorkingSet, gate: &Key, id: &str, why: &str, opens_at: Option<Timestamp>) {
    let reason = format!("breaker {id}: {why}");
    let closure = Closure { reason, actor: ACTOR.to_owned(), since: set.now, opens_at };
    operator::close(set, gate, (&Source::breaker(id), &closure), ACTOR);
}

fn close(set: &mut WorkingSet, row: &BreakerRow, (kind, actor): (&str, &str), why: &str, about: About) {
    turn(set, &row.id, State::Closed, actor, why);
    if let Some(row) = set.breakers.edit(&row.id) {
        row.trips = 0;
        row.window_json = serde_json::to_string(&Window::default()).unwrap_or_default();
    }
    let body = json!({ "breaker": row.id, "gate": row.gate, "reason": why });
    set.enter(kind, about, actor, &body);
    let by = By::new(actor, why);
    // Nothing to lift is fine as well.
    drop(operator::budget(set, &row.gate, &BudgetChange::Open(Source::breaker(&row.id)), &by));
}

/// Turns held in the row.
const TURNS_MAX: usize = 30;

/// Changes the state, and notes it; no canary is at work unless it is half open.
fn turn(set: &mut WorkingSet, id: &str, state: State, actor: &str, why: &str) {
    let now = set.now;
    let Some(row) = set.breakers.edit(&id.to_owned()) else { return };
    let mut turns = row.history();
    turns.push(Turn { at: now, to: state, actor: actor.to_owned(), reason: why.to_owned() });
    let over = turns.len().saturating_sub(TURNS_MAX);
    turns.drain(..over);
    row.history_json = serde_json::to_string(&turns).unwrap_or_default();
    (row.state, row.since, row.reason) = (state, now, Some(why.to_owned()));
    (row.canary_job, row.canary_attempt) = (None, None);
}

/// By a person: what was counted is forgotten, and the gate is open again.
pub fn reset(set: &mut WorkingSet, id: &str, by: &By) -> Reply {
    let Some(row) = set.breakers.get(&id.to_owned()).cloned() else {
        return Reply::Conflict(format!("there is no breaker {id}"));
    };
    close(set, &row, ("breaker.reset", &by.actor), &by.reason, About::default());
    Reply::Done
}
