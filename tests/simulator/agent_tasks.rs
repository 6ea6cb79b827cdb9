//! Tasks: how they move, what they show and when.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{follows, start, tasks_of, text};

const SLOW: &str = r#"
[defaults]
session_delay_ms = 200
queued_ms = 1000
run_ms = 10000
artifact_delay_ms = 500
credits = 46
files = ["src/a.rs"]
"#;

#[tokio::test]
async fn every_task_answer_follows_the_official_schema() {
    let sim = start(SLOW).await;
    let body = json!({"prompt": "p", "custom_agent": "migrator", "create_pull_request": true});
    let created = sim.post(&tasks_of("acme/api"), body).await;
    follows(&created.body, "created-task");
    let id = text(&created.body, "/id");
    for step_ms in [0, 300, 1_000, 1_000, 10_000] {
        sim.pass(step_ms);
        follows(&sim.task(&id).await, "task");
        follows(&sim.read("/agents/tasks").await, "task-list");
        follows(&sim.read(&tasks_of("acme/api")).await, "task-list");
    }
    assert_eq!(sim.task(&id).await["custom_agent"], json!({"id": "migrator"}));
}

#[tokio::test]
async fn a_task_moves_by_the_clock_alone() {
    let sim = start(SLOW).await;
    let id = sim.create("acme/api", "do it").await;
    for (pass_ms, state) in
        [(0, "queued"), (999, "queued"), (1, "in_progress"), (9_999, "in_progress"), (1, "completed")]
    {
        sim.pass(pass_ms);
        assert_eq!(sim.task(&id).await["state"], state);
    }
}

#[tokio::test]
async fn sessions_and_artifacts_arrive_late() {
    let sim = start(SLOW).await;
    let id = sim.create("acme/api", "look for the marker\nSluicegate-Job: j/1/n").await;
    let task = sim.task(&id).await;
    assert_eq!(
        (&task["session_count"], &task["sessions"], &task["artifacts"]),
        (&json!(0), &json!([]), &json!([]))
    );
    sim.pass(200);
    let task = sim.task(&id).await;
    assert_eq!(task["session_count"], 1);
    assert_eq!(task["sessions"][0]["prompt"], "look for the marker\nSluicegate-Job: j/1/n");
    assert_eq!(task["sessions"][0]["model"], "auto");
    sim.pass(1_299);
    assert_eq!(sim.task(&id).await["artifacts"], json!([]));
    sim.pass(1);
    let artifacts = sim.task(&id).await["artifacts"].clone();
    assert_eq!((&artifacts[0]["type"], &artifacts[1]["type"]), (&json!("pull"), &json!("branch")));
}

