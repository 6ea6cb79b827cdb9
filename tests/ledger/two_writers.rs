//! Two processes on one ledger, writing at once.

use sluicegate::{
    budget::Rules,
    job::{Event, JobId, Millis, RemoteState, State},
    ledger::{Command, Fence, Ledger, LedgerError, Reply},
};

use crate::ledger::{
    orders::{Order, order, rules, task},
    world::{World, step},
};

/// Takes jobs until none is left; returns how many it brought to their end.
async fn work(world: &World, ledger: &Ledger, fence: Fence, jobs: &[JobId]) -> usize {
    let mut done = 0;
    let mut left = jobs.to_vec();
    while !left.is_empty() {
        let commands = left.iter().map(|job| world.admission(*job, fence)).collect();
        let mut next = Vec::new();
        for (job, answer) in left.iter().zip(ledger.write_all(commands).await) {
            match answer.unwrap().0 {
                Reply::Admitted { attempt, .. } => {
                    let (job, attempt_id) = (*job, attempt.id);
                    let found = Box::new(task(&attempt, RemoteState::Queued));
                    let started =
                        Command::Started { job, attempt: attempt_id, fence, task: found, found: false };
                    let mut seen = world.sighting(
                        &attempt,
                        task(&attempt, RemoteState::Completed),
                        Some(Event::Completed),
                    );
                    if let Command::Seen { fence: by, .. } = &mut seen {
                        *by = fence;
                    }
                    for command in [started, seen, step(job, Event::Accepted)] {
                        assert!(matches!(ledger.write(command).await.unwrap(), Reply::Done));
                    }
                    done += 1;
                }
                Reply::Refused(_) => next.push(*job),
                Reply::Stale(_) => {}
                other => panic!("{other:?}"),
            }
        }
        left = next;
    }
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_share_limits_and_one_gapless_history() {
    let world = World::postgres_with(without_window()).await;
    let other = world.reopen().await.unwrap();
    share_the_work(&world, &other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_of_one_sqlite_file_share_limits_and_one_gapless_history() {
    let world = World::shared_sqlite_with(without_window()).await;
    let other = world.reopen_shared().await.unwrap();
    share_the_work(&world, &other).await;
}

fn without_window() -> Rules {
    let mut rules = rules();
    rules.budgets.retain(|rule| rule.name != "starts");
    rules
}

async fn share_the_work(world: &World, other: &Ledger) {
    let repositories = (0..60).map(|n| format!("acme/r{n}")).collect();
    let jobs = world.submit(Order { repositories, ..order(&[]) }).await;
    let backwards: Vec<JobId> = jobs.iter().rev().copied().collect();
    let second = world.register("second").await;
    let (one, two) =
        tokio::join!(work(world, &world.ledger, world.worker, &jobs), work(world, other, second, &backwards));
    assert_eq!(one + two, 60);
    assert!(one > 0 && two > 0, "{one} and {two}");
    for job in &jobs {
        assert_eq!(world.state(*job).await, State::Succeeded);
    }
    let entries = world.ledger.entries_after(0, 10_000).await.unwrap();
    let positions: Vec<i64> = entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(positions, (1..=entries.last().unwrap().seq).collect::<Vec<_>>());
    world.end().await;
}

/// A change without an entry moves no position of the history; rows kept from before it must be read again all the same.
#[tokio::test]
async fn what_another_process_changed_without_an_entry_is_not_overwritten() {
    let world = World::shared_sqlite_with(rules()).await;
    let other = world.reopen_shared().await.unwrap();
    let worker = world.worker.worker;
    let renew = |seconds, seen| {
        let lease_until = world.now().plus(Millis::seconds(seconds));
        Command::Renew { worker, lease_until, seen }
    };
    world.write(renew(70, 1)).await;
    other.write(renew(500, 9)).await.unwrap();
    world.write(renew(80, 2)).await;
    let row = world.ledger.worker(worker).await.unwrap().unwrap();
    assert_eq!((row.lease_until, row.seen), (world.now().plus(Millis::seconds(500)), 9));
}

#[tokio::test]
async fn a_shared_file_is_not_taken_by_a_process_that_wants_it_alone() {
    let world = World::shared_sqlite_with(rules()).await;
    let other = world.reopen_shared().await.unwrap();
    assert!(matches!(world.reopen().await, Err(LedgerError::Locked(_))));
    other.close().await;
    assert!(matches!(world.reopen().await, Err(LedgerError::Locked(_))));
    world.ledger.close().await;
    assert!(world.reopen().await.is_ok());
    world.over();
}

#[tokio::test]
async fn what_others_wrote_is_told_apart_from_what_this_process_wrote() {
    let world = World::postgres().await;
    let other = world.reopen().await.unwrap();
    let from = world.ledger.head().await.unwrap().seq;
    let mine = world.submit(order(&["a"])).await[0];
    let (theirs, ids) = world.submission(&order(&["b"]));
    other.write(theirs).await.unwrap();
    world.admitted(mine).await;
    let head = world.ledger.head().await.unwrap().seq;
    let jobs = |events: Vec<sluicegate::ledger::query::Event>| -> Vec<JobId> {
        let mut jobs: Vec<JobId> = events.into_iter().filter_map(|event| event.job_id).collect();
        jobs.sort();
        jobs.dedup();
        jobs
    };
    // Submitting enters the request; its jobs are told with it.
    let events = world.ledger.events_of_others(from, head).await.unwrap();
    assert!(!events.is_empty() && !jobs(events).contains(&mine), "{ids:?}");
    let events = other.events_of_others(from, head).await.unwrap();
    assert_eq!(jobs(events), [mine]);
}
