//! What a step does with holds: give back, settle, take back. What was moved is told to the history.

use serde_json::{Value, json};

use crate::{
    budget::{Amount, Books as _, Expiry, Key, Release, Take},
    job::{
        id::{AttemptId, JobId},
        lifecycle::Effect,
    },
    ledger::{
        command::Reply,
        working_set::{About, WorkingSet},
    },
};

/// What moved.
#[derive(Debug, Default)]
pub struct Moves {
    /// Budgets that got room.
    pub released: Vec<Key>,
    /// Spend: estimate and actual.
    pub settled: Vec<(Key, Amount, Amount)>,
    pub retaken: Vec<Take>,
}

impl Moves {
    /// Adds what moved to an entry's body. Budgets that are used above their limit by it are named as overdrafts.
    pub fn tell(&self, set: &WorkingSet, body: &mut Value) {
        let Some(map) = body.as_object_mut() else { return };
        if !self.released.is_empty() {
            map.insert("released".into(), json!(self.released));
        }
        if !self.settled.is_empty() {
            map.insert("settled".into(), json!(self.settled));
        }
        if !self.retaken.is_empty() {
            map.insert("retaken".into(), set.figures(&self.retaken));
        }
        let charged =
            self.settled.iter().map(|(key, ..)| key).chain(self.retaken.iter().map(|take| &take.key));
        let over: Vec<&Key> = charged.filter(|key| !set.view(key).fits(Amount::ZERO)).collect();
        if !over.is_empty() {
            map.insert("overdraft".into(), json!(over));
        }
    }
}

/// The part of a lifecycle effect that moves holds.
pub fn perform(
    set: &mut WorkingSet,
    (job, attempt): (JobId, AttemptId),
    effect: Effect,
    why: &str,
    moves: &mut Moves,
) {
    match effect {
        Effect::ReleaseSlots => {
            moves.released.extend(set.release(job, attempt, why, |hold| hold.release == Release::AgentStops));
        }
        Effect::ReleaseChange => {
            moves.released.extend(set.release(job, attempt, why, |hold| hold.release == Release::Change));
        }
        Effect::Refund => moves.released.extend(set.release(job, attempt, why, |_| true)),
        Effect::SettleSpend => settle(set, job, attempt, moves),
        Effect::RetakeSlots => retake(set, job, attempt, moves),
        Effect::Offer
        | Effect::Withdraw
        | Effect::NoticeNeedsUser
        | Effect::NoticeDead
        | Effect::NoticeQuarantined => {}
    }
}

/// Exchanges spend estimates for what the attempt used. Unknown cost keeps the estimate: it fails closed.
pub fn settle(set: &mut WorkingSet, job: JobId, attempt: AttemptId, moves: &mut Moves) {
    let nano = set.attempts.get(&attempt).and_then(|row| row.nano_credits);
    let Some(actual) = nano.and_then(|nano| Amount::new(nano).ok()) else { return };
    for id in set.active_holds(job, attempt, |hold| hold.release == Release::Settled) {
        let before = set.holds.get(&id).map_or(actual, |hold| hold.amount);
        if before == actual {
            continue;
        }
        let Some(hold) = set.holds.edit(&id) else { continue };
        hold.amount = actual;
        let key = hold.budget_id.clone();
        set.discharge(&key, before);
        set.charge(&key, actual);
        moves.settled.push((key, before, actual));
    }
}

/// The agent works again without having asked: its slots are charged, above the limit if need be.
pub fn retake(set: &mut WorkingSet, job: JobId, attempt: AttemptId, moves: &mut Moves) {
    if !set.active_holds(job, attempt, |hold| hold.release == Release::AgentStops).is_empty() {
        return;
    }
    let Some(row) = set.jobs.get(&job).cloned() else { return };
    let now = set.now;
    let takes: Vec<Take> = set
        .demands(&row)
        .iter()
        .filter(|demand| demand.release == Release::AgentStops && demand.amount > Amount::ZERO)
        .map(|demand| Take {
            key: demand.key.clone(),
            amount: demand.amount,
            release: demand.release,
            expires_at: match demand.expiry {
                Expiry::Never => None,
                Expiry::Period(period) => period.expires(now),
            },
        })
        .collect();
    set.take(job, attempt, &takes);
    moves.retaken.extend(takes);
}

/// Gives back every loaded hold whose period is over.
pub fn roll_over(set: &mut WorkingSet) -> Reply {
    let now = set.now;
    let mut expired: Vec<String> = set
        .holds
        .map
        .values()
        .filter(|hold| hold.released_at.is_none() && hold.expires_at.is_some_and(|at| at <= now))
        .map(|hold| hold.id.clone())
        .collect();
    expired.sort_unstable();
    let mut keys: Vec<Key> = expired.iter().filter_map(|id| set.release_hold(id, "expired")).collect();
    keys.sort_unstable();
    keys.dedup();
    if !keys.is_empty() {
        let body = json!({ "holds": expired.len(), "budgets": keys });
        set.enter("budget.rolled_over", About::default(), "sluicegate", &body);
    }
    Reply::Done
}
