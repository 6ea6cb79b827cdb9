//! The daemon as a whole.

use serde_json::json;
use sluicegate::job::Event;

use crate::house::House;

#[tokio::test]
async fn the_overview_counts_what_there_is() {
    let house = House::new().await;
    let (_, jobs) = house.submit(&["acme/api", "acme/web"], false).await;
    house.admit(jobs[0]).await;
    let overview = house.get("/v1/overview").await.ok();
    assert_eq!(overview["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        overview["states"],
        json!([{ "state": "queued", "jobs": 1 }, { "state": "starting", "jobs": 1 }])
    );
    assert_eq!(overview["workers"][0]["name"], "test");
}

#[tokio::test]
async fn notices_are_listed_newest_first() {
    let house = House::new().await;
    assert_eq!(house.get("/v1/notices").await.ok()["notices"], json!([]));
    let (_, jobs) = house.submit(&["acme/api", "acme/web"], false).await;
    for job in &jobs {
        house.clock.set(sluicegate::job::Timestamp(house.context.now().0 + 1));
        house.step(*job, Event::Expired).await;
    }
    let notices = house.get("/v1/notices").await.ok();
    assert_eq!(notices["notices"][0]["job"], jobs[1].to_string(), "{notices}");
    assert_eq!(notices["notices"][0]["delivered_at"], json!(null));
    let one = house.get("/v1/notices?limit=1").await.ok();
    assert_eq!(one["notices"].as_array().unwrap().len(), 1);
    assert_eq!(house.get("/v1/notices?limit=0").await.error(), (400, "bad-filter"));
}

#[tokio::test]
async fn the_record_is_checked_on_request() {
    let house = House::new().await;
    house.submit(&["acme/api"], false).await;
    let verified = house.get("/v1/audit/verify").await.ok();
    let head = house.context.ledger.head().await.unwrap();
    assert_eq!(verified, json!({ "entries": head.seq, "hash": head.hash, "broken": null }));
    assert_eq!(house.get("/v1/invariants").await.ok(), json!({ "broken": [] }));
}
