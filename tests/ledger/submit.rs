//! Accepting a request: once per idempotency key, whole or not at all.

use sluicegate::{job::State, ledger::Reply};

use crate::ledger::{
    orders::{Order, order},
    world::{World, on_both_stores},
};

on_both_stores![
    a_request_and_its_jobs_are_in_the_ledger_when_the_answer_is,
    the_same_key_again_returns_the_first_answer,
    the_same_key_with_another_body_is_a_conflict_that_changes_nothing,
    the_same_key_twice_in_one_transaction_makes_one_request,
    a_request_without_a_key_that_is_repeated_makes_one_request,
    a_template_that_changed_after_its_first_use_is_a_conflict,
    ten_thousand_jobs_are_accepted_in_order,
    a_job_is_found_by_the_end_of_its_id_and_by_no_pattern,
];

async fn a_request_and_its_jobs_are_in_the_ledger_when_the_answer_is(world: &World) {
    let jobs = world.submit(order(&["api", "web"])).await;
    let row = world.job(jobs[1]).await;
    assert_eq!((row.state, row.repository.full_name()), (State::Queued, "acme/web"));
    assert_eq!(world.ledger.prompt(jobs[1]).await.unwrap().as_deref(), Some("Upgrade acme/web."));
    let request = world.ledger.request(row.request_id).await.unwrap().unwrap();
    assert_eq!((request.row.jobs, request.row.requester.as_str()), (2, "olga"));
    let entries = world.ledger.entries_of_request(row.request_id).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.kind.as_str()).collect::<Vec<_>>(), ["request.accepted"]);
}

async fn the_same_key_again_returns_the_first_answer(world: &World) {
    let once = Order { key: Some("k-1"), ..order(&["api"]) };
    let jobs = world.submit(once.clone()).await;
    let (again, _) = world.submission(&once);
    let Reply::Submitted { request, replayed: true } = world.write(again).await else { panic!() };
    assert_eq!(request.id, world.job(jobs[0]).await.request_id);
    assert_eq!(world.ledger.requests(10).await.unwrap().len(), 1);
    assert_eq!(world.ledger.request_by_idempotency_key("k-1").await.unwrap().unwrap().id, request.id);
}

async fn the_same_key_with_another_body_is_a_conflict_that_changes_nothing(world: &World) {
    world.submit(Order { key: Some("k-1"), ..order(&["api"]) }).await;
    let before = world.ledger.head().await.unwrap();
    let (other, _) = world.submission(&Order { key: Some("k-1"), body: "other", ..order(&["web"]) });
    let Reply::Conflict(why) = world.write(other).await else { panic!() };
    assert!(why.contains("`k-1`") && why.contains("use a new key"), "{why}");
    assert_eq!(world.ledger.head().await.unwrap(), before);
}

async fn the_same_key_twice_in_one_transaction_makes_one_request(world: &World) {
    let once = Order { key: Some("k-1"), ..order(&["api"]) };
    let commands = vec![world.submission(&once).0, world.submission(&once).0];
    let replies = world.write_all(commands).await;
    let Reply::Submitted { request: first, replayed: false } = &replies[0] else { panic!() };
    let Reply::Submitted { request: second, replayed: true } = &replies[1] else { panic!() };
    assert_eq!(first.id, second.id);
}

async fn a_request_without_a_key_that_is_repeated_makes_one_request(world: &World) {
    let (command, _) = world.submission(&order(&["api"]));
    let replies = world.write_all(vec![command.clone(), command.clone()]).await;
    assert!(matches!(&replies[0], Reply::Submitted { replayed: false, .. }));
    assert!(matches!(&replies[1], Reply::Submitted { replayed: true, .. }));
    assert!(matches!(world.write(command).await, Reply::Submitted { replayed: true, .. }));
}

async fn a_template_that_changed_after_its_first_use_is_a_conflict(world: &World) {
    world.submit(order(&["api"])).await;
    let (changed, _) = world.submission(&Order { template_digest: "other", ..order(&["web"]) });
    let Reply::Conflict(why) = world.write(changed).await else { panic!() };
    assert!(why.contains("upgrade@1") && why.contains("new version"), "{why}");
}

async fn ten_thousand_jobs_are_accepted_in_order(world: &World) {
    let repositories = (0..10_000).map(|n| format!("acme/r{n}")).collect();
    let jobs = world.submit(Order { repositories, ..order(&[]) }).await;
    let later = world.submit(order(&["later"])).await;
    let mut found = Vec::new();
    while let page =
        world.ledger.jobs_in(State::Queued, found.last().map_or(0, |(p, _)| *p), 4_000).await.unwrap()
        && !page.is_empty()
    {
        found.extend(page.into_iter().map(|job| (job.position, job.id)));
    }
    let found: Vec<_> = found.into_iter().map(|(_, id)| id).collect();
    assert_eq!(found, [jobs, later].concat());
}

async fn a_job_is_found_by_the_end_of_its_id_and_by_no_pattern(world: &World) {
    let jobs = world.submit(order(&["api", "web"])).await;
    let row = world.job(jobs[1]).await;
    let end = &jobs[1].to_string()[14..];
    let found = world.ledger.jobs_ending(end).await.unwrap();
    assert_eq!(found.iter().map(|job| job.id).collect::<Vec<_>>(), [jobs[1]]);
    assert_eq!(world.ledger.requests_ending(&row.request_id.to_string()).await.unwrap().len(), 1);
    for pattern in ["%", "_", "!"] {
        assert!(world.ledger.jobs_ending(pattern).await.unwrap().is_empty(), "{pattern}");
        assert!(world.ledger.requests_ending(pattern).await.unwrap().is_empty(), "{pattern}");
    }
}
