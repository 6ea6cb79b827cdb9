//! Where templates may work: each reason for leaving a repository out, as the ledger keeps it; what prompts are told; and what
//! happens when nobody can be asked.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    stage::{Settings, Stage, id},
    world::scenario,
};

const RULES: &str = r#"
[[repository]]
match = "acme/*"
team = "platform"
test_command = "make check"
on_open_pull = "skip"

[[repository]]
match = "acme/continued"
test_command = "make check"
on_open_pull = "adopt"

[[repository]]
match = "acme/vault"
class = "regulated"
test_command = "make check"

[[repository]]
match = "acme/closed"
templates = ["other-*"]

[[repository]]
match = "acme/lonely"
owners = ["carla"]
test_command = "make check"
"#;

/// Repositories with one thing about each.
const ESTATE: &str = r##"
[[repositories]]
match = "acme/*"
languages = { Rust = 900, Shell = 10 }
workflows = ["ci", "Release it now"]
codeowners = "/src/ @acme/core\n* @dana\n"
[repositories.files]
"Cargo.toml" = "[dependencies]\nserde = \"1.0.2\"\n"
[[repositories]]
match = "acme/archived"
archived = true
[[repositories]]
match = "acme/disabled"
disabled = true
[[repositories]]
match = "acme/readonly"
push = false
[[repositories]]
match = "acme/agentless"
agent_enabled = false
[[repositories]]
match = "acme/clicky"
workflow_approval = true
[[repositories]]
match = "acme/go"
files = { "go.mod" = "module x" }
[[repositories]]
match = "acme/old"
[repositories.files]
"Cargo.toml" = "[dependencies]\nserde = \"0.9\"\n"
[[repositories]]
match = "acme/{busy,continued}"
open_pulls = [{ title = "Bump", head = "copilot/bump-1", labels = ["deps"] }]
"##;

const TEMPLATE: &str = r#"
name = "tidy"
version = 1
summary = "Tidies"
owner = "dana"
team = "platform"
repositories = ["acme/*"]
labels = ["deps"]
reviewers = "reviewers"
estimate_credits = 100
prompt = """
Work on {{ repository.default_branch }} of {{ repository.full_name }}, written in {{ repository.languages | join(" and ") }}.
Workflows: {% for name in repository.workflows %}[{{ name }}]{% endfor %}
Owners: {{ repository.codeowners | join(", ") }}. Test with `{{ repository.test_command }}`.
{{ repository.manifest | data }}
"""
[requires]
files = ["Cargo.toml"]
manifest = { file = "Cargo.toml", key = "dependencies.serde", version = ">=1" }
green_checks = true
[scope]
may_change = ["**"]
"#;

/// A stage with rules and a template that wants to know everything.
fn stage(scenario_more: &str) -> Stage {
    let settings =
        Settings { policy: "repositories_file = \"repositories.toml\"".to_owned(), ..Settings::default() };
    let mut stage = Stage::set(&scenario(&format!("{ESTATE}\n{scenario_more}")), &settings);
    stage.write("repositories.toml", RULES);
    stage.write("templates/tidy/1.toml", TEMPLATE.trim_start());
    stage.open();
    stage
}

fn submit(stage: &Stage, names: &[&str]) -> String {
    stage.submit("tidy", names, &json!({ "inputs": {} }))
}

/// Reasons by repository, as the ledger keeps them.
fn skipped(stage: &Stage, request: &str) -> BTreeMap<String, String> {
    let view = stage.ask(&format!("/v1/requests/{request}"));
    let kept: Vec<Value> = match &view["request"]["skipped_json"] {
        Value::String(text) => serde_json::from_str(text).unwrap(),
        _ => view["skipped"].as_array().unwrap_or_else(|| panic!("no skips in {view}")).clone(),
    };
    let one = |skip: &Value| {
        let name = skip["repository"].as_str().unwrap().trim_start_matches("acme/").to_owned();
        assert!(!skip["text"].as_str().unwrap().is_empty(), "{skip}");
        (name, skip["reason"].as_str().unwrap().to_owned())
    };
    kept.iter().map(one).collect()
}

#[test]
fn every_repository_that_is_left_out_is_kept_with_its_reason() {
    let mut stage = stage("");
    stage.direct("tokens/operator", &json!({ "repositories": ["acme/[!g]*", "acme/go"] }));
    let request = submit(
        &stage,
        &[
            "api",
            "archived",
            "disabled",
            "readonly",
            "agentless",
            "go",
            "old",
            "busy",
            "closed",
            "lonely",
            "ghost",
        ],
    );
    let expected = [
        ("archived", "repository-archived"),
        ("disabled", "repository-disabled"),
        ("readonly", "no-write-access"),
        ("agentless", "agent-disabled"),
        ("go", "incompatible"),
        ("old", "incompatible"),
        ("busy", "open-agent-pull"),
        ("closed", "template-not-eligible"),
        ("lonely", "no-owner-available"),
        ("ghost", "not-found"),
    ];
    let expected: BTreeMap<String, String> =
        expected.iter().map(|(name, reason)| ((*name).to_owned(), (*reason).to_owned())).collect();
    assert_eq!(skipped(&stage, &request), expected);
    let jobs = stage.ends();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert_eq!((&jobs[0]["repository"], &jobs[0]["state"]), (&json!("acme/api"), &json!("succeeded")));
    // Nothing was ever started where it may not be.
    assert_eq!(stage.control("creates").as_array().unwrap().len(), 1);
    stage.close();
}

