//! What people do: withdraw, replay and discard jobs; close, open and limit budgets.

use serde_json::json;

use crate::{
    budget::{Closure, Key, Source},
    job::{
        id::JobId,
        lifecycle::{self, Event},
        state::State,
    },
    ledger::{
        apply::step::{Detail, check_event, take_step},
        command::{BudgetChange, By, Reply},
        rows::{BudgetRow, PromptRow},
        working_set::{About, WorkingSet},
    },
};

pub fn act(set: &mut WorkingSet, job: JobId, event: Event, by: &By) -> Reply {
    let Some(row) = set.jobs.get(&job) else { return Reply::Conflict(format!("job {job} is not known")) };
    if (row.state, event) == (State::Cancelled, Event::Cancelled) {
        // Asked again: it is as wished.
        return Reply::Done;
    }
    if let Err(why) = check_event(event) {
        return Reply::Conflict(why);
    }
    if lifecycle::apply(row.state, event).is_err() {
        return Reply::Conflict(format!("job {job}: {}", unfit(row.state, event)));
    }
    let asked = set.request_of(row).is_some_and(|shared| shared.was_asked_by(&by.actor));
    if event == Event::Released && asked {
        return Reply::Conflict(format!(
            "job {job}: {} asked for this and cannot let it pass as well: somebody else must",
            by.actor
        ));
    }
    let detail = Detail { note: Some(by.reason.as_str()), ..Detail::default() };
    match take_step(set, job, event, detail, &by.actor) {
        Ok(_) => Reply::Done,
        Err(illegal) => Reply::Conflict(format!("job {job}: {illegal}")),
    }
}

/// Why an act does not fit, in the words of those who act.
pub fn unfit(state: State, event: Event) -> String {
    let fits = State::ALL.into_iter().filter(|state| lifecycle::apply(*state, event).is_ok());
    let fits = fits.map(State::as_str).collect::<Vec<_>>().join(", ");
    let why =
        if state.is_terminal() { "it has ended".to_owned() } else { format!("only one that is {fits}") };
    format!("a job that is {state} cannot be {}: {why}", event.as_str())
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
    fresh.checks_json = None;
    fresh.replay_of = Some(job);
    let Some(prompt) = set.prompts.get(&job) else {
        return Reply::Conflict(format!("the prompt of job {job} is missing from the ledger"));
    };
    set.new_prompts.push(PromptRow { job_id: new, ..prompt.clone() });
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

/// A change that is in force already is not written again.
pub fn budget(set: &mut WorkingSet, key: &Key, change: &BudgetChange, by: &By) -> Reply {
    let known = set.budgets.get(key).cloned().unwrap_or_else(|| BudgetRow::new(key.clone()));
    match change {
        BudgetChange::Close(source, closure) if known.closed_by().get(source) == Some(closure) => {}
        BudgetChange::Close(source, closure) => close(set, key, (source, closure), &by.actor),
        BudgetChange::Open(source) => {
            let mut closed = known.closed_by();
            if closed.open(source).is_some() {
                closed.forget_past(set.now);
                set.budget(key).closed_json = closed.write();
                let body = json!({ "budget": key, "reason": by.reason, "source": source });
                set.enter("budget.opened", About::default(), &by.actor, &body);
            }
        }
        BudgetChange::Limit(_) if key.is_gate() || set.rules.limit(key).is_none() => {
            return Reply::Conflict(format!(
                "budget {key} has no limit in the configuration: declare it with [[budget]] first"
            ));
        }
        BudgetChange::Limit(limit) if known.limit_override == *limit => {}
        BudgetChange::Limit(limit) => {
            set.budget(key).limit_override = *limit;
            let body = json!({ "budget": key, "limit": limit, "reason": by.reason });
            set.enter("budget.limit_set", About::default(), &by.actor, &body);
        }
    }
    Reply::Done
}

/// Closes a budget until it is opened by the same source, or until its opening time.
pub fn close(set: &mut WorkingSet, key: &Key, (source, closure): (&Source, &Closure), actor: &str) {
    let now = set.now;
    let row = set.budget(key);
    let mut closed = row.closed_by();
    closed.forget_past(now);
    closed.close(source.clone(), closure.clone());
    row.closed_json = closed.write();
    let opens_at = closure.opens_at.map(|at| at.to_string());
    let body = json!({ "budget": key, "reason": closure.reason, "opens_at": opens_at, "source": source });
    set.enter("budget.closed", About::default(), actor, &body);
}
