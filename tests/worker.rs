//! The supervisor with real apalis workers: every item once, panics kept apart, shutdown that settles what was
//! begun. Waits for events, never for time.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in functions that tests share")]

use std::{
    collections::{BTreeSet, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sluicegate::{
    clock::{Clock, ManualClock, SystemClock},
    job::time::{Millis, Timestamp},
    worker::{DueQueue, Outcome, Pulse, Source, Supervisor, WorkerError},
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

const NOW: Timestamp = Timestamp(0);

/// Counts events, so that a test can wait for the n-th.
struct Tally(Semaphore);

impl Tally {
    fn new() -> Arc<Self> {
        Arc::new(Self(Semaphore::new(0)))
    }
    fn one(&self) {
        self.0.add_permits(1);
    }
    /// Fails the test when they do not come within a generous bound.
    async fn wait(&self, count: u32) {
        let permits = tokio::time::timeout(Duration::from_mins(1), self.0.acquire_many(count)).await;
        permits.expect("events come").unwrap().forget();
    }
}

fn system() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

fn queue_of<const N: usize>(keys: [u32; N]) -> Arc<DueQueue<u32, u32>> {
    let queue = Arc::new(DueQueue::new(system()));
    for key in keys {
        queue.push(key, NOW, key);
    }
    queue
}

async fn ended(run: tokio::task::JoinHandle<Result<(), WorkerError>>) -> Result<(), WorkerError> {
    tokio::time::timeout(Duration::from_mins(1), run).await.expect("the supervisor ends").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_items_run_exactly_once_and_never_more_at_once_than_allowed() {
    let queue = Arc::new(DueQueue::new(system()));
    let (seen, active, peak) =
        (Arc::new(Mutex::new(HashSet::new())), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (done, stop) = (Tally::new(), CancellationToken::new());
    let supervisor = Supervisor::new(system(), stop.clone()).step("count", 32, Arc::clone(&queue), {
        let (seen, active, peak, done) =
            (Arc::clone(&seen), Arc::clone(&active), Arc::clone(&peak), Arc::clone(&done));
        move |item: u32| {
            let (seen, active, peak, done) =
                (Arc::clone(&seen), Arc::clone(&active), Arc::clone(&peak), Arc::clone(&done));
            async move {
                peak.fetch_max(active.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                assert!(seen.lock().unwrap().insert(item), "{item} ran twice");
                active.fetch_sub(1, Ordering::SeqCst);
                done.one();
            }
        }
    });
    let statistics = supervisor.statistics();
    let run = tokio::spawn(supervisor.run());
    for key in 0..10_000 {
        queue.push(key, NOW, key);
    }
    done.wait(10_000).await;
    stop.cancel();
    assert_eq!(ended(run).await, Ok(()));
    let step = statistics.step("count").unwrap();
    assert_eq!((step.handled, step.panicked, step.in_flight), (10_000, 0, 0));
    assert!(step.last_activity.is_some());
    assert_eq!(seen.lock().unwrap().len(), 10_000);
    let peak = peak.load(Ordering::SeqCst);
    assert!((2..=32).contains(&peak), "peak {peak}");
}

#[tokio::test]
async fn shutdown_lets_what_began_end_and_begins_nothing_more() {
    let queue = Arc::new(DueQueue::new(system()));
    for key in 0..100 {
        queue.push(key, NOW, key);
    }
    let (began, gate, stop) = (Tally::new(), Arc::new(Semaphore::new(0)), CancellationToken::new());
    let settled = Arc::new(AtomicUsize::new(0));
    let supervisor = Supervisor::new(system(), stop.clone()).step("slow", 8, Arc::clone(&queue), {
        let (began, gate, settled) = (Arc::clone(&began), Arc::clone(&gate), Arc::clone(&settled));
        move |_: u32| {
            let (began, gate, settled) = (Arc::clone(&began), Arc::clone(&gate), Arc::clone(&settled));
            async move {
                began.one();
                gate.acquire().await.unwrap().forget();
                settled.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let statistics = supervisor.statistics();
    let run = tokio::spawn(supervisor.run());
    began.wait(8).await;
    stop.cancel();
    gate.add_permits(100);
    assert_eq!(ended(run).await, Ok(()));
    assert_eq!((settled.load(Ordering::SeqCst), queue.len()), (8, 92));
    let step = statistics.step("slow").unwrap();
    assert_eq!((step.handled, step.in_flight), (8, 0));
}

#[tokio::test]
async fn a_panicking_handler_is_counted_finished_and_harms_nobody_else() {
    let queue = queue_of([0, 1, 2, 3, 4, 5, 6, 7]);
    let (done, stop) = (Tally::new(), CancellationToken::new());
    let supervisor = Supervisor::new(system(), stop.clone()).step("shaky", 2, Arc::clone(&queue), {
        let done = Arc::clone(&done);
        move |item: u32| {
            done.one();
            // Before there is a future, and inside of it: both must be caught.
            assert!(item != 1, "planned panic before the future");
            async move { assert!(item != 2, "planned panic in the future") }
        }
    });
    let statistics = supervisor.statistics();
    let run = tokio::spawn(supervisor.run());
    done.wait(8).await;
    // The key of a panicked item is free again.
    queue.push(2, NOW, 9);
    done.wait(1).await;
    stop.cancel();
    assert_eq!(ended(run).await, Ok(()));
    let step = statistics.step("shaky").unwrap();
    assert_eq!((step.handled, step.panicked, step.in_flight), (9, 2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_never_runs_twice_at_once_however_often_it_is_pushed() {
    let queue: Arc<DueQueue<u32, u32>> = Arc::new(DueQueue::new(system()));
    let (active, stop) = (Arc::new(Mutex::new(BTreeSet::new())), CancellationToken::new());
    let last_seen = Tally::new();
    let supervisor = Supervisor::new(system(), stop.clone()).step("keyed", 8, Arc::clone(&queue), {
        let (active, last_seen) = (Arc::clone(&active), Arc::clone(&last_seen));
        move |item: u32| {
            let (active, last_seen) = (Arc::clone(&active), Arc::clone(&last_seen));
            async move {
                assert!(active.lock().unwrap().insert(item % 5), "key {} ran twice at once", item % 5);
                tokio::task::yield_now().await;
                active.lock().unwrap().remove(&(item % 5));
                if item >= 5_000 {
                    last_seen.one();
                }
            }
        }
    });
    let statistics = supervisor.statistics();
    let run = tokio::spawn(supervisor.run());
    // The newest item of each key replaces the older ones, and must come at last.
    for item in 0..5_005 {
        queue.push(item % 5, NOW, item);
        if item % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    last_seen.wait(5).await;
    stop.cancel();
    assert_eq!(ended(run).await, Ok(()));
    assert_eq!(statistics.step("keyed").unwrap().panicked, 0);
}

#[tokio::test]
async fn shutdown_of_idle_workers_is_prompt_also_before_they_began() {
    for early in [true, false] {
        let (stop, beat) = (CancellationToken::new(), Tally::new());
        let pulse = Arc::new(Pulse::new(system(), Millis::hours(1)));
        let supervisor = Supervisor::new(system(), stop.clone())
            .step("idle", 4, queue_of([]), |_| async {})
            .step("pulse", 1, pulse, {
                let beat = Arc::clone(&beat);
                move |()| {
                    beat.one();
                    async {}
                }
            });
        if early {
            stop.cancel();
        }
        let run = tokio::spawn(supervisor.run());
        if !early {
            beat.wait(1).await;
            stop.cancel();
        }
        let result = tokio::time::timeout(Duration::from_secs(5), run).await.expect("prompt").unwrap();
        assert_eq!(result, Ok(()), "early {early}");
    }
}

#[tokio::test]
async fn a_handler_that_outlasts_the_drain_is_reported_by_its_step() {
    let clock = Arc::new(ManualClock::new(NOW));
    let (began, stop) = (Tally::new(), CancellationToken::new());
    let supervisor = Supervisor::new(clock.clone(), stop.clone())
        .drain(Millis::seconds(10))
        .step("quick", 1, queue_of([1]), |_| async {})
        .step("endless", 2, queue_of([1, 2]), {
            let began = Arc::clone(&began);
            move |_| {
                began.one();
                std::future::pending()
            }
        });
    let run = tokio::spawn(supervisor.run());
    began.wait(2).await;
    stop.cancel();
    // Nobody tells when the wait for the deadline began, so the clock runs on until it is over.
    while !run.is_finished() {
        clock.set(clock.now().plus(Millis::seconds(5)));
        tokio::task::yield_now().await;
    }
    let error = ended(run).await.unwrap_err();
    assert_eq!(error, WorkerError::Drain { waited: Millis::seconds(10), unfinished: vec![("endless", 2)] });
    assert_eq!(error.to_string(), "shutdown waited 10 s for handlers to end, still in flight: endless (2)");
}

/// Gives two items, then panics.
struct Faulty(AtomicUsize);

#[async_trait]
impl Source for Faulty {
    type Key = usize;
    type Item = usize;
    async fn next(&self) -> Option<(usize, usize)> {
        let n = self.0.fetch_add(1, Ordering::SeqCst);
        assert!(n < 2, "planned panic of a source");
        Some((n, n))
    }
    async fn finish(&self, _: usize, outcome: Outcome) {
        assert_eq!(outcome, Outcome::Done);
        self.0.fetch_add(100, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_worker_that_dies_is_an_error_and_takes_no_handler_along() {
    let source = Arc::new(Faulty(AtomicUsize::new(0)));
    let (gate, finished) = (Arc::new(Semaphore::new(0)), Tally::new());
    let supervisor = Supervisor::new(system(), CancellationToken::new())
        .step("other", 1, queue_of([]), |_| async {})
        .step("faulty", 5, Arc::clone(&source), {
            let (gate, finished) = (Arc::clone(&gate), Arc::clone(&finished));
            move |_| {
                let (gate, finished) = (Arc::clone(&gate), Arc::clone(&finished));
                async move {
                    gate.acquire().await.unwrap().forget();
                    finished.one();
                }
            }
        });
    let statistics = supervisor.statistics();
    let run = tokio::spawn(supervisor.run());
    gate.add_permits(2);
    assert_eq!(ended(run).await, Err(WorkerError::Ended { step: "faulty" }));
    finished.wait(2).await;
    let step = statistics.step("faulty").unwrap();
    assert_eq!((step.handled, step.in_flight, source.0.load(Ordering::SeqCst)), (2, 0, 203));
}

#[tokio::test]
async fn a_source_that_closes_without_shutdown_is_an_error() {
    let queue = queue_of([]);
    let supervisor = Supervisor::new(system(), CancellationToken::new())
        .step("closing", 1, Arc::clone(&queue), |_| async {})
        .step("other", 1, queue_of([]), |_| async {});
    let run = tokio::spawn(supervisor.run());
    queue.close();
    assert_eq!(ended(run).await, Err(WorkerError::Ended { step: "closing" }));
}

#[tokio::test]
async fn a_manual_clock_drives_due_items_from_one_step_into_the_next() {
    let clock = Arc::new(ManualClock::new(NOW));
    let first: Arc<DueQueue<u32, u32>> = Arc::new(DueQueue::new(clock.clone()));
    let second: Arc<DueQueue<u32, u32>> = Arc::new(DueQueue::new(clock.clone()));
    let (trail, moved, stop) = (Arc::new(Mutex::new(Vec::new())), Tally::new(), CancellationToken::new());
    let supervisor = Supervisor::new(clock.clone(), stop.clone())
        .step("first", 2, Arc::clone(&first), {
            let (clock, second, moved) = (clock.clone(), Arc::clone(&second), Arc::clone(&moved));
            move |item: u32| {
                second.push(item, clock.now().plus(Millis(1_000)), item);
                moved.one();
                async {}
            }
        })
        .step("second", 2, Arc::clone(&second), {
            let (clock, trail, moved) = (clock.clone(), Arc::clone(&trail), Arc::clone(&moved));
            move |item: u32| {
                trail.lock().unwrap().push((item, clock.now().0));
                moved.one();
                async {}
            }
        });
    first.push(1, Timestamp(10), 1);
    first.push(2, Timestamp(500), 2);
    let run = tokio::spawn(supervisor.run());
    for at in [10, 500, 1_010, 1_500] {
        assert!(trail.lock().unwrap().iter().all(|(_, then)| *then < at));
        clock.set(Timestamp(at));
        moved.wait(1).await;
    }
    assert_eq!(*trail.lock().unwrap(), [(1, 1_010), (2, 1_500)]);
    stop.cancel();
    assert_eq!(ended(run).await, Ok(()));
}
