//! What is seen of a running task, and what it does to the holds.

use sluicegate::{
    budget::Amount,
    job::{Artifact, Event, RemoteState, State, Timestamp, failure::FailureClass, routing::Failure},
    ledger::{Command, Reply, Seen, rows::Phase},
};

use crate::ledger::{
    orders::{HOUR, costly, order, reviewed, task},
    world::{World, on_both_stores},
};

on_both_stores![
    each_remote_state_takes_the_job_where_it_belongs,
    a_sighting_is_kept_and_a_repeated_one_writes_nothing,
    a_sighting_of_another_task_is_refused,
    waiting_for_a_person_frees_the_slots_and_nothing_else,
    an_agent_that_wakes_takes_its_slots_back_above_the_limit,
    a_completed_task_frees_its_slots_and_is_charged_what_it_cost,
    a_cost_that_is_not_known_keeps_the_estimate,
    a_cost_above_the_estimate_is_recorded_as_an_overdraft,
    a_failed_attempt_waits_for_its_retry_with_nothing_held,
    an_exhausted_job_is_a_dead_letter_with_its_advice,
    a_task_that_reopens_during_review_keeps_its_reviewer,
];

async fn each_remote_state_takes_the_job_where_it_belongs(world: &World) {
    let cases = [
        (RemoteState::InProgress, None, State::Running, Phase::Live),
        (RemoteState::Unknown("napping".into()), None, State::Running, Phase::Live),
        (RemoteState::Idle, None, State::Running, Phase::Live),
        (RemoteState::Idle, Some(Event::NeedsUser), State::WaitingForUser, Phase::Live),
        (RemoteState::WaitingForUser, Some(Event::NeedsUser), State::WaitingForUser, Phase::Live),
        (RemoteState::Completed, Some(Event::Completed), State::Verifying, Phase::Done),
        (RemoteState::Failed, Some(Event::Retried), State::Queued, Phase::Ended),
        (RemoteState::Failed, Some(Event::GaveUp), State::Dead, Phase::Ended),
        (RemoteState::TimedOut, Some(Event::GaveUp), State::Dead, Phase::Ended),
        (RemoteState::Cancelled, Some(Event::GaveUp), State::Dead, Phase::Ended),
    ];
    for (number, (remote, event, state, phase)) in cases.into_iter().enumerate() {
        let jobs = world.submit(order(&[&format!("r{number}")])).await;
        let attempt = world.running(jobs[0]).await;
        assert!(matches!(world.see(&attempt, remote.clone(), event).await, Reply::Done), "{remote}");
        let seen = world.attempt(&attempt).await;
        assert_eq!((world.state(jobs[0]).await, seen.phase), (state, phase), "{remote}");
        assert_eq!(seen.remote_state, Some(remote.clone()));
        world.act(jobs[0], Event::Cancelled).await;
        world.see(&attempt, RemoteState::Cancelled, None).await;
        world.pass(HOUR);
        world.write(Command::RollOver).await;
    }
    assert_eq!((world.used("slots/global").await, world.used("unproven/template/upgrade").await), (0, 0));
}

async fn a_sighting_is_kept_and_a_repeated_one_writes_nothing(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    let attempt = world.running(jobs[0]).await;
    let mut seen = costly(task(&attempt, RemoteState::InProgress), 5);
    seen.artifacts = vec![Artifact::Pull { database_id: 77, node_id: None }];
    seen.updated_at = Some(Timestamp(9));
    world.write(world.sighting(&attempt, seen.clone(), None)).await;
    let kept = world.attempt(&attempt).await;
    assert_eq!(
        (kept.branch.as_deref(), kept.pull_database_id, kept.nano_credits, kept.model_used.as_deref()),
        (Some("agent/fix"), Some(77), Some(5), Some("model-1"))
    );
    let before = world.ledger.head().await.unwrap();
    world.pass(HOUR);
    assert!(matches!(world.write(world.sighting(&attempt, seen, None)).await, Reply::Done));
    assert_eq!((world.ledger.head().await.unwrap(), world.attempt(&attempt).await), (before, kept.clone()));
    // What a later list leaves out is not forgotten.
    world.see(&attempt, RemoteState::Idle, None).await;
    let later = world.attempt(&attempt).await;
    assert_eq!((later.pull_database_id, later.nano_credits, later.branch), (Some(77), Some(5), kept.branch));
}

