//! Pull requests: found by branch, read, labelled, handed to a reviewer.

use serde_json::{Value, json};
use sluicegate::{
    agent::{FailKind, Forge},
    job::{pull::Pull, repository::Repository},
};

use crate::scripted::*;

const BRANCH: &str = "copilot/upgrade-serde";

fn repository() -> Repository {
    "acme/api".parse().unwrap()
}

/// The pull requests of the fixture; GET-one answers with the number that was asked for.
fn forge(pulls: Value) -> Bench {
    bench(move |request| match request.uri().path().strip_prefix("/repos/acme/api/pulls") {
        Some("") => ok(pulls.to_string()),
        Some(number) => {
            let mut pull = json("pull");
            pull["number"] = number.trim_start_matches('/').parse::<u64>().unwrap().into();
            ok(pull.to_string())
        }
        None => panic!("{}", request.uri()),
    })
}

async fn found(pulls: Value, database_id: Option<i64>) -> Option<u64> {
    let bench = forge(pulls);
    let pull: Option<Pull> = bench.github.find_pull("bot", &repository(), BRANCH, database_id).await.unwrap();
    pull.map(|pull| pull.number)
}

#[tokio::test]
async fn the_database_id_decides_between_pull_requests_of_one_branch() {
    assert_eq!(found(json("pulls"), Some(4_164_924_600)).await, Some(6));
    assert_eq!(found(json("pulls"), Some(4_164_924_800)).await, Some(8), "even if it is closed");
    assert_eq!(found(json("pulls"), Some(1)).await, None);
}

#[tokio::test]
async fn without_an_id_the_newest_open_one_is_taken_else_the_newest() {
    assert_eq!(found(json("pulls"), None).await, Some(7));
    let closed: Vec<Value> = json("pulls")
        .as_array()
        .unwrap()
        .iter()
        .map(|pull| {
            let mut pull = pull.clone();
            pull["state"] = "closed".into();
            pull
        })
        .collect();
    assert_eq!(found(Value::from(closed), None).await, Some(8));
    assert_eq!(found(json!([]), None).await, None);
}

#[tokio::test]
async fn a_pull_request_is_asked_for_by_owner_and_branch_and_then_read_whole() {
    let bench = forge(json("pulls"));
    let pull = bench.github.find_pull("bot", &repository(), BRANCH, None).await.unwrap().unwrap();
    assert_eq!(query(&bench.asked()[0], "head").as_deref(), Some("acme:copilot/upgrade-serde"));
    assert_eq!(query(&bench.asked()[0], "state").as_deref(), Some("all"));
    assert_eq!(bench.lines()[1], "GET /repos/acme/api/pulls/7");
    assert_eq!((pull.open, pull.draft, pull.merged, pull.changed_files), (true, true, false, Some(2)));
    assert_eq!(
        (pull.labels, pull.requested_reviewers),
        (vec!["agent".to_owned()], vec!["octocat".to_owned()])
    );
    assert_eq!((pull.author.as_deref(), pull.head_ref.as_str()), (Some("Copilot"), BRANCH));
}

#[tokio::test]
async fn a_merged_pull_request_tells_who_merged_it() {
    let bench = bench_of([ok(fixture("pull_merged"))]);
    let pull = bench.github.pull("bot", &repository(), 7).await.unwrap();
    assert_eq!((pull.open, pull.merged, pull.merged_by.as_deref()), (false, true, Some("octocat")));
}

#[tokio::test]
async fn changed_paths_hold_both_names_of_a_renamed_file_over_all_pages() {
    let next = [("link", "</repos/acme/api/pulls/7/files?page=2>; rel=\"next\"")];
    let bench = bench_of([reply(200, &next, fixture("files")), ok(r#"[{"filename":"README.md"}]"#)]);
    let paths = bench.github.changed_paths("bot", &repository(), 7).await.unwrap();
    assert_eq!(paths, ["Cargo.toml", "README.md", "src/new.rs", "src/old.rs"]);
}

#[tokio::test]
async fn a_changed_file_without_a_name_fails_the_reading() {
    let bench = bench_of([ok(r#"[{"filename":"a"},{"status":"added"}]"#)]);
    let error = bench.github.changed_paths("bot", &repository(), 7).await.unwrap_err();
    assert_eq!(error.kind, FailKind::Ambiguous);
}

#[tokio::test]
async fn labels_and_reviewers_are_written_as_documented() {
    let bench = bench_of([ok("[]"), reply(201, &[], fixture("pull"))]);
    bench.github.add_labels("bot", &repository(), 7, &[]).await.unwrap();
    assert_eq!(bench.asked().len(), 0, "no label, no request");
    bench.github.add_labels("bot", &repository(), 7, &["agent".to_owned()]).await.unwrap();
    bench.github.request_review("bot", &repository(), 7, "ana").await.unwrap();
    assert_eq!(
        bench.lines(),
        ["POST /repos/acme/api/issues/7/labels", "POST /repos/acme/api/pulls/7/requested_reviewers"]
    );
    let body = |n: usize| serde_json::from_slice::<Value>(bench.asked()[n].body()).unwrap();
    assert_eq!((body(0), body(1)), (json!({ "labels": ["agent"] }), json!({ "reviewers": ["ana"] })));
}

#[tokio::test]
async fn a_reviewer_who_may_not_review_is_invalid_and_asked_for_once() {
    let said = r#"{"message":"Reviews may only be requested from collaborators."}"#;
    let bench = bench_of([reply(422, &[], said)]);
    let error = bench.github.request_review("bot", &repository(), 7, "ghost").await.unwrap_err();
    assert_eq!(error.kind, FailKind::Invalid);
    assert_eq!(
        error.to_string(),
        "asking ghost to review acme/api#7 as `bot` failed: 422 Reviews may only be requested from collaborators."
    );
}

#[tokio::test]
async fn parts_of_an_address_are_encoded_or_refused() {
    let bench = bench(|_| ok(r#"{"check_runs":[],"statuses":[]}"#));
    bench.github.checks("bot", &repository(), "a/b?c#d e").await.unwrap();
    assert_eq!(bench.lines()[0], "GET /repos/acme/api/commits/a%2Fb%3Fc%23d%20e/check-runs?per_page=100");
    for sha in ["", ".", ".."] {
        let error = bench.github.checks("bot", &repository(), sha).await.unwrap_err();
        assert_eq!(error.kind, FailKind::Invalid, "{sha}");
    }
}
