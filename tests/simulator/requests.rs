//! What is refused, and with which answer.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{SECRET, client, follows, start, start_exactly, tasks_of};

#[tokio::test]
async fn bodies_are_checked_field_by_field() {
    let sim = start("").await;
    let cases = [
        (json!({}), "missing_field"),
        (json!({"model": "gpt-5.4"}), "missing_field"),
        (json!({"prompt": 7}), "invalid"),
        (json!({"prompt": ""}), "invalid"),
        (json!({"prompt": "p", "event_content": "p"}), "invalid"),
        (json!({"prompt": "p", "model": 5}), "invalid"),
        (json!({"prompt": "p", "create_pull_request": "yes"}), "invalid"),
        (json!({"prompt": "p", "base_ref": ["main"]}), "invalid"),
    ];
    for (body, code) in cases {
        let answer = sim.post(&tasks_of("acme/api"), body.clone()).await;
        assert_eq!((answer.status, &answer.body["errors"][0]["code"]), (422, &json!(code)), "{body}");
        follows(&answer.body, "task-error");
    }
    for text in ["{", "[]", "\"p\""] {
        let request = sim.request(Method::POST, &tasks_of("acme/api")).body(text);
        assert_eq!(sim.send(request).await.status, 400, "{text}");
    }
    assert_eq!(sim.read("/_control/creates").await, json!([]));
}

#[tokio::test]
async fn parameters_are_checked_one_by_one() {
    let sim = start("").await;
    let bad = [
        "per_page=0",
        "per_page=101",
        "per_page=x",
        "page=0",
        "sort=name",
        "direction=up",
        "state=runing",
        "state=queued,",
        "is_archived=1",
        "since=yesterday",
        "creator_id=ana",
    ];
    for query in bad {
        let answer = sim.get(&format!("{}?{query}", tasks_of("acme/api"))).await;
        assert_eq!(answer.status, 422, "{query}");
        follows(&answer.body, "task-error");
    }
    let good = "per_page=100&page=2&sort=created_at&direction=asc&state=queued,failed&is_archived=false&since=2026-01-01T00:00:00Z&creator_id=1&creator_id=2";
    assert_eq!(sim.get(&format!("{}?{good}", tasks_of("acme/api"))).await.status, 200);
}

#[tokio::test]
async fn user_agent_version_and_token_are_needed() {
    let sim = start("").await;
    let url = format!("{}/user", sim.base);
    let bare = reqwest::Client::builder().build().unwrap();
    let named = client();
    let versioned = |version| named.get(&url).bearer_auth(SECRET).header("x-github-api-version", version);
    let cases = [
        (bare.get(&url).bearer_auth(SECRET), 403),
        (named.get(&url), 401),
        (named.get(&url).bearer_auth("wrong"), 401),
        (named.get(&url).header("authorization", format!("Basic {SECRET}")), 401),
        (versioned("1999-01-01"), 400),
        (versioned("2022-11-28"), 200),
        (named.get(&url).bearer_auth(SECRET), 200),
    ];
    for (at, (request, status)) in cases.into_iter().enumerate() {
        assert_eq!(sim.send(request).await.status, status, "case {at}");
    }
}

const TOKENS: &str = r#"
[[repositories]]
match = "acme/*"
[[repositories]]
match = "acme/old"
archived = true
[[repositories]]
match = "acme/off"
agent_enabled = false
[[users]]
login = "op"
[[tokens]]
name = "reader"
secret = "reader"
user = "op"
default_access = "read"
[[tokens]]
name = "narrow"
secret = "narrow"
user = "op"
repositories = ["acme/api"]
[[tokens]]
name = "blind"
secret = "blind"
user = "op"
permissions = { agent_tasks = "none", pull_requests = "read", issues = "read" }
[[tokens]]
name = "expiring"
secret = "expiring"
user = "op"
expires = "2026-01-01T01:00:00Z"
[[tokens]]
name = "gone"
secret = "gone"
user = "op"
revoked = true
"#;

