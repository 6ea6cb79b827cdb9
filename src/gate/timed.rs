//! Any gate with a clock beside it: how long its calls take and how many fail. It changes no answer.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;

use crate::{
    budget::Truth,
    gate::{Counts, Gate, GateClosed, Offer, Place, Proposals, Standing, Verdict},
    job::{id::JobId, time::Timestamp},
    telemetry::metrics::{Histogram, Page, QUICK, catalogue},
};

/// Of one kind of call.
#[derive(Debug)]
struct Calls {
    name: &'static str,
    times: Histogram,
    failures: AtomicU64,
}

impl Calls {
    fn new(name: &'static str) -> Self {
        Self { name, times: Histogram::new(QUICK), failures: AtomicU64::new(0) }
    }

    async fn note<T>(
        &self,
        call: impl Future<Output = Result<T, GateClosed>> + Send,
    ) -> Result<T, GateClosed> {
        let began = tokio::time::Instant::now();
        let answer = call.await;
        self.times.note(began.elapsed());
        if answer.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }
}

/// A gate whose calls are timed.
pub struct Timed {
    gate: Arc<dyn Gate>,
    offer: Calls,
    propose: Calls,
    settle: Calls,
    observe: Calls,
    other: Calls,
}

impl Timed {
    pub fn new(gate: Arc<dyn Gate>) -> Self {
        let [offer, propose, settle, observe, other] =
            ["offer", "propose", "settle", "observe", "other"].map(Calls::new);
        Self { gate, offer, propose, settle, observe, other }
    }
}

#[async_trait]
impl Gate for Timed {
    async fn offer(&self, offers: Vec<Offer>, now: Timestamp) -> Result<usize, GateClosed> {
        self.offer.note(self.gate.offer(offers, now)).await
    }
    async fn withdraw(&self, jobs: &[JobId]) -> Result<(), GateClosed> {
        self.other.note(self.gate.withdraw(jobs)).await
    }
    async fn propose(&self, max: usize, now: Timestamp) -> Result<Proposals, GateClosed> {
        self.propose.note(self.gate.propose(max, now)).await
    }
    async fn settle(
        &self,
        verdicts: Vec<(JobId, u64, Verdict)>,
        truths: &[Truth],
        now: Timestamp,
    ) -> Result<(), GateClosed> {
        self.settle.note(self.gate.settle(verdicts, truths, now)).await
    }
    async fn observe(&self, truths: &[Truth], now: Timestamp) -> Result<(), GateClosed> {
        self.observe.note(self.gate.observe(truths, now)).await
    }
    async fn explain(&self, job: JobId, now: Timestamp) -> Result<Option<Place>, GateClosed> {
        self.other.note(self.gate.explain(job, now)).await
    }
    async fn next_wake(&self, now: Timestamp) -> Result<Option<Timestamp>, GateClosed> {
        self.other.note(self.gate.next_wake(now)).await
    }
    async fn counts(&self) -> Result<Counts, GateClosed> {
        self.other.note(self.gate.counts()).await
    }
    async fn held_up(&self) -> Result<BTreeMap<String, u64>, GateClosed> {
        self.other.note(self.gate.held_up()).await
    }
    async fn jobs(&self) -> Result<Vec<JobId>, GateClosed> {
        self.other.note(self.gate.jobs()).await
    }
    async fn standing(&self, now: Timestamp) -> Result<Standing, GateClosed> {
        self.other.note(self.gate.standing(now)).await
    }
    async fn rebuild(&self, now: Timestamp) -> Result<bool, GateClosed> {
        self.other.note(self.gate.rebuild(now)).await
    }
    async fn open(&self, now: Timestamp) -> Result<bool, GateClosed> {
        self.other.note(self.gate.open(now)).await
    }
    async fn woken(&self) {
        self.gate.woken().await;
    }
    fn meters(&self, page: &mut Page) {
        for calls in [&self.offer, &self.propose, &self.settle, &self.observe, &self.other] {
            page.histogram(&catalogue::GATE_CALL, &[calls.name], &calls.times);
            let failures = calls.failures.load(Ordering::Relaxed);
            page.count(&catalogue::GATE_FAILURES, &[calls.name], failures);
        }
    }
}
