//! Moved resources.

use sluicegate::{
    agent::{Agent, FailKind},
    job::remote::TaskId,
};

use crate::{scripted::*, start::order};

fn moved(status: u16, to: &str) -> Outcome {
    reply(status, &[("location", to)], "")
}

#[tokio::test]
async fn a_read_follows_a_redirect_on_the_same_server() {
    for status in [301, 302, 307, 308] {
        let bench = bench_of([moved(status, "/agents/tasks/t-2"), ok(fixture("task"))]);
        bench.github.observe("bot", &TaskId("t-1".to_owned())).await.unwrap();
        assert_eq!(bench.lines(), ["GET /agents/tasks/t-1", "GET /agents/tasks/t-2"], "{status}");
    }
}

#[tokio::test]
async fn the_token_does_not_follow_a_redirect_to_another_server() {
    for to in
        ["https://evil.example/agents/tasks/t-1", "http://api.github.com/agents/tasks/t-1", "//evil.example/"]
    {
        let bench = bench_of([moved(302, to)]);
        let error = bench.github.observe("bot", &TaskId("t-1".to_owned())).await.unwrap_err();
        assert_eq!((error.kind, bench.asked().len()), (FailKind::Invalid, 1), "{to}");
    }
}

#[tokio::test]
async fn redirects_without_end_or_target_are_given_up() {
    let bench = bench(|_| moved(302, "/agents/tasks/t-1"));
    assert!(bench.github.observe("bot", &TaskId("t-1".to_owned())).await.is_err());
    assert_eq!(bench.asked().len(), 6);
    let bench = bench_of([reply(302, &[], "")]);
    assert!(bench.github.observe("bot", &TaskId("t-1".to_owned())).await.is_err());
}

#[tokio::test]
async fn a_start_follows_only_a_redirect_that_keeps_method_and_body() {
    for status in [307, 308] {
        let bench =
            bench_of([moved(status, "/repositories/1/tasks"), reply(201, &[], fixture("task_created"))]);
        bench.github.start("bot", &order()).await.unwrap();
        let asked = bench.asked();
        assert_eq!((asked[0].method(), asked[0].body()), (asked[1].method(), asked[1].body()));
    }
    for status in [301, 302, 303] {
        let bench = bench_of([moved(status, "/repositories/1/tasks")]);
        let error = bench.github.start("bot", &order()).await.unwrap_err();
        assert_eq!((error.kind, bench.asked().len()), (FailKind::Invalid, 1), "{status}");
    }
    for to in ["https://evil.example/", "http://api.github.com/x"] {
        let bench = bench_of([moved(307, to)]);
        assert_eq!(bench.github.start("bot", &order()).await.unwrap_err().kind, FailKind::Invalid, "{to}");
    }
}

#[tokio::test]
async fn a_redirected_start_whose_answer_is_lost_may_have_started_a_task() {
    let bench = bench_of([moved(307, "/repositories/1/tasks"), lost(true)]);
    assert_eq!(bench.github.start("bot", &order()).await.unwrap_err().kind, FailKind::Ambiguous);
}
