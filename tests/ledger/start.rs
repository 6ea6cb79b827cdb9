//! Between intent and answer: started, lost, proven not started, refused by the provider.

use sluicegate::{
    budget::{Closure, Key, RefusalKind, Scope, Source},
    job::{Event, RemoteState, State, TaskId, failure::FailureClass, routing::Failure},
    ledger::{
        Command, Reply,
        rows::{AttemptRow, Phase},
    },
};

use crate::ledger::{
    orders::{HOUR, order, reviewed, task},
    world::{World, on_both_stores},
};

on_both_stores![
    a_started_job_runs_and_names_its_task,
    a_start_that_is_told_twice_changes_nothing_the_second_time,
    a_second_task_for_an_attempt_is_refused,
    a_lost_start_keeps_every_hold_until_it_is_found,
    a_proven_non_start_gives_everything_back,
    a_non_start_that_does_not_count_uses_up_no_attempt,
    a_start_that_is_looked_for_is_not_handed_back,
    a_non_start_may_close_a_gate_until_it_has_cooled_down,
    a_cool_down_never_shortens_a_closure,
    a_start_that_the_provider_refuses_is_a_dead_letter_and_costs_nothing,
    tasks_found_beyond_the_first_are_told_once,
    each_of_a_crowd_gets_its_own_prompt_and_what_is_not_to_be_started_gets_none,
];

fn closure(reason: &str, opens_at: Option<sluicegate::job::Timestamp>, world: &World) -> Closure {
    Closure { reason: reason.into(), actor: "sluicegate".into(), since: world.now(), opens_at }
}

fn not_started(world: &World, attempt: &AttemptRow, counts: bool, close: Option<(Key, Closure)>) -> Command {
    Command::NotStarted {
        job: attempt.job_id,
        attempt: attempt.id,
        fence: world.worker,
        why: "429".into(),
        counts,
        due_at: None,
        close,
    }
}

/// The worker that lost the answer may still have the start in a queue.
async fn a_start_that_is_looked_for_is_not_handed_back(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    let attempt = world.admitted(jobs[0]).await;
    assert!(matches!(world.write(lost(world, &attempt)).await, Reply::Done));
    let reply = world.write(not_started(world, &attempt, false, None)).await;
    assert!(reply.is_stale(), "{reply:?}");
    assert_eq!(world.state(jobs[0]).await, State::StartUnknown);
    assert!(matches!(world.write(started(world, &attempt, true)).await, Reply::Done));
    assert_eq!(world.state(jobs[0]).await, State::Running);
}

fn started(world: &World, attempt: &AttemptRow, found: bool) -> Command {
    let task = Box::new(task(attempt, RemoteState::Queued));
    Command::Started { job: attempt.job_id, attempt: attempt.id, fence: world.worker, task, found }
}

fn lost(world: &World, attempt: &AttemptRow) -> Command {
    let why = "timed out".to_owned();
    Command::StartLost { job: attempt.job_id, attempt: attempt.id, fence: world.worker, why }
}

async fn a_started_job_runs_and_names_its_task(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    let attempt = world.running(jobs[0]).await;
    assert_eq!(world.state(jobs[0]).await, State::Running);
    assert_eq!((attempt.phase, attempt.started_at), (Phase::Live, Some(world.now())));
    assert_eq!(attempt.task_id, Some(task(&attempt, RemoteState::Queued).id));
    assert_eq!(world.history(jobs[0]).await, ["job.admitted", "job.started"]);
}

async fn a_start_that_is_told_twice_changes_nothing_the_second_time(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    let attempt = world.running(jobs[0]).await;
    let before = world.ledger.head().await.unwrap();
    assert!(matches!(world.write(started(world, &attempt, false)).await, Reply::Done));
    assert_eq!(world.ledger.head().await.unwrap(), before);
}

async fn a_second_task_for_an_attempt_is_refused(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    let attempt = world.running(jobs[0]).await;
    let mut other = task(&attempt, RemoteState::Queued);
    other.id = TaskId("another".into());
    let (job, attempt_id, fence) = (jobs[0], attempt.id, world.worker);
    let command = Command::Started { job, attempt: attempt_id, fence, task: Box::new(other), found: true };
    assert!(world.write(command).await.is_stale());
    assert_eq!(world.attempt(&attempt).await, attempt);
}

async fn a_lost_start_keeps_every_hold_until_it_is_found(world: &World) {
    let jobs = world.submit(reviewed(&["a"])).await;
    let attempt = world.admitted(jobs[0]).await;
    for _ in 0..2 {
        assert!(matches!(world.write(lost(world, &attempt)).await, Reply::Done));
    }
    assert_eq!(world.state(jobs[0]).await, State::StartUnknown);
    for key in ["slots/global", "starts/global", "pool/reviewers/ana", "unproven/template/upgrade"] {
        assert_eq!(world.used(key).await, 1, "{key}");
    }
    world.write(started(world, &attempt, true)).await;
    assert_eq!(world.state(jobs[0]).await, State::Running);
    assert_eq!(world.history(jobs[0]).await, ["job.admitted", "job.start_lost", "job.started"]);
    assert!(world.write(lost(world, &attempt)).await.is_stale());
}

