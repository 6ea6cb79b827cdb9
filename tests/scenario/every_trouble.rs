//! The main request: many repositories, each kind of trouble once, two people who review.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use sluicegate::job::state::State;

use crate::{
    aftermath::{Books, assert_sound},
    stage::{Settings, Stage, eventually, id, is_end},
    support::Postgres,
    world::{create_fault, scenario, story},
};

/// Of the first request, in its order; `branchy` has a request of its own.
const REPOSITORIES: [&str; 20] = [
    "api",
    "billing",
    "auth",
    "search",
    "limited",
    "dropped-before",
    "dropped-after",
    "strange",
    "reopened",
    "ledger",
    "mobile",
    "laggy",
    "docs",
    "wide",
    "wider",
    "outsider",
    "lazy",
    "web",
    "mailer",
    "gateway",
];

fn trouble() -> String {
    [
        story("*", "review_after_ms = [800, 1200]"),
        story("billing", "outcome = \"waiting_for_user\"\nwaits_after_ms = 100\nanswer_after_ms = 1500\nrun_ms = 1000"),
        create_fault("auth", "when = \"after\"\nstatus = 502"),
        story("search", "attempt = 1\noutcome = \"failed\"\nleaves = \"nothing\"\nmessage = \"The agent encountered an internal error, please retry\""),
        create_fault("limited", "status = 403\nsecondary = true\nretry_after_s = 1"),
        create_fault("dropped-before", "drop = true"),
        create_fault("dropped-after", "when = \"after\"\ndrop = true"),
        story("strange", "outcome = \"unknown_state\"\nwaits_after_ms = 100\nanswer_after_ms = 700"),
        story("reopened", "outcome = \"reopened\"\nrun_ms = 1000\nreopen_after_ms = 600\nreview_after_ms = 5000"),
        story("ledger", "outcome = \"failed\"\nleaves = \"nothing\"\nmessage = \"tests failed: 3 of 214\""),
        story("mobile", "outcome = \"timed_out\"\nleaves = \"nothing\""),
        story("laggy", "list_lag_ms = 600"),
        story("docs", "review = \"closed\""),
        story("{wide,wider}", "files = [\".github/workflows/ci.yml\"]"),
        story("outsider", "review_starts = \"completed\"\nreview_after_ms = 1000"),
        story("lazy", "outcome = \"idle\"\nrun_ms = 1000\nwaits_after_ms = 100"),
        "[[repositories]]\nmatch = \"acme/outsider\"\ncollaborators = [\"octo-operator\"]".to_owned(),
    ]
    .join("\n")
}

/// What was seen on the way.
#[derive(Default)]
struct Seen {
    /// Waits by budget, with one full answer to `why` each.
    waits: BTreeMap<String, Value>,
    acted: BTreeSet<String>,
}

impl Seen {
    fn take_in(&mut self, stage: &Stage, jobs: &[Value]) {
        for job in jobs {
            let name = job["repository"].as_str().unwrap().trim_start_matches("acme/").to_owned();
            let state = job["state"].as_str().unwrap().to_owned();
            if let Some(key) = job["wait"]["budget"]["key"].as_str() {
                self.ask_why(stage, job, key);
            }
            if !is_end(job) {
                assert!(job["wait"].is_object(), "{name} is {state} without a reason");
            }
            self.act(stage, &name, &state, job);
        }
    }

    /// The figures must agree at any time. Holders are read a moment later: asked until none has moved on meanwhile.
    fn ask_why(&mut self, stage: &Stage, job: &Value, key: &str) {
        if self.waits.get(key).is_some_and(is_whole) {
            return;
        }
        let why = stage.ask(&format!("/v1/jobs/{}/why", id(job)));
        let wait = &why["wait"];
        if wait["budget"]["key"] != key {
            return;
        }
        if wait["budget"]["kind"] == "full" {
            let figure = |name: &str| wait["budget"][name].as_u64().unwrap();
            assert!(figure("used") + figure("need") > figure("limit"), "not true: {why}");
        }
        self.waits.insert(key.to_owned(), why);
    }

    /// What people do when they see it.
    fn act(&mut self, stage: &Stage, name: &str, state: &str, job: &Value) {
        let line: &[&str] = match (name, state) {
            ("wide", "quarantined") => {
                &["release", id(job), "--actor", "ana", "--reason", "the change to CI is wanted"]
            }
            ("wider", "quarantined") => &["discard-result", id(job), "--reason", "CI is not to be touched"],
            ("lazy", "waiting_for_user") => &[],
            _ => return,
        };
        if !self.acted.insert(name.to_owned()) {
            return;
        }
        if line.is_empty() {
            let detail = stage.ask(&format!("/v1/jobs/{}", id(job)));
            let task = detail["attempts"][0]["task_id"].as_str().unwrap();
            stage.direct(&format!("tasks/{task}/answer"), &json!({}));
        } else {
            stage.json(line);
        }
    }
}

/// True if everybody who holds what is waited for is named, each with work that justifies it.
fn is_whole(why: &Value) -> bool {
    let holders = why["holders"].as_array().unwrap();
    let jobs: BTreeSet<&str> = holders.iter().map(|holder| holder["job"].as_str().unwrap()).collect();
    let all = why["wait"]["budget"]["limit"].as_u64() == Some(jobs.len() as u64);
    all && holders.iter().all(|holder| !is_end(holder) && holder["state"] != "queued")
}

