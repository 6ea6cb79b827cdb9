//! What is accepted: once, in order, by several workers, also together with HTTP.

use std::collections::BTreeSet;

use sluicegate::policy::Request;

use crate::house::{Place, keyed, postgres, request, sqlite};

async fn a_batch_is_accepted(ledger: String) {
    let place = Place::new(ledger, "").await;
    for n in 0..300 {
        place.add(request(&format!("r{n}")).to_string()).await;
    }
    let worker = place.worker().await;
    place.is_settled().await;
    assert_eq!(worker.requests().await.len(), 300);
    assert_eq!(place.rejections().await, []);
    assert!(worker.daemon.context.ledger.broken_invariants().await.unwrap().is_empty());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_before_the_first_worker_are_accepted_into_sqlite() {
    a_batch_is_accepted(sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_before_the_first_worker_are_accepted_into_postgres() {
    a_batch_is_accepted(postgres()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producers_key_makes_one_request_of_many_entries_and_of_http() {
    let place = Place::new(sqlite(), "").await;
    let worker = place.worker().await;
    for _ in 0..5 {
        place.add(keyed("one", "nightly")).await;
    }
    place.is_settled().await;
    place.add(keyed("one", "nightly")).await;
    place.is_settled().await;
    let same = Request::parse_json(keyed("one", "nightly").as_bytes()).unwrap();
    assert!(worker.daemon.context.submit(same).await.unwrap().replayed);
    assert_eq!(worker.requests().await.len(), 1);
    assert_eq!(place.rejections().await, []);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_entries_without_a_key_are_two_requests() {
    let place = Place::new(sqlite(), "").await;
    let worker = place.worker().await;
    place.add(request("one").to_string()).await;
    place.add(request("one").to_string()).await;
    place.is_settled().await;
    assert_eq!(worker.requests().await.len(), 2);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_share_the_stream_and_each_request_is_accepted_once() {
    let place = Place::new(postgres(), "batch_max = 7").await;
    let workers = [place.worker().await, place.worker().await, place.worker().await];
    for n in 0..400 {
        place.add(keyed(&format!("r{n}"), &format!("key-{n}"))).await;
    }
    place.is_settled().await;
    let keys: BTreeSet<_> = workers[0].requests().await.into_iter().map(|row| row.idempotency_key).collect();
    assert_eq!((workers[0].requests().await.len(), keys.len()), (400, 400));
    for worker in workers {
        worker.stop().await;
    }
    // Whoever leaves in order leaves nothing behind.
    let groups = format!("{:?}", place.ask(&["XINFO", "GROUPS", &place.stream("requests")]).await);
    assert!(groups.contains(r#"'"consumers"'), int(0), bulk-string('"pending"'), int(0)"#), "{groups}");
}