async fn a_proven_non_start_gives_everything_back(world: &World) {
    let jobs = world.submit(reviewed(&["a"])).await;
    let attempt = world.admitted(jobs[0]).await;
    world.write(lost(world, &attempt)).await;
    let due = world.now().plus(HOUR);
    world.not_started(&attempt, true, Some(due)).await;
    let row = world.job(jobs[0]).await;
    assert_eq!((row.state, row.due_at, row.attempts, row.reviewer), (State::Queued, Some(due), 1, None));
    for row in world.ledger.budgets().await.unwrap() {
        assert_eq!(row.used.get(), 0, "{}", row.id);
    }
    let attempt = world.attempt(&attempt).await;
    assert_eq!((attempt.phase, attempt.counted), (Phase::Ended, 1));
    assert!(world.write(not_started(world, &attempt, true, None)).await.is_stale());
}

async fn a_non_start_that_does_not_count_uses_up_no_attempt(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    for number in 1..=4 {
        let attempt = world.admitted(jobs[0]).await;
        assert_eq!(attempt.number, number);
        world.not_started(&attempt, false, None).await;
        assert_eq!(world.attempt(&attempt).await.counted, 0);
    }
    assert_eq!(world.job(jobs[0]).await.attempts, 0);
}

async fn a_non_start_may_close_a_gate_until_it_has_cooled_down(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    let attempt = world.admitted(jobs[0]).await;
    let gate = Key::gate(Scope::Identity, "bot");
    let opens = world.now().plus(HOUR);
    let close = (gate.clone(), closure("rate limited", Some(opens), world));
    world.write(not_started(world, &attempt, false, Some(close))).await;
    let Reply::Refused(refusal) = world.admit(jobs[0]).await else { panic!() };
    assert_eq!((refusal.key, refusal.kind, refusal.clears_at), (gate, RefusalKind::Closed, Some(opens)));
    assert_eq!(refusal.reason.as_deref(), Some("rate limited"));
    let kinds: Vec<_> = world.ledger.entries_after(0, 100).await.unwrap();
    assert_eq!(kinds.iter().filter(|entry| entry.kind == "budget.closed").count(), 1);
    world.pass(HOUR);
    world.admitted(jobs[0]).await;
}

async fn a_cool_down_never_shortens_a_closure(world: &World) {
    let gate = Key::gate(Scope::Identity, "bot");
    let by_hand = closure("maintenance", None, world);
    let change = sluicegate::ledger::BudgetChange::Close(Source::Operator, by_hand);
    let jobs = world.submit(order(&["a"])).await;
    let attempt = world.admitted(jobs[0]).await;
    let by = crate::ledger::world::by();
    world.write(Command::Budget { key: gate.clone(), change, by }).await;
    let close = (gate, closure("rate limited", Some(world.now().plus(HOUR)), world));
    world.write(not_started(world, &attempt, false, Some(close))).await;
    let Reply::Refused(refusal) = world.admit(jobs[0]).await else { panic!() };
    assert_eq!((refusal.reason.as_deref(), refusal.clears_at), (Some("maintenance"), None));
}

async fn a_start_that_the_provider_refuses_is_a_dead_letter_and_costs_nothing(world: &World) {
    let jobs = world.submit(reviewed(&["a"])).await;
    let attempt = world.admitted(jobs[0]).await;
    let failure = Failure::new(FailureClass::Refused, "no access to this repository");
    let (job, advice) = (jobs[0], "mend the token".to_owned());
    let command = Command::StartRejected { job, attempt: attempt.id, fence: world.worker, failure, advice };
    assert!(matches!(world.write(command.clone()).await, Reply::Done));
    let row = world.job(jobs[0]).await;
    assert_eq!(row.state, State::Dead);
    let outcome = row.outcome_json.unwrap();
    assert!(outcome.contains("no access") && outcome.contains("mend the token"), "{outcome}");
    assert!(world.ledger.budgets().await.unwrap().iter().all(|row| row.used.get() == 0));
    assert!(world.write(command).await.is_stale());
    let notices = world.ledger.notices_of(jobs[0]).await.unwrap();
    assert_eq!(notices.iter().map(|notice| notice.kind.as_str()).collect::<Vec<_>>(), ["job.dead"]);
}

async fn tasks_found_beyond_the_first_are_told_once(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    let attempt = world.running(jobs[0]).await;
    let tasks = vec![TaskId("second".into())];
    for _ in 0..2 {
        let command = Command::Doubles { job: jobs[0], attempt: attempt.id, tasks: tasks.clone() };
        assert!(matches!(world.write(command).await, Reply::Done));
    }
    let notices = world.ledger.notices_of(jobs[0]).await.unwrap();
    assert_eq!(notices.len(), 1);
    assert!(notices[0].body_json.contains("second"));
    let told = world.history(jobs[0]).await;
    assert_eq!(told.iter().filter(|kind| *kind == "attempt.duplicate_tasks").count(), 1);
    assert!(matches!(world.step(jobs[0], Event::Merged).await, Reply::Stale(_)));
}

async fn each_of_a_crowd_gets_its_own_prompt_and_what_is_not_to_be_started_gets_none(world: &World) {
    let jobs = world.submit(order(&["a", "b", "c"])).await;
    let waits = world.admitted(jobs[0]).await;
    let over = world.admitted(jobs[1]).await;
    world.not_started(&over, true, None).await;
    let again = world.admitted(jobs[1]).await;
    let runs = world.running(jobs[2]).await;
    // Twice each: whoever asks for the same does not take the answer away from the first.
    let asked = [&waits, &over, &again, &runs].repeat(2);
    let asked = asked.into_iter().map(|attempt| world.ledger.prompt_to_send(attempt.job_id, attempt.id));
    let found: Vec<_> = futures::future::join_all(asked).await.into_iter().map(Result::unwrap).collect();
    let prompt = |name: &str| Some(format!("Upgrade acme/{name}."));
    let once = || [prompt("a"), None, prompt("b"), None];
    assert_eq!(found, [once(), once()].concat());
}