/// Plays the whole story and gives the ledger as it was left.
fn plays(settings: &Settings) {
    let mut stage = Stage::set(&scenario(&trouble()), settings);
    stage.open();
    stage.submit("bump", &REPOSITORIES, &json!({"idempotency_key": "main"}));
    stage.submit("branch", &["branchy"], &json!({}));
    let mut seen = Seen::default();
    eventually("the end of every job", || {
        let jobs = stage.jobs();
        seen.take_in(&stage, &jobs);
        jobs.iter().all(is_end).then_some(())
    });
    seen.assert_true_reasons();
    let books = assert_sound(stage, settings, &["billing", "lazy", "reopened"]);
    assert_ends(&books);
    assert_ways(&books);
}

impl Seen {
    /// I8: both kinds of waits were seen, with the figures of the moment and everybody who held what was waited for.
    fn assert_true_reasons(&self) {
        for (key, limit) in [("slots/global", 3), ("pool/reviewers", 4)] {
            let why = self.waits.get(key).unwrap_or_else(|| panic!("nobody waited for {key}"));
            let budget = &why["wait"]["budget"];
            assert_eq!(
                (budget["used"].as_u64(), budget["limit"].as_u64()),
                (Some(limit), Some(limit)),
                "{why}"
            );
            assert!(is_whole(why), "{why}");
        }
        let limited = self.waits.get("gate/identity/bot").expect("nobody waited for the provider's limit");
        let told = limited["wait"]["text"].as_str().unwrap();
        assert!(told.contains("secondary rate limit") && told.contains("until"), "{told}");
    }
}

fn assert_ends(books: &Books) {
    for (name, state, attempts) in [
        ("api", State::Succeeded, 1),
        ("billing", State::Succeeded, 1),
        ("auth", State::Succeeded, 1),
        ("search", State::Succeeded, 2),
        ("limited", State::Succeeded, 1),
        ("dropped-before", State::Succeeded, 2),
        ("dropped-after", State::Succeeded, 1),
        ("strange", State::Succeeded, 1),
        ("reopened", State::Succeeded, 1),
        ("ledger", State::Dead, 1),
        ("mobile", State::Dead, 1),
        ("laggy", State::Succeeded, 1),
        ("docs", State::Rejected, 1),
        ("wide", State::Succeeded, 1),
        ("wider", State::Dead, 1),
        ("outsider", State::Succeeded, 1),
        ("lazy", State::Succeeded, 1),
        ("branchy", State::Succeeded, 1),
    ] {
        let job = books.job(name);
        assert_eq!((job.state, job.attempts), (state, attempts), "{name}: {:?}", job.outcome_json);
    }
    assert!(books.job("mobile").outcome_json.as_deref().unwrap().contains("split the request"));
    assert!(books.job("ledger").outcome_json.as_deref().unwrap().contains("3 of 214"));
    assert_eq!(books.job("branchy").pull_number, None);
}

/// Each kind of trouble went its own way, and the right people heard of it.
fn assert_ways(books: &Books) {
    let tells = |name: &str, kinds: &[&str]| {
        let told = books.told_of(name);
        assert!(kinds.iter().all(|kind| told.contains(kind)), "{name}: {told:?}");
    };
    tells("billing", &["job.needs_user", "job.resumed"]);
    tells("lazy", &["job.needs_user", "job.resumed"]);
    tells("auth", &["job.start_lost", "job.started"]);
    tells("dropped-after", &["job.start_lost", "job.started"]);
    tells("dropped-before", &["job.start_lost", "job.not_started"]);
    tells("search", &["job.retried"]);
    tells("limited", &["job.not_started"]);
    tells("reopened", &["job.completed", "job.resumed"]);
    tells("wide", &["job.quarantined", "job.released", "job.review_requested", "job.merged"]);
    tells("wider", &["job.quarantined", "job.discarded"]);
    assert!(!books.told_of("strange").contains(&"job.needs_user"));
    for (name, kind) in [
        ("billing", "job.needs_user"),
        ("lazy", "job.needs_user"),
        ("ledger", "job.dead"),
        ("mobile", "job.dead"),
        ("wide", "job.quarantined"),
        ("outsider", "job.reviewer_refused"),
    ] {
        assert_eq!(books.notices_of(name, kind), 1, "{name} {kind}");
    }
    // A limit of the provider uses up no attempt.
    let counted: Vec<u8> = books.attempts_of("limited").iter().map(|attempt| attempt.counted).collect();
    assert_eq!(counted, [0, 1]);
    let branch = &books.attempts_of("branchy")[0];
    assert!(branch.branch.is_some() && branch.pull_database_id.is_none());
}

#[test]
fn every_kind_of_trouble_comes_to_its_right_end_on_sqlite() {
    plays(&Settings::default());
}

#[test]
fn every_kind_of_trouble_comes_to_its_right_end_on_postgresql() {
    plays(&Settings { ledger: Some(Postgres::shared().database()), ..Settings::default() });
}