#[tokio::test]
async fn artifacts_may_come_after_completion() {
    let sim = start("[defaults]\nqueued_ms = 0\nrun_ms = 100\nartifact_delay_ms = 5000").await;
    let id = sim.create("acme/api", "p").await;
    sim.pass(200);
    let task = sim.task(&id).await;
    assert_eq!((&task["state"], &task["artifacts"]), (&json!("completed"), &json!([])));
    sim.pass(5_000);
    assert_eq!(sim.task(&id).await["artifacts"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_pull_artifact_carries_the_database_id_and_not_the_number() {
    let sim = start(SLOW).await;
    let (id, number) = sim.completed("acme/api").await;
    let data = sim.task(&id).await["artifacts"][0]["data"].clone();
    let pull = sim.read(&format!("/repos/acme/api/pulls/{number}")).await;
    assert_eq!(data, json!({"id": pull["id"], "global_id": pull["node_id"]}));
    assert!(data["id"].as_u64().unwrap() > 1_000_000_000);
    assert_eq!((&pull["draft"], &pull["user"]["login"]), (&json!(true), &json!("Copilot")));
}

#[tokio::test]
async fn model_and_usage_are_known_only_in_time() {
    let sim = start(SLOW).await;
    let id = sim.create("acme/api", "p").await;
    sim.pass(2_000);
    let session = sim.task(&id).await["sessions"][0].clone();
    assert_eq!((&session["model"], session.get("usage")), (&json!("sweagent-capi:gpt-5.4"), None));
    sim.pass(20_000);
    let session = sim.task(&id).await["sessions"][0].clone();
    assert_eq!(session["usage"], json!({"type": "ai_credits", "amount": 46_000_000_000_u64}));
    assert!(session["completed_at"].is_string());
}

#[tokio::test]
async fn the_name_does_not_echo_the_prompt_and_lists_carry_no_prompt() {
    let sim = start(SLOW).await;
    let id = sim.create("acme/api", "needle").await;
    sim.pass(20_000);
    let task = sim.task(&id).await;
    assert!(!text(&task, "/name").contains("needle"));
    assert!(!sim.read("/agents/tasks").await.to_string().contains("needle"));
}

#[tokio::test]
async fn an_omitted_create_pull_request_opens_one_and_false_does_not() {
    let sim = start(SLOW).await;
    for (body, kinds) in [
        (json!({"prompt": "p"}), vec!["pull", "branch"]),
        (json!({"prompt": "p", "create_pull_request": false}), vec!["branch"]),
    ] {
        let created = sim.post(&tasks_of("acme/api"), body).await;
        sim.pass(20_000);
        let task = sim.task(&text(&created.body, "/id")).await;
        let found: Vec<&str> = task["artifacts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|artifact| artifact["type"].as_str().unwrap())
            .collect();
        assert_eq!(found, kinds);
    }
}

#[tokio::test]
async fn a_head_ref_counts_only_with_its_open_pull_request() {
    let sim = start(SLOW).await;
    let (first, number) = sim.completed("acme/api").await;
    let head = text(&sim.task(&first).await, "/artifacts/1/data/head_ref");
    let follow_up = |head: &str| json!({"prompt": "more", "create_pull_request": false, "head_ref": head, "base_ref": "main"});
    let second = sim.post(&tasks_of("acme/api"), follow_up(&head)).await;
    let third = sim.post(&tasks_of("acme/api"), follow_up("copilot/nowhere")).await;
    assert_eq!((second.status, third.status), (201, 201));
    sim.pass(20_000);
    let second = sim.task(&text(&second.body, "/id")).await;
    let third = sim.task(&text(&third.body, "/id")).await;
    assert_eq!(second["artifacts"], sim.task(&first).await["artifacts"]);
    assert_eq!(sim.read(&format!("/repos/acme/api/pulls/{number}")).await["commits"], 3);
    assert_ne!(third["artifacts"][0]["data"]["head_ref"], json!("copilot/nowhere"));
}

#[tokio::test]
async fn each_outcome_ends_as_told() {
    let outcomes = [
        ("completed", "completed"),
        ("failed", "failed"),
        ("timed_out", "timed_out"),
        ("cancelled", "cancelled"),
        ("waiting_for_user", "waiting_for_user"),
        ("idle", "idle"),
        ("unknown_state", "hibernating"),
    ];
    for (outcome, state) in outcomes {
        let sim = start(&format!("[defaults]\noutcome = \"{outcome}\"\nmessage = \"tests failed\"")).await;
        let id = sim.create("acme/api", "p").await;
        sim.pass(600_000);
        let task = sim.task(&id).await;
        assert_eq!(task["state"], state);
        assert_eq!(task["sessions"][0]["state"], state);
        let message = task["sessions"][0]["error"]["message"].as_str();
        assert_eq!(message, (outcome == "failed").then_some("tests failed"));
    }
}

#[tokio::test]
async fn a_waiting_task_goes_on_when_it_is_answered() {
    let story = "[defaults]\noutcome = \"waiting_for_user\"\nqueued_ms = 0\nrun_ms = 1000\nwaits_after_ms = 500\nanswer_after_ms = 2000";
    let sim = start(story).await;
    let id = sim.create("acme/api", "p").await;
    for (pass_ms, state) in [(500, "waiting_for_user"), (2_000, "in_progress"), (1_000, "completed")] {
        sim.pass(pass_ms);
        assert_eq!(sim.task(&id).await["state"], state);
    }
}

#[tokio::test]
async fn a_completed_task_may_reopen_with_a_second_session() {
    let story = "[defaults]\noutcome = \"reopened\"\nqueued_ms = 100\nrun_ms = 1000\nreopen_after_ms = 5000";
    let sim = start(story).await;
    let id = sim.create("acme/api", "p").await;
    let mut states = Vec::new();
    for pass_ms in [1_100, 5_000, 100, 1_000] {
        sim.pass(pass_ms);
        let task = sim.task(&id).await;
        states.push(format!("{} {}", text(&task, "/state"), task["session_count"]));
    }
    assert_eq!(states, ["completed 1", "queued 2", "in_progress 2", "completed 2"]);
}

#[tokio::test]
async fn cancelling_the_actions_run_cancels_the_task() {
    let sim = start(SLOW).await;
    let id = sim.create("acme/api", "p").await;
    sim.pass(2_000);
    let branch = text(&sim.task(&id).await, "/artifacts/1/data/head_ref");
    let runs = sim.read(&format!("/repos/acme/api/actions/runs?branch={}", branch.replace('/', "%2F"))).await;
    follows(&runs, "workflow-runs");
    let own: Vec<&Value> = runs["workflow_runs"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|run| run["path"] == "dynamic/copilot-swe-agent/copilot")
        .collect();
    let cancel = format!("/repos/acme/api/actions/runs/{}/cancel", own[0]["id"]);
    assert_eq!(sim.call(Method::POST, &cancel, json!({})).await.status, 202);
    assert_eq!(sim.task(&id).await["state"], "cancelled");
    assert_eq!(sim.call(Method::POST, &cancel, json!({})).await.status, 409);
}
