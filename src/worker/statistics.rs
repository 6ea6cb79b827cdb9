//! What each step has done so far: counted by the workers, read by metrics and `sluice doctor`.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
};

use crate::{clock::Clock, job::time::Timestamp};

/// The figures of one step at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct StepStatistics {
    pub name: &'static str,
    /// How many handlers may run at once.
    pub concurrency: usize,
    /// Handlers that ended, the panicked ones included.
    pub handled: u64,
    pub panicked: u64,
    pub in_flight: usize,
    /// When a handler last began or ended; None: never.
    pub last_activity: Option<Timestamp>,
}

/// A handle on the figures of every step of a supervisor; outlives it.
#[derive(Clone, Debug)]
pub struct Statistics(pub(super) Vec<Arc<Counters>>);

impl Statistics {
    /// In the order in which the steps were added.
    pub fn steps(&self) -> Vec<StepStatistics> {
        self.0.iter().map(|step| step.read()).collect()
    }
    /// None: no step has this name.
    pub fn step(&self, name: &str) -> Option<StepStatistics> {
        self.0.iter().find(|step| step.name == name).map(|step| step.read())
    }
}

/// No activity yet.
const NEVER: i64 = i64::MIN;

/// The live counters of one step.
#[derive(Debug)]
pub(super) struct Counters {
    pub(super) name: &'static str,
    concurrency: usize,
    handled: AtomicU64,
    panicked: AtomicU64,
    in_flight: AtomicUsize,
    last_activity: AtomicI64,
}

impl Counters {
    pub(super) fn new(name: &'static str, concurrency: usize) -> Self {
        Self {
            name,
            concurrency: concurrency.max(1),
            handled: AtomicU64::new(0),
            panicked: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            last_activity: AtomicI64::new(NEVER),
        }
    }
    pub(super) fn is_full(&self) -> bool {
        self.in_flight() >= self.concurrency
    }
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }
    pub(super) fn count_panic(&self) {
        self.panicked.fetch_add(1, Ordering::SeqCst);
    }
    fn read(&self) -> StepStatistics {
        let last = self.last_activity.load(Ordering::SeqCst);
        StepStatistics {
            name: self.name,
            concurrency: self.concurrency,
            handled: self.handled.load(Ordering::SeqCst),
            panicked: self.panicked.load(Ordering::SeqCst),
            in_flight: self.in_flight(),
            last_activity: (last != NEVER).then_some(Timestamp(last)),
        }
    }
}

/// One handler's place among those that run; given back when dropped, so that no way of ending leaks it.
pub(super) struct Place {
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
}

impl Place {
    pub(super) fn take(counters: &Arc<Counters>, clock: &Arc<dyn Clock>) -> Self {
        counters.in_flight.fetch_add(1, Ordering::SeqCst);
        counters.last_activity.store(clock.now().0, Ordering::SeqCst);
        Self { counters: Arc::clone(counters), clock: Arc::clone(clock) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counters.last_activity.store(self.clock.now().0, Ordering::SeqCst);
        self.counters.handled.fetch_add(1, Ordering::SeqCst);
        self.counters.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}
