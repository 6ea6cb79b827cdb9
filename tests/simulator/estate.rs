//! What repositories, organisations and tokens are like, and how that changes while the simulator runs.

use serde_json::json;

use crate::harness::{SECRET, follows, start, start_exactly, tasks_of};

const ESTATE: &str = r#"
[[repositories]]
match = "acme/api"
size_kb = 420
languages = { Go = 10, Rust = 90 }
topics = ["payments"]
workflows = ["ci", "Deploy it"]
custom_agents = ["upgrader"]
open_pulls = [{ title = "Bump serde", head = "copilot/bump", labels = ["agent"] }]
[repositories.files]
"Cargo.toml" = "[package]\nname = \"api\"\n"
"docs/guide/start.md" = "hello"
[[repositories]]
match = "acme/old"
disabled = true
[[repositories]]
match = "acme/shut"
push = false
[[organisations]]
login = "quiet"
agent = "none"
[[organisations]]
login = "choosy"
agent = "selected"
"#;

#[tokio::test]
async fn a_repository_tells_its_languages_workflows_files_and_standing_pulls() {
    let sim = start(ESTATE).await;
    let about = sim.read("/repos/acme/api").await;
    follows(&about, "repository");
    assert_eq!((&about["language"], &about["size"]), (&json!("Rust"), &json!(420)));
    assert_eq!(about["topics"], json!(["payments"]));
    assert_eq!(sim.read("/repos/acme/api/languages").await, json!({"Go": 10, "Rust": 90}));
    let workflows = sim.read("/repos/acme/api/actions/workflows?per_page=1").await;
    assert_eq!((&workflows["total_count"], &workflows["workflows"][0]["name"]), (&json!(2), &json!("ci")));
    let file = sim.read("/repos/acme/api/contents/Cargo.toml").await;
    follows(&file, "content-file");
    assert_eq!(file["size"], 23);
    let folder = sim.read("/repos/acme/api/contents/docs").await;
    assert_eq!((&folder[0]["name"], &folder[0]["type"]), (&json!("guide"), &json!("dir")));
    assert_eq!(sim.get("/repos/acme/api/contents/Makefile").await.status, 404);
    let pulls = sim.read("/repos/acme/api/pulls").await;
    follows(&pulls, "pull-request-list");
    assert_eq!(
        (&pulls[0]["head"]["ref"], &pulls[0]["user"]["login"]),
        (&json!("copilot/bump"), &json!("Copilot"))
    );
    assert_eq!(pulls[0]["labels"][0]["name"], "agent");
}

#[tokio::test]
async fn where_nobody_may_write_no_task_starts() {
    let sim = start(ESTATE).await;
    for (name, push) in [("acme/old", true), ("acme/shut", false)] {
        assert_eq!(sim.read(&format!("/repos/{name}")).await["permissions"]["push"], push, "{name}");
        assert_eq!(sim.post(&tasks_of(name), json!({"prompt": "p"})).await.status, 403, "{name}");
    }
    assert_eq!(sim.read("/repos/acme/old").await["disabled"], true);
    assert_eq!(sim.post(&tasks_of("quiet/api"), json!({"prompt": "p"})).await.status, 404);
    assert_eq!(sim.get("/repos/quiet/api/copilot/cloud-agent/configuration").await.status, 404);
    let policy = async |organisation: &str| {
        let path = format!("/orgs/{organisation}/copilot/coding-agent/permissions");
        sim.read(&path).await["enabled_repositories"].clone()
    };
    assert_eq!((policy("quiet").await, policy("acme").await), (json!("none"), json!("all")));
    assert_eq!(policy("choosy").await, "selected");
}

#[tokio::test]
async fn what_a_repository_is_like_changes_while_the_simulator_runs() {
    let sim = start("").await;
    assert_eq!(sim.read("/repos/acme/api").await["archived"], false);
    let change = json!({"match": "acme/*", "archived": true});
    assert_eq!(sim.post("/_control/repositories", change).await.status, 204);
    for name in ["acme/api", "acme/new"] {
        assert_eq!(sim.read(&format!("/repos/{name}")).await["archived"], true, "{name}");
    }
    let unknown = json!({"match": "acme/*", "achived": true});
    assert_eq!(sim.post("/_control/repositories", unknown).await.status, 400);
}

