//! Gates, limits and periods: what operators and time do to budgets.

use sluicegate::{
    budget::{Amount, Closure, Key, RefusalKind, Scope, Source},
    job::{Event, Millis, RemoteState, State},
    ledger::{BudgetChange, Command, Reply},
};

use crate::ledger::{
    orders::{HOUR, order, reviewed},
    world::{World, by, on_both_stores},
};

on_both_stores![
    a_closed_gate_lets_nothing_through_until_it_is_opened,
    a_gate_opens_by_itself_at_its_time,
    a_limit_set_by_an_operator_counts_at_once_and_can_be_given_back,
    a_limit_lowered_below_use_is_worked_off,
    a_limit_of_a_budget_that_is_not_configured_is_a_conflict,
    a_demand_above_the_limit_is_told_as_such,
    window_holds_end_with_their_period_and_make_room,
    a_change_of_a_budget_that_is_repeated_is_written_once,
    a_gate_that_several_close_opens_when_the_last_lets_go,
    who_holds_a_budget_is_told,
    nobody_available_is_told_with_the_time_of_the_first_return,
];

async fn change(world: &World, key: &Key, change: BudgetChange) -> Reply {
    world.write(Command::Budget { key: key.clone(), change, by: by() }).await
}

fn closed(world: &World, opens_at: Option<Millis>) -> BudgetChange {
    let opens_at = opens_at.map(|after| world.now().plus(after));
    BudgetChange::Close(
        Source::Operator,
        Closure { reason: "release day".into(), actor: "olga".into(), since: world.now(), opens_at },
    )
}

async fn a_closed_gate_lets_nothing_through_until_it_is_opened(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    let gate = Key::gate(Scope::Global, "");
    change(world, &gate, closed(world, None)).await;
    world.pass(HOUR);
    let Reply::Refused(refusal) = world.admit(jobs[0]).await else { panic!() };
    assert_eq!((refusal.kind, refusal.clears_at), (RefusalKind::Closed, None));
    assert_eq!(refusal.reason.as_deref(), Some("release day"));
    let truths = world.ledger.truths().await.unwrap();
    let truth = truths.iter().find(|truth| truth.key == gate).unwrap();
    assert_eq!(truth.closed.as_ref().unwrap().actor, "olga");
    change(world, &gate, BudgetChange::Open(Source::Operator)).await;
    world.admitted(jobs[0]).await;
    let kinds: Vec<_> = world.ledger.entries_after(0, 100).await.unwrap();
    let kinds: Vec<_> = kinds.iter().filter(|entry| entry.kind.starts_with("budget.")).collect();
    assert_eq!(
        kinds.iter().map(|entry| entry.kind.as_str()).collect::<Vec<_>>(),
        ["budget.closed", "budget.opened"]
    );
    assert!(kinds.iter().all(|entry| entry.actor == "otto"));
}

async fn a_gate_opens_by_itself_at_its_time(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    change(world, &Key::gate(Scope::Repository, "acme/a"), closed(world, Some(HOUR))).await;
    assert!(matches!(world.admit(jobs[0]).await, Reply::Refused(_)));
    world.pass(HOUR);
    world.admitted(jobs[0]).await;
}

