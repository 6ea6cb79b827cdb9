//! Schedules on the ledger: each nominal time is considered once, with its request or without, whoever asks and how often.

use sluicegate::{
    job::{JobId, Millis, State, Timestamp},
    ledger::{
        Command, Ledger, Reply, ScheduleChange,
        rows::{Became, ScheduleRow},
    },
};

use crate::ledger::{
    orders::{Order, order, rules},
    world::{World, by, on_both_stores},
};

on_both_stores![
    a_nominal_time_is_handed_in_once,
    a_schedule_that_is_paused_or_switched_off_hands_nothing_in,
    a_time_without_a_request_is_kept_with_its_reason_and_a_refusal_is_told_once,
    what_waits_of_the_request_before_is_withdrawn_and_what_runs_is_not,
    a_key_that_somebody_else_used_is_a_conflict_and_considers_nothing,
];

const TIMES: &str = "0 9 * * * UTC";

async fn change(world: &World, change: ScheduleChange) -> Reply {
    world.write(Command::Schedule { name: "weekly".into(), change, by: by() }).await
}

fn handing_in(world: &World, order: &Order, nominal: Timestamp) -> (ScheduleChange, Vec<JobId>) {
    let (command, ids) = world.submission(order);
    let Command::Submit { request, jobs } = command else { panic!("not a submission") };
    (ScheduleChange::Take { nominal, request, jobs, replaces: None }, ids)
}

async fn take(world: &World, nominal: Timestamp) -> Reply {
    change(world, handing_in(world, &order(&["a"]), nominal).0).await
}

async fn row(world: &World) -> ScheduleRow {
    world.ledger.schedules().await.unwrap().remove(0)
}

async fn begin(world: &World) -> Reply {
    change(world, ScheduleChange::Begin { times: TIMES.into() }).await
}

fn leaving(nominal: Timestamp, became: Became) -> ScheduleChange {
    ScheduleChange::Leave { nominal, became, why: "because".into(), owner: "dana".into() }
}

async fn kinds(world: &World) -> Vec<String> {
    let entries = world.ledger.entries_after(0, 1_000).await.unwrap();
    let told = entries.into_iter().map(|entry| entry.kind).filter(|kind| kind.starts_with("schedule."));
    told.collect()
}

async fn a_nominal_time_is_handed_in_once(world: &World) {
    let first = world.now().plus(Millis::hours(1));
    assert!(take(world, first).await.is_stale(), "it was not begun");
    begin(world).await;
    assert!(take(world, world.now()).await.is_stale(), "nothing before its beginning is made good");
    assert!(matches!(take(world, first).await, Reply::Submitted { replayed: false, .. }));
    assert!(take(world, first).await.is_stale());
    assert!(take(world, first.minus(Millis(1))).await.is_stale());
    // Both in one transaction.
    let later = first.plus(Millis::hours(1));
    let both = [(); 2].map(|()| Command::Schedule {
        name: "weekly".into(),
        change: handing_in(world, &order(&["a"]), later).0,
        by: by(),
    });
    let replies = world.write_all(both.into()).await;
    assert!(matches!(replies[0], Reply::Submitted { .. }) && replies[1].is_stale(), "{replies:?}");
    assert_eq!(world.ledger.requests(10).await.unwrap().len(), 2);
    let row = row(world).await;
    assert_eq!((row.considered_at, row.history().len()), (later, 2));
    assert_eq!(row.last_request, row.history()[1].request);
    assert_eq!(kinds(world).await, ["schedule.begun", "schedule.taken", "schedule.taken"]);
}

async fn a_schedule_that_is_paused_or_switched_off_hands_nothing_in(world: &World) {
    begin(world).await;
    let at = world.now().plus(Millis::minutes(10));
    for _ in 0..2 {
        assert!(matches!(change(world, ScheduleChange::Pause).await, Reply::Done));
    }
    assert!(take(world, at).await.is_stale());
    assert_eq!(row(world).await.paused_by.as_deref(), Some("otto"));
    world.pass(Millis::hours(1));
    for _ in 0..2 {
        assert!(matches!(change(world, ScheduleChange::Resume).await, Reply::Done));
    }
    assert!(take(world, at).await.is_stale(), "what passed meanwhile is not made good");
    let at = world.now().plus(Millis::minutes(10));
    change(world, ScheduleChange::Begin { times: String::new() }).await;
    assert!(take(world, at).await.is_stale());
    world.pass(Millis::hours(1));
    for _ in 0..2 {
        begin(world).await;
    }
    assert!(take(world, at).await.is_stale(), "it begins anew");
    assert!(matches!(take(world, world.now().plus(Millis(1))).await, Reply::Submitted { .. }));
    let told =
        ["begun", "paused", "resumed", "begun", "begun", "taken"].map(|kind| format!("schedule.{kind}"));
    assert_eq!(kinds(world).await, told);
}

