//! Cancelling is a fence: the remote task may run on, holds what it holds, and what it leaves is never used.

use sluicegate::{
    job::{Artifact, Event, RemoteState, State},
    ledger::{Command, Reply, rows::Phase},
};

use crate::ledger::{
    orders::{costly, order, reviewed, task},
    world::{World, on_both_stores},
};

on_both_stores![
    a_job_that_waits_is_cancelled_at_once,
    a_running_job_that_is_cancelled_keeps_its_holds_until_its_task_ends,
    a_cancelled_start_that_took_effect_is_followed_to_its_end,
    a_cancelled_start_that_never_happened_gives_everything_back,
    a_cancelled_task_that_wakes_takes_its_slots_back,
    cancelling_twice_is_one_cancellation,
    a_job_that_has_ended_cannot_be_cancelled,
];

async fn a_job_that_waits_is_cancelled_at_once(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    assert!(matches!(world.act(jobs[0], Event::Cancelled).await, Reply::Done));
    assert_eq!(world.state(jobs[0]).await, State::Cancelled);
    assert!(world.admit(jobs[0]).await.is_stale());
}

async fn a_running_job_that_is_cancelled_keeps_its_holds_until_its_task_ends(world: &World) {
    let jobs = world.submit(reviewed(&["a"])).await;
    let attempt = world.running(jobs[0]).await;
    world.act(jobs[0], Event::Cancelled).await;
    world.see(&attempt, RemoteState::InProgress, None).await;
    for key in ["slots/global", "unproven/template/upgrade", "pool/reviewers/ana"] {
        assert_eq!(world.used(key).await, 1, "{key}");
    }
    let mut end = costly(task(&attempt, RemoteState::Completed), 6);
    end.artifacts = vec![Artifact::Pull { database_id: 5, node_id: None }];
    let command = world.sighting(&attempt, end, Some(Event::Completed));
    assert!(matches!(world.write(command.clone()).await, Reply::Done));
    for key in ["slots/global", "unproven/template/upgrade", "pool/reviewers/ana"] {
        assert_eq!(world.used(key).await, 0, "{key}");
    }
    assert_eq!(world.used("credits/team/platform").await, 6);
    assert_eq!(
        (world.state(jobs[0]).await, world.attempt(&attempt).await.phase),
        (State::Cancelled, Phase::Ended)
    );
    assert!(world.write(command).await.is_stale());
    let notices = world.ledger.notices_of(jobs[0]).await.unwrap();
    assert_eq!(notices.iter().map(|notice| notice.kind.as_str()).collect::<Vec<_>>(), ["job.late_result"]);
    assert!(notices[0].body_json.contains("agent/fix"));
}

async fn a_cancelled_start_that_took_effect_is_followed_to_its_end(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    let attempt = world.admitted(jobs[0]).await;
    world.act(jobs[0], Event::Cancelled).await;
    assert_eq!(world.used("slots/global").await, 1);
    let found = Box::new(task(&attempt, RemoteState::InProgress));
    let (job, attempt_id, fence) = (jobs[0], attempt.id, world.worker);
    let started = Command::Started { job, attempt: attempt_id, fence, task: found, found: true };
    assert!(matches!(world.write(started).await, Reply::Done));
    assert_eq!(
        (world.state(job).await, world.attempt(&attempt).await.phase),
        (State::Cancelled, Phase::Live)
    );
    world.see(&attempt, RemoteState::Failed, Some(Event::GaveUp)).await;
    assert_eq!((world.used("slots/global").await, world.attempt(&attempt).await.phase), (0, Phase::Ended));
    // It left nothing, so there is nothing to tell.
    assert!(world.ledger.notices_of(job).await.unwrap().is_empty());
}

async fn a_cancelled_start_that_never_happened_gives_everything_back(world: &World) {
    let jobs = world.submit(reviewed(&["a"])).await;
    let attempt = world.admitted(jobs[0]).await;
    let (job, attempt_id, fence) = (jobs[0], attempt.id, world.worker);
    world.act(job, Event::Cancelled).await;
    world.write(Command::StartLost { job, attempt: attempt_id, fence, why: "reset".into() }).await;
    assert_eq!(
        (world.state(job).await, world.attempt(&attempt).await.phase),
        (State::Cancelled, Phase::Unknown)
    );
    world.not_started(&attempt, true, None).await;
    assert!(world.ledger.budgets().await.unwrap().iter().all(|row| row.used.get() == 0));
    assert_eq!(world.state(job).await, State::Cancelled);
}

async fn a_cancelled_task_that_wakes_takes_its_slots_back(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    let attempt = world.running(jobs[0]).await;
    world.see(&attempt, RemoteState::WaitingForUser, Some(Event::NeedsUser)).await;
    world.act(jobs[0], Event::Cancelled).await;
    assert_eq!(world.used("slots/global").await, 0);
    world.see(&attempt, RemoteState::InProgress, None).await;
    assert_eq!(world.used("slots/global").await, 1);
    world.see(&attempt, RemoteState::Completed, None).await;
    assert_eq!(world.used("slots/global").await, 0);
}

async fn cancelling_twice_is_one_cancellation(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    for _ in 0..2 {
        assert!(matches!(world.act(jobs[0], Event::Cancelled).await, Reply::Done));
    }
    assert_eq!(world.history(jobs[0]).await, ["job.cancelled"]);
}

async fn a_job_that_has_ended_cannot_be_cancelled(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    let attempt = world.running(jobs[0]).await;
    world.see(&attempt, RemoteState::Completed, Some(Event::Completed)).await;
    world.step(jobs[0], Event::Accepted).await;
    let Reply::Conflict(why) = world.act(jobs[0], Event::Cancelled).await else { panic!() };
    assert!(why.contains("succeeded") && why.contains("cancelled"), "{why}");
}
