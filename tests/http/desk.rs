//! The desk: what is on it, what people say of it, and that they are told again, each step once.

use std::sync::Arc;

use axum::Router;
use serde_json::{Value, json};
use sluicegate::{http::router, job::time::Millis, policy::desk::Rules};

use crate::house::{House, TOKEN};

async fn items(house: &House, query: &str) -> Vec<Value> {
    let desk = house.get(&format!("/v1/desk{query}")).await.ok();
    desk["items"].as_array().unwrap().clone()
}

fn said(item: &Value, more: &Value) -> Value {
    let mut body = json!({ "item": item["id"], "actor": "ana", "reason": "seen" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn what_needs_a_person_is_on_the_desk_until_somebody_has_acted() {
    let house = House::new().await;
    assert_eq!(house.get("/v1/desk").await.ok(), json!({ "items": [], "resting": 0, "more": false }));
    let (_, jobs) = house.submit(&["acme/api"], false).await;
    house.quarantine(jobs[0]).await;
    house.clock.set(house.context.now().plus(Millis::hours(1)));
    let (request, _) = house.submit(&["acme/web", "acme/app"], true).await;
    let desk = items(&house, "").await;
    let kinds: Vec<&str> = desk.iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["quarantine", "approval"]);
    let (result, approval) = (&desk[0], &desk[1]);
    assert_eq!((&result["owner"], &result["job"]), (&json!("dana"), &json!(jobs[0])));
    assert!(result["what_to_do"].as_str().unwrap().contains("sluice discard-result"), "{result}");
    let why = ": out of scope: ci.yml: not allowed";
    assert!(result["what"].as_str().unwrap().ends_with(why), "{result}");
    let told = house.get(&format!("/v1/jobs/{}/why", jobs[0])).await.ok();
    assert!(told["wait"]["text"].as_str().unwrap().ends_with(why), "{told}");
    assert!(result["link"].as_str().unwrap().starts_with("https://github.com/acme/api/tasks/"), "{result}");
    assert_eq!(approval["request"], request);
    assert!(approval["what"].as_str().unwrap().starts_with("2 jobs of request "), "{approval}");
    house
        .post(&format!("/v1/jobs/{}/discard-result", jobs[0]), &json!({ "actor": "ana", "reason": "no" }))
        .await
        .ok();
    assert_eq!(items(&house, "").await.len(), 1);
    house
        .post(&format!("/v1/requests/{request}/approve"), &json!({ "actor": "ana", "reason": "yes" }))
        .await
        .ok();
    assert!(items(&house, "").await.is_empty());
}

#[tokio::test]
async fn people_say_that_they_have_it_that_it_can_wait_or_whose_it_is() {
    let house = House::new().await;
    house.submit(&["acme/api"], true).await;
    let item = items(&house, "").await.remove(0);
    let later = house.context.now().plus(Millis::hours(2));
    let snoozed =
        house.post("/v1/desk/snooze", &said(&item, &json!({ "until": later.to_string() }))).await.ok();
    assert_eq!(snoozed["snoozed_until"], json!(later.0));
    let desk = house.get("/v1/desk").await.ok();
    assert_eq!((&desk["items"], &desk["resting"]), (&json!([]), &json!(1)));
    assert_eq!(items(&house, "?all=true").await.len(), 1);
    house.clock.set(later);
    assert_eq!(items(&house, "").await.len(), 1, "it comes back");
    house.post("/v1/desk/acknowledge", &said(&item, &json!({}))).await.ok();
    assert!(items(&house, "").await.is_empty());
    house.post("/v1/desk/reassign", &said(&item, &json!({ "to": "ben" }))).await.ok();
    let given = items(&house, "").await.remove(0);
    assert_eq!((&given["owner"], &given["assignee"]), (&json!("ben"), &json!("ben")));
    let unknown = said(&json!({ "id": "00000000" }), &json!({}));
    assert_eq!(house.post("/v1/desk/acknowledge", &unknown).await.error(), (404, "unknown-item"));
    let past = said(&item, &json!({ "until": "2020-01-01T00:00:00Z" }));
    assert_eq!(house.post("/v1/desk/snooze", &past).await.places(), ["until"]);
    assert_eq!(house.post("/v1/desk/reassign", &said(&item, &json!({ "to": " " }))).await.places(), ["to"]);
    let entries = house.context.ledger.entries_after(0, 1_000).await.unwrap();
    assert_eq!(entries.iter().filter(|entry| entry.kind.starts_with("desk.")).count(), 3);
}

#[tokio::test]
async fn the_owner_is_told_again_and_then_somebody_else_each_step_once() {
    let mut house = House::new().await;
    house.router = Router::new();
    Arc::get_mut(&mut house.context).unwrap().tuning.desk = Rules {
        within_default: Millis::hours(8),
        remind: Some(Millis::hours(4)),
        escalate: Some((Millis::hours(10), "erin".into())),
        ..Rules::default()
    };
    house.router = router(Arc::clone(&house.context), TOKEN.into());
    house.submit(&["acme/api"], true).await;
    let told = async |hours: u64| {
        house.clock.set(house.context.now().plus(Millis::hours(hours)));
        // As often as the sweep comes, and whoever does it.
        for _ in 0..3 {
            house.context.remind().await.unwrap();
        }
        let rows = house.context.ledger.notices().await.unwrap();
        let of = |kind: &str| rows.iter().filter(|row| row.kind == kind).count();
        (of("desk.reminder"), of("desk.escalated"))
    };
    assert_eq!(told(7).await, (0, 0));
    assert_eq!(told(1).await, (1, 0));
    assert_eq!(told(3).await, (1, 0));
    assert_eq!(told(1).await, (2, 0));
    assert_eq!(told(20).await, (3, 1), "of what was missed only the last");
    let rows = house.context.ledger.notices().await.unwrap();
    let escalated = rows.iter().find(|row| row.kind == "desk.escalated").unwrap();
    let body: Value = serde_json::from_str(&escalated.body_json).unwrap();
    assert_eq!(body["to"], "erin");
    let item = items(&house, "").await.remove(0);
    assert_eq!((&item["overdue"], &item["owner"]), (&json!(true), &json!("dana")));
    house.post("/v1/desk/reassign", &said(&item, &json!({ "to": "ben" }))).await.ok();
    assert_eq!(told(0).await, (4, 1), "whom it was given to is told");
    house.post("/v1/desk/acknowledge", &said(&item, &json!({}))).await.ok();
    assert_eq!(told(40).await, (4, 1), "somebody has it");
}
