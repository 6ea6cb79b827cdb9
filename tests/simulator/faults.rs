//! Faults before and after the effect, and connections that end without a word.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{START_MS, Sim, start, tasks_of};
use sluicegate::simulator::{Scenario, SimClock, Simulator};
use tower::ServiceExt;

async fn creates(sim: &Sim) -> Vec<bool> {
    let log = sim.read("/_control/creates").await;
    log.as_array().unwrap().iter().map(|record| record["answered"].as_bool().unwrap()).collect()
}

async fn add(sim: &Sim, fault: serde_json::Value) {
    assert_eq!(sim.post("/_control/faults", fault).await.status, 201);
}

#[tokio::test]
async fn before_the_effect_nothing_happens_and_after_it_everything_has() {
    let sim = start("").await;
    let body = json!({"prompt": "p"});
    add(&sim, json!({"match": {"method": "POST"}, "status": 502, "times": 1})).await;
    assert_eq!(sim.post(&tasks_of("acme/api"), body.clone()).await.status, 502);
    assert_eq!(creates(&sim).await, Vec::<bool>::new());
    add(&sim, json!({"match": {"method": "POST"}, "status": 502, "times": 1, "when": "after"})).await;
    assert_eq!(sim.post(&tasks_of("acme/api"), body.clone()).await.status, 502);
    assert_eq!(creates(&sim).await, [false]);
    assert_eq!(sim.post(&tasks_of("acme/api"), body).await.status, 201);
    assert_eq!(creates(&sim).await, [false, true]);
}

#[tokio::test]
async fn a_dropped_connection_carries_no_status_line() {
    let sim = start("").await;
    add(&sim, json!({"match": {"method": "POST"}, "drop": true, "when": "after"})).await;
    let mut stream = TcpStream::connect(sim.base.trim_start_matches("http://")).await.unwrap();
    let body = r#"{"prompt":"p"}"#;
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: sim\r\nuser-agent: raw\r\nauthorization: Bearer sim-token\r\ncontent-length: {}\r\n\r\n{body}",
        tasks_of("acme/api"),
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    // The connection may end with a reset, which is as good as an end.
    stream.read_to_end(&mut received).await.unwrap_or_default();
    assert_eq!(received, b"");
    assert_eq!(creates(&sim).await, [false]);
    let request = sim.request(reqwest::Method::POST, &tasks_of("acme/api")).json(&json!({"prompt": "p"}));
    let error = request.send().await.unwrap_err();
    assert!(error.status().is_none());
}

#[tokio::test]
async fn a_caller_that_gives_up_counts_as_unanswered() {
    let sim = start("").await;
    add(&sim, json!({"match": {"method": "POST"}, "latency_ms": 60_000, "when": "after"})).await;
    let request = sim.request(reqwest::Method::POST, &tasks_of("acme/api")).json(&json!({"prompt": "p"}));
    let error = request.timeout(Duration::from_millis(200)).send().await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(creates(&sim).await, [false]);
}

#[tokio::test]
async fn faults_choose_by_route_repository_and_turn() {
    let sim = start("").await;
    add(&sim, json!({"match": {"route": "/agents/tasks/{task_id}", "every": 2}, "status": 500})).await;
    add(&sim, json!({"match": {"repository": "acme/w*", "nth": 2}, "status": 429, "retry_after_s": 7, "secondary": true}))
        .await;
    let id = sim.create("acme/api", "p").await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(sim.get(&format!("/agents/tasks/{id}")).await.status);
    }
    assert_eq!(seen, [200, 500, 200, 500]);
    sim.create("acme/web", "p").await;
    let refused = sim.get(&tasks_of("acme/web")).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "7"));
    assert_eq!(sim.get(&tasks_of("acme/web")).await.status, 200);
    sim.call(reqwest::Method::DELETE, "/_control/faults", json!({})).await;
    assert_eq!(sim.get(&format!("/agents/tasks/{id}")).await.status, 200);
    assert_eq!(sim.get(&format!("/agents/tasks/{id}")).await.status, 200);
}

#[tokio::test]
async fn a_fault_that_makes_no_sense_is_refused() {
    let sim = start("").await;
    for fault in [
        json!({}),
        json!({"status": 42}),
        json!({"drop": true, "match": {"probability": 2.0}}),
        json!({"drop": true, "match": {"nth": 0}}),
        json!({"drop": true, "tmies": 3}),
    ] {
        assert_eq!(sim.post("/_control/faults", fault.clone()).await.status, 400, "{fault}");
    }
}

#[tokio::test]
async fn without_a_connection_a_drop_is_status_599() {
    let text = "[[faults]]\ndrop = true\n";
    let scenario = Scenario::from_toml(text, "drop.toml").unwrap();
    let router = Simulator::new(scenario, SimClock::manual(START_MS)).router();
    let request = axum::http::Request::get("/user").body(axum::body::Body::empty()).unwrap();
    assert_eq!(router.oneshot(request).await.unwrap().status().as_u16(), 599);
}
