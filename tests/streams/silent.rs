//! What a worker has read and never settled: taken over by another, and given up when it comes too often.

use redis::{Value, cmd};

use crate::house::{Place, eventually, keyed, request, sqlite};

/// Reads as a worker does that dies after it.
async fn read_and_die(place: &Place, consumer: &str) -> Vec<String> {
    let group = eventually("the group", async || {
        let shown = format!("{:?}", place.ask(&["XINFO", "GROUPS", &place.stream("requests")]).await);
        let at = shown.find("sluicegate-")?;
        shown.get(at..at + "sluicegate-".len() + 16).map(str::to_owned)
    });
    let group = group.await;
    let stream = place.stream("requests");
    let words = ["XREADGROUP", "GROUP", &group, consumer, "COUNT", "100", "STREAMS", &stream, ">"];
    let answer = format!("{:?}", place.ask(&words).await);
    answer
        .split("bulk-string('\"")
        .filter_map(|part| part.split('"').next())
        .filter(|part| part.contains("-0"))
        .map(str::to_owned)
        .collect()
}

async fn age(place: &Place, group_of: &str, id: &str, deliveries: u32) {
    let shown = format!("{:?}", place.ask(&["XINFO", "GROUPS", &place.stream("requests")]).await);
    let at = shown.find("sluicegate-").unwrap();
    let group = &shown[at..at + "sluicegate-".len() + 16];
    let mut claim = cmd("XCLAIM");
    claim.arg(place.stream("requests")).arg(group).arg(group_of).arg(0).arg(id);
    claim.arg("IDLE").arg(60_000).arg("RETRYCOUNT").arg(deliveries);
    let _: Value = claim.query_async(&mut place.redis.clone()).await.unwrap();
}

/// Makes the group as a worker does, which then leaves.
async fn place_with_group(more: &str) -> Place {
    let place = Place::new(sqlite(), more).await;
    let worker = place.worker().await;
    eventually("the group", async || {
        let there: bool =
            cmd("EXISTS").arg(place.stream("requests")).query_async(&mut place.redis.clone()).await.unwrap();
        there.then_some(())
    })
    .await;
    worker.stop().await;
    place
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_worker_has_read_is_taken_over() {
    let place = place_with_group("claim_after_ms = 100").await;
    for n in 0..50 {
        place.add(keyed(&format!("r{n}"), &format!("key-{n}"))).await;
    }
    assert!(!read_and_die(&place, "gone").await.is_empty());
    let worker = place.worker().await;
    place.is_settled().await;
    assert_eq!(worker.requests().await.len(), 50);
    assert_eq!(place.rejections().await, []);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_was_read_too_often_is_given_up_and_its_neighbours_are_not() {
    let place = place_with_group("claim_after_ms = 100\ndeliveries_max = 3").await;
    let poison = place.add(keyed("poison", "poison")).await;
    let tired = place.add(keyed("tired", "tired")).await;
    place.add(keyed("fresh", "fresh")).await;
    read_and_die(&place, "gone").await;
    age(&place, "gone", &poison, 3).await;
    age(&place, "gone", &tired, 2).await;
    let worker = place.worker().await;
    place.is_settled().await;
    assert_eq!(place.rejections().await, [(poison, "given-up".to_owned())]);
    assert_eq!(worker.requests().await.len(), 2);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_the_ledger_has_is_never_given_up() {
    let place = place_with_group("claim_after_ms = 100\ndeliveries_max = 2").await;
    let id = place.add(request("one").to_string()).await;
    read_and_die(&place, "gone").await;
    let body = place.entries("requests").await[0].1["request"].clone();
    // Accepted by a worker that died before its acknowledgement.
    let daemon = place.daemon().await;
    let shown = format!("{:?}", place.ask(&["XINFO", "GROUPS", &place.stream("requests")]).await);
    let at = shown.find("sluicegate-").unwrap() + "sluicegate-".len();
    let mut request = sluicegate::policy::Request::parse_json(&body).unwrap();
    request.idempotency_key = Some(format!("{}/{}/{id}", place.stream("requests"), &shown[at..at + 16]));
    daemon.context.submit(request).await.unwrap();
    daemon.stop().await.unwrap();
    age(&place, "gone", &id, 9).await;
    let worker = place.worker().await;
    place.is_settled().await;
    assert_eq!(place.rejections().await, []);
    assert_eq!(worker.requests().await.len(), 1);
    worker.stop().await;
}