async fn a_sighting_of_another_task_is_refused(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    let attempt = world.running(jobs[0]).await;
    let mut other = task(&attempt, RemoteState::Completed);
    other.id.0.push('x');
    assert!(world.write(world.sighting(&attempt, other, Some(Event::Completed))).await.is_stale());
    assert_eq!(world.state(jobs[0]).await, State::Running);
}

async fn waiting_for_a_person_frees_the_slots_and_nothing_else(world: &World) {
    let jobs = world.submit(reviewed(&["a"])).await;
    let attempt = world.running(jobs[0]).await;
    world.see(&attempt, RemoteState::WaitingForUser, Some(Event::NeedsUser)).await;
    assert_eq!((world.used("slots/global").await, world.used("slots/repository/acme/a").await), (0, 0));
    for key in ["pool/reviewers/ana", "unproven/template/upgrade", "starts/global"] {
        assert_eq!(world.used(key).await, 1, "{key}");
    }
    assert_eq!(world.used("credits/team/platform").await, 10);
}

async fn an_agent_that_wakes_takes_its_slots_back_above_the_limit(world: &World) {
    let jobs = world.submit(order(&["a", "b", "c", "d"])).await;
    let sleeper = world.running(jobs[0]).await;
    world.see(&sleeper, RemoteState::WaitingForUser, Some(Event::NeedsUser)).await;
    for job in &jobs[1..] {
        world.running(*job).await;
    }
    world.see(&sleeper, RemoteState::InProgress, Some(Event::Resumed)).await;
    assert_eq!(world.used("slots/global").await, 4);
    let entries = world.ledger.entries_of(jobs[0]).await.unwrap();
    let body: serde_json::Value = serde_json::from_str(&entries.last().unwrap().body_json).unwrap();
    assert_eq!(body["overdraft"], serde_json::json!(["slots/global"]));
    assert_eq!(body["retaken"][0], serde_json::json!(["slots/global", 1, 4, 3]));
    // New starts wait until the overdraft is worked off.
    let more = world.submit(order(&["e"])).await;
    let Reply::Refused(refusal) = world.admit(more[0]).await else { panic!() };
    assert_eq!((refusal.key.as_str(), refusal.used.get()), ("slots/global", 4));
    world.see(&sleeper, RemoteState::Completed, Some(Event::Completed)).await;
    assert_eq!(world.used("slots/global").await, 3);
}

async fn a_completed_task_frees_its_slots_and_is_charged_what_it_cost(world: &World) {
    let jobs = world.submit(reviewed(&["a"])).await;
    let attempt = world.running(jobs[0]).await;
    assert!(matches!(world.see_cost(&attempt, 3, Event::Completed).await, Reply::Done));
    assert_eq!((world.used("credits/team/platform").await, world.used("slots/global").await), (3, 0));
    let holds = world.ledger.holds_of(jobs[0]).await.unwrap();
    let spend = holds.iter().find(|hold| hold.budget_id.name() == "credits").unwrap();
    assert_eq!((spend.amount.get(), spend.released_at), (3, None));
    // It counts until its day is over.
    world.pass(sluicegate::job::Millis::hours(14));
    world.write(Command::RollOver).await;
    assert_eq!(world.used("credits/team/platform").await, 0);
}

async fn a_cost_that_is_not_known_keeps_the_estimate(world: &World) {
    let jobs = world.submit(reviewed(&["a", "b"])).await;
    let silent = world.running(jobs[0]).await;
    world.see(&silent, RemoteState::Completed, Some(Event::Completed)).await;
    assert_eq!(world.used("credits/team/platform").await, 10);
    // Nor is a number that nothing can hold a cost.
    let absurd = world.running(jobs[1]).await;
    let reply = world.see_cost(&absurd, Amount::MAX.get() + 1, Event::Completed).await;
    assert!(matches!(reply, Reply::Done));
    assert_eq!(world.used("credits/team/platform").await, 20);
    assert_eq!(world.attempt(&absurd).await.nano_credits, None);
}