async fn a_gate_that_several_close_opens_when_the_last_lets_go(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    let gate = Key::gate(Scope::Global, "");
    let close = |source, reason: &str, opens_at| {
        let closure = Closure { reason: reason.into(), actor: "olga".into(), since: world.now(), opens_at };
        BudgetChange::Close(source, closure)
    };
    let (freeze, breaker) = (Source::freeze("year-end"), Source::breaker("b1"));
    change(world, &gate, close(freeze.clone(), "year end", Some(world.now().plus(HOUR)))).await;
    change(world, &gate, close(breaker.clone(), "storm", None)).await;
    change(world, &gate, close(Source::Operator, "incident", None)).await;
    let row = &world.ledger.closed_gates().await.unwrap()[0];
    assert_eq!(row.closed_by().iter().count(), 3);
    let mut reasons = Vec::new();
    for source in [Source::Operator, breaker] {
        let Reply::Refused(refusal) = world.admit(jobs[0]).await else { panic!() };
        reasons.push(refusal.reason.unwrap());
        change(world, &gate, BudgetChange::Open(source)).await;
    }
    assert_eq!(reasons, ["incident", "storm"]);
    let Reply::Refused(refusal) = world.admit(jobs[0]).await else { panic!() };
    assert_eq!(refusal.reason.as_deref(), Some("year end"));
    world.pass(HOUR);
    world.admitted(jobs[0]).await;
    let entries = world.ledger.entries_after(0, 100).await.unwrap();
    let opened = entries.iter().find(|entry| entry.kind == "budget.opened").unwrap();
    assert!(opened.body_json.contains(r#""source":"operator""#), "{}", opened.body_json);
}

async fn a_limit_set_by_an_operator_counts_at_once_and_can_be_given_back(world: &World) {
    let jobs = world.submit(order(&["a", "b", "c", "d", "e"])).await;
    let key = Key::new("slots/global");
    change(world, &key, BudgetChange::Limit(Some(Amount::from(4)))).await;
    for job in &jobs[..4] {
        world.admitted(*job).await;
    }
    assert!(matches!(world.admit(jobs[4]).await, Reply::Refused(_)));
    change(world, &key, BudgetChange::Limit(None)).await;
    let truths = world.ledger.truths().await.unwrap();
    let truth = truths.iter().find(|truth| truth.key == key).unwrap();
    assert_eq!((truth.used.get(), truth.limit.unwrap().get()), (4, 3));
}

async fn a_limit_lowered_below_use_is_worked_off(world: &World) {
    let jobs = world.submit(order(&["a", "b", "c"])).await;
    let first = world.running(jobs[0]).await;
    world.running(jobs[1]).await;
    change(world, &Key::new("slots/global"), BudgetChange::Limit(Some(Amount::ONE))).await;
    let Reply::Refused(refusal) = world.admit(jobs[2]).await else { panic!() };
    assert_eq!((refusal.used.get(), refusal.limit.unwrap().get()), (2, 1));
    world.see(&first, RemoteState::Completed, Some(Event::Completed)).await;
    assert!(matches!(world.admit(jobs[2]).await, Reply::Refused(_)));
}

async fn a_limit_of_a_budget_that_is_not_configured_is_a_conflict(world: &World) {
    for key in [Key::new("beer/global"), Key::gate(Scope::Global, "")] {
        let reply = change(world, &key, BudgetChange::Limit(Some(Amount::ONE))).await;
        let Reply::Conflict(why) = reply else { panic!() };
        assert!(why.contains(key.as_str()), "{why}");
    }
    assert!(world.ledger.budgets().await.unwrap().is_empty());
}

async fn a_demand_above_the_limit_is_told_as_such(world: &World) {
    let costly = crate::ledger::orders::Order { estimate: 101, ..order(&["a"]) };
    let jobs = world.submit(costly).await;
    let Reply::Refused(refusal) = world.admit(jobs[0]).await else { panic!() };
    assert_eq!((refusal.kind, refusal.key.as_str()), (RefusalKind::OverLimit, "credits/team/platform"));
}

async fn window_holds_end_with_their_period_and_make_room(world: &World) {
    let names: Vec<String> = (0..11).map(|n| format!("r{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let jobs = world.submit(order(&names)).await;
    for job in &jobs[..10] {
        let attempt = world.running(*job).await;
        world.see(&attempt, RemoteState::Completed, Some(Event::Completed)).await;
        world.step(*job, Event::Accepted).await;
    }
    let Reply::Refused(refusal) = world.admit(jobs[10]).await else { panic!() };
    assert_eq!((refusal.key.as_str(), refusal.used.get()), ("starts/global", 10));
    assert_eq!(world.ledger.next_expiry().await.unwrap(), Some(world.now().plus(HOUR)));
    world.pass(HOUR);
    let before = world.ledger.head().await.unwrap().seq;
    for _ in 0..2 {
        assert!(matches!(world.write(Command::RollOver).await, Reply::Done));
    }
    assert_eq!(world.ledger.head().await.unwrap().seq, before + 1);
    assert_eq!(world.used("starts/global").await, 0);
    world.admitted(jobs[10]).await;
    assert_eq!(world.state(jobs[10]).await, State::Starting);
}

async fn a_change_of_a_budget_that_is_repeated_is_written_once(world: &World) {
    let key = Key::new("slots/global");
    let closure = closed(world, None);
    let before = world.ledger.head().await.unwrap().seq;
    for _ in 0..2 {
        change(world, &key, closure.clone()).await;
    }
    for _ in 0..2 {
        change(world, &key, BudgetChange::Limit(Some(Amount::ONE))).await;
    }
    for _ in 0..2 {
        change(world, &key, BudgetChange::Open(Source::Operator)).await;
    }
    assert_eq!(world.ledger.head().await.unwrap().seq, before + 3);
}

async fn nobody_available_is_told_with_the_time_of_the_first_return(world: &World) {
    let gates = ["pool/reviewers/ana", "pool/reviewers/ben"];
    let jobs = world.submit(reviewed(&["a"])).await;
    for gate in gates {
        change(world, &Key::new(gate), closed(world, None)).await;
    }
    let Reply::Refused(refusal) = world.admit(jobs[0]).await else { panic!() };
    assert_eq!((refusal.key.as_str(), refusal.kind), ("pool/reviewers", RefusalKind::Full));
    assert_eq!(refusal.clears_at, Some(world.now().plus(HOUR)));
    world.pass(HOUR);
    world.admitted(jobs[0]).await;
    assert_eq!(world.job(jobs[0]).await.reviewer.as_deref(), Some("zoe"));
}

async fn who_holds_a_budget_is_told(world: &World) {
    let jobs = world.submit(reviewed(&["a", "b"])).await;
    for job in &jobs {
        world.running(*job).await;
    }
    let holders = |rows: Vec<sluicegate::ledger::rows::HoldRow>| {
        rows.iter().map(|hold| hold.job_id).collect::<Vec<_>>()
    };
    assert_eq!(holders(world.ledger.holders(&Key::new("slots/global"), 10).await.unwrap()), jobs);
    assert_eq!(
        holders(world.ledger.holders(&Key::new("slots/repository/acme/b"), 10).await.unwrap()),
        jobs[1..]
    );
    assert_eq!(holders(world.ledger.pool_holders(&Key::pool("reviewers"), 10).await.unwrap()), jobs);
    assert!(world.ledger.pool_holders(&Key::pool("review_rs"), 10).await.unwrap().is_empty());
}
