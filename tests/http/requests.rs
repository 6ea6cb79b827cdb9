//! Submitting, planning and looking at requests.

use axum::http::{StatusCode, header};
use serde_json::json;

use crate::house::{House, request};

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn an_accepted_request_is_in_the_ledger_with_its_jobs() {
    let house = House::new().await;
    let answer = house.post("/v1/requests", &request(&["acme/api", "acme/web"], false)).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let id = answer.body["request"].as_str().unwrap().to_owned();
    assert_eq!(answer.headers[header::LOCATION], format!("/v1/requests/{id}"));
    assert_eq!(
        (&answer.body["jobs"], &answer.body["template"], &answer.body["replayed"]),
        (&json!(2), &json!("bump@1"), &json!(false))
    );
    for name in [id.as_str(), &id.to_uppercase(), &id[id.len() - 6..]] {
        let view = house.get(&format!("/v1/requests/{name}")).await.ok();
        assert_eq!(view["request"]["id"], id.as_str());
        assert_eq!(view["states"], json!([{ "state": "queued", "jobs": 2 }]));
        assert_eq!(view["ended"], false);
    }
    let list = house.get("/v1/requests?limit=1").await.ok();
    assert_eq!(list["requests"][0]["request"]["id"], id.as_str());
}

#[tokio::test]
async fn a_request_that_cannot_be_found_says_why() {
    let house = House::new().await;
    let none = "0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11";
    for name in [none, "9b8a11", "abc", "xyzw", "%25%25%25%25"] {
        let answer = house.get(&format!("/v1/requests/{name}")).await;
        assert_eq!(answer.error(), (404, "unknown-request"), "{name}");
    }
    for query in ["limit=0", "limit=1001", "limit=x", "limt=3"] {
        assert_eq!(house.get(&format!("/v1/requests?{query}")).await.error(), (400, "bad-filter"), "{query}");
    }
}

