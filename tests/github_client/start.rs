//! What a start sends.

use serde_json::{Value, json};
use sluicegate::{
    agent::{Agent, FailKind, StartOrder},
    job::{remote::RemoteState, time::Millis},
};

use crate::scripted::*;

pub fn order() -> StartOrder {
    StartOrder {
        repository: "Acme/API".parse().unwrap(),
        prompt: "Upgrade serde.".to_owned(),
        model: None,
        create_pull_request: false,
        base_ref: None,
        head_ref: None,
        custom_agent: None,
        send_before: sluicegate::job::Timestamp(i64::MAX),
    }
}

fn sent_body(bench: &Bench) -> Value {
    serde_json::from_slice(bench.asked()[0].body()).unwrap()
}

#[tokio::test]
async fn a_start_carries_the_documented_headers() {
    let bench = bench_of([reply(201, &[], fixture("task_created"))]);
    let task = bench.github.start("bot", &order()).await.unwrap();
    assert_eq!((task.state, task.sessions), (RemoteState::Queued, None));
    assert_eq!(bench.lines(), ["POST /agents/repos/acme/api/tasks"]);
    let asked = bench.asked();
    let header = |name: &str| asked[0].headers()[name].to_str().unwrap().to_owned();
    assert_eq!(asked[0].uri().host(), Some("api.github.com"));
    assert_eq!(header("accept"), "application/vnd.github+json");
    assert_eq!(header("authorization"), format!("Bearer {TOKEN}"));
    assert_eq!(header("x-github-api-version"), "2026-03-10");
    assert_eq!(header("user-agent"), concat!("sluicegate/", env!("CARGO_PKG_VERSION")));
    assert_eq!(header("content-type"), "application/json");
}

#[tokio::test]
async fn whether_a_pull_request_is_wanted_is_always_said() {
    for wanted in [true, false] {
        let bench = bench_of([reply(201, &[], fixture("task_created"))]);
        let order = StartOrder { create_pull_request: wanted, ..order() };
        bench.github.start("bot", &order).await.unwrap();
        assert_eq!(sent_body(&bench), json!({ "prompt": "Upgrade serde.", "create_pull_request": wanted }));
    }
}

#[tokio::test]
async fn model_base_and_custom_agent_are_sent_when_given() {
    let bench = bench_of([reply(201, &[], fixture("task_created_with_custom_agent"))]);
    let order = StartOrder {
        model: Some("gpt-5.4".to_owned()),
        base_ref: Some("main".to_owned()),
        custom_agent: Some("upgrader".to_owned()),
        ..order()
    };
    bench.github.start("bot", &order).await.unwrap();
    let body = sent_body(&bench);
    assert_eq!(
        (&body["model"], &body["base_ref"], &body["custom_agent"]),
        (&json!("gpt-5.4"), &json!("main"), &json!("upgrader"))
    );
}

#[tokio::test]
async fn a_start_is_sent_once_whatever_comes_back() {
    for outcome in
        [lost(true), lost(false), reply(500, &[], ""), reply(502, &[], ""), reply(201, &[], "<html>")]
    {
        let bench = bench_of([outcome]);
        let error = bench.github.start("bot", &order()).await.unwrap_err();
        assert_eq!(bench.asked().len(), 1, "{error}");
    }
}

#[tokio::test]
async fn a_success_that_cannot_be_read_may_have_started_a_task() {
    for body in ["", "<html>", "{}", r#"{"id":"x","state":"queued"}"#, "[]"] {
        let bench = bench_of([reply(201, &[], body)]);
        let error = bench.github.start("bot", &order()).await.unwrap_err();
        assert_eq!(error.kind, FailKind::Ambiguous, "{body}");
        assert_eq!(
            error.to_string(),
            "starting a task in acme/api as `bot` failed: the answer cannot be read"
        );
    }
}

#[tokio::test]
async fn writes_of_one_identity_keep_their_distance() {
    let slow = |gap| sluicegate::agent::github::GitHubOptions { min_write_gap_ms: gap, ..options() };
    let bench = bench_with(slow(1_000), |_| reply(201, &[], fixture("task_created")));
    for _ in 0..3 {
        bench.github.start("bot", &order()).await.unwrap();
    }
    assert_eq!(sluicegate::clock::Clock::now(&*bench.clock).since(NOW), Millis::seconds(2));
}

#[tokio::test]
async fn an_identity_that_is_not_configured_is_named() {
    let bench = bench_of([]);
    let error = bench.github.start("ghost", &order()).await.unwrap_err();
    assert_eq!(error.kind, FailKind::Unauthorised);
    assert_eq!(error.to_string(), "no identity `ghost` is configured");
}
