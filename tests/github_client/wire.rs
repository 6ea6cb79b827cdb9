//! Every official example, what was seen in the wild, and anything else that has the three required fields.

use proptest::{collection, prelude::*};
use serde_json::{Map, Value, json};
use sluicegate::{
    agent::Agent,
    job::{
        remote::{Artifact, RemoteState, Task, TaskId, Usage},
        time::Timestamp,
    },
};

use crate::{scripted::*, start::order};

async fn observed(body: String) -> Task {
    bench_of([ok(body)]).github.observe("bot", &TaskId("t-1".to_owned())).await.unwrap()
}

#[tokio::test]
async fn the_official_example_of_one_task_is_read() {
    for name in ["task", "task_of_repository"] {
        let task = observed(fixture(name)).await;
        assert_eq!(task.id.0, "a1b2c3d4-e5f6-7890-abcd-ef1234567890");
        assert_eq!((task.state.clone(), task.session_count), (RemoteState::Completed, Some(1)));
        assert_eq!(task.artifacts, [Artifact::Pull { database_id: 42, node_id: None }]);
        assert_eq!(task.updated_at, Timestamp::parse("2025-01-01T01:00:00Z"));
        assert_eq!((task.branch(), task.nano_credits(), task.error()), (Some("copilot/fix-1"), None, None));
        let session = &task.sessions.as_ref().unwrap()[0];
        assert_eq!(session.model.as_deref(), Some("claude-sonnet-4.6"));
        assert_eq!(session.prompt.as_deref(), Some("Fix the login button on the homepage"));
    }
}

#[tokio::test]
async fn the_official_examples_of_lists_and_starts_are_read() {
    for name in ["tasks_of_user", "tasks_of_repository"] {
        let tasks = bench_of([ok(fixture(name))]).github.list_changed("bot", None, false).await.unwrap();
        assert_eq!((tasks.len(), &tasks[0].state, &tasks[0].sessions), (1, &RemoteState::Completed, &None));
    }
    for name in ["task_created", "task_created_with_custom_agent"] {
        let task = bench_of([reply(201, &[], fixture(name))]).github.start("bot", &order()).await.unwrap();
        assert_eq!((task.state, task.artifacts, task.sessions), (RemoteState::Queued, vec![], None));
    }
}

#[tokio::test]
async fn a_task_as_seen_in_the_wild_is_read() {
    let task = observed(fixture("task_observed")).await;
    assert_eq!(task.pull_database_id(), Some(4_164_924_791));
    assert_eq!(task.branch(), Some("copilot/upgrade-serde"));
    assert_eq!(task.error(), Some("tests failed: 3 of 214"));
    assert_eq!(task.nano_credits(), Some(499_451_775_000));
    let sessions = task.sessions.unwrap();
    let ids: Vec<_> = sessions.iter().map(|session| session.id.as_str()).collect();
    assert_eq!(ids, ["s-1", "s-2", "s-3"], "oldest first");
    assert_eq!(sessions[0].model.as_deref(), Some("sweagent-capi:gpt-5.4"));
    assert_eq!((&sessions[2].model, &sessions[2].usage), (&None, &None));
}

#[tokio::test]
async fn usage_is_read_in_every_form_it_was_seen_in() {
    let ai = |amount| Some(Usage::AiNanoCredits(amount));
    for (usage, expected) in [
        (json!({ "type": "ai_credits", "amount": 403_451_775_000_u64 }), ai(403_451_775_000)),
        (json!({ "type": "ai_credits", "amount": 403_451_775_000.0 }), ai(403_451_775_000)),
        (json!({ "type": "ai_credits", "amount": 4.034_517_75e11 }), ai(403_451_775_000)),
        (json!({ "type": "ai_credits", "credits": 7 }), ai(7)),
        (json!({ "type": "ai_credits", "amount": null, "credits": 7 }), ai(7)),
        (json!({ "credits": 7 }), ai(7)),
        (json!({ "type": "ai_credits", "amount": 9_007_199_254_740_993_u64 }), ai(9_007_199_254_740_993)),
        (json!({ "type": "ai_credits", "amount": 1e300 }), ai(u64::MAX)),
        (json!({ "type": "ai_credits", "amount": 0.25 }), ai(1)),
        (json!({ "type": "premium_requests", "amount": 1.5 }), Some(Usage::MilliPremiumRequests(1_500))),
        (json!({ "type": "premium_requests", "amount": 0.33 }), Some(Usage::MilliPremiumRequests(330))),
        (json!({ "type": "ai_credits", "amount": -1 }), None),
        (json!({ "type": "ai_credits" }), None),
        (json!({ "type": "doubloons", "amount": 1 }), None),
        (json!(null), None),
    ] {
        let session =
            json!({ "id": "s", "state": "completed", "created_at": "2026-11-20T10:00:00Z", "usage": usage });
        let task = json!({ "id": "t", "state": "completed", "created_at": "2026-11-20T10:00:00Z", "sessions": [session] });
        let read = observed(task.to_string()).await;
        assert_eq!(read.sessions.unwrap()[0].usage, expected, "{usage}");
    }
}

