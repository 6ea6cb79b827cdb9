//! Every status with every combination of headers, and what the caller hears.

use sluicegate::{
    agent::{Agent, FailKind, Forge},
    job::{remote::TaskId, time::Millis},
};

use crate::{scripted::*, start::order};

fn limited(seconds: u64) -> FailKind {
    FailKind::RateLimited { until: NOW.plus(Millis::seconds(seconds)) }
}

fn message(text: &str) -> String {
    format!(r#"{{"message":"{text}","documentation_url":"https://docs.github.com"}}"#)
}

async fn start_fails(status: u16, headers: &[(&'static str, &str)], body: &str) -> FailKind {
    let bench = bench_of([reply(status, headers, body)]);
    bench.github.start("bot", &order()).await.unwrap_err().kind
}

#[tokio::test]
async fn each_status_has_one_meaning_for_a_start() {
    for (status, kind) in [
        (300, FailKind::Invalid),
        (304, FailKind::Invalid),
        (400, FailKind::Invalid),
        (401, FailKind::Unauthorised),
        (403, FailKind::Forbidden),
        (404, FailKind::NotFound),
        (405, FailKind::Invalid),
        (408, FailKind::Ambiguous),
        (409, FailKind::Invalid),
        (410, FailKind::NotFound),
        (422, FailKind::Invalid),
        (429, limited(60)),
        (451, FailKind::Invalid),
        (499, FailKind::Ambiguous),
        (500, FailKind::Ambiguous),
        (502, FailKind::Ambiguous),
        (503, FailKind::Ambiguous),
        (504, FailKind::Ambiguous),
        (599, FailKind::Ambiguous),
        (700, FailKind::Ambiguous),
    ] {
        assert_eq!(start_fails(status, &[], "").await, kind, "{status}");
        assert_eq!(start_fails(status, &[], &message("no")).await, kind, "{status} with a message");
    }
}

#[tokio::test]
async fn a_limit_is_told_from_a_missing_permission_and_dated_by_the_official_order() {
    let reset = in_seconds(900);
    let left = |n| ("x-ratelimit-remaining", n);
    let (resets, retry) = (("x-ratelimit-reset", reset.as_str()), ("retry-after", "30"));
    for status in [403, 429] {
        for (headers, text, kind) in [
            (vec![retry], "", limited(30)),
            (vec![retry, left("0"), resets], "", limited(30)),
            (vec![retry, left("4999"), resets], "", limited(30)),
            (vec![left("0"), resets], "", limited(900)),
            (vec![left("0")], "", limited(60)),
            (vec![], "You have exceeded a secondary rate limit", limited(60)),
            (vec![left("4999"), resets], "You have exceeded a secondary rate limit.", limited(60)),
            (vec![], "API rate limit exceeded for user ID 1", limited(60)),
            (vec![], "You have triggered an abuse detection mechanism", limited(60)),
        ] {
            assert_eq!(
                start_fails(status, &headers, &message(text)).await,
                kind,
                "{status} {headers:?} {text}"
            );
        }
    }
    let forbidden = start_fails(403, &[left("4999"), resets], &message("Resource not accessible")).await;
    assert_eq!(forbidden, FailKind::Forbidden);
}

#[tokio::test]
async fn a_request_that_never_left_is_unreachable_and_one_that_may_have_is_ambiguous() {
    for (sent, kind) in [(false, FailKind::Unreachable), (true, FailKind::Ambiguous)] {
        let bench = bench_of([lost(sent)]);
        assert_eq!(bench.github.start("bot", &order()).await.unwrap_err().kind, kind);
    }
}

#[tokio::test]
async fn an_error_says_what_github_said() {
    let bench = bench_of([reply(422, &[], fixture("validation_error"))]);
    let error = bench.github.start("bot", &order()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "starting a task in acme/api as `bot` failed: \
         422 Validation Failed (missing_field prompt; custom: model is not available)"
    );
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let headers = [("x-accepted-github-permissions", "agent_tasks=write")];
    let bench = bench_of([reply(403, &headers, message("Resource not accessible by personal access token"))]);
    let error = bench.github.start("bot", &order()).await.unwrap_err();
    assert!(error.to_string().ends_with("needs the permission agent_tasks=write"), "{error}");
}

#[tokio::test]
async fn a_page_of_html_stays_out_of_the_error_and_a_long_message_is_cut() {
    let bench =
        bench_of([reply(502, &[], "<html>Unicorn!</html>"), reply(400, &[], message(&"x".repeat(9_000)))]);
    let error = bench.github.start("bot", &order()).await.unwrap_err();
    assert_eq!(error.to_string(), "starting a task in acme/api as `bot` failed: 502 Bad Gateway");
    let error = bench.github.start("bot", &order()).await.unwrap_err();
    assert!(error.to_string().len() < 600);
}

#[tokio::test]
async fn a_read_is_tried_three_times_and_only_if_the_answer_was_lost() {
    let task = TaskId("t-1".to_owned());
    let bench = bench_of([lost(true), reply(503, &[], ""), ok(fixture("task"))]);
    bench.github.observe("bot", &task).await.unwrap();
    let bench = bench_of([lost(false), lost(false), lost(false)]);
    assert_eq!(bench.github.observe("bot", &task).await.unwrap_err().kind, FailKind::Unreachable);
    for status in [400, 401, 403, 404, 422, 429] {
        let bench = bench_of([reply(status, &[], "")]);
        bench.github.observe("bot", &task).await.unwrap_err();
        assert_eq!(bench.asked().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_endpoint_and_result() {
    let task = TaskId("t-1".to_owned());
    let bench = bench_of([
        lost(false),
        reply(500, &[], ""),
        ok(fixture("task")),
        reply(404, &[], ""),
        reply(201, &[], fixture("task_created")),
        reply(422, &[], ""),
        reply(401, &[], ""),
    ]);
    bench.github.observe("bot", &task).await.unwrap();
    bench.github.observe("bot", &task).await.unwrap_err();
    bench.github.start("bot", &order()).await.unwrap();
    bench.github.request_review("bot", &order().repository, 7, "ana").await.unwrap_err();
    bench.github.probe("bot").await.unwrap_err();
    let said: Vec<_> = bench
        .github
        .counters()
        .iter()
        .map(|(endpoint, result, n)| format!("{endpoint} {result} {n}"))
        .collect();
    assert_eq!(
        said,
        [
            "reviewers invalid 1",
            "start ok 1",
            "task ambiguous 1",
            "task not_found 1",
            "task ok 1",
            "task unreachable 1",
            "user unauthorised 1"
        ]
    );
}
