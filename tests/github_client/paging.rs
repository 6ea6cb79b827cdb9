//! Lists over several pages.

use serde_json::json;
use sluicegate::{
    agent::{Agent, FailKind},
    job::{remote::RemoteState, time::Timestamp},
};

use crate::scripted::*;

fn page(next: Option<&str>, tasks: &[(&str, &str, u32)]) -> Outcome {
    let tasks: Vec<_> = tasks
        .iter()
        .map(|(id, state, minute)| {
            json!({ "id": id, "state": state, "created_at": format!("2026-11-20T10:{minute:02}:00Z") })
        })
        .collect();
    let body = json!({ "tasks": tasks }).to_string();
    match next {
        Some(next) => {
            let link = format!(
                "<https://api.github.com/agents/tasks?page=1>; rel=\"first\", <{next}>; rel=\"next\""
            );
            reply(200, &[("link", &link)], body)
        }
        None => ok(body),
    }
}

fn ids(tasks: &[sluicegate::job::remote::Task]) -> Vec<&str> {
    tasks.iter().map(|task| task.id.0.as_str()).collect()
}

#[tokio::test]
async fn a_list_asks_by_order_of_creation_and_narrows_as_told() {
    let bench = bench(|_| page(None, &[]));
    bench.github.list_changed("bot", None, false).await.unwrap();
    let since = Timestamp::parse("2026-11-20T10:00:00.987Z");
    bench.github.list_changed("bot", since, true).await.unwrap();
    assert_eq!(
        bench.lines(),
        [
            "GET /agents/tasks?per_page=100&sort=created_at&direction=asc",
            "GET /agents/tasks?per_page=100&sort=created_at&direction=asc&since=2026-11-20T10:00:00Z\
             &state=queued,in_progress,idle,waiting_for_user",
        ]
    );
}

#[tokio::test]
async fn links_are_followed_and_a_task_on_two_pages_is_one_task_as_last_seen() {
    let bench = bench_of([
        page(Some("https://api.github.com/agents/tasks?page=2"), &[("a", "queued", 1), ("b", "queued", 2)]),
        page(Some("/agents/tasks?page=3"), &[("b", "completed", 2), ("c", "idle", 3)]),
        page(None, &[("d", "somewhere_else", 4)]),
    ]);
    let tasks = bench.github.list_changed("bot", None, false).await.unwrap();
    assert_eq!(ids(&tasks), ["a", "b", "c", "d"]);
    assert_eq!(tasks[1].state, RemoteState::Completed);
    assert_eq!(tasks[3].state, RemoteState::Unknown("somewhere_else".to_owned()));
    assert_eq!(bench.lines()[1..], ["GET /agents/tasks?page=2", "GET /agents/tasks?page=3"]);
}

#[tokio::test]
async fn the_token_does_not_follow_a_link_to_another_server() {
    for next in [
        "https://evil.example/agents/tasks?page=2",
        "http://api.github.com/agents/tasks?page=2",
        "//evil.example/x",
        "https://api.github.com:444/agents/tasks",
        "ftp://api.github.com/agents/tasks",
    ] {
        let bench = bench_of([page(Some(next), &[("a", "queued", 1)])]);
        let error = bench.github.list_changed("bot", None, false).await.unwrap_err();
        assert_eq!(error.kind, FailKind::Ambiguous, "{next}");
        assert!(error.to_string().contains("another server"), "{error}");
        assert_eq!(bench.asked().len(), 1, "{next}");
    }
}

#[tokio::test]
async fn a_list_without_end_is_an_error_not_half_an_answer() {
    let bench = bench(|_| page(Some("/agents/tasks?page=2"), &[("a", "queued", 1)]));
    let error = bench.github.list_changed("bot", None, false).await.unwrap_err();
    assert!(error.to_string().contains("more than 100 pages"), "{error}");
    assert_eq!(bench.asked().len(), 100);
}

#[tokio::test]
async fn a_page_that_is_lost_is_asked_for_again_by_itself() {
    let bench = bench_of([
        page(Some("/agents/tasks?page=2"), &[("a", "queued", 1)]),
        lost(true),
        page(None, &[("b", "queued", 2)]),
    ]);
    let tasks = bench.github.list_changed("bot", None, false).await.unwrap();
    assert_eq!((ids(&tasks), bench.asked().len()), (vec!["a", "b"], 3));
}

#[tokio::test]
async fn items_that_cannot_be_read_do_not_hide_the_others() {
    let bench = bench_of([ok(fixture("tasks_odd"))]);
    let tasks = bench.github.list_changed("bot", None, false).await.unwrap();
    assert_eq!(ids(&tasks), ["odd-1", "odd-2"]);
    for body in ["{}", "[]", r#"{"tasks":null}"#, "nothing"] {
        let bench = bench_of([ok(body)]);
        let error = bench.github.list_changed("bot", None, false).await.unwrap_err();
        assert_eq!(error.kind, FailKind::Ambiguous, "{body}");
    }
}
