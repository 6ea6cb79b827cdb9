//! Schedules: a nominal time is considered once, and its request is written in the same transaction. Whoever comes second,
//! after a crash or beside another scheduler, finds it considered and changes nothing.

use serde_json::json;

use crate::{
    job::{
        id::{JobId, RequestId},
        lifecycle::Event,
        state::State,
        time::Timestamp,
    },
    ledger::{
        apply::{notices::put_notice, operator, submit::submit},
        command::{By, NewJob, Reply, ScheduleChange},
        rows::{Became, RequestRow, ScheduleRow, ScheduleTurn},
        working_set::{About, WorkingSet},
    },
};

/// Makes the notice about a time single.
pub fn refusal(name: &str, nominal: Timestamp) -> String {
    format!("schedule/{name}/{nominal}")
}

pub fn schedule(set: &mut WorkingSet, name: &str, change: &ScheduleChange, by: &By) -> Reply {
    match change {
        ScheduleChange::Begin { times } => begin(set, name, times, by),
        ScheduleChange::Take { nominal, request, jobs, replaces } => {
            take(set, (name, *nominal), (request, jobs), *replaces)
        }
        ScheduleChange::Leave { nominal, became, why, owner } => {
            leave(set, (name, *nominal), (*became, why), owner)
        }
        ScheduleChange::Run { request, jobs } => run(set, name, (request, jobs), by),
        ScheduleChange::Pause => pause(set, name, by),
        ScheduleChange::Resume => resume(set, name, by),
    }
}

/// The row for changing; made when it is missing.
fn row<'a>(set: &'a mut WorkingSet, name: &str) -> Option<&'a mut ScheduleRow> {
    let key = name.to_owned();
    if !set.schedules.has(&key) {
        set.schedules.put(key.clone(), ScheduleRow::new(name, set.now));
    }
    set.schedules.edit(&key)
}

fn begin(set: &mut WorkingSet, name: &str, times: &str, by: &By) -> Reply {
    if set.schedules.get(&name.to_owned()).is_some_and(|row| row.times == times) {
        return Reply::Done;
    }
    let now = set.now;
    if let Some(row) = row(set, name) {
        times.clone_into(&mut row.times);
        row.considered_at = row.considered_at.max(now);
    }
    let body = json!({ "schedule": name, "times": times });
    set.enter("schedule.begun", About::default(), &by.actor, &body);
    Reply::Done
}

/// Err: there is nothing to be done about this time, and why.
fn open(set: &WorkingSet, name: &str, nominal: Timestamp) -> Result<(), Reply> {
    let stale = |why: &str| Err(Reply::Stale(format!("schedule {name}, {nominal}: {why}")));
    match set.schedules.get(&name.to_owned()) {
        None => stale("it was not begun"),
        Some(row) if row.paused_at.is_some() => stale("it is paused"),
        Some(row) if row.times.is_empty() => stale("it is switched off"),
        Some(row) if nominal <= row.considered_at => stale("considered before"),
        Some(_) => Ok(()),
    }
}

fn take(
    set: &mut WorkingSet,
    (name, nominal): (&str, Timestamp),
    (request, jobs): (&RequestRow, &[NewJob]),
    replaces: Option<RequestId>,
) -> Reply {
    if let Err(reply) = open(set, name, nominal) {
        return reply;
    }
    let reply = submit(set, request, jobs);
    let Reply::Submitted { request: accepted, .. } = &reply else { return reply };
    let id = accepted.id;
    let withdrawn = replaces.filter(|old| *old != id).map_or(0, |old| withdraw(set, old, name, nominal));
    let now = set.now;
    if let Some(row) = row(set, name) {
        row.considered_at = nominal;
        row.last_request = Some(id);
        row.note(ScheduleTurn { nominal, at: now, became: Became::Taken, request: Some(id), why: None });
    }
    let body = json!({ "schedule": name, "nominal": nominal.to_string(), "withdrawn": withdrawn });
    set.enter("schedule.taken", About { request: Some(id), ..About::default() }, "sluicegate", &body);
    reply
}

/// Cancels the jobs of a request that have not started; gives their number.
fn withdraw(set: &mut WorkingSet, request: RequestId, name: &str, nominal: Timestamp) -> usize {
    let jobs: Vec<JobId> = set.waiting_of.remove(&request).unwrap_or_default();
    let waits = |set: &WorkingSet, job: &JobId| {
        set.jobs.get(job).is_some_and(|row| matches!(row.state, State::Held | State::Queued))
    };
    let reason = format!("replaced by the request of schedule {name} for {nominal}");
    let by = By::new("sluicegate", reason);
    let mut withdrawn = 0_usize;
    for job in jobs {
        if waits(set, &job) && matches!(operator::act(set, job, Event::Cancelled, &by), Reply::Done) {
            withdrawn = withdrawn.saturating_add(1);
        }
    }
    withdrawn
}

fn leave(
    set: &mut WorkingSet,
    (name, nominal): (&str, Timestamp),
    (became, why): (Became, &str),
    owner: &str,
) -> Reply {
    if let Err(reply) = open(set, name, nominal) {
        return reply;
    }
    let now = set.now;
    if let Some(row) = row(set, name) {
        row.considered_at = nominal;
        row.note(ScheduleTurn { nominal, at: now, became, request: None, why: Some(why.to_owned()) });
    }
    let body = json!({ "schedule": name, "nominal": nominal.to_string(), "owner": owner, "reason": why });
    set.enter(&format!("schedule.{}", became.as_str()), About::default(), "sluicegate", &body);
    if became == Became::Refused {
        put_notice(set, refusal(name, nominal), "schedule.refused", None, body);
    }
    Reply::Done
}

fn run(set: &mut WorkingSet, name: &str, (request, jobs): (&RequestRow, &[NewJob]), by: &By) -> Reply {
    let reply = submit(set, request, jobs);
    let Reply::Submitted { request: accepted, replayed: false } = &reply else { return reply };
    let (id, now) = (accepted.id, set.now);
    if let Some(row) = row(set, name) {
        row.last_request = Some(id);
        let why = Some(format!("{}: {}", by.actor, by.reason));
        row.note(ScheduleTurn { nominal: now, at: now, became: Became::Run, request: Some(id), why });
    }
    let body = json!({ "schedule": name, "reason": by.reason });
    set.enter("schedule.run", About { request: Some(id), ..About::default() }, &by.actor, &body);
    reply
}

fn is_paused(set: &WorkingSet, name: &str) -> bool {
    set.schedules.get(&name.to_owned()).is_some_and(|row| row.paused_at.is_some())
}

fn pause(set: &mut WorkingSet, name: &str, by: &By) -> Reply {
    if is_paused(set, name) {
        return Reply::Done;
    }
    let now = set.now;
    if let Some(row) = row(set, name) {
        row.paused_at = Some(now);
        (row.paused_by, row.paused_reason) = (Some(by.actor.clone()), Some(by.reason.clone()));
    }
    let body = json!({ "schedule": name, "reason": by.reason });
    set.enter("schedule.paused", About::default(), &by.actor, &body);
    Reply::Done
}

fn resume(set: &mut WorkingSet, name: &str, by: &By) -> Reply {
    if !is_paused(set, name) {
        return Reply::Done;
    }
    let now = set.now;
    if let Some(row) = row(set, name) {
        (row.paused_at, row.paused_by, row.paused_reason) = (None, None, None);
        row.considered_at = row.considered_at.max(now);
    }
    let body = json!({ "schedule": name, "reason": by.reason });
    set.enter("schedule.resumed", About::default(), &by.actor, &body);
    Reply::Done
}
