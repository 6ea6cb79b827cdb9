//! The back door: the log of creates, forced turns, counts, the sink, and repeatability.

use serde_json::{Value, json};

use crate::harness::{START_MS, Sim, start, start_exactly, tasks_of, text};

#[tokio::test]
async fn the_log_of_creates_only_grows_and_tells_all() {
    let sim = start("").await;
    let first = sim.create("acme/api", "work\nSluicegate-Job: job-1/1/abc\nmore").await;
    let before = sim.read("/_control/creates").await;
    let expected = json!([{
        "seq": 1, "at": "2026-01-01T00:00:00.000Z", "at_ms": START_MS, "task_id": first, "repository": "acme/api",
        "token": "operator", "marker": "job-1/1/abc", "model": "gpt-5.4", "create_pull_request": true, "answered": true,
    }]);
    assert_eq!(before, expected);
    sim.pass(600_000);
    sim.post(&tasks_of("acme/web"), json!({"prompt": "no marker"})).await;
    let after = sim.read("/_control/creates").await;
    assert_eq!(after[0], before[0]);
    assert_eq!(
        (&after[1]["seq"], &after[1]["marker"], &after[1]["model"]),
        (&json!(2), &Value::Null, &Value::Null)
    );
    assert!(!after.to_string().contains("sim-token"));
}

#[tokio::test]
async fn a_story_can_be_forced_at_every_turn() {
    let sim = start("[defaults]\nqueued_ms = 1000\nrun_ms = 1000").await;
    let id = sim.create("acme/api", "p").await;
    let turns = [
        ("wait", "waiting_for_user"),
        ("answer", "in_progress"),
        ("idle", "idle"),
        ("complete", "completed"),
        ("reopen", "queued"),
        ("timeout", "timed_out"),
        ("reopen", "queued"),
        ("fail", "failed"),
        ("reopen", "queued"),
        ("cancel", "cancelled"),
    ];
    for (verb, state) in turns {
        let forced = sim.post(&format!("/_control/tasks/{id}/{verb}"), json!({})).await;
        assert_eq!(forced.body["state"], state, "{verb}");
        assert_eq!(sim.task(&id).await["state"], state);
    }
    sim.pass(600_000);
    assert_eq!(sim.task(&id).await["state"], "cancelled");
    let seen = sim.read("/_control/tasks").await[0].clone();
    assert_eq!((&seen["live"], &seen["ended_ms"]), (&json!(false), &json!(START_MS)));
    assert_eq!(sim.post(&format!("/_control/tasks/{id}/dance"), json!({})).await.status, 404);
}

#[tokio::test]
async fn pull_requests_can_be_merged_closed_approved_and_reverted() {
    let sim = start("").await;
    let (_, number) = sim.completed("acme/api").await;
    let control = |verb: &str| format!("/_control/pulls/acme/api/{number}/{verb}");
    assert_eq!(sim.post(&control("revert"), json!({})).await.status, 409);
    sim.pass(1_000);
    assert_eq!(sim.post(&control("approve"), json!({})).await.status, 200);
    assert_eq!(sim.post(&control("merge"), json!({})).await.status, 200);
    let pull = sim.read(&format!("/repos/acme/api/pulls/{number}")).await;
    assert_eq!((&pull["merged"], &pull["updated_at"]), (&json!(true), &json!("2026-01-01T00:00:01Z")));
    let reverted = sim.post(&control("revert"), json!({})).await;
    let revert = sim.read(&format!("/repos/acme/api/pulls/{}", reverted.body["reverted_by"])).await;
    assert_eq!(revert["body"], json!(format!("Reverts acme/api#{number}")));
    let (_, other) = sim.completed("acme/web").await;
    sim.post(&format!("/_control/pulls/acme/web/{other}/close"), json!({})).await;
    let closed = sim.read(&format!("/repos/acme/web/pulls/{other}")).await;
    assert_eq!((&closed["state"], &closed["merged"]), (&json!("closed"), &json!(false)));
}

#[tokio::test]
async fn requests_are_counted_by_route_and_status() {
    let sim = start("").await;
    let id = sim.create("acme/api", "p").await;
    sim.task(&id).await;
    sim.get("/agents/tasks/none").await;
    let requests = sim.read("/_control/requests").await;
    let counts = requests["counts"].as_array().unwrap();
    let count = |status: u16| json!({"method": "GET", "route": "/agents/tasks/{task_id}", "status": status, "count": 1});
    assert!(counts.contains(&count(200)) && counts.contains(&count(404)), "{requests}");
    assert_eq!((&requests["total"], &requests["last_60_s"]), (&json!(3), &json!(3)));
    sim.pass(61_000);
    assert_eq!(sim.read("/_control/requests").await["last_60_s"], 0);
}

