//! The webhooks of docs/hooks.md, each with a payload of its sender, and wrong ones with the message that each must give.

use std::{fs, path::PathBuf};

use serde_json::Value;
use sluicegate::{
    config::{ConfigError, Settings, check, load_catalog, load_doors},
    job::{id::RequestId, time::Timestamp},
    policy::{
        Facts, IdentityRule, Plan, PlanContext, Problem, RepositoryRules,
        approval::People,
        hook::{Delivery, Hook, Mapped, Outcome, map},
        plan,
    },
};
use tempfile::TempDir;

use crate::{Env, env, folder, shipped};

const SECRETS: &[(&str, &str)] = &[
    ("GITHUB_TOKEN", "x"),
    ("GITHUB_HOOK_SECRET", "a-secret-of-enough-bytes"),
    ("JIRA_HOOK_SECRET", "a-secret-of-enough-bytes"),
    ("LINEAR_HOOK_SECRET", "a-secret-of-enough-bytes"),
    ("PORTAL_HOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
];

fn env_with(more: &[(&str, &str)]) -> Env {
    env(&[SECRETS, more].concat())
}

/// The examples of the page, in its order; the first is the one without rules.
fn examples() -> Vec<String> {
    let page = fs::read_to_string(shipped().with_file_name("../docs/hooks.md")).unwrap();
    let blocks = page.split("```toml\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned());
    blocks.collect()
}

/// The shipped configuration with these hooks, beside the shipped templates.
fn with_hooks(hooks: &str) -> (TempDir, PathBuf) {
    let (folder, path) = folder(format!("{}\n{hooks}", fs::read_to_string(shipped()).unwrap()));
    for name in ["weekly-release-prep", "dependency-upgrade", "new-service"] {
        let to = folder.path().join("templates").join(name);
        fs::create_dir_all(&to).unwrap();
        fs::copy(shipped().with_file_name(format!("templates/{name}/1.toml")), to.join("1.toml")).unwrap();
    }
    (folder, path)
}

fn fixture(name: &str) -> Value {
    let path = shipped().with_file_name(format!("../tests/fixtures/hooks/{name}.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn mapped(hook: &Hook, event: &str, payload: &Value) -> Mapped {
    match map(hook, Delivery { id: "d-1", event }, payload) {
        Outcome::Request(mapped) => *mapped,
        other => panic!("{other:?}"),
    }
}

/// The example whose position this is, the request that the payload becomes, and the plan of it.
fn tried(example: usize, event: &str, payload: &str) -> (Mapped, Plan) {
    let (_folder, path) = with_hooks(&examples()[example]);
    let summary = check(Some(&path), &env_with(&[])).unwrap();
    assert_eq!((summary.hooks.len(), summary.warnings.len()), (1, 0), "{:?}", summary.warnings);
    let loaded = Settings::load(Some(&path), &Env::new()).unwrap();
    let mapped = mapped(&loaded.settings.hooks[0], event, &fixture(payload));
    let now = Timestamp::parse("2026-11-20T10:00:00Z").unwrap();
    let context = PlanContext {
        catalog: &load_catalog(&loaded).unwrap(),
        rules: &loaded.settings.rules.clone(),
        allowed: &loaded.settings.policy.repositories,
        identities: &[IdentityRule::new("main")],
        identity: "main",
        models: &loaded.settings.models,
        people: &People::default(),
        request_id: RequestId::new(now, 1),
        repositories: &RepositoryRules::default(),
        facts: &Facts::default(),
        now,
    };
    let planned = plan(&mapped.request, &context).unwrap();
    (mapped, planned)
}

#[test]
fn a_labelled_issue_becomes_a_request_of_whoever_set_the_label() {
    let (mapped, plan) = tried(1, "issues", "github-issues-labeled");
    let request = &mapped.request;
    assert_eq!((request.template.as_str(), request.requester.as_str()), ("dependency-upgrade", "ana"));
    assert_eq!(request.repositories, ["acme/api"]);
    assert_eq!(request.idempotency_key.as_deref(), Some("hook/github/acme/api#42"));
    assert_eq!(request.reason.as_deref(), Some("https://github.com/acme/api/issues/42"));
    assert!(mapped.rule.contains("sluice.toml:"), "{}", mapped.rule);
    // What a person typed is data in the prompt, with line feeds alone.
    let prompt = &plan.jobs[0].prompt;
    assert!(prompt.contains("data\nThe release notes promise smaller binaries.\n\nPlease keep"), "{prompt}");
}

#[test]
fn a_command_in_a_comment_becomes_a_request_with_its_words_as_inputs() {
    let (mapped, plan) = tried(2, "issue_comment", "github-issue_comment-created");
    assert_eq!(mapped.request.requester, "ben");
    assert_eq!(mapped.request.idempotency_key.as_deref(), Some("hook/github/d-1"));
    assert!(plan.jobs[0].prompt.contains("Upgrade the cargo dependency serde in acme/api"));
}

#[test]
fn a_jira_issue_becomes_one_job_per_component_and_names_who_moved_it_as_told() {
    let (mapped, plan) = tried(3, "jira:issue_updated", "jira-issue_updated");
    assert_eq!(mapped.request.repositories, ["acme/api", "acme/web"]);
    assert_eq!(
        (mapped.request.requester.as_str(), mapped.requested_by.as_deref()),
        ("dana", Some("Cleo Marsh"))
    );
    let reason = "OPS-311 serde to 1.0.228 (asked for by Cleo Marsh, as jira tells)";
    assert_eq!(mapped.request.reason.as_deref(), Some(reason));
    assert_eq!(plan.jobs.len(), 2);
}

#[test]
fn a_linear_issue_becomes_a_request_when_its_label_is_set_and_not_at_other_updates() {
    let (mapped, plan) = tried(4, "Issue", "linear-issue-update");
    assert_eq!(mapped.request.idempotency_key.as_deref(), Some("hook/linear/ENG-77"));
    assert!(plan.jobs[0].prompt.contains("to 1.0.228"));
    let (_folder, path) = with_hooks(&examples()[4]);
    let hook = &Settings::load(Some(&path), &Env::new()).unwrap().settings.hooks[0];
    let mut moved = fixture("linear-issue-update");
    moved["updatedFrom"] = serde_json::json!({ "stateId": "s0" });
    let outcome = map(hook, Delivery { id: "d-2", event: "Issue" }, &moved);
    assert_eq!(outcome, Outcome::Ignored { reason: "no rule for `Issue` fits".to_owned() });
}

#[test]
fn a_portal_hands_in_a_request_for_its_services_that_waits_for_an_approval() {
    let (mapped, plan) = tried(5, "release.wanted", "generic-release-wanted");
    assert_eq!(mapped.request.repositories, ["acme/api", "acme/web"]);
    assert!(mapped.request.hold && mapped.request.requester == "dana");
    assert_eq!(plan.jobs.len(), 2);
    assert_eq!(examples().len(), 6, "an example is not tried");
}

#[test]
fn the_commented_hook_of_the_shipped_file_is_right() {
    let text = fs::read_to_string(shipped()).unwrap();
    let lines = text.lines().skip_while(|line| *line != "# [[hook]]").take_while(|line| !line.is_empty());
    let hook: Vec<&str> = lines.map(|line| line.trim_start_matches("# ")).collect();
    let (_folder, path) = with_hooks(&hook.join("\n"));
    let summary = check(Some(&path), &env_with(&[])).unwrap();
    assert_eq!(summary.hooks, ["github"]);
    let loaded = Settings::load(Some(&path), &Env::new()).unwrap();
    let mapped = mapped(&loaded.settings.hooks[0], "issue_comment", &fixture("github-issue_comment-created"));
    assert_eq!(mapped.request.inputs["package"], "serde");
}

/// Everything that is wrong, the folder's changing name left out.
fn wrong(hooks: &str, variables: &[(&str, &str)]) -> String {
    let (folder, path) = with_hooks(hooks);
    let problems: Vec<Problem> = check(Some(&path), &env_with(variables)).unwrap_err();
    ConfigError(problems).to_string().replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn a_wrong_hook_is_told_with_its_place() {
    let lines = fs::read_to_string(shipped()).unwrap().lines().count() + 1;
    let (all, mut missed) = (examples(), Vec::new());
    for (example, from, to, line, what, hint) in [
        (0, "kind = \"github\"", "kind = \"gitlab\"", 3, "unknown word `gitlab`", "did you mean `github`?"),
        (0, "name = \"github\"", "name = \"Git Hub\"", 2, "`Git Hub` is not a name", "lower-case"),
        (
            0,
            "secrets = [\"env:GITHUB_HOOK_SECRET\"]",
            "secrets = []",
            4,
            "0 secrets",
            "two while one is replaced",
        ),
        (
            0,
            "secrets",
            "max_age_seconds = 5\nsecrets",
            4,
            "no time stamp",
            "only Linear and Standard Webhooks",
        ),
        (0, "secrets", "header = \"X-A\"\nsecrets", 4, "it is known for this kind", "leave it out"),
        (0, "kind = \"github\"", "kind = \"jira\"", 2, "no delivery would do anything", "[[hook.on]]"),
        (1, "repository.full_name\"", "repository.\"", 10, "`repository.`: ", "jmespath.org"),
        (1, "when = \"action ==", "when = \"action =", 8, "Did you mean '=='?", "jmespath.org"),
        (
            1,
            "split(issue.title, ' ')[1]",
            "slice(issue.title)",
            15,
            "there is no function `slice`",
            "'minor'",
        ),
        (1, "template = \"dep", "priority = 10\ntemplate = \"dep", 9, "not a priority band", "0 (first)"),
        (1, "\"repository.full_name\"", "[]", 10, "names no repository", "[\"acme/api\"]"),
        (1, "\"repository.full_name\"", "[\"acme\"]", 10, "`acme` is not a repository", "[\"acme/api\"]"),
        (
            1,
            "\"dependency-upgrade\"",
            "\"dependency-upgrad\"",
            9,
            "there is no template `dependency-upgrad`",
            "did you mean",
        ),
        (1, "notes = ", "note = ", 9, "the template has no input `note`", "did you mean `notes`?"),
        (1, "package = ", "notes2 = ", 9, "the input `package` is missing", "package = "),
        (1, "notes = \"issue.body\"", "notes = 7", 9, "does not take 7 for the input `notes`", ""),
        (2, "text = \"/sluice upgrade\"", "text = \" \"", 13, "not a command", "/sluice upgrade"),
        (2, "\"MEMBER\"", "\"MEMBRE\"", 14, "`MEMBRE` is no association", "did you mean `MEMBER`?"),
        (2, "people = [\"ana\"]", "body = \"x\"", 13, "known for this kind", "leave `body` and `by` out"),
        (5, "signature = \"standard-webhooks\"\n", "", 3, "not said how deliveries prove", "hmac-sha256"),
        (5, "\"standard-webhooks\"", "\"hmac-sha256\"", 4, "not said how deliveries prove", "header = "),
        (5, "max_age_seconds = 300", "max_age_seconds = 86401", 6, "86401 is out of range", "1 to 86400"),
        (
            5,
            "\"standard-webhooks\"",
            "\"shared-secret\"\nheader = \"X Secret\"",
            5,
            "not the name of a header",
            "",
        ),
    ] {
        assert!(all[example].contains(from), "{from}");
        let told = wrong(&all[example].replacen(from, to, 1), &[]);
        let place = format!("sluice.toml:{}:", lines + line);
        if !(told.contains(&place) && told.contains(what) && told.contains(hint)) {
            missed.push(format!("{from} -> {to}, {place}:\n{told}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn nobody_may_give_a_command_that_names_nobody() {
    let hook = examples()[2].replace("associations = [\"OWNER\", \"MEMBER\"]\npeople = [\"ana\"]\n", "");
    let told = wrong(&hook, &[]);
    assert!(told.contains("nobody may give this command") && told.contains("people = [\"ana\"]"), "{told}");
}

#[test]
fn two_hooks_of_one_name_are_refused() {
    let told = wrong(&examples()[0].repeat(2), &[]);
    assert!(
        told.contains("the hook `github` is there twice, first at") && told.contains("another name"),
        "{told}"
    );
}

#[test]
fn a_secret_that_is_missing_or_in_the_wrong_form_is_told_without_repeating_it() {
    let told = wrong(&examples()[5], &[("PORTAL_HOOK_SECRET", "hunter2hunter2hunter2")]);
    assert!(told.contains("env:PORTAL_HOOK_SECRET: ") && told.contains("must start with `whsec_`"), "{told}");
    let missing = examples()[0].replace("env:GITHUB_HOOK_SECRET", "env:NOT_THERE");
    let missing = wrong(&missing, &[]);
    assert!(missing.contains("env:NOT_THERE: the variable is not set"), "{missing}");
    let literal = wrong(&examples()[0].replace("env:GITHUB_HOOK_SECRET", "hunter2"), &[]);
    assert!(literal.contains("env:NAME or file:PATH"), "{literal}");
    assert!(![told, missing, literal].concat().contains("hunter2"));
}

#[test]
fn a_secret_that_could_be_guessed_is_warned_of_and_two_may_be_in_use() {
    let two =
        examples()[0].replace("[\"env:GITHUB_HOOK_SECRET\"]", "[\"env:NEW\", \"env:GITHUB_HOOK_SECRET\"]");
    let (_folder, path) = with_hooks(&two);
    let env = env_with(&[("NEW", "short")]);
    let warnings = check(Some(&path), &env).unwrap().warnings;
    assert!(
        warnings.iter().any(|one| one.starts_with("env:NEW: ") && one.contains("could be guessed")),
        "{warnings:?}"
    );
    let loaded = Settings::load(Some(&path), &Env::new()).unwrap();
    assert_eq!(load_doors(&loaded, &env).unwrap().len(), 1);
}
