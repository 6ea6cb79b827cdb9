//! Budgets, limits, and gates that answer only when nothing is on its way any more.

use std::sync::Arc;

use futures::FutureExt as _;
use serde_json::{Value, json};
use sluicegate::{job::State, pipeline::start};

use crate::house::House;

fn budget<'a>(list: &'a Value, key: &str) -> &'a Value {
    let found = list["budgets"].as_array().unwrap().iter().find(|budget| budget["key"] == key);
    found.unwrap_or_else(|| panic!("{key} is not in {list}"))
}

#[tokio::test]
async fn budgets_are_listed_with_their_holders() {
    let house = House::new().await;
    let (_, jobs) = house.submit(&["acme/api"], false).await;
    let free = house.get("/v1/budgets").await.ok();
    assert_eq!(budget(&free, "pool/reviewers/ben")["used"], 0);
    house.admit(jobs[0]).await;
    let used = house.get("/v1/budgets").await.ok();
    assert_eq!(budget(&used, "slots/global")["used"], 1);
    for key in ["slots/global", "slots/repository/Acme/API", "pool/reviewers"] {
        let holders = house.get(&format!("/v1/budgets/holders?key={key}")).await.ok();
        assert_eq!(holders["holders"][0]["job"], jobs[0].to_string(), "{key}");
    }
    assert_eq!(house.get("/v1/budgets/holders?key=slots/model/x").await.ok()["holders"], json!([]));
    for query in ["", "?key=", "?key=a%20b", "?ky=slots/global"] {
        let answer = house.get(&format!("/v1/budgets/holders{query}")).await;
        assert_eq!(answer.error(), (400, "bad-filter"), "{query}");
    }
}

#[tokio::test]
async fn a_limit_is_set_and_given_back_to_the_configuration() {
    let house = House::new().await;
    let set = async |limit: Value| {
        let body = json!({ "key": "slots/global", "limit": limit, "actor": "ana", "reason": "more hands" });
        house.post("/v1/budgets/limit", &body).await
    };
    let raised = set(json!(7)).await.ok();
    assert_eq!((&raised["limit"], &raised["limit_set_by_operator"]), (&json!(7), &json!(true)));
    let back = set(Value::Null).await.ok();
    assert_eq!((&back["limit"], &back["limit_set_by_operator"]), (&json!(1), &json!(false)));
    for limit in [json!(-1), json!(1.5), json!("7"), json!(9_007_199_254_740_992_u64)] {
        assert_eq!(set(limit.clone()).await.error(), (422, "invalid-request"), "{limit}");
    }
    for (body, place) in [
        (json!({ "key": "slots/global", "actor": "ana", "reason": "left the limit out" }), "limit"),
        (json!({ "key": "slots/global", "limit": 1, "actor": "ana", "reason": "" }), "reason"),
        (json!({ "key": "", "limit": 1, "actor": "ana", "reason": "x" }), "key"),
    ] {
        let answer = house.post("/v1/budgets/limit", &body).await;
        assert_eq!(answer.error(), (422, "invalid-request"));
        assert!(answer.body["detail"].as_str().unwrap().contains(place), "{}", answer.body);
    }
    for key in ["starts/global", "gate/global", "pool/reviewers/nobody"] {
        let body = json!({ "key": key, "limit": 1, "actor": "ana", "reason": "x" });
        assert_eq!(house.post("/v1/budgets/limit", &body).await.error(), (404, "unknown-budget"), "{key}");
    }
}

