//! What is not accepted: each kind of bad input with its reason and its original bytes, and its neighbours unharmed.

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use redis::cmd;
use serde_json::json;
use sluicegate::http;
use tower::ServiceExt as _;

use crate::house::{Place, Worker, keyed, request, sqlite};

/// Bytes, the code of the reason, and what it says.
fn table() -> Vec<(Vec<u8>, &'static str, &'static str)> {
    let with = |name: &str, value: serde_json::Value| {
        let mut body = request("one");
        body[name] = value;
        body.to_string().into_bytes()
    };
    let text = |text: &str| text.as_bytes().to_vec();
    let good = request("one").to_string();
    vec![
        (Vec::new(), "invalid-request", "EOF"),
        (text("no json"), "invalid-request", "request:1:2"),
        (text("[]"), "invalid-request", "a request is an object"),
        (text("null"), "invalid-request", "invalid type"),
        (good.as_bytes()[..good.len() - 1].to_vec(), "invalid-request", "EOF"),
        (format!("{good}{good}").into_bytes(), "invalid-request", "trailing characters"),
        (b"{\"template\":\"\xff\"}".to_vec(), "invalid-request", "not UTF-8"),
        (vec![0; 64], "invalid-request", "request:1"),
        (text(&"[".repeat(100_000)), "invalid-request", "a request is an object"),
        (text(&"{\"inputs\":".repeat(100_000)), "invalid-request", "request:1"),
        (with("inputs", json!({ "package": nested(200) })), "invalid-request", "recursion limit"),
        (with("template", json!("bumb")), "invalid-request", "there is no template `bumb`"),
        (with("template", json!("bump@9")), "invalid-request", "has no version 9"),
        (with("repository", json!("acme/one")), "invalid-request", "unknown key `repository`"),
        (with("requester", json!("not a login!")), "invalid-request", "not a login"),
        (with("repositories", json!([])), "invalid-request", "no repository is named"),
        (with("repositories", json!(["other/one"])), "invalid-request", "outside the allow-list"),
        (with("repositories", json!("acme/one")), "invalid-request", "invalid type"),
        (with("inputs", json!({})), "invalid-request", "package"),
        (with("inputs", json!({ "package": 7 })), "invalid-request", "inputs.package"),
        (with("idempotency_key", json!("")), "invalid-request", "idempotency_key"),
        (with("priority", json!(10)), "invalid-request", "priority"),
        (with("priority", json!(9_007_199_254_740_993_i64)), "invalid-request", "priority"),
        (with("deadline_minutes", json!(-1)), "invalid-request", "deadline_minutes"),
        (
            text(&good.replacen('{', "{\"hold\":true,\"hold\":false,", 1)),
            "invalid-request",
            "duplicate field `hold`",
        ),
        (
            text(&good.replacen("{\"package\":\"serde\"", "{\"package\":\"serde\",\"package\":\"rand\"", 1)),
            "invalid-request",
            "duplicate",
        ),
        (with("reason", json!("x".repeat(3_000))), "invalid-request", "longer than 2000 bytes"),
        (with("reason", json!("a\u{202e}b")), "invalid-request", "reason"),
        (with("reason", json!("x".repeat(2_000_000))), "body-too-large", "at most 1048576 are taken"),
        (vec![b'{'; 10 * 1024 * 1024], "body-too-large", "the request has 10485760 bytes"),
    ]
}

fn nested(depth: usize) -> serde_json::Value {
    (0..depth).fold(json!("x"), |inner, _| json!([inner]))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_bad_input_is_rejected_with_its_reason_and_its_bytes() {
    let place = Place::new(sqlite(), "").await;
    let table = table();
    let mut ids = Vec::new();
    for (n, (body, ..)) in table.iter().enumerate() {
        ids.push(place.add(body).await);
        place.add(keyed("good", &format!("good-{n}"))).await;
    }
    let worker = place.worker().await;
    place.is_settled().await;
    assert_eq!(worker.requests().await.len(), table.len(), "the good ones between are accepted");
    let rejected = place.entries("rejected").await;
    assert_eq!(rejected.len(), table.len());
    for (((body, code, told), id), (_, fields)) in table.iter().zip(ids).zip(rejected) {
        let reason: serde_json::Value = serde_json::from_slice(&fields["reason"]).unwrap();
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        assert_eq!(fields["entry"], id.as_bytes(), "{shown}");
        assert_eq!(reason["code"], *code, "{shown}: {reason}");
        assert!(reason.to_string().contains(told), "{shown}: {reason}");
        assert_eq!(fields["bytes"], body.len().to_string().as_bytes());
        assert_eq!(fields["request"], &body[..body.len().min(1_048_576)], "{shown}");
        assert!(!fields["at"].is_empty());
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_with_other_fields_is_rejected() {
    let place = Place::new(sqlite(), "").await;
    let worker = place.worker().await;
    let good = request("one").to_string();
    for fields in
        [vec!["body", &good], vec!["request", &good, "trace", "7"], vec!["request", &good, "request", &good]]
    {
        let mut add = cmd("XADD");
        add.arg(place.stream("requests")).arg("*").arg(&fields);
        let _: String = add.query_async(&mut place.redis.clone()).await.unwrap();
    }
    place.is_settled().await;
    let codes: Vec<_> = place.rejections().await.into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, ["bad-request"; 3]);
    assert_eq!(worker.requests().await.len(), 0);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_another_body_is_a_conflict_also_inside_one_batch() {
    let place = Place::new(sqlite(), "").await;
    place.add(keyed("one", "nightly")).await;
    let second = place.add(keyed("two", "nightly")).await;
    let worker = place.worker().await;
    place.is_settled().await;
    let third = place.add(keyed("three", "nightly")).await;
    place.is_settled().await;
    let conflict = |id: String| (id, "idempotency-conflict".to_owned());
    assert_eq!(place.rejections().await, [conflict(second), conflict(third)]);
    assert_eq!(worker.requests().await.len(), 1);
    worker.stop().await;
}

/// What HTTP answers to the same body.
async fn over_http(worker: &Worker, body: &str) -> serde_json::Value {
    let router = http::router(Arc::clone(&worker.daemon.context), "token".into());
    let call = Request::post("/v1/requests").header("authorization", "Bearer token");
    let call = call.header("content-type", "application/json").body(Body::from(body.to_owned())).unwrap();
    let answer = router.oneshot(call).await.unwrap().into_body();
    serde_json::from_slice(&to_bytes(answer, usize::MAX).await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_is_the_document_that_http_answers_with() {
    let place = Place::new(sqlite(), "").await;
    let worker = place.worker().await;
    place.add(keyed("one", "nightly")).await;
    place.is_settled().await;
    for body in
        ["no json".to_owned(), request("one").to_string().replace("\"serde\"", "7"), keyed("two", "nightly")]
    {
        place.add(&body).await;
        place.is_settled().await;
        let (_, fields) = place.entries("rejected").await.pop().unwrap();
        let reason: serde_json::Value = serde_json::from_slice(&fields["reason"]).unwrap();
        let mut answer = over_http(&worker, &body).await;
        // There is no address here that a path could belong to.
        answer["type"] = format!("urn:sluicegate:problem:{}", answer["code"].as_str().unwrap()).into();
        assert_eq!(reason, answer);
    }
    worker.stop().await;
}
