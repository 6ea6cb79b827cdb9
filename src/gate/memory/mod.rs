//! The gate in process memory: a pure structure, `Line`, behind a lock. It does no I/O, holds the lock for a bounded
//! number of steps, and authorises nothing.
//!
//! - `line`: who is in line, and what the ledger said to the proposals.
//! - `stand`: where each class stands: ready, parked under a budget, or standing off.
//! - `turns`: proposing, one bounded step at a time.
//! - `explain`: questions, which change nothing.
//! - `lot`: classes parked under budgets, which of these are dirty, and when to look again.
//! - `reserve`: room kept for a heavy job that has waited too long.
//! - `need`: which classes can be judged together.
//! - `figures`: the ledger's figures and the charges of open proposals.
//! - `flows`: virtual time. `roll`: the jobs of one class.

mod explain;
mod figures;
mod flows;
mod line;
mod lot;
#[cfg(feature = "failpoints")]
mod mutant;
mod need;
mod reserve;
mod roll;
mod stand;
mod turns;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;

use crate::{
    budget::{Rules, Truth},
    gate::{Counts, Gate, GateClosed, Offer, Place, Proposals, Verdict},
    job::{id::JobId, time::Timestamp},
};

use line::Line;
pub use line::STAND_OFF;
#[cfg(feature = "failpoints")]
pub use mutant::Mutant;
pub use reserve::{RESERVATION_AFTER, RESERVATION_LASTS};
pub use turns::Work;

/// The embedded default: one process, no server.
#[derive(Debug)]
pub struct MemoryGate {
    line: Mutex<Line>,
}

impl MemoryGate {
    /// An empty gate. Until the ledger has told of a budget, its limit is the configured one and nothing of it is used.
    pub fn new(rules: Arc<Rules>) -> Self {
        Self { line: Mutex::new(Line::new(rules)) }
    }

    /// A gate with a known fault, to show that the comparison with the brute-force model catches it.
    #[cfg(feature = "failpoints")]
    pub fn with_mutant(rules: Arc<Rules>, mutant: Mutant) -> Self {
        let mut line = Line::new(rules);
        line.mutant = Some(mutant);
        line.flows.stuck = mutant == Mutant::StuckTags;
        line.lot.stubborn = mutant == Mutant::StubbornGroup;
        line.figures.gullible = mutant == Mutant::StaleTruth;
        Self { line: Mutex::new(line) }
    }

    /// How much has been looked at so far: the measure of the cost test.
    pub fn work(&self) -> Result<Work, GateClosed> {
        Ok(self.line()?.work)
    }

    /// A panic in the middle of a change leaves the line in doubt: the gate closes and is rebuilt from the ledger.
    fn line(&self) -> Result<MutexGuard<'_, Line>, GateClosed> {
        self.line
            .lock()
            .map_err(|_| GateClosed("a change of the line in memory broke off half-way".to_owned()))
    }
}

#[async_trait]
impl Gate for MemoryGate {
    async fn offer(&self, offers: Vec<Offer>, now: Timestamp) -> Result<usize, GateClosed> {
        Ok(self.line()?.offer(offers, now))
    }
    async fn withdraw(&self, jobs: &[JobId]) -> Result<(), GateClosed> {
        self.line()?.withdraw(jobs);
        Ok(())
    }
    async fn propose(&self, max: usize, now: Timestamp) -> Result<Proposals, GateClosed> {
        Ok(self.line()?.propose(max, now))
    }
    async fn settle(
        &self,
        verdicts: Vec<(JobId, u64, Verdict)>,
        truths: &[Truth],
        now: Timestamp,
    ) -> Result<(), GateClosed> {
        self.line()?.settle(verdicts, truths, now);
        Ok(())
    }
    async fn observe(&self, truths: &[Truth], now: Timestamp) -> Result<(), GateClosed> {
        self.line()?.observe(truths, now);
        Ok(())
    }
    async fn explain(&self, job: JobId, now: Timestamp) -> Result<Option<Place>, GateClosed> {
        Ok(self.line()?.explain(job, now))
    }
    async fn next_wake(&self, now: Timestamp) -> Result<Option<Timestamp>, GateClosed> {
        Ok(self.line()?.next_wake(now))
    }
    async fn counts(&self) -> Result<Counts, GateClosed> {
        Ok(self.line()?.counts())
    }
    async fn held_up(&self) -> Result<BTreeMap<String, u64>, GateClosed> {
        Ok(self.line()?.held_up())
    }
    async fn jobs(&self) -> Result<Vec<JobId>, GateClosed> {
        Ok(self.line()?.jobs())
    }
}