#[tokio::test]
async fn a_pause_is_acknowledged_when_no_start_is_on_its_way_any_more() {
    let house = Arc::new(House::new().await);
    let (_, jobs) = house.submit(&["acme/api", "acme/web"], false).await;
    let work = house.admit(jobs[0]).await;
    let starting = tokio::spawn(start::run(Arc::clone(&house.context), work));
    house.actor.asked.acquire().await.unwrap().forget();

    let body = json!({ "scope": "organisation", "value": "Acme", "actor": "ana", "reason": "freeze" });
    let asked = Arc::clone(&house);
    let mut closing = tokio::spawn(async move { asked.post("/v1/gates/close", &body).await });
    // The closing is recorded, and still there is no answer.
    loop {
        tokio::task::yield_now().await;
        let list = house.context.list_budgets().await.unwrap();
        if list.iter().any(|view| view.closed.is_some()) {
            break;
        }
    }
    assert!((&mut closing).now_or_never().is_none());
    house.actor.leave.add_permits(1);
    let closed = closing.await.unwrap().ok();
    assert_eq!(closed["key"], "gate/organisation/acme");
    assert_eq!((&closed["closure"]["actor"], &closed["closure"]["opens_at"]), (&json!("ana"), &Value::Null));
    starting.await.unwrap();
    assert_eq!(house.context.find_job(&jobs[0].to_string()).await.unwrap().state, State::Running);
    assert_eq!(house.get("/v1/overview").await.ok()["closed"][0]["key"], "gate/organisation/acme");
}

#[tokio::test]
async fn after_an_acknowledged_pause_an_admitted_job_is_not_started() {
    let house = House::new().await;
    let (_, jobs) = house.submit(&["acme/api"], false).await;
    let work = house.admit(jobs[0]).await;
    let body = json!({ "scope": "global", "actor": "ana", "reason": "incident" });
    house.post("/v1/gates/close", &body).await.ok();
    house.actor.leave.add_permits(1);
    start::run(Arc::clone(&house.context), work).await;
    assert_eq!(house.actor.asked.available_permits(), 0);
    house.catch_up().await;
    house.context.gate.propose(8, house.context.now()).await.unwrap();
    let why = house.get(&format!("/v1/jobs/{}/why", jobs[0])).await.ok();
    assert_eq!((&why["state"], &why["wait"]["reason"]), (&json!("queued"), &json!("closed")), "{why}");
    assert!(why["wait"]["text"].as_str().unwrap().contains("incident"), "{why}");

    let opened = house.post("/v1/gates/open", &json!({ "scope": "global", "actor": "ana" })).await.ok();
    assert_eq!(opened, json!({ "key": "gate/global", "closure": null }));
    assert_eq!(house.get("/v1/overview").await.ok()["closed"], json!([]));
    house.admit(jobs[0]).await;
}

#[tokio::test]
async fn a_gate_closes_until_a_time_to_come() {
    let house = House::new().await;
    let close = async |until: &str| {
        let body =
            json!({ "scope": "template", "value": "bump", "actor": "ana", "reason": "x", "until": until });
        house.post("/v1/gates/close", &body).await
    };
    let closed = close("2026-11-20T11:00:00Z").await.ok();
    assert_eq!(
        closed["closure"]["opens_at"],
        house.clock.cell().load(std::sync::atomic::Ordering::SeqCst) + 3_600_000
    );
    for until in ["2026-11-20T10:00:00Z", "tomorrow", ""] {
        let answer = close(until).await;
        assert_eq!(answer.error(), (422, "invalid-request"), "{until}");
        assert_eq!(answer.places(), ["until"]);
    }
}

#[tokio::test]
async fn a_gate_that_would_close_nothing_is_refused() {
    let house = House::new().await;
    for (scope, value) in [
        ("global", "all"),
        ("repository", "api"),
        ("template", "bump@1"),
        ("organisation", ""),
        ("request", "abcd"),
        ("planet", "earth"),
    ] {
        for path in ["/v1/gates/close", "/v1/gates/open"] {
            let body = json!({ "scope": scope, "value": value, "actor": "ana", "reason": "x" });
            assert_eq!(house.post(path, &body).await.error(), (422, "invalid-request"), "{scope} {value}");
        }
    }
    let silent = json!({ "scope": "global", "actor": "ana", "reason": "" });
    assert_eq!(house.post("/v1/gates/close", &silent).await.places(), ["reason"]);
    assert_eq!(house.get("/v1/overview").await.ok()["closed"], json!([]));
}
