//! Admission: every hold or none, the true first refusal, never above a limit.

use sluicegate::{
    budget::{Key, Refusal, RefusalKind},
    job::{Event, JobId, Millis, State, WorkerId},
    ledger::{Command, Fence, Reply},
};

use crate::ledger::{
    orders::{HOUR, Order, order, reviewed},
    world::{World, on_both_stores},
};

on_both_stores![
    an_admitted_job_holds_everything_it_asked_for,
    a_job_that_is_refused_writes_nothing_and_is_told_the_true_figures,
    a_batch_of_admissions_in_one_transaction_never_passes_a_limit,
    the_least_loaded_reviewer_is_taken_and_never_the_requester,
    a_reviewer_who_is_away_is_not_taken_until_back,
    a_job_that_does_not_wait_is_not_admitted,
    a_job_is_not_admitted_before_it_is_due,
    an_admission_that_is_repeated_gives_the_same_attempt,
    a_worker_that_is_not_registered_or_has_stopped_admits_nothing,
    a_job_may_be_admitted_in_the_transaction_that_accepts_it,
];

fn refused(reply: Reply) -> Refusal {
    match reply {
        Reply::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

async fn an_admitted_job_holds_everything_it_asked_for(world: &World) {
    let jobs = world.submit(reviewed(&["api"])).await;
    let attempt = world.admitted(jobs[0]).await;
    let mut held: Vec<_> = world.ledger.holds_of(jobs[0]).await.unwrap();
    held.sort_by(|a, b| a.budget_id.cmp(&b.budget_id));
    let held: Vec<_> = held.iter().map(|hold| (hold.budget_id.as_str(), hold.amount.get())).collect();
    let expected = [
        ("credits/team/platform", 10),
        ("pool/reviewers/ana", 1),
        ("slots/global", 1),
        ("slots/repository/acme/api", 1),
        ("starts/global", 1),
        ("unproven/template/upgrade", 1),
    ];
    assert_eq!(held, expected);
    for (key, amount) in expected {
        assert_eq!(world.used(key).await, amount, "{key}");
    }
    let row = world.job(jobs[0]).await;
    assert_eq!((row.state, row.attempt_id, row.attempts), (State::Starting, Some(attempt.id), 1));
    assert_eq!(row.reviewer.as_deref(), Some("ana"));
    assert_eq!(world.history(jobs[0]).await, ["job.admitted"]);
}

async fn a_job_that_is_refused_writes_nothing_and_is_told_the_true_figures(world: &World) {
    let jobs = world.submit(order(&["a", "b", "c", "d"])).await;
    for job in &jobs[..3] {
        world.admitted(*job).await;
    }
    let before = world.ledger.head().await.unwrap();
    let refusal = refused(world.admit(jobs[3]).await);
    assert_eq!((refusal.key, refusal.kind), (Key::new("slots/global"), RefusalKind::Full));
    assert_eq!((refusal.used.get(), refusal.limit.unwrap().get(), refusal.need.get()), (3, 3, 1));
    assert_eq!(world.ledger.head().await.unwrap(), before);
    assert!(world.ledger.holds_of(jobs[3]).await.unwrap().is_empty());
    assert_eq!(world.state(jobs[3]).await, State::Queued);
}

async fn a_batch_of_admissions_in_one_transaction_never_passes_a_limit(world: &World) {
    let jobs = world.submit(order(&["a", "b", "c", "d", "e", "f"])).await;
    let commands = jobs.iter().map(|job| world.admission(*job, world.worker)).collect();
    let answers = world.ledger.write_all(commands).await;
    let committed: Vec<i64> = answers.iter().map(|answer| answer.as_ref().unwrap().1.seq).collect();
    assert!(committed.iter().all(|seq| *seq == committed[0]), "one transaction: {committed:?}");
    let admitted = answers.iter().filter(|answer| matches!(answer, Ok((Reply::Admitted { .. }, _)))).count();
    assert_eq!((admitted, world.used("slots/global").await), (3, 3));
    let figures: Vec<_> = answers[3..]
        .iter()
        .map(|answer| match &answer.as_ref().unwrap().0 {
            Reply::Refused(refusal) => (refusal.key.as_str(), refusal.used.get()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(figures, [("slots/global", 3); 3]);
}

async fn the_least_loaded_reviewer_is_taken_and_never_the_requester(world: &World) {
    let jobs = world.submit(reviewed(&["a", "b"])).await;
    let anas = world.submit(Order { requester: "Ana", ..reviewed(&["c"]) }).await;
    let mut reviewers = Vec::new();
    for job in [jobs[0], jobs[1], anas[0]] {
        world.running(job).await;
        reviewers.push(world.job(job).await.reviewer.unwrap());
    }
    assert_eq!(reviewers, ["ana", "ben", "ben"]);
}

async fn a_reviewer_who_is_away_is_not_taken_until_back(world: &World) {
    let jobs = world.submit(reviewed(&["a", "b", "c", "d", "e"])).await;
    for job in &jobs[..4] {
        let attempt = world.running(*job).await;
        world.act(*job, Event::Quarantined).await;
        assert_ne!(world.job(*job).await.reviewer.as_deref(), Some("zoe"), "{attempt:?}");
    }
    let refusal = refused(world.admit(jobs[4]).await);
    // Four changes are under way, which is tested before the pool.
    assert_eq!(refusal.key, Key::new("unproven/template/upgrade"));
    world.step(jobs[0], Event::Discarded).await;
    world.running(jobs[4]).await;
    assert_eq!(world.job(jobs[4]).await.reviewer.as_deref(), Some("ana"));
}

async fn a_job_that_does_not_wait_is_not_admitted(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    world.running(jobs[0]).await;
    assert!(world.admit(jobs[0]).await.is_stale());
    assert!(world.admit(JobId::new(world.now(), 5)).await.is_stale());
}

async fn a_job_is_not_admitted_before_it_is_due(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    let attempt = world.admitted(jobs[0]).await;
    let due = world.now().plus(HOUR);
    world.not_started(&attempt, false, Some(due)).await;
    assert!(world.admit(jobs[0]).await.is_stale());
    world.pass(Millis(HOUR.0 - 1));
    assert!(world.admit(jobs[0]).await.is_stale());
    world.pass(Millis(1));
    assert_eq!(world.admitted(jobs[0]).await.number, 2);
}

async fn an_admission_that_is_repeated_gives_the_same_attempt(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    let command = world.admission(jobs[0], world.worker);
    let Reply::Admitted { attempt: first, .. } = world.write(command.clone()).await else { panic!() };
    let before = world.ledger.head().await.unwrap();
    let Reply::Admitted { attempt: second, .. } = world.write(command).await else { panic!() };
    assert_eq!(first, second);
    assert_eq!(world.ledger.head().await.unwrap(), before);
}

async fn a_worker_that_is_not_registered_or_has_stopped_admits_nothing(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    let second = world.register("second").await;
    let old = Fence { token: second.token - 1, ..second };
    assert!(world.write(world.admission(jobs[0], old)).await.is_stale());
    world.write(Command::Stop { worker: second.worker }).await;
    assert!(world.write(world.admission(jobs[0], second)).await.is_stale());
    let stranger = Fence { worker: WorkerId::new(world.now(), 99), token: 99 };
    assert!(world.write(world.admission(jobs[0], stranger)).await.is_stale());
    assert_eq!(world.state(jobs[0]).await, State::Queued);
}

/// The figures of its budgets must be the ledger's, not those of an empty one.
async fn a_job_may_be_admitted_in_the_transaction_that_accepts_it(world: &World) {
    let jobs = world.submit(order(&["a", "b", "c"])).await;
    for job in jobs {
        world.admitted(job).await;
    }
    let (submit, jobs) = world.submission(&order(&["d"]));
    let replies = world.write_all(vec![submit, world.admission(jobs[0], world.worker)]).await;
    assert_eq!(refused(replies[1].clone()).used.get(), 3);
    assert_eq!(world.used("slots/global").await, 3);
}
