//! Breakers on the ledger: what opens them, and that an open one lets exactly one job through at a time.

use sluicegate::{
    budget::{Closure, Key, RefusalKind, Rules, Scope, Source},
    job::{Event, JobId, Millis, RemoteState, failure::FailureClass, routing::Failure},
    ledger::{
        BudgetChange, By, Command, Reply, Seen,
        rows::{AttemptRow, BreakerRow},
    },
    policy::breaker::{self, Rule, State as Breaker},
};

use crate::ledger::{
    orders::{Order, order, task},
    world::{World, on_both_stores},
};

on_both_stores![
    like_failures_open_it_and_others_do_not,
    an_open_breaker_lets_one_canary_through_and_its_success_closes_it,
    a_canary_that_fails_opens_it_for_longer,
    a_canary_that_never_ran_leaves_its_place_to_the_next,
    a_canary_that_is_withdrawn_or_waits_for_a_person_lets_nobody_else_through,
    a_person_who_resumes_the_gate_does_not_lift_it_and_a_reset_does,
    it_stops_only_the_request_whose_jobs_failed_when_it_is_told_so,
];

const RULE: Rule = Rule {
    scope: breaker::Scope::Template,
    window_seconds: 3_600,
    failures: 2,
    share: None,
    min_samples: 10,
    cool_down_seconds: 60,
};

fn watched(names: &[&str], body: &'static str) -> Order {
    Order { breaker: Some(RULE), body, ..order(names) }
}

fn template_gate() -> Key {
    Key::gate(Scope::Template, "upgrade")
}

async fn fails(world: &World, attempt: &AttemptRow, message: &str) {
    let failure = Some(Failure::new(FailureClass::Work, message));
    let seen = Seen {
        task: task(attempt, RemoteState::Failed),
        event: Some(Event::GaveUp),
        failure,
        advice: None,
        due_at: None,
    };
    let command =
        Command::Seen { job: attempt.job_id, attempt: attempt.id, fence: world.worker, seen: Box::new(seen) };
    assert!(matches!(world.write(command).await, Reply::Done));
}

async fn succeeds(world: &World, attempt: &AttemptRow) {
    world.see(attempt, RemoteState::Completed, Some(Event::Completed)).await;
    assert!(matches!(world.step(attempt.job_id, Event::Accepted).await, Reply::Done));
}

async fn storm(world: &World, jobs: &[JobId]) {
    for job in jobs {
        let attempt = world.running(*job).await;
        fails(world, &attempt, "tests failed: 3 of 214").await;
    }
}

async fn only(world: &World) -> BreakerRow {
    let mut rows = world.ledger.breakers().await.unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.remove(0)
}

async fn refused(world: &World, job: JobId) -> String {
    match world.admit(job).await {
        Reply::Refused(refusal) => {
            assert_eq!(refusal.kind, RefusalKind::Closed);
            refusal.reason.unwrap()
        }
        other => panic!("{other:?}"),
    }
}

async fn like_failures_open_it_and_others_do_not(world: &World) {
    let jobs = world.submit(watched(&["a", "b", "c", "d"], "1")).await;
    let first = world.running(jobs[0]).await;
    fails(world, &first, "tests failed: 3 of 214").await;
    let second = world.running(jobs[1]).await;
    // Waiting for a person is no failure.
    world.see(&second, RemoteState::WaitingForUser, Some(Event::NeedsUser)).await;
    fails(world, &second, "the branch has a conflict").await;
    assert_eq!(only(world).await.state, Breaker::Closed, "one of each kind");
    let third = world.running(jobs[2]).await;
    fails(world, &third, "tests failed: 9 of 80").await;
    let row = only(world).await;
    assert_eq!((row.state, row.trips, row.gate.clone()), (Breaker::Open, 1, template_gate()));
    let why = refused(world, jobs[3]).await;
    assert!(why.contains("2 of 3 ended alike: work/work: tests failed: # of #"), "{why}");
    let told = world.ledger.notices().await.unwrap();
    assert_eq!(told.iter().filter(|notice| notice.kind == "breaker.opened").count(), 1);
    assert!(world.history(jobs[2]).await.contains(&"breaker.opened".to_owned()));
}

