//! A source for loops: it says "look now" when poked, at a time asked for, and at least every so often. Pokes that
//! come while one waits are one; a poke during a run is followed by another run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::{
    clock::Clock,
    job::time::{Millis, Timestamp},
    worker::source::{Outcome, Source},
};

/// Yields `()`. Its step should have a concurrency of 1, or runs overlap.
pub struct Pulse {
    clock: Arc<dyn Clock>,
    every: Millis,
    due: Mutex<Timestamp>,
    changed: Notify,
}

impl Pulse {
    /// The first beat is due at once, each further one `every` (at least 1 ms) after the one before, unless poked
    /// sooner.
    pub fn new(clock: Arc<dyn Clock>, every: Millis) -> Self {
        let due = Mutex::new(clock.now());
        Self { clock, every: every.max(Millis(1)), due, changed: Notify::new() }
    }
    /// Beats as soon as possible.
    pub fn poke(&self) {
        self.beat_at(Timestamp(i64::MIN));
    }
    /// Beats at `at`, if no beat is due sooner.
    pub fn beat_at(&self, at: Timestamp) {
        let mut due = self.due();
        if at < *due {
            *due = at;
            drop(due);
            self.changed.notify_one();
        }
    }
    fn due(&self) -> MutexGuard<'_, Timestamp> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Takes the beat if it is due, else says when it will be.
    fn take(&self) -> Result<(), Timestamp> {
        let now = self.clock.now();
        let mut due = self.due();
        if *due > now {
            return Err(*due);
        }
        *due = now.plus(self.every);
        Ok(())
    }
}

#[async_trait]
impl Source for Pulse {
    type Key = ();
    type Item = ();

    async fn next(&self) -> Option<((), ())> {
        loop {
            let changed = self.changed.notified();
            let Err(at) = self.take() else { return Some(((), ())) };
            tokio::select! {
                () = changed => {}
                () = self.clock.sleep_until(at) => {}
            }
        }
    }

    async fn finish(&self, (): (), _: Outcome) {}
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::clock::ManualClock;

    fn pulse() -> (Arc<ManualClock>, Pulse) {
        let clock = Arc::new(ManualClock::new(Timestamp(1_000)));
        let pulse = Pulse::new(clock.clone(), Millis(100));
        assert!(pulse.next().now_or_never().is_some(), "the first beat is due at once");
        (clock, pulse)
    }

    #[test]
    fn it_beats_every_so_often_by_its_clock() {
        let (clock, pulse) = pulse();
        clock.set(Timestamp(1_099));
        assert!(pulse.next().now_or_never().is_none());
        clock.set(Timestamp(1_100));
        assert!(pulse.next().now_or_never().is_some());
        assert!(pulse.next().now_or_never().is_none(), "the next one is counted from this one");
    }

    #[test]
    fn many_pokes_are_one_beat_and_put_the_regular_one_off() {
        let (clock, pulse) = pulse();
        clock.set(Timestamp(1_050));
        for _ in 0..10 {
            pulse.poke();
        }
        assert!(pulse.next().now_or_never().is_some());
        assert!(pulse.next().now_or_never().is_none());
        clock.set(Timestamp(1_149));
        assert!(pulse.next().now_or_never().is_none());
        clock.set(Timestamp(1_150));
        assert!(pulse.next().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_poke_wakes_one_that_waits_and_a_dropped_wait_loses_none() {
        let (_, pulse) = pulse();
        let mut waiting = Box::pin(pulse.next());
        assert!(waiting.as_mut().now_or_never().is_none());
        pulse.poke();
        drop(waiting);
        assert!(pulse.next().await.is_some());
        let (beat, ()) = tokio::join!(pulse.next(), async { pulse.poke() });
        assert!(beat.is_some());
    }

    #[tokio::test]
    async fn a_beat_asked_for_comes_at_its_time_but_never_later_than_the_regular_one() {
        let (clock, pulse) = pulse();
        pulse.beat_at(Timestamp(9_000));
        pulse.beat_at(Timestamp(1_030));
        let (beat, ()) = tokio::join!(pulse.next(), async { clock.set(Timestamp(1_030)) });
        assert!(beat.is_some());
        let (beat, ()) = tokio::join!(pulse.next(), async { clock.set(Timestamp(1_130)) });
        assert!(beat.is_some());
    }
}
