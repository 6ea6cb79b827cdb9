//! Requests whose plan must ask the provider, while nobody answers there.

use redis::cmd;
use sluicegate::{
    clock::{Clock as _, SystemClock},
    job::time::Millis,
};

use crate::house::{Place, eventually, request, sqlite};

/// What is read by a worker and not settled after this time may be taken over by others.
const CLAIM_AFTER_MS: u64 = 1_500;

/// Rules make every plan ask the provider, at an address where nobody is.
fn rule(place: &Place, file: &str) {
    let path = place.folder.path();
    std::fs::write(path.join("repositories.toml"), "[[repository]]\nmatch = \"acme/*\"\n").unwrap();
    std::fs::write(path.join("none.toml"), "").unwrap();
    let text = std::fs::read_to_string(path.join("sluice.toml")).unwrap();
    let text = text.replace("repositories_file = \"repositories.toml\"\n", "");
    let text = text.replace("[policy]\n", &format!("[policy]\nrepositories_file = \"{file}\"\n"));
    std::fs::write(path.join("sluice.toml"), text).unwrap();
}

/// Id, time in hand in milliseconds and deliveries of everything that is read and not settled.
async fn in_hand(place: &Place) -> Vec<(String, u64, u64)> {
    let shown = format!("{:?}", place.ask(&["XINFO", "GROUPS", &place.stream("requests")]).await);
    let Some(at) = shown.find("sluicegate-") else { return Vec::new() };
    let group = &shown[at..at + "sluicegate-".len() + 16];
    let mut ask = cmd("XPENDING");
    ask.arg(place.stream("requests")).arg(group).arg("-").arg("+").arg(10);
    let pending: Vec<(String, String, u64, u64)> = ask.query_async(&mut place.redis.clone()).await.unwrap();
    pending.into_iter().map(|(id, _, idle, deliveries)| (id, idle, deliveries)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_stays_in_hand_while_the_provider_cannot_be_asked_and_holds_up_no_other() {
    let place = Place::new(sqlite(), &format!("claim_after_ms = {CLAIM_AFTER_MS}\ndeliveries_max = 2")).await;
    rule(&place, "repositories.toml");
    let worker = place.worker().await;
    let waiting = place.add(request("one").to_string()).await;
    eventually("the request in hand", async || (in_hand(&place).await.len() == 1).then_some(())).await;
    place.add("no json").await;
    eventually("the rejection of another", async || (place.rejections().await.len() == 1).then_some(()))
        .await;
    let until = SystemClock.now().plus(Millis(4 * CLAIM_AFTER_MS));
    eventually("a while", async || {
        for (id, idle, deliveries) in in_hand(&place).await {
            assert_eq!((id.as_str(), deliveries), (waiting.as_str(), 1));
            assert!(idle < CLAIM_AFTER_MS, "others could take it over after {idle} ms");
        }
        (SystemClock.now() > until).then_some(())
    })
    .await;
    assert!(worker.requests().await.is_empty());
    worker.stop().await;
    assert_eq!(in_hand(&place).await.len(), 1, "a worker that leaves settles nothing that waits");
    rule(&place, "none.toml");
    let next = place.worker().await;
    place.is_settled().await;
    assert_eq!((next.requests().await.len(), place.rejections().await.len()), (1, 1));
    next.stop().await;
}