async fn an_open_breaker_lets_one_canary_through_and_its_success_closes_it(world: &World) {
    let jobs = world.submit(watched(&["a", "b", "c", "d", "e"], "1")).await;
    let early = world.running(jobs[4]).await;
    storm(world, &jobs[..2]).await;
    // What ends well was started before: one success does not reset a storm.
    succeeds(world, &early).await;
    assert_eq!(only(world).await.state, Breaker::Open);
    refused(world, jobs[2]).await;
    world.pass(Millis::seconds(60));
    let both = vec![world.admission(jobs[2], world.worker), world.admission(jobs[3], world.worker)];
    let replies = world.write_all(both).await;
    let Reply::Admitted { attempt, .. } = &replies[0] else { panic!("{replies:?}") };
    assert!(matches!(&replies[1], Reply::Refused(_)), "{replies:?}");
    let row = only(world).await;
    assert_eq!(
        (row.state, row.canary_job, row.canary_attempt),
        (Breaker::HalfOpen, Some(jobs[2]), Some(attempt.id))
    );
    world.pass(Millis::hours(2));
    assert!(refused(world, jobs[3]).await.contains("one canary is tried"));
    let started = Command::Started {
        job: jobs[2],
        attempt: attempt.id,
        fence: world.worker,
        task: Box::new(task(attempt, RemoteState::Queued)),
        found: false,
    };
    world.write(started).await;
    let attempt = world.attempt(attempt).await;
    succeeds(world, &attempt).await;
    let row = only(world).await;
    assert_eq!((row.state, row.trips, row.canary_job), (Breaker::Closed, 0, None));
    let turns: Vec<Breaker> = row.history().into_iter().map(|turn| turn.to).collect();
    assert_eq!(turns, [Breaker::Open, Breaker::HalfOpen, Breaker::Closed]);
    world.running(jobs[3]).await;
}

async fn a_canary_that_fails_opens_it_for_longer(world: &World) {
    let jobs = world.submit(watched(&["a", "b", "c", "d"], "1")).await;
    storm(world, &jobs[..2]).await;
    world.pass(Millis::seconds(60));
    storm(world, &jobs[2..3]).await;
    assert_eq!((only(world).await.state, only(world).await.trips), (Breaker::Open, 2));
    world.pass(Millis::seconds(119));
    refused(world, jobs[3]).await;
    world.pass(Millis::seconds(1));
    world.running(jobs[3]).await;
    assert_eq!(only(world).await.state, Breaker::HalfOpen);
}

async fn a_canary_that_never_ran_leaves_its_place_to_the_next(world: &World) {
    let jobs = world.submit(watched(&["a", "b", "c", "d"], "1")).await;
    storm(world, &jobs[..2]).await;
    world.pass(Millis::seconds(60));
    let canary = world.admitted(jobs[2]).await;
    refused(world, jobs[3]).await;
    world.not_started(&canary, false, Some(world.now().plus(Millis::hours(1)))).await;
    let row = only(world).await;
    assert_eq!((row.state, row.trips, row.canary_job), (Breaker::Open, 1, None));
    world.admitted(jobs[3]).await;
    assert_eq!(only(world).await.canary_job, Some(jobs[3]));
}

async fn a_canary_that_is_withdrawn_or_waits_for_a_person_lets_nobody_else_through(world: &World) {
    let jobs = world.submit(watched(&["a", "b", "c", "d"], "1")).await;
    storm(world, &jobs[..2]).await;
    world.pass(Millis::seconds(60));
    let canary = world.running(jobs[2]).await;
    world.see(&canary, RemoteState::WaitingForUser, Some(Event::NeedsUser)).await;
    world.pass(Millis::hours(3));
    refused(world, jobs[3]).await;
    world.act(jobs[2], Event::Cancelled).await;
    let row = only(world).await;
    assert_eq!((row.state, row.trips), (Breaker::Open, 1));
    refused(world, jobs[3]).await;
    world.pass(Millis::seconds(60));
    world.admitted(jobs[3]).await;
}

