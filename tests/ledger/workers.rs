//! Lives of workers: tokens grow, old ones are refused, and only the dead are succeeded.

use sluicegate::{
    job::{Event, Millis, RemoteState, Roles, State},
    ledger::{Command, Fence, Reply, rows::Phase},
};

use crate::ledger::{
    orders::{order, task},
    world::{World, on_both_stores},
};

on_both_stores![
    each_life_gets_a_higher_token_and_keeps_it,
    a_life_that_has_ended_does_not_come_back,
    what_a_living_worker_drives_is_not_taken_over,
    a_worker_that_is_gone_is_succeeded_and_its_old_token_refused,
    a_worker_that_stopped_is_succeeded_at_once,
    a_start_that_is_taken_over_is_looked_for_from_the_same_moment,
    a_take_over_needs_a_life_of_its_own,
    a_lease_is_renewed_and_never_shortened,
];

fn take_over(attempt: &sluicegate::ledger::rows::AttemptRow, fence: Fence) -> Command {
    Command::TakeOver { job: attempt.job_id, attempt: attempt.id, fence }
}

async fn each_life_gets_a_higher_token_and_keeps_it(world: &World) {
    let second = world.register("second").await;
    let third = world.register("third").await;
    assert!(world.worker.token < second.token && second.token < third.token);
    let before = world.ledger.head().await.unwrap();
    let (worker, lease_until) = (second.worker, world.now());
    let again = Command::Register { worker, name: "second".into(), roles: Roles::all(), lease_until };
    let Reply::Registered { token } = world.write(again).await else { panic!() };
    assert_eq!((token, world.ledger.head().await.unwrap()), (second.token, before));
}

/// There is no moment at which the successor has an intent that it might send once more.
async fn a_start_that_is_taken_over_is_looked_for_from_the_same_moment(world: &World) {
    let job = world.submit(order(&["a"])).await[0];
    let attempt = world.admitted(job).await;
    world.pass(Millis::minutes(1));
    let second = world.register("second").await;
    // Its answer is lost, and it is asked again.
    for _ in 0..2 {
        assert!(matches!(world.write(take_over(&attempt, second)).await, Reply::Done));
    }
    let taken = world.attempt(&attempt).await;
    assert_eq!((taken.phase, taken.worker_id), (Phase::Unknown, second.worker));
    assert_eq!(world.state(job).await, State::StartUnknown);
    let told = world.history(job).await;
    assert_eq!(told.iter().filter(|kind| *kind == "job.start_lost").count(), 1);
}

async fn a_life_that_has_ended_does_not_come_back(world: &World) {
    let second = world.register("second").await;
    let worker = second.worker;
    for _ in 0..2 {
        assert!(matches!(world.write(Command::Stop { worker }).await, Reply::Done));
    }
    let lease_until = world.now().plus(Millis::minutes(1));
    assert!(world.write(Command::Renew { worker, lease_until, seen: 0 }).await.is_stale());
    let again = Command::Register { worker, name: "second".into(), roles: Roles::all(), lease_until };
    assert!(matches!(world.write(again).await, Reply::Conflict(_)));
    let unknown = sluicegate::job::WorkerId::new(world.now(), 77);
    assert!(world.write(Command::Stop { worker: unknown }).await.is_stale());
}

async fn what_a_living_worker_drives_is_not_taken_over(world: &World) {
    let attempt = world.running(world.submit(order(&["a"])).await[0]).await;
    let second = world.register("second").await;
    let Reply::Stale(why) = world.write(take_over(&attempt, second)).await else { panic!() };
    assert!(why.contains("which lives"), "{why}");
    assert_eq!(world.attempt(&attempt).await, attempt);
}

async fn a_worker_that_is_gone_is_succeeded_and_its_old_token_refused(world: &World) {
    let job = world.submit(order(&["a"])).await[0];
    let attempt = world.running(job).await;
    world.pass(Millis::minutes(1));
    let second = world.register("second").await;
    for _ in 0..2 {
        assert!(matches!(world.write(take_over(&attempt, second)).await, Reply::Done));
    }
    let told = world.history(job).await;
    assert_eq!(told.iter().filter(|kind| *kind == "attempt.taken_over").count(), 1);
    // The first worker wakes up and writes what it saw.
    let late = world.sighting(&attempt, task(&attempt, RemoteState::Completed), Some(Event::Completed));
    let Reply::Stale(why) = world.write(late).await else { panic!() };
    assert!(why.contains("taken") && why.contains(&second.token.to_string()), "{why}");
    assert_eq!((world.state(job).await, world.ledger.fenced_writes()), (State::Running, 1));
    assert!(world.write(take_over(&attempt, world.worker)).await.is_stale());
    // The new driver goes on.
    let mut command =
        world.sighting(&attempt, task(&attempt, RemoteState::Completed), Some(Event::Completed));
    if let Command::Seen { fence, .. } = &mut command {
        *fence = second;
    }
    assert!(matches!(world.write(command).await, Reply::Done));
}

async fn a_worker_that_stopped_is_succeeded_at_once(world: &World) {
    let attempt = world.running(world.submit(order(&["a"])).await[0]).await;
    world.write(Command::Stop { worker: world.worker.worker }).await;
    let second = world.register("second").await;
    assert!(matches!(world.write(take_over(&attempt, second)).await, Reply::Done));
    let row = world.attempt(&attempt).await;
    assert_eq!((row.worker_id, row.token), (second.worker, second.token));
}

async fn a_take_over_needs_a_life_of_its_own(world: &World) {
    let attempt = world.running(world.submit(order(&["a"])).await[0]).await;
    world.pass(Millis::minutes(1));
    let forged = Fence { token: world.worker.token + 10, ..world.worker };
    assert!(world.write(take_over(&attempt, forged)).await.is_stale());
    let second = world.register("second").await;
    world.write(Command::Stop { worker: second.worker }).await;
    assert!(world.write(take_over(&attempt, second)).await.is_stale());
}

async fn a_lease_is_renewed_and_never_shortened(world: &World) {
    let worker = world.worker.worker;
    let later = world.now().plus(Millis::minutes(5));
    world.write(Command::Renew { worker, lease_until: later, seen: 0 }).await;
    world.write(Command::Renew { worker, lease_until: world.now(), seen: 0 }).await;
    let rows = world.ledger.workers().await.unwrap();
    assert_eq!(rows.iter().find(|row| row.id == worker).unwrap().lease_until, later);
}