#[tokio::test]
async fn models_come_and_go_and_custom_agents_must_be_there() {
    let models = r#"
        [[models]]
        name = "gpt-5.4"
        [[models]]
        name = "gpt-6"
        from = "2026-01-01T00:01:00Z"
        until = "2026-01-01T00:02:00Z"
    "#;
    let sim = start(&format!("{models}\n{ESTATE}")).await;
    let ask = async |model: &str| {
        sim.post(&tasks_of("acme/web"), json!({"prompt": "p", "model": model})).await.status
    };
    assert_eq!((ask("gpt-5.4").await, ask("gpt-6").await, ask("claude").await), (201, 422, 422));
    sim.pass(60_000);
    assert_eq!(ask("gpt-6").await, 201);
    sim.pass(60_000);
    assert_eq!(ask("gpt-6").await, 422);
    sim.post("/_control/models", json!({"name": "gpt-5.4", "available": false})).await;
    sim.post("/_control/models", json!({"name": "claude", "available": true})).await;
    assert_eq!((ask("gpt-5.4").await, ask("claude").await), (422, 201));
    let name = async |agent: &str| {
        sim.post(&tasks_of("acme/api"), json!({"prompt": "p", "custom_agent": agent})).await
    };
    assert_eq!(name("upgrader").await.status, 201);
    let refused = name("painter").await;
    follows(&refused.body, "task-error");
    let said = refused.body["errors"][0]["message"].as_str().unwrap();
    assert!(refused.status == 422 && said.contains("custom_agent") && said.contains("painter"), "{said}");
}

#[tokio::test]
async fn another_model_may_run_than_the_one_that_was_asked_for() {
    let sim = start("[[stories]]\nruns_model = \"gpt-mini\"").await;
    let id = sim.create("acme/api", "p").await;
    sim.pass(60_000);
    assert_eq!(sim.task(&id).await["sessions"][0]["model"], "sweagent-capi:gpt-mini");
}

#[tokio::test]
async fn tokens_expire_lose_their_reach_and_are_replaced() {
    let sim = start("").await;
    let expires = json!({"expires": "2026-01-01T00:01:00Z"});
    assert_eq!(sim.post("/_control/tokens/operator", expires).await.status, 204);
    let answer = sim.get("/user").await;
    assert_eq!(answer.header("github-authentication-token-expiration"), "2026-01-01 00:01:00 UTC");
    sim.post("/_control/tokens/operator", json!({"repositories": ["acme/api"]})).await;
    assert_eq!(sim.get("/repos/acme/api").await.status, 200);
    assert_eq!(sim.get("/repos/acme/web").await.status, 404);
    sim.pass(60_000);
    assert_eq!(sim.get("/user").await.status, 401);
    sim.post("/_control/tokens/operator", json!({"secret": "next", "expires": "2027-01-01T00:00:00Z"})).await;
    assert_eq!(sim.get("/user").await.status, 401, "the old secret is refused");
    let next = sim.client.get(format!("{}/user", sim.base)).bearer_auth("next");
    assert_eq!(sim.send(next).await.status, 200);
    sim.post("/_control/tokens/operator", json!({"secret": SECRET, "revoked": false})).await;
    assert_eq!(sim.get("/user").await.status, 200);
    assert_eq!(sim.post("/_control/tokens/nobody", json!({})).await.status, 404);
}

#[tokio::test]
async fn a_list_of_repositories_names_what_the_token_sees() {
    let scenario = r#"
        [[repositories]]
        match = "acme/api"
        [[repositories]]
        match = "acme/web"
        [[repositories]]
        match = "other/*"
        [[users]]
        login = "octo-operator"
        [[tokens]]
        name = "operator"
        secret = "sim-token"
        user = "octo-operator"
        repositories = ["acme/*"]
    "#;
    let sim = start_exactly(scenario).await;
    let first = sim.get("/user/repos?per_page=1").await;
    assert_eq!(first.body[0]["full_name"], "acme/api");
    assert!(first.header("link").contains("rel=\"next\""), "{}", first.header("link"));
    let second = sim.read("/user/repos?per_page=1&page=2").await;
    assert_eq!(second[0]["full_name"], "acme/web");
}