async fn a_person_who_resumes_the_gate_does_not_lift_it_and_a_reset_does(world: &World) {
    let jobs = world.submit(watched(&["a", "b", "c"], "1")).await;
    storm(world, &jobs[..2]).await;
    let by = || By::new("otto", "mended");
    let open =
        |source| Command::Budget { key: template_gate(), change: BudgetChange::Open(source), by: by() };
    world.write(open(Source::Operator)).await;
    refused(world, jobs[2]).await;
    let id = only(world).await.id;
    let reset = |id: &str| Command::ResetBreaker { id: id.into(), gate: template_gate(), by: by() };
    assert!(matches!(world.write(reset("nothing")).await, Reply::Conflict(_)));
    // The operator's own closure stays.
    let closure = Closure { reason: "mine".into(), actor: "otto".into(), since: world.now(), opens_at: None };
    let close = BudgetChange::Close(Source::Operator, closure);
    world.write(Command::Budget { key: template_gate(), change: close, by: by() }).await;
    assert!(matches!(world.write(reset(&id)).await, Reply::Done));
    assert_eq!(refused(world, jobs[2]).await, "mine");
    world.write(open(Source::Operator)).await;
    world.admitted(jobs[2]).await;
    let row = only(world).await;
    assert_eq!((row.state, row.history().last().unwrap().actor.as_str()), (Breaker::Closed, "otto"));
}

async fn it_stops_only_the_request_whose_jobs_failed_when_it_is_told_so(world: &World) {
    let rule = Rule { scope: breaker::Scope::Request, ..RULE };
    let of = |names: &[&str], body| Order { breaker: Some(rule), body, ..order(names) };
    let jobs = world.submit(of(&["a", "b", "c"], "1")).await;
    let other = world.submit(of(&["d"], "2")).await;
    storm(world, &jobs[..2]).await;
    refused(world, jobs[2]).await;
    world.running(other[0]).await;
}

/// Random lives under an open breaker, checked against what the history says: between an opening and the next closing, at most
/// one attempt is admitted for each time that it became half open, and never two at once.
async fn a_breaker_that_is_not_closed_has_at_most_one_canary(world: World) {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |most: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % most
    };
    let names: Vec<String> = (0..90).map(|n| format!("r{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut waiting = world.submit(watched(&names, "1")).await;
    let mut live: Vec<AttemptRow> = Vec::new();
    while !waiting.is_empty() {
        let before: Vec<BreakerRow> = world.ledger.breakers().await.unwrap();
        match draw(6) {
            0..=2 => {
                // Several at once, in one transaction.
                let asked = waiting.len().min(1 + usize::try_from(draw(4)).unwrap());
                let commands =
                    waiting[..asked].iter().map(|job| world.admission(*job, world.worker)).collect();
                let mut admitted = 0;
                for reply in world.write_all(commands).await {
                    if let Reply::Admitted { attempt, job } = reply {
                        admitted += 1;
                        waiting.retain(|other| *other != job.id);
                        let task = Box::new(task(&attempt, RemoteState::Queued));
                        let (job, id) = (job.id, attempt.id);
                        let command =
                            Command::Started { job, attempt: id, fence: world.worker, task, found: false };
                        world.write(command).await;
                        live.push(world.attempt(&attempt).await);
                    }
                }
                match before.first().map(|row| row.state) {
                    Some(Breaker::Open) => assert!(admitted <= 1, "{admitted} passed an open breaker"),
                    Some(Breaker::HalfOpen) => assert_eq!(admitted, 0, "somebody passed beside the canary"),
                    Some(Breaker::Closed) | None => {}
                }
            }
            3 => world.pass(Millis::seconds(draw(200))),
            _ if live.is_empty() => {}
            4 => {
                let attempt = live.swap_remove(usize::try_from(draw(live.len() as u64)).unwrap());
                fails(&world, &attempt, "tests failed: 1").await;
            }
            _ => {
                let attempt = live.swap_remove(usize::try_from(draw(live.len() as u64)).unwrap());
                if draw(5) == 0 {
                    world.act(attempt.job_id, Event::Cancelled).await;
                } else {
                    succeeds(&world, &attempt).await;
                }
            }
        }
        if let Some(row) = world.ledger.breakers().await.unwrap().first() {
            let at_work = live.iter().filter(|attempt| Some(attempt.id) == row.canary_attempt).count();
            assert_eq!(at_work, usize::from(row.state == Breaker::HalfOpen), "{row:?}");
        }
    }
    let row = only(&world).await;
    assert!(row.history().len() >= 10, "too little happened: {:?}", row.history());

    world.end().await;
}

#[tokio::test]
async fn a_breaker_on_sqlite_that_is_not_closed_has_at_most_one_canary() {
    a_breaker_that_is_not_closed_has_at_most_one_canary(World::sqlite_with(Rules::default()).await).await;
}

#[tokio::test]
async fn a_breaker_on_postgres_that_is_not_closed_has_at_most_one_canary() {
    a_breaker_that_is_not_closed_has_at_most_one_canary(World::postgres_with(Rules::default()).await).await;
}
