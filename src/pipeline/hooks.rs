//! Webhooks on their way in: which hooks there are, and keeping a delivery before anybody is answered. What it means is found
//! out afterwards, see `deliveries`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Map, Value};

use crate::{
    config::hooks::Door,
    job::{
        id::{DeliveryId, JobId},
        time::{Millis, Timestamp},
    },
    ledger::{
        By, Command, DeliveryChange, LedgerError, Reply,
        rows::{DeliveryRow, DeliveryState, PayloadRow},
    },
    pipeline::context::Context,
    policy::{hint, hook::signature::Verified, text},
    telemetry::failpoint,
};

/// For so long a delivery is left to the process that has kept it.
const OWN: Millis = Millis::seconds(5);
/// A job is told of again after this: what comes in between is told of together.
const EACH: Millis = Millis::seconds(1);
/// Jobs kept in mind.
const JOBS_MAX: usize = 4_096;
/// Between two looks for deliveries that are kept for too long.
const PRUNE_EACH: Millis = Millis::hours(1);
/// The most bytes of a reason that are kept.
const REASON_BYTES_MAX: usize = 2_000;

/// The hooks of the installation, and what is remembered of their deliveries.
#[derive(Debug)]
pub struct Hooks {
    doors: Arc<[Door]>,
    /// How long deliveries are kept.
    pub(super) keep: Millis,
    /// When the history was last told that a delivery is about a job.
    told: Mutex<HashMap<JobId, Timestamp>>,
    prune_at: Mutex<Timestamp>,
}

impl Hooks {
    pub fn new(doors: Vec<Door>, keep: Millis) -> Self {
        Self { doors: doors.into(), keep, told: Mutex::default(), prune_at: Mutex::new(Timestamp(i64::MIN)) }
    }
    pub fn is_empty(&self) -> bool {
        self.doors.is_empty()
    }
    pub fn door(&self, name: &str) -> Option<&Door> {
        self.doors.iter().find(|door| door.hook.name == name)
    }
    /// What may have been meant by a name that no hook has; None: one has it.
    pub fn misspelt(&self, name: &str) -> Option<String> {
        let names: Vec<&str> = self.doors.iter().map(|door| door.hook.name.as_str()).collect();
        (!names.contains(&name)).then(|| hint::did_you_mean(name, &names))
    }

    /// Which of the jobs the caller tells the history of; those that it was told of since the delivery came are looked at anyway.
    /// Err: too soon after the last time, and when to come again.
    pub(super) fn claim(
        &self,
        jobs: &[JobId],
        received_at: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<JobId>, Timestamp> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut claimed = Vec::new();
        for job in jobs {
            match told.get(job).copied() {
                // The clock went back: what was told by it says nothing of now.
                Some(at) if at > now => claimed.push(*job),
                Some(at) if at >= received_at => {}
                Some(at) if now.since(at) < EACH => return Err(at.plus(EACH)),
                _ => claimed.push(*job),
            }
        }
        if told.len() >= JOBS_MAX {
            told.retain(|_, at| now.since(*at) < EACH);
        }
        told.extend(claimed.iter().map(|job| (*job, now)));
        Ok(claimed)
    }

    /// The history was not told of them: it is tried again.
    pub(super) fn give_back(&self, jobs: &[JobId]) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|job, _| !jobs.contains(job));
    }

    /// True once in a while.
    pub(super) fn may_prune(&self, now: Timestamp) -> bool {
        let mut at = self.prune_at.lock().unwrap_or_else(PoisonError::into_inner);
        let due = now >= *at;
        if due {
            *at = now.plus(PRUNE_EACH);
        }
        due
    }

    /// There is more to do.
    pub(super) fn prune_again(&self) {
        *self.prune_at.lock().unwrap_or_else(PoisonError::into_inner) = Timestamp(i64::MIN);
    }
}

/// A delivery that is kept.
#[derive(Clone, Debug)]
pub struct Received {
    pub id: DeliveryId,
    pub state: DeliveryState,
    pub reason: Option<String>,
    /// It had come before; nothing is done again.
    pub again: bool,
}

/// A reason as it is kept: short, and in one line.
pub(super) fn reason(why: &str) -> String {
    let lines: Vec<&str> = why.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    text::shorten(&lines.join("; "), REASON_BYTES_MAX)
}

impl Context {
    /// Keeps a delivery whose sender is known. When this returns, it is in the ledger, and somebody goes through it.
    pub async fn receive(
        &self,
        door: &Door,
        verified: Verified,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Received, LedgerError> {
        let now = self.now();
        let id = DeliveryId::new(now, self.entropy.draw_wide());
        let unreadable = verified.payload.err().map(|problem| reason(&problem.to_string()));
        let state = if unreadable.is_some() { DeliveryState::Unmapped } else { DeliveryState::Received };
        let row = DeliveryRow {
            id,
            hook: door.hook.name.clone(),
            sender_id: verified.delivery_id,
            fingerprint: verified.fingerprint,
            event: text::shorten(&verified.event, 200),
            received_at: now,
            signed_at: verified.signed_at,
            secret: i64::try_from(verified.secret).unwrap_or(i64::MAX),
            bytes: i64::try_from(body.len()).unwrap_or(i64::MAX),
            state,
            settled_at: unreadable.is_some().then_some(now),
            due_at: unreadable.is_none().then(|| now.plus(OWN)),
            reason: unreadable,
            request_id: None,
            attempts: 0,
        };
        let headers: Map<String, Value> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let payload = PayloadRow {
            delivery_id: id,
            headers_json: Value::Object(headers).to_string(),
            payload_json: String::from_utf8_lossy(body).into_owned(),
        };
        let change = DeliveryChange::Receive { row: Box::new(row), payload: Box::new(payload) };
        let reply = self.ledger.write(Command::Delivery { id, change, by: By::ourselves("") }).await?;
        failpoint::hit("hook.received");
        let Reply::Received { delivery, again } = reply else {
            return Err(LedgerError::Corrupt(format!("a delivery was answered with {reply:?}").into()));
        };
        if !again && delivery.state == DeliveryState::Received {
            self.queues.deliveries.push(id, now, id);
        }
        Ok(Received { id: delivery.id, state: delivery.state, reason: delivery.reason, again })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_about_one_job_is_told_once_a_second_and_nothing_of_it_is_lost() {
        let hooks = Hooks::new(Vec::new(), Millis::hours(1));
        let job = JobId::new(Timestamp(1), 1);
        let at = |ms: i64| Timestamp(1_000_000 + ms);
        assert_eq!(hooks.claim(&[job], at(0), at(1)), Ok(vec![job]));
        assert_eq!(hooks.claim(&[job], at(0), at(5)), Ok(vec![]), "told since it came");
        assert_eq!(hooks.claim(&[job], at(2), at(5)), Err(at(1_001)), "what came later is not forgotten");
        assert_eq!(hooks.claim(&[job], at(2), at(1_001)), Ok(vec![job]));
        assert_eq!(hooks.claim(&[job], at(900), at(1_002)), Ok(vec![]), "one entry tells of all before it");
        hooks.give_back(&[job]);
        assert_eq!(hooks.claim(&[job], at(900), at(1_003)), Ok(vec![job]), "the entry was not written");
    }
}
