//! Time and chance, the only places that ask the machine for either. Everything else is handed a
//! `Clock` or an `Entropy`.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use rand::{RngCore, SeedableRng, rngs::SmallRng};
use tokio::sync::Notify;

use crate::job::time::Timestamp;

/// Wall-clock time for records, and sleeping by it.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;
    /// Returns at `at` or soon after; at once if it has passed.
    async fn sleep_until(&self, at: Timestamp);
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond())
    }
    async fn sleep_until(&self, at: Timestamp) {
        // Long sleeps are cut, so that a clock that is set forward is noticed within a minute.
        loop {
            let left = at.since(self.now());
            if left.0 == 0 {
                return;
            }
            tokio::time::sleep(left.duration().min(Duration::from_mins(1))).await;
        }
    }
}

/// A clock that moves only when told to. For tests and simulated time.
#[derive(Debug)]
pub struct ManualClock {
    now: Arc<AtomicI64>,
    moved: Notify,
}

impl ManualClock {
    pub fn new(start: Timestamp) -> Self {
        Self { now: Arc::new(AtomicI64::new(start.0)), moved: Notify::new() }
    }
    /// Never goes back.
    pub fn set(&self, at: Timestamp) {
        self.now.fetch_max(at.0, Ordering::SeqCst);
        self.moved.notify_waiters();
    }
    /// The cell behind it, in milliseconds, to drive another clock in step.
    pub fn cell(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.now)
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }
    async fn sleep_until(&self, at: Timestamp) {
        loop {
            let moved = self.moved.notified();
            if self.now() >= at {
                return;
            }
            moved.await;
        }
    }
}

/// The clock of a whole process with this environment.
#[cfg(not(feature = "failpoints"))]
pub fn of_process(_: &BTreeMap<String, String>) -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// The clock of a whole process with this environment: the machine's, or for tests of the program the number in the file that
/// `SLUICE_CLOCK` names (milliseconds since 1970), which moves only when somebody writes a later one there. Released builds have
/// no such switch.
#[cfg(feature = "failpoints")]
pub fn of_process(env: &BTreeMap<String, String>) -> Arc<dyn Clock> {
    /// Between two looks at the file.
    const LOOK_EVERY: Duration = Duration::from_millis(2);
    let Some(path) = env.get("SLUICE_CLOCK").cloned() else { return Arc::new(SystemClock) };
    let read = move || std::fs::read_to_string(&path).ok()?.trim().parse().ok().map(Timestamp);
    let clock = Arc::new(ManualClock::new(read().unwrap_or(Timestamp(0))));
    let moved = Arc::downgrade(&clock);
    std::thread::spawn(move || {
        while let Some(clock) = moved.upgrade() {
            if let Some(at) = read().filter(|at| *at > clock.now()) {
                clock.set(at);
            }
            drop(clock);
            std::thread::sleep(LOOK_EVERY);
        }
    });
    clock
}

/// Drawn numbers.
#[derive(Debug)]
pub struct Entropy(Mutex<SmallRng>);

impl Entropy {
    pub fn from_system() -> Self {
        Self(Mutex::new(SmallRng::from_os_rng()))
    }
    /// The same seed draws the same numbers.
    pub fn from_seed(seed: u64) -> Self {
        Self(Mutex::new(SmallRng::seed_from_u64(seed)))
    }
    pub fn draw(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next_u64()
    }
    pub fn draw_wide(&self) -> u128 {
        (u128::from(self.draw()) << 64) | u128::from(self.draw())
    }
}