#[tokio::test]
async fn tokens_reach_as_far_as_they_are_allowed() {
    let sim = start_exactly(TOKENS).await;
    let cases = [
        ("reader", "GET", "/agents/repos/acme/api/tasks", 200),
        ("reader", "POST", "/agents/repos/acme/api/tasks", 403),
        ("narrow", "POST", "/agents/repos/acme/api/tasks", 201),
        ("narrow", "POST", "/agents/repos/ACME/Api/tasks", 201),
        ("narrow", "GET", "/agents/repos/acme/web/tasks", 404),
        ("narrow", "GET", "/agents/repos/other/api/tasks", 404),
        ("narrow", "GET", "/agents/repos/acme/api/tasks/", 404),
        ("narrow", "PUT", "/agents/repos/acme/api/tasks", 404),
        ("blind", "GET", "/agents/tasks", 403),
        ("blind", "POST", "/repos/acme/api/pulls/1/reviews", 403),
        ("expiring", "POST", "/agents/repos/acme/off/tasks", 404),
        ("expiring", "POST", "/agents/repos/acme/old/tasks", 403),
        ("gone", "GET", "/user", 401),
    ];
    for (token, method, path, status) in cases {
        let request =
            sim.client.request(method.parse().unwrap(), format!("{}{path}", sim.base)).bearer_auth(token);
        let answer = sim.send(request.json(&json!({"prompt": "p"}))).await;
        assert_eq!(answer.status, status, "{token} {method} {path}: {}", answer.body);
    }
}

#[tokio::test]
async fn an_expiring_token_announces_its_end_and_then_ends() {
    let sim = start_exactly(TOKENS).await;
    let user = || sim.client.get(format!("{}/user", sim.base)).bearer_auth("expiring");
    let answer = sim.send(user()).await;
    assert_eq!(answer.header("github-authentication-token-expiration"), "2026-01-01 01:00:00 UTC");
    follows(&answer.body, "user");
    sim.pass(3_600_000);
    assert_eq!(sim.send(user()).await.status, 401);
}

#[tokio::test]
async fn the_primary_limit_counts_per_user_and_renews_by_the_hour() {
    let sim = start("[limits]\nrequests_per_hour = 3").await;
    let first = sim.get("/user").await;
    assert_eq!((first.header("x-ratelimit-limit"), first.header("x-ratelimit-remaining")), ("3", "2"));
    let known = sim.request(Method::GET, "/user").header("if-none-match", first.header("etag"));
    let unchanged = sim.send(known).await;
    assert_eq!((unchanged.status, unchanged.header("x-ratelimit-used")), (304, "1"));
    sim.get("/user").await;
    sim.get("/user").await;
    let refused = sim.get("/user").await;
    assert_eq!((refused.status, refused.header("x-ratelimit-remaining")), (403, "0"));
    let limit = sim.read("/rate_limit").await;
    follows(&limit, "rate-limit");
    assert_eq!((limit.get("rate"), &limit["resources"]["core"]["remaining"]), (None, &json!(0)));
    sim.pass(3_600_000);
    assert_eq!(sim.get("/user").await.status, 200);
}

#[tokio::test]
async fn the_secondary_limit_counts_creates_in_any_minute() {
    for (status, key) in [(403, ""), (429, "secondary_status = 429")] {
        let sim = start(&format!("[limits]\ncreates_per_minute = 2\n{key}")).await;
        sim.create("acme/api", "p").await;
        sim.pass(20_000);
        sim.create("acme/api", "p").await;
        let refused = sim.post(&tasks_of("acme/api"), json!({"prompt": "p"})).await;
        assert_eq!((refused.status, refused.header("retry-after")), (status, "40"));
        assert!(refused.body["message"].as_str().unwrap().contains("secondary rate limit"));
        sim.pass(40_000);
        sim.create("acme/api", "p").await;
        assert_eq!(sim.read("/_control/creates").await.as_array().unwrap().len(), 3);
    }
}

#[tokio::test]
async fn an_unchanged_answer_is_not_sent_again() {
    for (switch, status) in [("true", 304), ("false", 200)] {
        let sim = start(&format!("[server]\netags = {switch}")).await;
        sim.create("acme/api", "p").await;
        let first = sim.get("/agents/tasks").await;
        let again = sim.request(Method::GET, "/agents/tasks").header("if-none-match", first.header("etag"));
        let again = sim.send(again).await;
        assert_eq!(again.status, status);
        assert_eq!(again.body == Value::String(String::new()), status == 304);
    }
}
