//! Webhooks through the program: a merge frees its reviewer at once, a storm costs a few looks, and what cannot be mapped is
//! found, shown and replayed from the command line.

use ring::hmac;
use serde_json::{Value, json};
use sluicegate::clock::{Clock as _, SystemClock};

use crate::{
    aftermath::assert_sound,
    stage::{HOOK_SECRET, Settings, Stage, eventually},
    world::{scenario, story},
};

const HOOK: &str = r#"
[[hook]]
name = "github"
kind = "github"
secrets = ["env:SLUICE_TEST_HOOK"]
[[hook.on]]
event = "issues"
template = "bump"
repositories = "repository.full_name"
inputs = { package = "issue.title" }
requester = "sender.login"
"#;

/// One reviewer with one open review, and nobody who polls as long as a test takes.
fn stage(stories: &str) -> (Stage, Settings) {
    let settings = Settings { more: HOOK.to_owned(), reviewers: vec![("ana", 1)], ..Settings::default() };
    let mut stage = Stage::set(&scenario(stories), &settings);
    stage.env.push(("SLUICE_TRACKING__REVIEW_MS", "600000".to_owned()));
    stage.open();
    (stage, settings)
}

fn deliver(stage: &Stage, id: &str, event: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, HOOK_SECRET.as_bytes());
    let tag = hmac::sign(&key, body.as_bytes());
    let digits = sluicegate::policy::request::hex(tag.as_ref());
    let signature = format!("sha256={digits}");
    let headers = [
        ("content-type", "application/json"),
        ("x-github-delivery", id),
        ("x-github-event", event),
        ("x-hub-signature-256", signature.as_str()),
    ];
    stage.deliver("github", &headers, &body)
}

fn pull_of(stage: &Stage, repository: &str) -> Value {
    let pulls = stage.control("pulls");
    let found = pulls.as_array().unwrap().iter().find(|pull| pull["repository"] == repository);
    found.unwrap_or_else(|| panic!("no pull request in {repository}")).clone()
}

fn told(pull: &Value, action: &str, number: usize) -> Value {
    json!({
        "action": action, "number": number,
        "repository": { "full_name": pull["repository"] },
        "pull_request": { "number": pull["number"], "head": { "ref": pull["head_ref"] } },
    })
}

/// How often the pull requests were looked at, one by one.
fn looks(stage: &Stage) -> u64 {
    let counts = stage.control("requests")["counts"].clone();
    let of = |count: &&Value| {
        count["method"] == "GET" && count["route"] == "/repos/{owner}/{repo}/pulls/{pull_number}"
    };
    counts.as_array().unwrap().iter().filter(of).map(|count| count["count"].as_u64().unwrap()).sum()
}

#[test]
fn a_storm_about_one_pull_request_is_a_few_looks_and_its_merge_frees_the_reviewer_at_once() {
    let (stage, settings) = stage(&story("storm", "review = \"left_open\""));
    stage.submit("bump", &["storm"], &json!({}));
    stage.reaches("storm", "in_review");
    stage.submit("bump", &["next"], &json!({}));
    eventually("the next one waits for the reviewer", || {
        (stage.job("next")["wait"]["reason"] == "budget").then_some(())
    });
    let pull = pull_of(&stage, "acme/storm");
    let (before, begun) = (looks(&stage), SystemClock.now());
    for number in 0..500 {
        let (status, kept) =
            deliver(&stage, &format!("s-{number}"), "pull_request", &told(&pull, "labeled", number));
        assert_eq!(status, 202, "{kept}");
    }
    eventually("the storm is over", || {
        stage.json(&["deliveries", "list", "--state", "received"])["deliveries"]
            .as_array()?
            .is_empty()
            .then_some(())
    });
    let most = 3 + SystemClock.now().since(begun).0 / 5_000;
    let seen = looks(&stage) - before;
    assert!((1..=most).contains(&seen), "{seen} looks, {most} at most");
    stage.direct(&format!("pulls/acme/storm/{}/merge", pull["number"]), &json!({}));
    deliver(&stage, "merged", "pull_request", &told(&pull, "closed", 500));
    stage.reaches("storm", "succeeded");
    stage.reaches("next", "in_review");
    let pull = eventually("the next one is merged", || {
        let pull = pull_of(&stage, "acme/next");
        (pull["merged"] == true).then_some(pull)
    });
    deliver(&stage, "next", "pull_request", &told(&pull, "closed", 501));
    stage.ends();
    let listed = stage.sluice(&["deliveries", "list", "--limit", "2"]);
    assert!(listed.out.contains("1 job that it is about is looked at"), "{}", listed.out);
    assert!(listed.out.contains("there may be more: --after "), "{}", listed.out);
    let books = assert_sound(stage, &settings, &[]);
    let entries = books.entries.iter().filter(|entry| entry.kind == "delivery.concerns").count();
    assert!(entries < 100, "{entries} entries");
}

#[test]
fn what_cannot_be_mapped_is_found_shown_and_replayed_from_the_command_line() {
    let (mut stage, settings) = stage("");
    assert_eq!(stage.sluice(&["deliveries", "list"]).out, "no deliveries\n");
    let labelled = |field: &str| {
        json!({
            "issue": { "title": "serde" }, "repository": { "full_name": "acme/api" }, (field): { "login": "mia" },
        })
    };
    let (status, kept) = deliver(&stage, "d-1", "issues", &labelled("author"));
    assert_eq!(status, 202);
    let id = kept["delivery"].as_str().unwrap().to_owned();
    let listed = eventually("it was gone through", || {
        let listed = stage.sluice(&["deliveries", "list", "--state", "unmapped"]);
        listed.out.contains("issues").then_some(listed)
    });
    assert!(listed.out.contains("requester"), "{}", listed.out);
    let shown = stage.sluice(&["deliveries", "show", &id[28..]]);
    for part in [&id, "github, signed with secret 1", "\"title\": \"serde\"", "unmapped"] {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }
    let desk = stage.sluice(&["desk"]);
    assert!(desk.out.contains("delivery") && desk.out.contains("sluice deliveries replay"), "{}", desk.out);
    assert_eq!(stage.sluice(&["deliveries", "show", "0000"]).code, 5);
    assert_eq!(stage.sluice(&["deliveries", "replay", &id]).code, 2, "a reason is needed");
    // The mapping is mended, and what was kept is gone through again.
    assert!(stage.close().success());
    let mended = Settings { more: HOOK.replace("sender.login", "author.login"), ..settings };
    stage.configure(&mended);
    stage.env.clear();
    stage.open();
    let replayed =
        stage.sluice(&["deliveries", "replay", &id, "--reason", "mapping mended", "--actor", "olga"]);
    assert_eq!(replayed.code, 0, "{}", replayed.err);
    assert!(replayed.out.contains("is gone through again"), "{}", replayed.out);
    eventually("the request of it", || (!stage.jobs().is_empty()).then_some(()));
    stage.ends();
    assert_eq!(stage.json(&["deliveries", "show", &id])["delivery"]["state"], "done");
    assert!(stage.sluice(&["desk"]).out.contains("nothing needs a person"));
    let books = assert_sound(stage, &mended, &[]);
    let replays: Vec<&str> = books
        .entries
        .iter()
        .filter(|entry| entry.kind == "delivery.replayed")
        .map(|entry| entry.actor.as_str())
        .collect();
    assert_eq!(replays, ["olga"]);
}