#[tokio::test]
async fn the_sink_remembers_notices_and_fails_on_demand() {
    let sim = start("").await;
    let notify = || {
        let url = format!("{}/_control/webhooks/sink/slack", sim.base);
        sim.client.post(url).header("webhook-id", "n-1").body("{\"text\":\"hello\"}")
    };
    sim.post("/_control/webhooks/fail", json!({"times": 1, "status": 500})).await;
    assert_eq!(sim.send(notify()).await.status, 500);
    assert_eq!(sim.send(notify()).await.status, 204);
    let seen = sim.read("/_control/webhooks").await;
    assert_eq!((&seen[0]["status"], &seen[1]["status"]), (&json!(500), &json!(204)));
    assert_eq!(
        (text(&seen[1], "/body"), text(&seen[1], "/headers/webhook-id")),
        ("{\"text\":\"hello\"}".into(), "n-1".into())
    );
    assert_eq!(text(&seen[1], "/path"), "/_control/webhooks/sink/slack");
}

#[tokio::test]
async fn a_manual_clock_is_moved_over_http() {
    let sim = start("[defaults]\nqueued_ms = 1000\nrun_ms = 1000").await;
    let id = sim.create("acme/api", "p").await;
    let moved = sim.post("/_control/clock", json!({"advance_ms": 1500})).await;
    assert_eq!(moved.body["now_ms"], START_MS + 1_500);
    assert_eq!(sim.task(&id).await["state"], "in_progress");
    assert_eq!(sim.read("/_control/health").await["status"], "ok");
}

async fn history(sim: &Sim) -> String {
    let mut lines = Vec::new();
    for repository in ["acme/api", "acme/web", "acme/api"] {
        sim.create(repository, "p").await;
        sim.pass(700);
    }
    for _ in 0..6 {
        sim.pass(900);
        lines.push(sim.read("/_control/tasks").await.to_string());
        lines.push(sim.read("/agents/tasks").await.to_string().replace(&sim.base, ""));
    }
    lines.join("\n")
}

#[tokio::test]
async fn the_same_seed_gives_the_same_history() {
    let run = async |seed: u64| {
        history(&start(&format!("seed = {seed}\n[defaults]\nreview = \"merged\"")).await).await
    };
    let first = run(5).await;
    assert_eq!(first, run(5).await);
    assert_ne!(first, run(6).await);
}

#[tokio::test]
async fn the_demo_scenario_plays_to_its_ends() {
    let sim = start_exactly(include_str!("../../config/scenarios/demo.toml")).await;
    let names = [
        "api", "web", "billing", "search", "mobile", "docs", "infra", "ledger", "mailer", "reports",
        "gateway",
    ];
    for name in names {
        let path = tasks_of(&format!("acme/{name}"));
        let answer = sim.post(&path, json!({"prompt": "p", "create_pull_request": true})).await;
        if answer.status == 403 {
            assert_eq!(
                sim.post(&path, json!({"prompt": "p", "create_pull_request": true})).await.status,
                201
            );
        }
    }
    assert_eq!(sim.post(&tasks_of("acme/auth"), json!({"prompt": "p"})).await.status, 502);
    sim.create("acme/search", "second try").await;
    sim.pass(10_000);
    for pull in sim.read("/_control/pulls").await.as_array().unwrap() {
        let path =
            format!("/repos/{}/pulls/{}/requested_reviewers", text(pull, "/repository"), pull["number"]);
        assert_eq!(sim.post(&path, json!({"reviewers": ["ana"]})).await.status, 201);
    }
    sim.pass(4_000);
    let tasks = sim.read("/_control/tasks").await;
    let mut states: Vec<String> = tasks.as_array().unwrap().iter().map(|task| text(task, "/state")).collect();
    states.sort();
    states.dedup_by(|a, b| a == b);
    assert_eq!(states, ["completed", "failed", "timed_out"]);
    let pulls = sim.read("/_control/pulls").await;
    let unmerged: Vec<String> = pulls
        .as_array()
        .unwrap()
        .iter()
        .filter(|pull| pull["merged"] == json!(false))
        .map(|pull| text(pull, "/repository"))
        .collect();
    assert_eq!((pulls.as_array().unwrap().len(), unmerged), (10, vec!["acme/docs".to_owned()]));
}
