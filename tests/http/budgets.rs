//! Budgets, who holds them, and limits that are set live.

use serde_json::{Value, json};

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
    // Limited, and not used yet.
    for key in ["slots/repository/acme/web", "pool/reviewers/ben"] {
        assert_eq!(
            house.get(&format!("/v1/budgets/holders?key={key}")).await.ok()["holders"],
            json!([]),
            "{key}"
        );
    }
    for key in ["slots/model/x", "nope", "pool/nobody"] {
        let answer = house.get(&format!("/v1/budgets/holders?key={key}")).await;
        assert_eq!(answer.error(), (404, "unknown-budget"), "{key}");
    }
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
