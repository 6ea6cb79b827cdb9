//! Pull requests and what a review needs around them.

use reqwest::Method;
use serde_json::json;

use crate::harness::{follows, start, start_exactly, tasks_of, text};

#[tokio::test]
async fn neighbours_follow_the_official_schemas() {
    let sim = start("[defaults]\nstatuses = [{ context = \"legacy\", state = \"success\" }]").await;
    let (_, number) = sim.completed("acme/api").await;
    let pull = format!("/repos/acme/api/pulls/{number}");
    let issue = format!("/repos/acme/api/issues/{number}");
    sim.post(&format!("{issue}/labels"), json!({"labels": ["sluice", "risk: low"]})).await;
    sim.post(
        &format!("{pull}/requested_reviewers"),
        json!({"reviewers": ["ana"], "team_reviewers": ["core"]}),
    )
    .await;
    sim.post(&format!("{pull}/reviews"), json!({"event": "COMMENT", "body": "hm"})).await;
    let comment = sim.post(&format!("{issue}/comments"), json!({"body": "hello"})).await;
    follows(&comment.body, "comment");
    let edited = sim
        .call(
            Method::PATCH,
            &format!("/repos/acme/api/issues/comments/{}", comment.body["id"]),
            json!({"body": "bye"}),
        )
        .await;
    follows(&edited.body, "comment");
    assert_eq!((edited.status, &edited.body["body"]), (200, &json!("bye")));
    let sha = text(&sim.read(&pull).await, "/head/sha");
    for (path, schema) in [
        ("/repos/acme/api".to_owned(), "repository"),
        ("/repos/acme/api/pulls?state=all".to_owned(), "pull-request-list"),
        (pull.clone(), "pull-request"),
        (format!("{pull}/files"), "pull-request-files"),
        (format!("{pull}/requested_reviewers"), "review-requests"),
        (format!("{pull}/reviews"), "reviews"),
        (format!("{issue}/labels"), "labels"),
        (format!("/repos/acme/api/commits/{sha}/check-runs"), "check-runs"),
        (format!("/repos/acme/api/commits/{sha}/status"), "combined-status"),
        (format!("/repos/acme/api/commits/{sha}/pulls"), "pull-request-list"),
        ("/repos/acme/api/contents/.github/CODEOWNERS".to_owned(), "content-file"),
        ("/repos/acme/api/actions/runs".to_owned(), "workflow-runs"),
        ("/repos/acme/api/copilot/cloud-agent/configuration".to_owned(), "agent-configuration"),
    ] {
        follows(&sim.read(&path).await, schema);
    }
    let closed = sim.call(Method::PATCH, &pull, json!({"state": "closed"})).await;
    follows(&closed.body, "pull-request");
    assert_eq!((closed.body.get("assignee"), closed.body.get("merge_commit_sha")), (None, None));
}

#[tokio::test]
async fn a_pull_request_is_found_by_its_branch() {
    let sim = start("").await;
    let (id, number) = sim.completed("acme/api").await;
    sim.completed("acme/api").await;
    let head = text(&sim.task(&id).await, "/artifacts/1/data/head_ref");
    let found = sim.read(&format!("/repos/acme/api/pulls?state=all&head=acme:{head}")).await;
    assert_eq!((found.as_array().unwrap().len(), &found[0]["number"]), (1, &json!(number)));
    let elsewhere = sim.read(&format!("/repos/acme/api/pulls?state=all&head=other:{head}")).await;
    assert_eq!(elsewhere, json!([]));
}

#[tokio::test]
async fn only_collaborators_are_asked_for_a_review() {
    let people =
        crate::harness::PEOPLE.replace("codeowners", "collaborators = [\"ana\"]\nteams = []\ncodeowners");
    let sim = start_exactly(&people).await;
    let (_, number) = sim.completed("acme/api").await;
    let path = format!("/repos/acme/api/pulls/{number}/requested_reviewers");
    for (body, status) in [
        (json!({"reviewers": ["stranger"]}), 422),
        (json!({"reviewers": ["Copilot"]}), 201),
        (json!({"team_reviewers": ["core"]}), 422),
        (json!({"reviewers": ["ANA"]}), 201),
    ] {
        assert_eq!(sim.post(&path, body.clone()).await.status, status, "{body}");
    }
    let asked = sim.read(&path).await;
    assert_eq!((asked["users"].as_array().unwrap().len(), &asked["teams"]), (1, &json!([])));
    let removed = sim.call(Method::DELETE, &path, json!({"reviewers": ["ana"]})).await;
    assert_eq!((removed.status, &removed.body["requested_reviewers"]), (200, &json!([])));
}

