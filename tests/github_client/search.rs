//! The search for a start whose answer was lost.

use std::collections::BTreeMap;

use http::Request;
use serde_json::{Value, json};
use sluicegate::{
    agent::{Agent, FailKind, Found},
    job::{marker::Marker, repository::Repository, time::Timestamp},
};

use crate::scripted::*;

fn marker() -> Marker {
    "019fa000-0000-7000-8000-000000000001/019fa000-0000-7000-8000-000000000002/00000000000000ff"
        .parse()
        .unwrap()
}

fn prompt() -> String {
    marker().stamp("Upgrade serde.")
}

/// A repository with these tasks: id, archived, sessions (None: GET-one answers 404).
fn repository(tasks: Vec<(&'static str, bool, Option<Value>)>) -> Bench {
    let at = |id: &str| format!("2026-11-20T10:00:{:02}Z", id.len());
    let one = move |id: &str, sessions: Option<&Value>| {
        let mut task = json!({ "id": id, "state": "in_progress", "created_at": at(id) });
        if let Some(sessions) = sessions {
            task["sessions"] = sessions.clone();
        }
        task
    };
    let by_id: BTreeMap<_, _> = tasks.iter().map(|(id, _, sessions)| (*id, sessions.clone())).collect();
    bench(move |request: &Request<Vec<u8>>| {
        let path = request.uri().path();
        if path == "/user" {
            return ok(fixture("user"));
        }
        if let Some(id) = path.strip_prefix("/agents/tasks/") {
            let Some(sessions) = &by_id[id] else { return reply(404, &[], "") };
            return ok(one(id, Some(sessions)).to_string());
        }
        let archived = query(request, "is_archived").as_deref() == Some("true");
        let listed = tasks.iter().filter(|(_, a, _)| *a == archived);
        let listed: Vec<_> = listed.map(|(id, _, _)| one(id, None)).collect();
        ok(json!({ "tasks": listed }).to_string())
    })
}

async fn find(bench: &Bench) -> Found {
    let repository: Repository = "acme/api".parse().unwrap();
    let since = Timestamp::parse("2026-11-20T10:00:00.5Z").unwrap();
    bench.github.find("bot", &repository, &marker(), since).await.unwrap()
}

fn session(prompt: &str) -> Value {
    json!([{ "id": "s", "state": "queued", "created_at": "2026-11-20T10:00:00Z", "prompt": prompt }])
}

#[tokio::test]
async fn the_marked_task_is_found_among_others_by_creator_and_time() {
    let bench = repository(vec![
        ("t", false, Some(session("something else"))),
        ("tt", false, Some(session(&prompt()))),
        ("ttt", false, None),
    ]);
    let found = find(&bench).await;
    assert_eq!((found.tasks[0].id.0.as_str(), found.tasks.len(), found.unreadable), ("tt", 1, 0));
    let list = "GET /agents/repos/acme/api/tasks?per_page=100&sort=created_at&direction=asc\
                &since=2026-11-20T10:00:00Z&creator_id=583231&is_archived=";
    assert_eq!(bench.lines()[..3], ["GET /user".to_owned(), format!("{list}false"), format!("{list}true")]);
    find(&bench).await;
    assert_eq!(bench.count("user", "ok"), 1, "the own id is asked for once");
}

#[tokio::test]
async fn several_marked_tasks_come_oldest_first_archived_or_not() {
    let bench = repository(vec![
        ("ttt", false, Some(session(&prompt()))),
        ("t", true, Some(session(&prompt()))),
        ("tt", false, Some(session(&prompt()))),
    ]);
    let ids: Vec<_> = find(&bench).await.tasks.into_iter().map(|task| task.id.0).collect();
    assert_eq!(ids, ["t", "tt", "ttt"]);
}

#[tokio::test]
async fn a_task_whose_prompt_does_not_show_yet_proves_nothing() {
    let late = json!([{ "id": "s", "state": "queued", "created_at": "2026-11-20T10:00:00Z" }]);
    let mut mixed = session("something else");
    mixed.as_array_mut().unwrap().push(late[0].clone());
    for sessions in [json!([]), json!(null), late, mixed, session(""), session("  \n")] {
        let bench = repository(vec![("t", false, Some(sessions.clone()))]);
        assert_eq!(find(&bench).await, Found { tasks: vec![], unreadable: 1 }, "{sessions}");
    }
}

#[tokio::test]
async fn a_listed_item_that_cannot_be_read_proves_nothing_either() {
    let bench = bench(|request| match request.uri().path() {
        "/user" => ok(fixture("user")),
        "/agents/repos/acme/api/tasks" => ok(r#"{"tasks":[{"id":"x"}]}"#),
        other => panic!("{other}"),
    });
    assert_eq!(find(&bench).await.unreadable, 2);
}

#[tokio::test]
async fn a_copied_prompt_with_another_nonce_is_not_ours() {
    let other = Marker { nonce: 1, ..marker() }.stamp("Upgrade serde.");
    let bench = repository(vec![("t", false, Some(session(&other)))]);
    assert_eq!(find(&bench).await, Found::default());
}

#[tokio::test]
async fn a_search_that_cannot_be_finished_is_an_error_not_an_empty_answer() {
    let listed = || r#"{"tasks":[{"id":"x","state":"queued","created_at":"2026-11-20T10:00:00Z"}]}"#;
    let bench = bench(move |request| match request.uri().path() {
        "/user" => ok(fixture("user")),
        "/agents/repos/acme/api/tasks" => ok(listed()),
        _ => reply(500, &[], ""),
    });
    let repository: Repository = "acme/api".parse().unwrap();
    let error = bench.github.find("bot", &repository, &marker(), NOW).await.unwrap_err();
    assert_eq!(error.kind, FailKind::Ambiguous);
}

#[tokio::test]
async fn beyond_the_bound_the_newest_are_looked_at_and_the_rest_counts_as_unread() {
    let bench = bench(|request| {
        let path = request.uri().path();
        if path == "/user" {
            return ok(fixture("user"));
        }
        if let Some(id) = path.strip_prefix("/agents/tasks/") {
            let text = if id == "399" { prompt() } else { "other".to_owned() };
            let task = json!({ "id": id, "state": "queued", "created_at": "2026-11-20T10:00:00Z", "sessions": session(&text) });
            return ok(task.to_string());
        }
        if query(request, "is_archived").as_deref() == Some("true") {
            return ok(r#"{"tasks":[]}"#);
        }
        let at = |n: u32| format!("2026-11-20T10:{:02}:{:02}Z", n / 60, n % 60);
        let tasks: Vec<_> = (0..400)
            .map(|n| json!({ "id": n.to_string(), "state": "queued", "created_at": at(n) }))
            .collect();
        ok(json!({ "tasks": tasks }).to_string())
    });
    let found = find(&bench).await;
    assert_eq!((found.tasks[0].id.0.as_str(), found.unreadable), ("399", 100));
}
