//! What one worker does alone, and what changes hands when a worker starts a task for another, stops, or falls silent.

use sluicegate::{
    job::{Event, LeaseName, Millis, RemoteState, State},
    ledger::{Command, Fence, Reply, Warrant, rows::AttemptRow, rows::Phase},
};

use crate::ledger::{
    orders::{order, task},
    world::{World, on_both_stores},
};

on_both_stores![
    a_lease_is_free_once_its_holder_is_gone,
    whoever_loses_a_lease_by_silence_has_lost_its_life,
    a_lease_of_a_worker_that_stopped_is_free_at_once,
    a_task_goes_to_the_worker_that_follows_its_identity,
    a_task_stays_with_its_starter_while_nobody_follows_it,
    whoever_follows_an_identity_takes_its_tasks_and_no_starts,
    many_attempts_are_taken_over_in_one_transaction,
    a_life_is_ended_only_by_its_silence,
    what_a_worker_has_seen_never_goes_back,
    a_step_of_a_worker_that_was_succeeded_is_refused,
];

fn track() -> LeaseName {
    LeaseName::track("bot")
}

async fn claim(world: &World, name: LeaseName, fence: Fence) -> Reply {
    world.write(Command::Claim { name, fence }).await
}

fn take_over(attempt: &AttemptRow, fence: Fence) -> Command {
    Command::TakeOver { job: attempt.job_id, attempt: attempt.id, fence }
}

/// Starts a job that a worker was admitted with.
async fn start(world: &World, attempt: &AttemptRow) -> AttemptRow {
    let fence = Fence { worker: attempt.worker_id, token: attempt.token };
    let found = Box::new(task(attempt, RemoteState::Queued));
    let started =
        Command::Started { job: attempt.job_id, attempt: attempt.id, fence, task: found, found: false };
    assert!(matches!(world.write(started).await, Reply::Done));
    world.attempt(attempt).await
}

async fn admitted_by(world: &World, fence: Fence, repository: &'static str) -> AttemptRow {
    let job = world.submit(order(&[repository])).await[0];
    match world.write(world.admission(job, fence)).await {
        Reply::Admitted { attempt, .. } => *attempt,
        other => panic!("{other:?}"),
    }
}

async fn a_lease_is_free_once_its_holder_is_gone(world: &World) {
    let second = world.register("second").await;
    let forged = Fence { token: second.token + 1, ..second };
    assert!(claim(world, track(), forged).await.is_stale());
    assert!(matches!(claim(world, track(), world.worker).await, Reply::Done));
    let before = world.ledger.head().await.unwrap();
    assert!(matches!(claim(world, track(), world.worker).await, Reply::Done), "asked again");
    let Reply::Stale(why) = claim(world, track(), second).await else { panic!() };
    assert!(why.contains("which lives"), "{why}");
    assert_eq!(world.ledger.head().await.unwrap(), before);
    assert!(matches!(claim(world, LeaseName::review("bot"), second).await, Reply::Done), "another one");
    let leases = world.ledger.leases().await.unwrap();
    let held: Vec<_> = leases.iter().map(|lease| (lease.name.as_str(), lease.worker_id)).collect();
    assert_eq!(held, [("review/bot", second.worker), ("track/bot", world.worker.worker)]);
}

async fn whoever_loses_a_lease_by_silence_has_lost_its_life(world: &World) {
    claim(world, track(), world.worker).await;
    world.pass(Millis::minutes(1));
    let second = world.register("second").await;
    assert!(matches!(claim(world, track(), second).await, Reply::Done));
    let (worker, lease_until) = (world.worker.worker, world.now().plus(Millis::minutes(1)));
    assert!(world.write(Command::Renew { worker, lease_until, seen: 0 }).await.is_stale());
    assert!(claim(world, track(), world.worker).await.is_stale());
}

async fn a_lease_of_a_worker_that_stopped_is_free_at_once(world: &World) {
    claim(world, track(), world.worker).await;
    world.write(Command::Stop { worker: world.worker.worker }).await;
    let second = world.register("second").await;
    assert!(matches!(claim(world, track(), second).await, Reply::Done));
}

async fn a_task_goes_to_the_worker_that_follows_its_identity(world: &World) {
    claim(world, track(), world.worker).await;
    let second = world.register("second").await;
    let attempt = start(world, &admitted_by(world, second, "a").await).await;
    assert_eq!(attempt.worker_id, world.worker.worker);
    assert!(attempt.token > second.token && attempt.token > world.worker.token, "{attempt:?}");
    let told = world.history(attempt.job_id).await;
    assert_eq!(told.last().unwrap(), "attempt.handed_over");
    // The starter has given it away, and the token of its life is not enough for the follower.
    let follower = Fence { worker: attempt.worker_id, token: attempt.token };
    for (fence, taken) in [(second, false), (world.worker, false), (follower, true)] {
        let mut late =
            world.sighting(&attempt, task(&attempt, RemoteState::Completed), Some(Event::Completed));
        if let Command::Seen { fence: by, .. } = &mut late {
            *by = fence;
        }
        assert_eq!(!world.write(late).await.is_stale(), taken, "{fence:?}");
    }
    assert_eq!(world.state(attempt.job_id).await, State::Verifying);
}