#[tokio::test]
async fn a_task_of_three_fields_is_a_task() {
    let task =
        observed(r#"{"id":"t","state":"hibernating","created_at":"2026-11-20T10:00:00Z"}"#.to_owned()).await;
    assert_eq!(task.state, RemoteState::Unknown("hibernating".to_owned()));
    assert_eq!((task.artifacts.len(), task.updated_at, task.sessions), (0, None, None));
}

#[tokio::test]
async fn what_a_task_leaves_behind_is_read_only_where_it_is_whole() {
    let artifacts = json!([
        { "provider": "github", "type": "pull", "data": { "id": "42" } },
        { "provider": "github", "type": "branch", "data": {} },
        { "provider": "github", "type": "branch" },
        { "provider": "github" },
        7,
        { "provider": "github", "type": "branch", "data": { "head_ref": "copilot/x", "base_ref": "main" } },
    ]);
    let task =
        json!({ "id": "t", "state": "idle", "created_at": "2026-11-20T10:00:00Z", "artifacts": artifacts });
    let branch = Artifact::Branch { head_ref: "copilot/x".to_owned(), base_ref: "main".to_owned() };
    assert_eq!(observed(task.to_string()).await.artifacts, [branch]);
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            collection::vec((field(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Names that the client looks for, and others.
fn field() -> impl Strategy<Value = String> {
    let known = [
        "id",
        "state",
        "created_at",
        "updated_at",
        "name",
        "html_url",
        "session_count",
        "artifacts",
        "sessions",
        "type",
        "data",
        "head_ref",
        "base_ref",
        "global_id",
        "usage",
        "amount",
        "credits",
        "error",
        "message",
        "prompt",
        "model",
    ];
    prop_oneof![4 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => "[a-z_]{1,8}"]
}

proptest! {
    #[test]
    fn any_object_with_the_required_fields_is_a_task(
        rest in collection::vec((field(), anything()), 0..12),
        id in "[^\\p{C}]{1,40}",
        state in ".{0,20}",
        millis in 0_i64..4_000_000_000_000,
    ) {
        let mut task: Map<String, Value> = rest.into_iter().collect();
        task.insert("id".to_owned(), Value::from(id.clone()));
        task.insert("state".to_owned(), Value::from(state.clone()));
        task.insert("created_at".to_owned(), Value::from(Timestamp(millis).to_string()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read = runtime.block_on(observed(Value::Object(task).to_string()));
        prop_assert_eq!(read.id.0, id);
        prop_assert_eq!(String::from(read.state), state);
        prop_assert_eq!(read.created_at, Timestamp(millis));
    }

    #[test]
    fn any_answer_at_all_is_read_or_refused_without_a_panic(body in anything()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bench = bench(move |_| ok(body.to_string()));
        let repository = order().repository;
        runtime.block_on(async {
            use sluicegate::agent::Forge;
            drop(bench.github.start("bot", &order()).await);
            drop(bench.github.list_changed("bot", None, true).await);
            drop(bench.github.pull("bot", &repository, 1).await);
            drop(bench.github.find_pull("bot", &repository, "x", None).await);
            drop(bench.github.changed_paths("bot", &repository, 1).await);
            drop(bench.github.checks("bot", &repository, "abc").await);
            drop(bench.github.probe("bot").await);
        });
    }
}
