//! A keyed delay queue in memory: each key waits until its time and is never worked on twice at once. It holds no
//! truth: what is lost with the process is pushed again from the ledger.

use std::{
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::{
    clock::Clock,
    job::time::Timestamp,
    worker::{
        line::{Line, Look},
        source::{Outcome, Source},
    },
};

/// Items by key, each given out at its time or soon after, earliest first, equal times in the order of their push.
/// Every call costs O(log n) at most.
pub struct DueQueue<K, T> {
    clock: Arc<dyn Clock>,
    line: Mutex<Line<K, T>>,
    /// The earliest time moved ahead, or the queue closed.
    changed: Notify,
}

impl<K, T> DueQueue<K, T>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    T: Send + 'static,
{
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, line: Mutex::new(Line::default()), changed: Notify::new() }
    }

    /// Puts a key in line for `at`. A key that waits already keeps the earlier of both times and gets the new item. A key
    /// in flight is kept back and goes in line when its handler has ended. After `close` the item is dropped.
    pub fn push(&self, key: K, at: Timestamp, item: T) {
        let ahead = self.line().push(key, at, item);
        if ahead {
            self.changed.notify_one();
        }
    }

    /// Takes a key out of line, also one that is kept back; a handler in flight goes on. Returns the item that waited.
    pub fn remove(&self, key: &K) -> Option<T> {
        self.line().remove(key)
    }

    /// Takes out what stands first, due or not; for the end of a life, when nothing is worked on any more.
    pub fn take_waiting(&self) -> Option<(K, T)> {
        self.line().pop()
    }

    /// True while a key waits or is worked on.
    pub fn knows(&self, key: &K) -> bool {
        self.line().knows(key)
    }

    /// Items that wait, those kept back included and those in flight not.
    pub fn len(&self) -> usize {
        self.line().len()
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives nothing out any more. The worker on this queue counts that as an end: shut down first.
    pub fn close(&self) {
        self.line().close();
        self.changed.notify_waiters();
        self.changed.notify_one();
    }

    fn line(&self) -> MutexGuard<'_, Line<K, T>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl<K, T> Source for DueQueue<K, T>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    T: Send + 'static,
{
    type Key = K;
    type Item = T;

    async fn next(&self) -> Option<(K, T)> {
        loop {
            let changed = self.changed.notified();
            let look = self.line().look(self.clock.now());
            match look {
                Look::Closed => return None,
                Look::Due(key, item) => {
                    // The wake-up that this call used up may have been meant for what is next in line.
                    self.changed.notify_one();
                    return Some((key, item));
                }
                Look::At(at) => {
                    tokio::select! {
                        () = changed => {}
                        () = self.clock.sleep_until(at) => {}
                    }
                }
                Look::Empty => changed.await,
            }
        }
    }

    async fn finish(&self, key: K, _: Outcome) {
        let ahead = self.line().finish(key);
        if ahead {
            self.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::clock::ManualClock;

    type Queue = DueQueue<&'static str, u32>;

    fn queue() -> (Arc<ManualClock>, Queue) {
        let clock = Arc::new(ManualClock::new(Timestamp(0)));
        (clock.clone(), DueQueue::new(clock))
    }
    /// What is due right now.
    fn due(queue: &Queue) -> Option<(&'static str, u32)> {
        queue.next().now_or_never().flatten()
    }
    fn finish(queue: &Queue, key: &'static str) {
        queue.finish(key, Outcome::Done).now_or_never().unwrap();
    }

    #[test]
    fn items_come_at_their_time_earliest_first_and_equal_times_in_order() {
        let (clock, queue) = queue();
        for (key, at) in [("late", 30), ("first", 10), ("second", 10), ("early", 5)] {
            queue.push(key, Timestamp(at), 0);
        }
        assert_eq!((due(&queue), queue.len()), (None, 4));
        clock.set(Timestamp(10));
        let keys: Vec<_> = std::iter::from_fn(|| due(&queue)).map(|(key, _)| key).collect();
        assert_eq!(keys, ["early", "first", "second"]);
        clock.set(Timestamp(30));
        assert_eq!(due(&queue), Some(("late", 0)));
    }

    #[test]
    fn a_second_push_keeps_the_earlier_time_and_brings_the_new_item() {
        let (clock, queue) = queue();
        queue.push("a", Timestamp(20), 1);
        queue.push("a", Timestamp(10), 2);
        queue.push("a", Timestamp(40), 3);
        assert_eq!(queue.len(), 1);
        clock.set(Timestamp(10));
        assert_eq!(due(&queue), Some(("a", 3)));
        finish(&queue, "a");
        clock.set(Timestamp(100));
        assert_eq!((due(&queue), queue.is_empty()), (None, true));
    }

    #[test]
    fn a_push_during_flight_waits_for_the_end_of_it_and_is_given_out_again() {
        let (clock, queue) = queue();
        queue.push("a", Timestamp(0), 1);
        assert_eq!(due(&queue), Some(("a", 1)));
        queue.push("a", Timestamp(50), 2);
        queue.push("a", Timestamp(0), 3);
        assert_eq!((due(&queue), queue.len()), (None, 1), "never twice at once");
        finish(&queue, "a");
        assert_eq!(due(&queue), Some(("a", 3)));
        queue.push("a", Timestamp(50), 4);
        finish(&queue, "a");
        assert_eq!(due(&queue), None);
        clock.set(Timestamp(50));
        assert_eq!(due(&queue), Some(("a", 4)));
    }

    #[test]
    fn a_removed_key_does_not_come_whether_it_waits_or_is_kept_back() {
        let (_, queue) = queue();
        queue.push("a", Timestamp(0), 1);
        assert_eq!((queue.remove(&"a"), queue.remove(&"a"), due(&queue)), (Some(1), None, None));
        queue.push("a", Timestamp(0), 2);
        assert_eq!(due(&queue), Some(("a", 2)));
        queue.push("a", Timestamp(0), 3);
        assert_eq!(queue.remove(&"a"), Some(3));
        finish(&queue, "a");
        assert_eq!(due(&queue), None);
    }

    #[tokio::test]
    async fn an_earlier_push_wakes_one_that_waits_for_a_later_time() {
        let (clock, queue) = queue();
        queue.push("late", Timestamp(1_000), 0);
        let (item, ()) = tokio::join!(queue.next(), async {
            queue.push("soon", Timestamp(10), 1);
            clock.set(Timestamp(10));
        });
        assert_eq!(item, Some(("soon", 1)));
    }

    #[tokio::test]
    async fn dropping_a_wait_loses_neither_an_item_nor_its_wake_up() {
        let (_, queue) = queue();
        let mut dropped = Box::pin(queue.next());
        assert!(dropped.as_mut().now_or_never().is_none());
        let mut other = Box::pin(queue.next());
        assert!(other.as_mut().now_or_never().is_none());
        queue.push("a", Timestamp(0), 1);
        drop(dropped);
        assert_eq!(other.await, Some(("a", 1)));
    }

    #[tokio::test]
    async fn two_waiters_each_get_one_of_two_items_of_different_times() {
        let (clock, queue) = queue();
        let (one, two, ()) = tokio::join!(queue.next(), queue.next(), async {
            queue.push("a", Timestamp(10), 1);
            queue.push("b", Timestamp(20), 2);
            clock.set(Timestamp(20));
        });
        let mut keys = [one.unwrap().0, two.unwrap().0];
        keys.sort_unstable();
        assert_eq!(keys, ["a", "b"]);
    }

    #[tokio::test]
    async fn closing_ends_every_wait_and_takes_nothing_more() {
        let (_, queue) = queue();
        let (one, two, ()) = tokio::join!(queue.next(), queue.next(), async { queue.close() });
        assert_eq!((one, two), (None, None));
        queue.push("a", Timestamp(0), 1);
        assert_eq!((queue.next().await, queue.len()), (None, 0));
    }
}