async fn a_task_stays_with_its_starter_while_nobody_follows_it(world: &World) {
    claim(world, track(), world.worker).await;
    world.pass(Millis::minutes(1));
    let second = world.register("second").await;
    let attempt = start(world, &admitted_by(world, second, "a").await).await;
    assert_eq!((attempt.worker_id, attempt.token), (second.worker, second.token));
}

async fn whoever_follows_an_identity_takes_its_tasks_and_no_starts(world: &World) {
    let second = world.register("second").await;
    let sending = admitted_by(world, world.worker, "b").await;
    let running = start(world, &admitted_by(world, world.worker, "a").await).await;
    assert!(world.write(take_over(&running, second)).await.is_stale(), "it does not follow");
    claim(world, track(), second).await;
    assert!(
        world.write(take_over(&sending, second)).await.is_stale(),
        "its worker lives and may be sending it"
    );
    assert!(matches!(world.write(take_over(&running, second)).await, Reply::Done));
    assert_eq!(world.attempt(&running).await.worker_id, second.worker);
}

async fn many_attempts_are_taken_over_in_one_transaction(world: &World) {
    let mut attempts = Vec::new();
    for repository in ["a", "b"] {
        attempts.push(start(world, &admitted_by(world, world.worker, repository).await).await);
    }
    world.write(Command::Stop { worker: world.worker.worker }).await;
    let second = world.register("second").await;
    claim(world, track(), second).await;
    let before = world.ledger.head().await.unwrap().writes;
    let commands = attempts.iter().map(|attempt| take_over(attempt, second)).collect();
    assert!(world.write_all(commands).await.iter().all(|reply| matches!(reply, Reply::Done)));
    assert_eq!(world.ledger.head().await.unwrap().writes, before + 1);
    let found = world.ledger.orphans(&[second.worker]).await.unwrap();
    assert!(found.is_empty(), "{found:?}");
}

async fn a_life_is_ended_only_by_its_silence(world: &World) {
    let second = world.register("second").await;
    let worker = second.worker;
    assert!(world.write(Command::Expire { worker }).await.is_stale());
    world.pass(Millis::minutes(1));
    for _ in 0..2 {
        assert!(matches!(world.write(Command::Expire { worker }).await, Reply::Done));
    }
    let entries = world.ledger.entries_after(0, 100).await.unwrap();
    assert_eq!(entries.iter().filter(|entry| entry.kind == "worker.expired").count(), 1);
    let lease_until = world.now().plus(Millis::minutes(1));
    assert!(world.write(Command::Renew { worker, lease_until, seen: 0 }).await.is_stale());
}

async fn what_a_worker_has_seen_never_goes_back(world: &World) {
    let (worker, lease_until) = (world.worker.worker, world.now().plus(Millis::minutes(1)));
    for seen in [7, 3] {
        world.write(Command::Renew { worker, lease_until, seen }).await;
    }
    assert_eq!(world.ledger.worker(worker).await.unwrap().unwrap().seen, 7);
}

async fn a_step_of_a_worker_that_was_succeeded_is_refused(world: &World) {
    let attempt = world.running(world.submit(order(&["a"])).await[0]).await;
    let job = attempt.job_id;
    world.see(&attempt, RemoteState::Completed, Some(Event::Completed)).await;
    let step = |event, warrant| Command::Step {
        job,
        event,
        pull: None,
        failure: None,
        note: None,
        due_at: None,
        warrant,
    };
    let driver = |fence| Warrant::Driver(attempt.id, fence);
    let other = Fence { token: world.worker.token + 1, ..world.worker };
    assert!(world.write(step(Event::ReviewRequested, driver(other))).await.is_stale());
    assert!(matches!(world.write(step(Event::ReviewRequested, driver(world.worker))).await, Reply::Done));
    let second = world.register("second").await;
    let lease = LeaseName::review("bot");
    claim(world, lease.clone(), second).await;
    let holder = |worker| Warrant::Holder(attempt.id, worker, lease.clone());
    assert!(world.write(step(Event::Merged, holder(world.worker.worker))).await.is_stale());
    assert!(matches!(world.write(step(Event::Merged, holder(second.worker))).await, Reply::Done));
    assert_eq!(world.attempt(&attempt).await.phase, Phase::Ended);
}