#[tokio::test]
async fn merging_needs_a_ready_pull_request_and_the_right_head() {
    let sim = start("").await;
    let (_, number) = sim.completed("acme/api").await;
    let path = format!("/repos/acme/api/pulls/{number}");
    let merge = format!("{path}/merge");
    let pull = sim.read(&path).await;
    let sha = text(&pull, "/head/sha");
    assert_eq!(sim.call(Method::PUT, &merge, json!({"sha": sha})).await.status, 405);
    let query = "mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) { clientMutationId } }";
    let ready = sim.post("/graphql", json!({"query": query, "variables": {"id": pull["node_id"]}})).await;
    assert_eq!(ready.body["data"]["markPullRequestReadyForReview"]["pullRequest"]["isDraft"], false);
    assert_eq!(sim.call(Method::PUT, &merge, json!({"sha": "0000"})).await.status, 409);
    assert_eq!(sim.get(&merge).await.status, 404);
    let merged = sim.call(Method::PUT, &merge, json!({"sha": sha, "merge_method": "squash"})).await;
    assert_eq!(merged.status, 200);
    follows(&merged.body, "merge-result");
    assert_eq!(sim.get(&merge).await.status, 204);
    assert_eq!(sim.call(Method::PUT, &merge, json!({})).await.status, 405);
    let pull = sim.read(&path).await;
    assert_eq!((&pull["merged"], &pull["merged_by"]["login"]), (&json!(true), &json!("octo-operator")));
}

#[tokio::test]
async fn the_story_reviews_and_merges_after_a_reviewer_was_asked() {
    let story = "[defaults]\nreview = \"merged\"\nreview_starts = \"requested\"\nreview_after_ms = 3000";
    let sim = start(story).await;
    let (_, number) = sim.completed("acme/api").await;
    let path = format!("/repos/acme/api/pulls/{number}");
    sim.pass(60_000);
    assert_eq!(sim.read(&path).await["merged"], false);
    sim.post(&format!("{path}/requested_reviewers"), json!({"reviewers": ["ana"]})).await;
    sim.pass(2_999);
    assert_eq!(sim.read(&path).await["state"], "open");
    sim.pass(1);
    let pull = sim.read(&path).await;
    assert_eq!((&pull["merged"], &pull["requested_reviewers"]), (&json!(true), &json!([])));
    assert_eq!(pull["merged_at"], "2026-01-01T00:01:03Z");
    let reviews = sim.read(&format!("{path}/reviews")).await;
    assert_eq!((&reviews[0]["state"], &reviews[0]["user"]["login"]), (&json!("APPROVED"), &json!("ana")));
}

#[tokio::test]
async fn a_story_may_close_or_leave_the_pull_request() {
    for (review, state) in [("closed", "closed"), ("left_open", "open")] {
        let sim = start(&format!("[defaults]\nreview = \"{review}\"\napprove = false")).await;
        let (_, number) = sim.completed("acme/api").await;
        sim.pass(60_000);
        let pull = sim.read(&format!("/repos/acme/api/pulls/{number}")).await;
        assert_eq!((&pull["state"], &pull["merged"]), (&json!(state), &json!(false)));
    }
}

#[tokio::test]
async fn checks_follow_the_push() {
    let story =
        "[defaults]\nchecks = [{ name = \"ci\", queued_ms = 1000, run_ms = 2000, conclusion = \"failure\" }]";
    let sim = start(story).await;
    let (id, _) = sim.completed("acme/api").await;
    let head = text(&sim.task(&id).await, "/artifacts/1/data/head_ref");
    let path = format!("/repos/acme/api/commits/{head}/check-runs");
    for (pass_ms, status, conclusion) in [
        (0, "queued", json!(null)),
        (1_000, "in_progress", json!(null)),
        (2_000, "completed", json!("failure")),
    ] {
        sim.pass(pass_ms);
        let run = sim.read(&path).await["check_runs"][0].clone();
        assert_eq!((&run["status"], &run["conclusion"]), (&json!(status), &conclusion));
    }
    assert_eq!(sim.get("/repos/acme/api/commits/nowhere/check-runs").await.status, 422);
}

#[tokio::test]
async fn workflows_that_wait_for_approval_never_report() {
    let people = crate::harness::PEOPLE.replace("codeowners", "workflow_approval = true\ncodeowners");
    let sim = start_exactly(&people).await;
    let (id, _) = sim.completed("acme/api").await;
    sim.pass(600_000);
    let head = text(&sim.task(&id).await, "/artifacts/1/data/head_ref");
    assert_eq!(sim.read(&format!("/repos/acme/api/commits/{head}/check-runs")).await["total_count"], 0);
    let runs = sim.read("/repos/acme/api/actions/runs?status=action_required").await;
    assert_eq!(runs["total_count"], 1);
    let configuration = sim.read("/repos/acme/api/copilot/cloud-agent/configuration").await;
    assert_eq!(configuration["require_actions_workflow_approval"], true);
}

#[tokio::test]
async fn a_client_opens_the_pull_request_of_a_bare_branch() {
    let sim = start("").await;
    let created = sim.post(&tasks_of("acme/api"), json!({"prompt": "p", "create_pull_request": false})).await;
    let id = text(&created.body, "/id");
    sim.post(&format!("/_control/tasks/{id}/complete"), json!({})).await;
    let head = text(&sim.task(&id).await, "/artifacts/0/data/head_ref");
    let body = json!({"title": "t", "head": head, "base": "main", "body": "b", "draft": true});
    let opened = sim.post("/repos/acme/api/pulls", body.clone()).await;
    assert_eq!(opened.status, 201);
    follows(&opened.body, "pull-request");
    assert_eq!(opened.body["user"]["login"], "octo-operator");
    assert_eq!(sim.post("/repos/acme/api/pulls", body).await.status, 422);
    let nowhere = json!({"title": "t", "head": "nowhere", "base": "main"});
    assert_eq!(sim.post("/repos/acme/api/pulls", nowhere).await.status, 422);
}