async fn a_cost_above_the_estimate_is_recorded_as_an_overdraft(world: &World) {
    let jobs = world.submit(reviewed(&["a", "b"])).await;
    let attempt = world.running(jobs[0]).await;
    world.see_cost(&attempt, 140, Event::Completed).await;
    assert_eq!(world.used("credits/team/platform").await, 140);
    let entries = world.ledger.entries_of(jobs[0]).await.unwrap();
    let body: serde_json::Value = serde_json::from_str(&entries.last().unwrap().body_json).unwrap();
    assert_eq!(body["settled"], serde_json::json!([["credits/team/platform", 10, 140]]));
    assert_eq!(body["overdraft"], serde_json::json!(["credits/team/platform"]));
    assert!(matches!(world.admit(jobs[1]).await, Reply::Refused(_)));
}

async fn a_failed_attempt_waits_for_its_retry_with_nothing_held(world: &World) {
    let jobs = world.submit(reviewed(&["a"])).await;
    let attempt = world.running(jobs[0]).await;
    let due_at = Some(world.now().plus(HOUR));
    let seen = Seen {
        task: costly(task(&attempt, RemoteState::Failed), 4),
        event: Some(Event::Retried),
        failure: Some(Failure::new(FailureClass::Infrastructure, "internal error")),
        advice: None,
        due_at,
    };
    let (job, attempt_id, fence) = (jobs[0], attempt.id, world.worker);
    let command = Command::Seen { job, attempt: attempt_id, fence, seen: Box::new(seen) };
    assert!(matches!(world.write(command.clone()).await, Reply::Done));
    let row = world.job(job).await;
    assert_eq!((row.state, row.due_at, row.attempts, row.reviewer), (State::Queued, due_at, 1, None));
    for (key, left) in [
        ("slots/global", 0),
        ("pool/reviewers/ana", 0),
        ("unproven/template/upgrade", 0),
        ("starts/global", 1),
        ("credits/team/platform", 4),
    ] {
        assert_eq!(world.used(key).await, left, "{key}");
    }
    assert!(world.write(command).await.is_stale());
    world.pass(HOUR);
    assert_eq!(world.admitted(job).await.number, 2);
    assert_eq!(world.job(job).await.attempts, 2);
}

async fn an_exhausted_job_is_a_dead_letter_with_its_advice(world: &World) {
    let jobs = world.submit(reviewed(&["a"])).await;
    let attempt = world.running(jobs[0]).await;
    let seen = Seen {
        task: task(&attempt, RemoteState::TimedOut),
        event: Some(Event::GaveUp),
        failure: Some(Failure::new(FailureClass::TimedOut, "out of time")),
        advice: Some("split the request".into()),
        due_at: None,
    };
    let (job, attempt_id, fence) = (jobs[0], attempt.id, world.worker);
    world.write(Command::Seen { job, attempt: attempt_id, fence, seen: Box::new(seen) }).await;
    let outcome: serde_json::Value =
        serde_json::from_str(&world.job(job).await.outcome_json.unwrap()).unwrap();
    assert_eq!(
        (&outcome["failure"]["class"], &outcome["advice"]),
        (&"timed_out".into(), &"split the request".into())
    );
    let notices = world.ledger.notices_of(job).await.unwrap();
    assert_eq!(notices.len(), 1);
    let body: serde_json::Value = serde_json::from_str(&notices[0].body_json).unwrap();
    assert_eq!((&body["owner"], &body["repository"]), (&"olga".into(), &"acme/a".into()));
    assert_eq!(world.used("pool/reviewers/ana").await, 0);
}

async fn a_task_that_reopens_during_review_keeps_its_reviewer(world: &World) {
    let jobs = world.submit(reviewed(&["a"])).await;
    let attempt = world.running(jobs[0]).await;
    world.see_cost(&attempt, 3, Event::Completed).await;
    world.step(jobs[0], Event::ReviewRequested).await;
    world.see(&attempt, RemoteState::InProgress, Some(Event::Resumed)).await;
    assert_eq!(
        (world.state(jobs[0]).await, world.attempt(&attempt).await.phase),
        (State::Running, Phase::Live)
    );
    assert_eq!((world.used("slots/global").await, world.used("pool/reviewers/ana").await), (1, 1));
    // The second session costs more: the sum is what counts, once.
    world.see_cost(&attempt, 8, Event::Completed).await;
    assert_eq!((world.used("slots/global").await, world.used("credits/team/platform").await), (0, 8));
}