#[tokio::test]
async fn the_same_key_with_the_same_body_is_the_same_request() {
    let house = House::new().await;
    let body = request(&["acme/api"], false);
    let text = body.to_string();
    let keyed = [JSON, ("idempotency-key", "nightly-1")];
    let first = house.send("POST", "/v1/requests", &keyed, &text).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.body);
    let again = house.send("POST", "/v1/requests", &keyed, &text).await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(again.body["request"], first.body["request"]);
    assert_eq!(again.body["replayed"], true);
    // In the body instead of the header, and in both.
    let mut inside = body.clone();
    inside["idempotency_key"] = json!("nightly-1");
    assert_eq!(house.post("/v1/requests", &inside).await.ok()["request"], first.body["request"]);
    let both = house.send("POST", "/v1/requests", &keyed, &inside.to_string()).await;
    assert_eq!(both.ok()["request"], first.body["request"]);

    let other = request(&["acme/web"], false).to_string();
    let conflict = house.send("POST", "/v1/requests", &keyed, &other).await;
    assert_eq!(conflict.error(), (409, "idempotency-conflict"));
    inside["idempotency_key"] = json!("nightly-2");
    let differ = house.send("POST", "/v1/requests", &keyed, &inside.to_string()).await;
    assert_eq!(differ.error(), (409, "idempotency-conflict"));
    let list = house.get("/v1/requests").await.ok();
    assert_eq!(list["requests"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let house = House::new().await;
    let text = request(&["acme/api"], false).to_string();
    for key in ["", "schlüssel", &"k".repeat(201)] {
        let answer = house.send("POST", "/v1/requests", &[JSON, ("idempotency-key", key)], &text).await;
        assert_eq!(answer.error(), (422, "invalid-request"), "{key}");
        assert_eq!(answer.places(), ["idempotency_key"]);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_all_at_once_with_places() {
    let house = House::new().await;
    let body = json!({
        "template": "bump", "requester": "carla", "inputs": { "package": 3 },
        "repositories": ["acme/api", "acme/api", "other/web"],
    });
    for path in ["/v1/requests", "/v1/plans"] {
        let answer = house.post(path, &body).await;
        assert_eq!(answer.error(), (422, "invalid-request"));
        assert!(answer.places().len() >= 3, "{}", answer.body);
        assert!(answer.places().contains(&"inputs.package"), "{}", answer.body);
    }
    for (text, what) in [
        (r#"{"template": "bump""#, "EOF"),
        (r#"{"tempalte": "bump"}"#, "tempalte"),
        ("[]", "an object, not a list"),
        ("", "EOF"),
    ] {
        let answer = house.send("POST", "/v1/requests", &[JSON], text).await;
        assert_eq!(answer.error(), (422, "invalid-request"));
        assert!(answer.body["problems"][0]["what"].as_str().unwrap().contains(what), "{}", answer.body);
    }
    let list = house.get("/v1/requests").await.ok();
    assert_eq!(list["requests"], json!([]));
}

#[tokio::test]
async fn a_mistake_in_a_file_is_told_with_the_files_name_and_line() {
    let house = House::new().await;
    let good = "template = \"bump\"\nrepositories = [\"acme/api\"]\nrequester = \"carla\"\n[inputs]\npackage = \"serde\"\n";
    let toml = [("content-type", "application/toml"), ("x-file-name", "ops/nightly.toml")];
    let answer = house.send("POST", "/v1/requests", &toml, good).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    let bad = good.replace("requester", "requster");
    let answer = house.send("POST", "/v1/requests", &toml, &bad).await;
    assert_eq!(answer.error(), (422, "invalid-request"));
    assert_eq!(answer.places(), ["ops/nightly.toml:3:1"]);
    // A name that plays tricks is not repeated.
    let toml = [("content-type", "application/toml"), ("x-file-name", "a\u{202e}b")];
    let answer = house.send("POST", "/v1/requests", &toml, &bad).await;
    assert_eq!(answer.places(), ["request.toml:3:1"]);
}

#[tokio::test]
async fn a_plan_shows_everything_and_keeps_nothing() {
    let house = House::new().await;
    let before = house.context.ledger.head().await.unwrap();
    let plan = house.post("/v1/plans", &request(&["acme/api", "acme/web"], false)).await.ok();
    assert_eq!((plan["template"].as_str(), plan["team"].as_str()), (Some("bump@1"), Some("platform")));
    assert_eq!(plan["jobs"][1]["repository"], "acme/web");
    let prompt = plan["jobs"][0]["prompt"].as_str().unwrap();
    assert!(prompt.starts_with("Bump serde in acme/api."), "{prompt}");
    let budgets = plan["jobs"][0]["budgets"].as_array().unwrap();
    assert!(budgets.contains(&json!("slots/repository/acme/api")), "{plan}");
    assert_eq!(house.get("/v1/jobs").await.ok()["jobs"], json!([]));
    assert_eq!(house.get("/v1/requests").await.ok()["requests"], json!([]));
    assert_eq!(house.context.ledger.head().await.unwrap(), before);
}

#[tokio::test]
async fn a_template_edited_after_its_first_use_is_refused() {
    let house = House::new().await;
    house.submit(&["acme/api"], false).await;
    let house = house.with_edited_template().await;
    let answer = house.post("/v1/requests", &request(&["acme/web"], false)).await;
    assert_eq!(answer.error(), (409, "template-changed"));
}

#[tokio::test]
async fn a_ledger_that_does_not_answer_is_told_and_nothing_is_accepted() {
    let house = House::new().await;
    house.context.ledger.close().await;
    let json = [JSON, ("idempotency-key", "k")];
    let text = request(&["acme/api"], false).to_string();
    for headers in [&json[..1], &json] {
        let answer = house.send("POST", "/v1/requests", headers, &text).await;
        assert_eq!(answer.error(), (503, "ledger-unavailable"));
    }
    for path in ["/v1/jobs", "/v1/overview", "/v1/audit/verify", "/v1/budgets", "/v1/jobs/abcd"] {
        assert_eq!(house.get(path).await.error(), (503, "ledger-unavailable"), "{path}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_makes_a_request_wait_and_nothing_is_kept() {
    let house = House::with_rules("[[repository]]\nmatch = \"acme/*\"\n").await;
    for path in ["/v1/requests", "/v1/plans"] {
        let answer = house.post(path, &request(&["acme/api"], false)).await;
        assert_eq!(answer.error(), (503, "provider-unavailable"), "{path}");
        assert_eq!(answer.headers["retry-after"], "30");
        assert!(answer.body["detail"].as_str().unwrap().contains("try again after"), "{}", answer.body);
    }
    let wrong = house
        .post("/v1/plans", &json!({ "template": "bump", "repositories": ["acme/api"], "requester": "c" }))
        .await;
    assert_eq!(wrong.error(), (422, "invalid-request"), "nobody is asked for what is wrong anyway");
    assert_eq!(house.get("/v1/requests").await.ok()["requests"], json!([]));
}