#[tokio::test]
async fn a_comment_to_the_agent_starts_a_new_session() {
    let sim = start("").await;
    let (id, number) = sim.completed("acme/api").await;
    sim.pass(1_000);
    let comments = format!("/repos/acme/api/issues/{number}/comments");
    sim.post(&comments, json!({"body": "thanks"})).await;
    assert_eq!(sim.task(&id).await["state"], "completed");
    sim.post(&comments, json!({"body": "@copilot fix the lint"})).await;
    let task = sim.task(&id).await;
    assert_eq!((&task["state"], &task["session_count"]), (&json!("queued"), &json!(2)));
    assert_eq!(task["sessions"][1]["prompt"], "@copilot fix the lint");
    sim.pass(60_000);
    assert_eq!(sim.task(&id).await["state"], "completed");
}

#[tokio::test]
async fn labels_are_added_replaced_and_removed() {
    let sim = start("").await;
    let (_, number) = sim.completed("acme/api").await;
    let path = format!("/repos/acme/api/issues/{number}/labels");
    let names = |body: &serde_json::Value| -> Vec<String> {
        body.as_array().unwrap().iter().map(|label| text(label, "/name")).collect()
    };
    assert_eq!(names(&sim.post(&path, json!({"labels": ["a", "b"]})).await.body), ["a", "b"]);
    assert_eq!(names(&sim.post(&path, json!(["B", "c"])).await.body), ["a", "b", "c"]);
    assert_eq!(names(&sim.call(Method::PUT, &path, json!({"labels": ["d"]})).await.body), ["d"]);
    assert_eq!(sim.call(Method::DELETE, &format!("{path}/x"), json!({})).await.status, 404);
    assert_eq!(sim.call(Method::DELETE, &format!("{path}/d"), json!({})).await.body, json!([]));
}

#[tokio::test]
async fn issues_take_comments_and_only_their_author_edits_them() {
    let story = r#"
        [[repositories]]
        match = "acme/operations"
        issues = 900
        [[users]]
        login = "ana"
        id = 1002
        [[tokens]]
        name = "ana"
        secret = "ana-token"
        user = "ana"
        permissions = { pull_requests = "write", issues = "read" }
    "#;
    let sim = start(story).await;
    let comments = "/repos/acme/operations/issues/900/comments";
    let comment = sim.post(comments, json!({ "body": "hello" })).await;
    assert_eq!(comment.status, 201);
    follows(&comment.body, "comment");
    assert!(text(&comment.body, "/html_url").contains("/acme/operations/issues/900#"));
    sim.pass(5_000);
    let path = format!("/repos/acme/operations/issues/comments/{}", comment.body["id"]);
    let late = format!("{comments}?since=2026-01-01T00:00:03Z");
    assert_eq!(sim.read(&late).await, json!([]));
    assert_eq!(sim.call(Method::PATCH, &path, json!({ "body": "bye" })).await.status, 200);
    assert_eq!(sim.read(&late).await[0]["body"], "bye");
    let as_ana = |method: Method, path: &str, body| {
        sim.send(
            sim.client.request(method, format!("{}{path}", sim.base)).bearer_auth("ana-token").json(&body),
        )
    };
    // The permission for pull requests is none for issues, and what others wrote is theirs.
    assert_eq!(as_ana(Method::POST, comments, json!({ "body": "x" })).await.status, 403);
    assert_eq!(as_ana(Method::PATCH, &path, json!({ "body": "x" })).await.status, 403);
    for (path, body, status) in [
        ("/repos/acme/operations/issues/901/comments", json!({ "body": "x" }), 404),
        (comments, json!({ "body": "" }), 422),
        (comments, json!({ "body": "x", "more": 1 }), 422),
        (comments, json!({ "body": "x".repeat(65_537) }), 422),
    ] {
        assert_eq!(sim.post(path, body).await.status, status, "{path}");
    }
    let unknown = "/repos/acme/operations/issues/comments/1";
    assert_eq!(sim.call(Method::PATCH, unknown, json!({ "body": "x" })).await.status, 404);
    assert_eq!(as_ana(Method::DELETE, &path, json!({})).await.status, 403);
    for status in [204, 404] {
        assert_eq!(sim.call(Method::DELETE, &path, json!({})).await.status, status);
    }
    assert_eq!(sim.read(comments).await, json!([]));
    let anew = sim.post(comments, json!({ "body": "hello again" })).await.body;
    assert_ne!(anew["id"], comment.body["id"], "an id is never given twice");
    // Pull requests are numbered after them.
    let pull = sim.completed("acme/operations").await.1;
    assert!(pull > 900, "{pull}");
}
