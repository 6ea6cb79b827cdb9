//! Who is next. A gate orders waiting jobs and proposes the next ones; it authorises nothing (the ledger
//! does) and may be lost at any time: it is rebuilt from the ledger. Payloads never come here.

pub mod memory;
pub mod redis;
mod timed;

pub use timed::Timed;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;

use crate::{
    budget::{Class, ClassId, Closure, Refusal, Truth},
    job::{
        id::JobId,
        time::{Millis, Timestamp},
    },
    telemetry::metrics::Page,
};

/// A waiting job, as far as ordering it needs.
#[derive(Clone, Debug)]
pub struct Offer {
    pub job: JobId,
    pub class: Arc<Class>,
    /// Priority band: all of a lower number go before any of a higher one.
    pub band: u8,
    /// Jobs of one flow share its weight; a flow is a request of a team.
    pub flow: Arc<str>,
    /// 1 to 1,000: a flow of weight 2 gets twice the turns of a flow of weight 1.
    pub weight: u32,
    /// Order of acceptance: of one flow, and of flows whose turn it is equally, the lower number goes first. Jobs offered
    /// in one call may come in any order.
    pub order: i64,
    /// Not before this time (a retry's wait).
    pub due_at: Option<Timestamp>,
}

/// A job that may be admitted now, as far as the gate knows.
#[derive(Clone, Debug)]
pub struct Proposal {
    pub job: JobId,
    /// Fencing token: grows with each proposal of this gate.
    pub token: u64,
    pub class: ClassId,
}

/// The answer to `propose`.
#[derive(Clone, Debug, Default)]
pub struct Proposals {
    pub list: Vec<Proposal>,
    /// The bound on tries was reached, or the batch is full: call again at once.
    pub more: bool,
}

/// What the ledger said to a proposal.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Admitted: the job leaves the gate.
    Admitted,
    /// A budget refused: the job waits on, its class parked under that budget. Give the figure of that budget in the
    /// same call: a refusal that no figure explains is asked again after a moment.
    Refused(Refusal),
    /// The job no longer waits (cancelled, or admitted by another worker).
    Gone,
    /// The ledger could not be asked; the job goes back to the head of its class.
    Unanswered,
}

/// Why a job in the gate waits.
#[derive(Clone, Debug, PartialEq)]
pub enum WaitReason {
    /// Its class is parked under a budget.
    Budget(Refusal),
    /// Its class fits as far as is known; it waits for its turn.
    Turn,
    /// Not before a time.
    Time(Timestamp),
    /// Proposed, the ledger is being asked.
    Proposed,
}

/// The place of one job.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub reason: WaitReason,
    /// Since when the class has been parked, or the job offered or proposed.
    pub since: Timestamp,
    /// Jobs of the same class that go before it.
    pub ahead: u64,
}

/// Counters for metrics and tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub waiting: u64,
    pub proposed: u64,
    pub classes: u64,
    pub ready_classes: u64,
    pub parked_classes: u64,
    pub timed_jobs: u64,
    pub dirty_budgets: u64,
}

/// Whether a gate can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    Open,
    /// It must be rebuilt from the ledger: it is new, was emptied, or went back in time. Why, in words for people.
    Lost(String),
    /// A process rebuilds it.
    Rebuilding,
}

/// A proposal without an answer counts as `Unanswered` after this time: its worker may have died, and the ledger refuses
/// what that worker may still ask of it. A later verdict for it changes nothing but the figures.
pub const PROPOSAL_LAPSES: Millis = Millis::seconds(30);

/// How long a process that rebuilds may be silent before another one begins anew.
pub const REBUILD_LAPSES: Millis = Millis::seconds(30);

/// How a budget looks to everybody but the one for whom its room is kept.
fn kept_room(since: Timestamp, until: Timestamp) -> Closure {
    Closure {
        reason: format!("what becomes free is kept for a larger job since {since}"),
        actor: "gate".to_owned(),
        since,
        opens_at: Some(until),
    }
}

/// The gate cannot be used; nothing starts until it can.
#[derive(Debug, thiserror::Error)]
#[error("the gate is closed: {0}")]
pub struct GateClosed(pub String);

/// The port. In memory, or in Redis; both pass one conformance suite.
#[async_trait]
pub trait Gate: Send + Sync + 'static {
    /// Puts jobs in line; one that is known is left where it is. One that is proposed and then admitted or gone is put
    /// in line again: the ledger may have it back before its answer has come here. Returns how many were new.
    async fn offer(&self, offers: Vec<Offer>, now: Timestamp) -> Result<usize, GateClosed>;
    /// Takes jobs out of line; unknown ones are ignored.
    async fn withdraw(&self, jobs: &[JobId]) -> Result<(), GateClosed>;
    /// Up to `max` jobs that fit, each charged provisionally until it is settled.
    async fn propose(&self, max: usize, now: Timestamp) -> Result<Proposals, GateClosed>;
    /// The ledger's answers and the figures that it left. A stale token changes nothing.
    async fn settle(
        &self,
        verdicts: Vec<(JobId, u64, Verdict)>,
        truths: &[Truth],
        now: Timestamp,
    ) -> Result<(), GateClosed>;
    /// The ledger's figures after anything else that changed them.
    async fn observe(&self, truths: &[Truth], now: Timestamp) -> Result<(), GateClosed>;
    /// Why a job waits, by the figures of the moment; None: not in line here. O(log n).
    async fn explain(&self, job: JobId, now: Timestamp) -> Result<Option<Place>, GateClosed>;
    /// When time alone may make something admissible (a due job, an opening gate, a returning member, an ending
    /// reservation). May be too early, never too late; `now` or before if `propose` has something to look at.
    async fn next_wake(&self, now: Timestamp) -> Result<Option<Timestamp>, GateClosed>;
    async fn counts(&self) -> Result<Counts, GateClosed>;
    /// Waiting jobs by the name of the budget or gate that holds their class up. Those that wait for their turn alone are
    /// left out, and where there are very many classes, some others may be.
    async fn held_up(&self) -> Result<BTreeMap<String, u64>, GateClosed>;
    /// Every job in line, for the sweep that compares with the ledger and for tests; unordered.
    async fn jobs(&self) -> Result<Vec<JobId>, GateClosed>;

    /// Whether the gate can be used as it is. Cheap; to be asked at each sweep and after `GateClosed`.
    async fn standing(&self, now: Timestamp) -> Result<Standing, GateClosed> {
        let _ = now;
        Ok(Standing::Open)
    }
    /// Empties the gate for a rebuild, or renews the caller's right to it: only one process rebuilds at a time, and the
    /// right lapses `REBUILD_LAPSES` after the last call. Until `open` nothing is proposed, while offers, withdrawals and
    /// figures of all processes are taken. False: another process is rebuilding.
    async fn rebuild(&self, now: Timestamp) -> Result<bool, GateClosed> {
        let _ = now;
        Ok(false)
    }
    /// Ends the caller's rebuild; false if the right to it had lapsed and another process has it.
    async fn open(&self, now: Timestamp) -> Result<bool, GateClosed> {
        let _ = now;
        Ok(true)
    }
    /// Returns when another process may have brought something that can be proposed. Waits for ever where there is none.
    async fn woken(&self) {
        std::future::pending::<()>().await;
    }
    /// What this process has asked of it, on a page of metrics.
    fn meters(&self, page: &mut Page) {
        let _ = page;
    }
}
