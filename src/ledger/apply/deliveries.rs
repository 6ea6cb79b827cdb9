//! Webhooks: each delivery is kept once, and comes to its end in the transaction that writes what it brings. Whoever comes
//! second, after a crash or beside another worker, changes nothing.

use serde_json::json;

use crate::{
    job::{
        id::{DeliveryId, JobId, RequestId},
        time::Timestamp,
    },
    ledger::{
        apply::submit::submit,
        command::{By, DeliveryChange, NewJob, OURSELVES, Reply},
        rows::{DeliveryRow, DeliveryState, PayloadRow, RequestRow},
        working_set::{About, WorkingSet},
    },
};

/// Of an entry that tells that a delivery is about a job.
pub const CONCERNS: &str = "delivery.concerns";

pub fn delivery(set: &mut WorkingSet, id: DeliveryId, change: &DeliveryChange, by: &By) -> Reply {
    if let DeliveryChange::Receive { row, payload } = change {
        return receive(set, row, payload);
    }
    let stale = |why: &str| Reply::Stale(format!("delivery {id} {why}"));
    let Some(row) = set.deliveries.get(&id).cloned() else { return stale("is not there") };
    if matches!(change, DeliveryChange::Replay) {
        return replay(set, row, by);
    }
    if row.state != DeliveryState::Received {
        return stale(&format!("was {} before", row.state.as_str()));
    }
    match change {
        DeliveryChange::Receive { .. } | DeliveryChange::Replay => Reply::Done,
        DeliveryChange::Postpone { until, why, again } => {
            let attempts = if *again { row.attempts.saturating_add(1) } else { 0 };
            let reason = why.clone().or(row.reason);
            put(set, DeliveryRow { due_at: Some(*until), reason, attempts, ..row });
            Reply::Done
        }
        DeliveryChange::Take { request, jobs, requested_by, concerns } => {
            let reply = take(set, &row, (request, jobs), requested_by.as_deref());
            if matches!(reply, Reply::Submitted { .. }) {
                concern(set, &row, concerns);
            }
            reply
        }
        DeliveryChange::End { state, reason, request, concerns } => {
            concern(set, &row, concerns);
            let request_id = request.or(row.request_id);
            let row = settled(set.now, row, *state, Some(reason.clone()));
            tell_trouble(set, &row);
            put(set, DeliveryRow { request_id, ..row });
            Reply::Done
        }
    }
}

fn put(set: &mut WorkingSet, row: DeliveryRow) {
    set.deliveries.put(row.id, row);
}

fn settled(now: Timestamp, row: DeliveryRow, state: DeliveryState, reason: Option<String>) -> DeliveryRow {
    DeliveryRow { state, reason, due_at: None, settled_at: Some(now), ..row }
}

/// Under another name the same signed bytes are the same delivery: whoever has seen one could send it again.
fn receive(set: &mut WorkingSet, row: &DeliveryRow, payload: &PayloadRow) -> Reply {
    let same = |known: &&DeliveryRow| {
        let bytes = known.fingerprint.is_some() && known.fingerprint == row.fingerprint;
        known.hook == row.hook && (known.sender_id == row.sender_id || bytes)
    };
    if let Some(known) = set.deliveries.map.values().find(same) {
        // The same write again: its first answer was lost.
        let again = known.id != row.id;
        return Reply::Received { delivery: Box::new(known.clone()), again };
    }
    let row = DeliveryRow { received_at: set.now, ..row.clone() };
    tell_trouble(set, &row);
    put(set, row.clone());
    set.new_payloads.push(payload.clone());
    Reply::Received { delivery: Box::new(row), again: false }
}

/// What a person must look at stands in the history; what nobody wants does not.
fn tell_trouble(set: &mut WorkingSet, row: &DeliveryRow) {
    if row.state.is_trouble() {
        let body = json!({ "delivery": row.id, "hook": row.hook, "event": row.event, "reason": row.reason });
        set.enter(&format!("delivery.{}", row.state.as_str()), About::default(), OURSELVES, &body);
    }
}

/// An entry about each job: whoever follows it reads the history.
fn concern(set: &mut WorkingSet, row: &DeliveryRow, jobs: &[(JobId, RequestId)]) {
    let body = json!({ "delivery": row.id, "hook": row.hook, "event": row.event });
    for (job, request) in jobs {
        let about = About { request: Some(*request), job: Some(*job), attempt: None };
        set.enter(CONCERNS, about, OURSELVES, &body);
        set.happened.concerned.push(*job);
    }
}

fn take(
    set: &mut WorkingSet,
    row: &DeliveryRow,
    (request, jobs): (&RequestRow, &[NewJob]),
    requested_by: Option<&str>,
) -> Reply {
    let reply = submit(set, request, jobs);
    let Reply::Submitted { request: accepted, .. } = &reply else { return reply };
    let id = accepted.id;
    let body =
        json!({ "delivery": row.id, "hook": row.hook, "event": row.event, "requested_by": requested_by });
    let about = About { request: Some(id), ..About::default() };
    set.enter("delivery.taken", about, OURSELVES, &body);
    let row = settled(set.now, row.clone(), DeliveryState::Done, None);
    put(set, DeliveryRow { request_id: Some(id), ..row });
    reply
}

fn replay(set: &mut WorkingSet, row: DeliveryRow, by: &By) -> Reply {
    if row.state == DeliveryState::Received {
        return Reply::Done;
    }
    let about = About { request: row.request_id, ..About::default() };
    let body = json!({ "delivery": row.id, "hook": row.hook, "was": row.state, "reason": by.reason });
    set.enter("delivery.replayed", about, &by.actor, &body);
    let due_at = Some(set.now);
    put(
        set,
        DeliveryRow {
            state: DeliveryState::Received,
            reason: None,
            attempts: 0,
            due_at,
            settled_at: None,
            ..row
        },
    );
    Reply::Done
}