async fn a_time_without_a_request_is_kept_with_its_reason_and_a_refusal_is_told_once(world: &World) {
    begin(world).await;
    let at = |hours| world.now().plus(Millis::hours(hours));
    for (hours, became) in [(1, Became::Missed), (2, Became::Skipped), (3, Became::Refused)] {
        assert!(matches!(change(world, leaving(at(hours), became)).await, Reply::Done));
        assert!(change(world, leaving(at(hours), became)).await.is_stale());
        assert!(take(world, at(hours)).await.is_stale());
    }
    let history = row(world).await.history();
    assert_eq!(
        history.iter().map(|turn| turn.became.as_str()).collect::<Vec<_>>(),
        ["missed", "skipped", "refused"]
    );
    assert_eq!(history[2].why.as_deref(), Some("because"));
    let notices = world.ledger.notices().await.unwrap();
    assert_eq!(notices.len(), 1);
    assert!(notices[0].kind == "schedule.refused" && notices[0].body_json.contains("dana"));
    for hours in 4..60 {
        change(world, leaving(at(hours), Became::Missed)).await;
    }
    assert_eq!(row(world).await.history().len(), 30, "the row does not grow");
}

async fn what_waits_of_the_request_before_is_withdrawn_and_what_runs_is_not(world: &World) {
    begin(world).await;
    let at = |hours| world.now().plus(Millis::hours(hours));
    let (first, jobs) = handing_in(world, &order(&["a", "b", "c"]), at(1));
    let Reply::Submitted { request, .. } = change(world, first).await else { panic!("refused") };
    assert!(matches!(world.write(world.admission(jobs[1], world.worker)).await, Reply::Admitted { .. }));
    let (mut second, new) = handing_in(world, &order(&["a"]), at(2));
    if let ScheduleChange::Take { replaces, .. } = &mut second {
        *replaces = Some(request.id);
    }
    assert!(matches!(change(world, second.clone()).await, Reply::Submitted { .. }));
    assert!(change(world, second).await.is_stale());
    let mut states = Vec::new();
    for job in jobs.iter().chain(&new) {
        states.push(world.state(*job).await);
    }
    assert_eq!(states, [State::Cancelled, State::Starting, State::Cancelled, State::Queued]);
}

async fn a_key_that_somebody_else_used_is_a_conflict_and_considers_nothing(world: &World) {
    begin(world).await;
    let keyed = |body| Order { key: Some("schedule/weekly/1"), body, ..order(&["a"]) };
    world.submit(keyed("one")).await;
    let at = world.now().plus(Millis::hours(1));
    let reply = change(world, handing_in(world, &keyed("two"), at).0).await;
    assert!(matches!(reply, Reply::Conflict(_)), "{reply:?}");
    assert_eq!(row(world).await.history(), []);
    // The same request, whose answer was lost when this table was not yet what it is: it is the one.
    let reply = change(world, handing_in(world, &keyed("one"), at).0).await;
    assert!(matches!(reply, Reply::Submitted { replayed: true, .. }), "{reply:?}");
    assert_eq!(world.ledger.requests(10).await.unwrap().len(), 1);
}

async fn race(world: &World, ledger: &Ledger) -> usize {
    let mut taken = 0;
    for hours in 1..=25 {
        let nominal = world.now().plus(Millis::hours(hours));
        let change = handing_in(world, &order(&["a"]), nominal).0;
        let command = Command::Schedule { name: "weekly".into(), change, by: by() };
        match ledger.write(command).await.unwrap() {
            Reply::Submitted { .. } => taken += 1,
            reply => assert!(reply.is_stale(), "{reply:?}"),
        }
    }
    taken
}

async fn two_schedulers(world: &World, other: &Ledger) {
    begin(world).await;
    let (one, two) = tokio::join!(race(world, &world.ledger), race(world, other));
    println!("{one} and {two}");
    let requests = world.ledger.requests(100).await.unwrap().len();
    assert_eq!(one + two, requests);
    let nominals: Vec<Timestamp> = row(world).await.history().iter().map(|turn| turn.nominal).collect();
    assert_eq!(nominals.len(), requests);
    assert!(nominals.is_sorted_by(|a, b| a < b), "{nominals:?}");
    assert_eq!(world.broken().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_schedulers_hand_each_time_in_once() {
    let world = World::postgres_with(rules()).await;
    let other = world.reopen().await.unwrap();
    two_schedulers(&world, &other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_schedulers_of_one_sqlite_file_hand_each_time_in_once() {
    let world = World::shared_sqlite_with(rules()).await;
    let other = world.reopen_shared().await.unwrap();
    two_schedulers(&world, &other).await;
}
