//! The fleet: waiting until the others have seen something, and who drives what.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    job::id::{JobId, WorkerId},
    ledger::{
        LedgerError,
        query::Driven,
        rows::{Phase, WorkerRow},
    },
    pipeline::{
        context::Context,
        life::margin,
        view::{DrivenView, FleetView, GateStanding, WorkerView},
    },
};

/// Between two looks at who has seen it; grows to the second.
const LOOKS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));
/// How long workers that have ended are still shown.
const SHOWN: crate::job::time::Millis = crate::job::time::Millis::hours(24);

impl Context {
    /// Returns when no worker will send anything that does not know what the history says up to a position. One that does not answer is
    /// waited for until its lease is over: after that it sends nothing.
    pub async fn seen_by_all(&self, position: i64) -> Result<(), LedgerError> {
        self.seen_by(position, |_| true).await
    }

    /// As `seen_by_all`, of some workers.
    pub async fn seen_by(
        &self,
        position: i64,
        which: impl Fn(&WorkerRow) -> bool + Send + Sync,
    ) -> Result<(), LedgerError> {
        if self.life.alone {
            return Ok(());
        }
        let grace = margin(self.tuning.lease);
        // Whoever renewed its lease after now has read the history since, or may send nothing: nobody is waited for longer.
        let at_last = self.now().plus(self.tuning.lease).plus(grace);
        let mut wait = LOOKS.0;
        let mut told = false;
        loop {
            let workers = self.ledger.workers_at_work().await?;
            let past = self.now().minus(grace);
            let late = workers.iter().find(|worker| {
                worker.id != self.fence.worker
                    && worker.lives(past)
                    && worker.seen < position
                    && which(worker)
            });
            let Some(late) = late.filter(|_| self.now() < at_last) else { return Ok(()) };
            if wait >= LOOKS.1 && !told {
                told = true;
                tracing::warn!(
                    worker = late.name, until = %late.lease_until.plus(grace).min(at_last),
                    "waiting for a worker that does not answer, until its lease is over"
                );
            }
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(LOOKS.1);
        }
    }

    /// The worker, if another one, that may be sending a start of the job.
    pub(super) async fn driver_elsewhere(&self, job: JobId) -> Result<Option<WorkerId>, LedgerError> {
        if self.life.alone {
            return Ok(None);
        }
        let rows = self.ledger.with_attempts(&[job]).await?;
        let sending = rows.into_iter().map(|(_, attempt)| attempt).find(|row| row.phase == Phase::Intent);
        Ok(sending.map(|row| row.worker_id).filter(|worker| *worker != self.fence.worker))
    }

    /// Who drives what. `all`: also workers that ended within a day.
    pub async fn fleet(&self, all: bool) -> Result<FleetView, LedgerError> {
        let now = self.now();
        let (leases, driven) = (self.ledger.leases().await?, self.ledger.driven().await?);
        let rows = if all { self.ledger.workers().await? } else { self.ledger.workers_at_work().await? };
        let shown = |row: &WorkerRow| row.stopped_at.is_none_or(|at| now.since(at) < SHOWN);
        let view = |row: WorkerRow| WorkerView {
            leases: leases
                .iter()
                .filter(|lease| lease.worker_id == row.id && row.stopped_at.is_none())
                .map(|lease| lease.name.clone())
                .collect(),
            drives: drives(driven.iter().filter(|driven| driven.worker == row.id)),
            lives: row.lives(now),
            this: row.id == self.fence.worker,
            worker: row,
        };
        Ok(FleetView {
            workers: rows.into_iter().filter(shown).map(view).collect(),
            gate: self.gate_standing(),
            kill_switch: self.closures.kill_switch(),
        })
    }

    /// Whether the gate is open, as this process knows it.
    pub fn gate_standing(&self) -> GateStanding {
        let closed = self.barrier.reason();
        GateStanding {
            open: closed.is_none(),
            since: closed.as_ref().map(|(_, since)| *since),
            reason: closed.map(|(why, _)| why),
        }
    }
}

fn drives<'a>(driven: impl Iterator<Item = &'a Driven>) -> Vec<DrivenView> {
    let mut views: BTreeMap<&str, DrivenView> = BTreeMap::new();
    for row in driven {
        let view = views.entry(&row.identity).or_default();
        view.identity.clone_from(&row.identity);
        let figure = match row.phase {
            Phase::Intent | Phase::Unknown => &mut view.starts,
            Phase::Live => &mut view.tasks,
            Phase::Done | Phase::Ended => &mut view.results,
        };
        *figure = figure.saturating_add(row.attempts);
    }
    views.into_values().collect()
}
