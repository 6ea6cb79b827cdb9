//! What ends is told of in time: tokens of the interface, and its certificate.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use serde_json::json;
use sluicegate::job::time::{Millis, Timestamp};

use crate::house::House;

#[tokio::test]
async fn people_are_told_before_a_token_ends_once_at_each_of_the_days() {
    let house = House::new().await;
    let days = |days: u64| house.context.now().plus(Millis::hours(24 * days)).to_string();
    for (name, end) in [("ci", days(20)), ("portal", days(20))] {
        house.token(name, &["viewer"], json!({ "expires_at": end })).await;
    }
    house.token("portal", &["viewer"], json!({ "expires_at": days(300) })).await;
    let told = async |hours: u64| {
        house.clock.set(house.context.now().plus(Millis::hours(hours)));
        for _ in 0..3 {
            house.context.watch_access_tokens().await.unwrap();
        }
        house.log("?kind=token.expiring").await.len()
    };
    assert_eq!(told(24 * 5).await, 0);
    assert_eq!(told(24 * 2).await, 1);
    assert_eq!(told(24 * 5).await, 1);
    assert_eq!(told(24 * 2).await, 2);
    assert_eq!(told(24 * 5).await, 3);
    assert_eq!(told(24 * 5).await, 3, "it has ended");
    let row = house.log("?limit=1").await.remove(0);
    let id = row["id"].as_str().unwrap();
    let data = house.get(&format!("/v1/notices/{id}")).await.ok()["data"].clone();
    assert_eq!((&data["to"], &data["within_days"]), (&json!("ci"), &json!(1)));
}

#[tokio::test]
async fn people_are_told_before_the_certificate_ends_once_at_each_of_the_days_and_again_of_the_next_one() {
    let house = House::new().await;
    let day = Millis::hours(24);
    let end = Arc::new(AtomicI64::new(house.context.now().plus(Millis(20 * day.0)).0));
    let told = async |days: u64| {
        house.clock.set(house.context.now().plus(Millis(days * day.0)));
        for _ in 0..3 {
            house.context.watch_certificate().await.unwrap();
        }
        house.log("?kind=certificate.expiring").await.len()
    };
    assert_eq!(told(0).await, 0, "without TLS");
    let page = house.get("/metrics").await.body;
    assert!(!page.as_str().unwrap().contains("certificate_end_time"), "{page}");
    let shown = Arc::clone(&end);
    let ends = move || Some(Timestamp(shown.load(Ordering::Relaxed)));
    house.context.certificate.follow("/etc/sluice/certificate.pem".into(), ends);
    assert_eq!(told(5).await, 0);
    assert_eq!((told(2).await, told(5).await, told(2).await, told(5).await), (1, 1, 2, 3));
    assert_eq!(told(5).await, 3, "it has ended");
    let page = house.get("/metrics").await.body;
    let seconds = end.load(Ordering::Relaxed) / 1_000;
    assert!(
        page.as_str().unwrap().contains(&format!("sluice_certificate_end_time_seconds {seconds}")),
        "{page}"
    );
    end.fetch_add(i64::try_from(day.0 * 90).unwrap(), Ordering::Relaxed);
    assert_eq!((told(5).await, told(80).await), (3, 4), "the next one");
    let row = house.log("?limit=1").await.remove(0);
    let id = row["id"].as_str().unwrap();
    let data = house.get(&format!("/v1/notices/{id}")).await.ok()["data"].clone();
    assert_eq!(data["certificate"], "/etc/sluice/certificate.pem");
    assert!(data["what"].as_str().unwrap().contains("ends on"), "{data}");
}