#[test]
fn a_prompt_is_told_of_its_repository_and_what_could_do_harm_stands_in_a_block() {
    let stage = stage("");
    let request = submit(&stage, &["api"]);
    let jobs = stage.jobs();
    let detail = stage.ask(&format!("/v1/jobs/{}", id(&jobs[0])));
    let prompt = detail["prompt"].as_str().unwrap_or_else(|| panic!("no prompt in {detail}"));
    assert!(
        prompt.starts_with("Work on main of acme/api, written in Rust and Shell.\n"),
        "{request}: {prompt}"
    );
    assert!(prompt.contains("[ci][\n```data\nRelease it now\n```\n]"), "{prompt}");
    assert!(prompt.contains("Owners: @dana. Test with `make check`."), "{prompt}");
    assert!(prompt.contains("```data\n[dependencies]\nserde = \"1.0.2\"\n```"), "{prompt}");
}

#[test]
fn a_repository_that_needs_an_approval_is_held_with_its_findings_and_goes_on_with_it() {
    let stage = stage("");
    submit(&stage, &["vault", "clicky"]);
    for (name, reason) in [("vault", "class-needs-approval"), ("clicky", "ci-waits-for-click")] {
        let job = stage.reaches(name, "held");
        let detail = stage.ask(&format!("/v1/jobs/{}", id(&job)));
        assert!(detail.to_string().contains(reason), "{name}: {detail}");
    }
    assert_eq!(stage.control("creates"), json!([]));
}

#[test]
fn an_open_pull_request_of_the_agent_is_gone_on_with_where_the_rule_says_so() {
    let stage = stage("");
    submit(&stage, &["continued"]);
    let number = |pull: &Value| pull["number"].as_u64().unwrap();
    let standing = stage.control("pulls").as_array().unwrap().clone();
    let job = stage.reaches("continued", "succeeded");
    let pulls = stage.control("pulls").as_array().unwrap().clone();
    assert_eq!(pulls.len(), 1, "no second one was opened: {pulls:?}");
    assert_eq!(number(&pulls[0]), number(&standing[0]));
    assert_eq!((&pulls[0]["head_ref"], &pulls[0]["merged"]), (&json!("copilot/bump-1"), &json!(true)));
    assert_eq!(
        job["pull"].as_u64().or_else(|| job["pull_number"].as_u64()),
        Some(number(&pulls[0])),
        "{job}"
    );
}

#[test]
fn nothing_is_guessed_while_the_provider_cannot_be_asked_and_answers_are_kept_for_a_while() {
    let stage = stage("");
    let file = stage.path("wait.json");
    let request = json!({ "template": "tidy", "requester": "carla", "inputs": {}, "repositories": ["acme/api", "acme/web"] });
    stage.write("wait.json", request.to_string());
    stage.direct(
        "faults",
        &json!({ "status": 502, "match": { "route": "/repos/{owner}/{repo}", "repository": "acme/web" } }),
    );
    let ran = stage.sluice(&["submit", &file.display().to_string()]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("acme/web") && ran.err.contains("try again after"), "{}", ran.err);
    assert!(stage.jobs().is_empty());
    stage.sluice(&["submit", &file.display().to_string()]);
    let asked = |name: &str| -> u64 {
        let requests = stage.control("requests");
        let counts = requests["counts"].as_array().unwrap().clone();
        let of =
            |count: &&Value| count["route"] == name && (count["status"] == 200 || count["status"] == 304);
        counts.iter().filter(of).map(|count| count["count"].as_u64().unwrap()).sum()
    };
    assert_eq!(asked("/repos/{owner}/{repo}"), 1, "what was told is not asked again");
    let pulls = asked("/repos/{owner}/{repo}/pulls");
    assert!(pulls >= 2, "open pull requests are asked for each time, and were {pulls} times");
}

#[test]
fn rules_are_shown_with_why_they_count_and_entries_are_made_for_what_has_none() {
    let settings =
        Settings { policy: "repositories_file = \"repositories.toml\"".to_owned(), ..Settings::default() };
    let more = "[[repositories]]\nmatch = \"beta/new\"\n[[repositories]]\nmatch = \"acme/api\"\n";
    let mut stage = Stage::set(&scenario(more), &settings);
    stage.write("repositories.toml", RULES);
    stage.open();
    let list = stage.sluice(&["repository", "list"]).out;
    assert!(
        list.contains("acme/vault") && list.contains("regulated") && list.contains("repositories.toml:"),
        "{list}"
    );
    let shown = stage.sluice(&["repository", "show", "acme/vault"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    let told = shown.out;
    assert!(told.contains("rule `acme/vault` counts: it names the repository"), "{told}");
    assert!(told.contains("rule `acme/*` does not: `acme/vault` names the repository"), "{told}");
    assert!(told.contains("class-needs-approval") && told.contains("branch main"), "{told}");
    stage.write("estate.csv", "repository,class\nacme/api,standard\nbeta/new,sensitive\n");
    let csv = stage.path("estate.csv").display().to_string();
    let entries = stage.sluice(&["repository", "import", "--csv", &csv]).out;
    assert!(
        entries.contains("match = \"beta/new\"\nclass = \"sensitive\"") && !entries.contains("acme/api"),
        "{entries}"
    );
    stage.write("estate.csv", "repository,class\nacme/api,secret\n");
    let refused = stage.sluice(&["repository", "import", "--csv", &csv]);
    assert!(refused.code == 3 && refused.err.contains("estate.csv:2"), "{}{}", refused.code, refused.err);
    let reached = stage.sluice(&["repository", "import", "--identity", "bot"]).out;
    assert!(reached.contains("match = \"beta/new\"") && !reached.contains("acme/api"), "{reached}");
    assert_ne!(stage.sluice(&["repository", "import", "--identity", "nobody"]).code, 0);
}
