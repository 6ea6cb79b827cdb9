//! Two processes on one PostgreSQL ledger, writing at once.

use sluicegate::{
    job::{Event, JobId, RemoteState, State},
    ledger::{Command, Fence, Ledger, Reply},
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
    let mut rules = rules();
    rules.budgets.retain(|rule| rule.name != "starts");
    let world = World::postgres_with(rules).await;
    let other = world.reopen().await.unwrap();
    let repositories = (0..60).map(|n| format!("acme/r{n}")).collect();
    let jobs = world.submit(Order { repositories, ..order(&[]) }).await;
    let backwards: Vec<JobId> = jobs.iter().rev().copied().collect();
    let second = world.register("second").await;
    let (one, two) = tokio::join!(
        work(&world, &world.ledger, world.worker, &jobs),
        work(&world, &other, second, &backwards)
    );
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
