//! Check runs and legacy statuses as one word.

use serde_json::{Value, json};
use sluicegate::{agent::Forge, job::pull::Checks};

use crate::scripted::*;

async fn checks(runs: &Value, statuses: &Value) -> Checks {
    of(runs, statuses).github.checks("bot", &"acme/api".parse().unwrap(), "6dcb09b").await.unwrap()
}

fn of(runs: &Value, statuses: &Value) -> Bench {
    let (runs, statuses) =
        (json!({ "check_runs": runs }), json!({ "state": "pending", "statuses": statuses }));
    bench(move |request| {
        let path = request.uri().path();
        match path.rsplit('/').next() {
            Some("check-runs") => ok(runs.to_string()),
            Some("status") => ok(statuses.to_string()),
            Some("runs") => ok(r#"{"total_count":0,"workflow_runs":[]}"#),
            _ => panic!("{path}"),
        }
    })
}

fn run(conclusion: &str) -> Value {
    json!({ "status": "completed", "conclusion": conclusion })
}

#[tokio::test]
async fn each_conclusion_has_one_meaning() {
    for (conclusion, expected) in [
        ("success", Checks::Green),
        ("neutral", Checks::Green),
        ("skipped", Checks::Green),
        ("failure", Checks::Red),
        ("timed_out", Checks::Red),
        ("cancelled", Checks::Red),
        ("stale", Checks::Red),
        ("startup_failure", Checks::Red),
        ("action_required", Checks::ActionRequired),
        ("a new word", Checks::Pending),
    ] {
        assert_eq!(checks(&json!([run(conclusion)]), &json!([])).await, expected, "{conclusion}");
    }
    for status in ["queued", "in_progress", "waiting", "requested", "pending", "a new word"] {
        let running = json!([{ "status": status, "conclusion": null }]);
        assert_eq!(checks(&running, &json!([])).await, Checks::Pending, "{status}");
    }
}

#[tokio::test]
async fn statuses_count_like_runs_and_their_summary_does_not() {
    for (state, expected) in [
        ("success", Checks::Green),
        ("failure", Checks::Red),
        ("error", Checks::Red),
        ("pending", Checks::Pending),
    ] {
        assert_eq!(checks(&json!([]), &json!([{ "state": state }])).await, expected, "{state}");
    }
    // The summary says `pending` where there is no status at all.
    assert_eq!(checks(&json!([]), &json!([])).await, Checks::None);
    assert_eq!(checks(&json!([run("success")]), &json!([])).await, Checks::Green);
}

#[tokio::test]
async fn the_worst_of_both_decides() {
    let green = json!([{ "state": "success" }]);
    for (runs, statuses, expected) in [
        (json!([run("success"), run("failure"), run("action_required")]), &green, Checks::Red),
        (json!([run("action_required"), { "status": "queued" }]), &green, Checks::ActionRequired),
        (json!([run("success"), { "status": "queued" }]), &green, Checks::Pending),
        (json!([run("success")]), &json!([{ "state": "failure" }]), Checks::Red),
        (json!([run("success"), run("skipped")]), &green, Checks::Green),
    ] {
        assert_eq!(checks(&runs, statuses).await, expected, "{runs} {statuses}");
    }
}

#[tokio::test]
async fn the_recorded_answers_are_green() {
    let bench = bench_of([ok(fixture("check_runs")), ok(fixture("status")), ok("{}")]);
    let checks = bench.github.checks("bot", &"acme/api".parse().unwrap(), "6dcb09b").await.unwrap();
    assert_eq!(checks, Checks::Green);
}

#[tokio::test]
async fn a_workflow_that_waits_for_a_click_is_seen_though_it_reports_no_check() {
    let waiting = || ok(r#"{"total_count":1,"workflow_runs":[{"conclusion":"action_required"}]}"#);
    for (runs, answer, expected) in [
        (r#"{"check_runs":[]}"#.to_owned(), waiting(), Checks::ActionRequired),
        (fixture("check_runs"), waiting(), Checks::ActionRequired),
        (fixture("check_runs"), reply(403, &[], ""), Checks::Green),
        (fixture("check_runs"), reply(404, &[], ""), Checks::Green),
    ] {
        let bench = bench_of([ok(runs), ok(fixture("status")), answer]);
        let checks = bench.github.checks("bot", &"acme/api".parse().unwrap(), "6dcb09b").await.unwrap();
        assert_eq!(checks, expected);
        assert_eq!(
            bench.lines()[2],
            "GET /repos/acme/api/actions/runs?head_sha=6dcb09b&status=action_required&per_page=1"
        );
    }
}

#[tokio::test]
async fn each_check_is_told_by_its_name_and_of_two_with_one_name_the_worse() {
    let named = |name: &str, conclusion: &str| json!({ "name": name, "status": "completed", "conclusion": conclusion });
    let runs = json!([named("ci", "success"), named("ci", "failure"), named("lint", "success")]);
    let bench = of(&runs, &json!([{ "context": "deploy", "state": "pending" }]));
    let found = bench.github.named_checks("bot", &"acme/api".parse().unwrap(), "6dcb09b").await.unwrap();
    let found: Vec<(&str, Checks)> = found.iter().map(|(name, check)| (name.as_str(), *check)).collect();
    assert_eq!(found, [("ci", Checks::Red), ("deploy", Checks::Pending), ("lint", Checks::Green)]);
}
