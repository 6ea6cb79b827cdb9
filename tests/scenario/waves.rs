//! Waves, approvals, the breaker and the budgets for retries, through the whole program; what the ledger kept is looked at last.

use serde_json::{Value, json};

use crate::{
    aftermath::assert_sound,
    stage::{BOT_TOKEN, Settings, Stage, eventually, id, settings::BUMP, wire},
    world::{scenario, story},
};

const PEOPLE: &str = "[[person]]\nlogin = \"ana\"\n[[person]]\nlogin = \"ben\"\nroles = [\"approver\", \"lead\"]\n\
    [[person]]\nlogin = \"carla\"\n";

fn settings(more: &str) -> Settings {
    Settings {
        slots: 6,
        reviewers: vec![("ana", 20)],
        more: format!("{PEOPLE}{more}"),
        ..Settings::default()
    }
}

/// A template like `bump` with further keys before its tables.
fn template(stage: &Stage, name: &str, tables: &str) {
    let text = BUMP.replace("\"bump\"", &format!("\"{name}\""));
    stage.write(&format!("templates/{name}/1.toml"), format!("{text}{tables}"));
}

fn states(stage: &Stage) -> Vec<(u64, String)> {
    let mut states: Vec<_> = stage
        .jobs()
        .iter()
        .map(|job| (job["wave"].as_u64().unwrap(), job["state"].as_str().unwrap().to_owned()))
        .collect();
    states.sort();
    states
}

#[test]
fn a_request_is_widened_wave_by_wave_and_says_why_the_rest_waits() {
    let settings = settings("");
    let mut stage = Stage::set(&scenario(""), &settings);
    template(
        &stage,
        "slow",
        "[waves]\nsizes = [\"1\", \"2\", \"rest\"]\napprovals = { count = 1, role = \"lead\" }\n",
    );
    stage.open();
    let request = stage.submit("slow", &["a", "b", "c", "d", "e"], &json!({}));
    let plan = stage.json(&["wave", "show", &request]);
    assert_eq!(
        plan["waves"]
            .as_array()
            .unwrap()
            .iter()
            .map(|wave| wave["jobs"].as_u64().unwrap())
            .collect::<Vec<_>>(),
        [1, 2, 2]
    );
    let later = stage.jobs().into_iter().find(|job| job["wave"] == 3).unwrap();
    let why = stage.json(&["why", id(&later)]);
    assert_eq!(why["wait"]["reason"], "wave", "{why}");
    assert!(why["wait"]["text"].as_str().unwrap().contains("is in wave 3 of 3, wave 1 is open"), "{why}");
    let told = eventually("the proof of the first wave", || {
        let view = stage.json(&["wave", "show", &request]);
        let text = view["waits_for"].as_str().unwrap().to_owned();
        text.contains("0 of 1 approvals are given").then_some(text)
    });
    assert!(told.contains("by ben (role lead)"), "{told}");
    assert_eq!(states(&stage)[1..], [2, 2, 3, 3].map(|wave| (wave, "held".to_owned())));
    // The wrong role, the requester, and another plan.
    for (line, said) in [
        (vec!["--actor", "ana"], "no role that is asked for"),
        (vec!["--actor", "Carla"], "somebody else must"),
        (vec!["--actor", "ben", "--digest", "0000000000000000"], "the approval is of the plan"),
        (vec!["--actor", "ben", "--wave", "3"], "wave 3 is not the next one"),
    ] {
        let ran = stage.sluice(&[vec!["wave", "approve", &request, "--reason", "go"], line].concat());
        assert_eq!(ran.code, 4, "{}", ran.out);
        assert!(ran.err.contains(said), "{}", ran.err);
    }
    let digest = plan["plan_digest"].as_str().unwrap()[..12].to_owned();
    let go = |wave: &str| {
        let line = [
            "wave", "approve", &request, "--actor", "ben", "--reason", "go", "--wave", wave, "--digest",
            &digest,
        ];
        assert_eq!(stage.sluice(&line).code, 0);
    };
    go("2");
    eventually("the second wave", || (stage.json(&["wave", "show", &request])["opened"] == 2).then_some(()));
    assert_eq!(states(&stage)[3..], [3, 3].map(|wave| (wave, "held".to_owned())));
    go("3");
    let jobs = stage.ends();
    assert!(jobs.iter().all(|job| job["state"] == "succeeded"), "{jobs:?}");
    eventually("the end of the waves", || {
        (stage.json(&["wave", "show", &request])["state"] == "over").then_some(())
    });
    assert_sound(stage, &settings, &[]);
}

#[test]
fn a_canary_that_fails_stops_the_rest_and_a_person_ends_it() {
    let settings = settings("");
    let broken =
        story("*", "outcome = \"failed\"\nleaves = \"nothing\"\nmessage = \"tests failed: 3 of 214\"");
    let mut stage = Stage::set(&scenario(&broken), &settings);
    stage.open();
    let waves = json!({ "waves": { "sizes": ["1", "rest"], "proven": { "by": "green" } } });
    let request = stage.submit("bump", &["a", "b", "c"], &waves);
    let view = eventually("a doubt", || {
        let view = stage.json(&["wave", "show", &request]);
        (view["state"] == "doubtful").then_some(view)
    });
    assert!(
        view["waits_for"].as_str().unwrap().contains("1 of its jobs failed or were turned down"),
        "{view}"
    );
    let paused = eventually("a notice", || {
        let notices = stage.ask("/v1/notices")["notices"].as_array().unwrap().clone();
        let paused: Vec<Value> =
            notices.into_iter().filter(|notice| notice["kind"] == "wave.paused").collect();
        (!paused.is_empty()).then_some(paused)
    });
    assert_eq!(paused.len(), 1);
    let shown = stage.sluice(&["wave", "show", &request]);
    assert!(shown.out.contains("wave 1 of 2 is open") && shown.out.contains("draw "), "{}", shown.out);
    stage.json(&["wave", "abort", &request, "--reason", "wrong idea"]);
    assert_eq!(states(&stage), [(1, "dead".into()), (2, "cancelled".into()), (2, "cancelled".into())]);
    assert_sound(stage, &settings, &[]);
}

#[test]
fn a_held_request_needs_the_word_of_somebody_who_may_and_keeps_it() {
    let settings = settings("");
    let mut stage = Stage::set(&scenario(""), &settings);
    stage.open();
    let request = stage.submit("bump", &["a", "b"], &json!({ "hold": true }));
    let job = stage.job("a");
    let why = stage.json(&["why", id(&job)]);
    let text = why["wait"]["text"].as_str().unwrap();
    assert!(
        text.contains("0 of 1 approvals for `hold`") && text.contains("by ana, ben (role approver)"),
        "{text}"
    );
    for (actor, said) in [("carla", "somebody else must"), ("zoe", "no role that is asked for")] {
        let ran = stage.sluice(&["approve", id(&job), "--actor", actor, "--reason", "mine"]);
        assert_eq!((ran.code, ran.err.contains(said)), (4, true), "{}", ran.err);
    }
    let ran = stage.sluice(&["approve", "--request", &request, "--actor", "zoe", "--reason", "mine"]);
    assert!(ran.err.contains("asked for here (approver):"), "each role is told once: {}", ran.err);
    let ran = stage.sluice(&["approve", id(&job), "--actor", "ana", "--reason", "fine"]);
    assert!(ran.out.contains("approved; it queues now"), "{}{}", ran.out, ran.err);
    stage.json(&["approve", "--request", &request, "--actor", "ben", "--reason", "all of it"]);
    let jobs = stage.ends();
    assert!(jobs.iter().all(|job| job["state"] == "succeeded"), "{jobs:?}");
    let trail = stage.json(&["show", id(&job)])["history"].to_string();
    assert!(trail.contains("approval.given") && trail.contains("plan_digest"), "{trail}");
    assert_sound(stage, &settings, &[]);
}

#[test]
fn like_failures_open_the_breaker_and_one_canary_closes_it_again() {
    let breaker = "[breaker]\nfailures = 2\nwindow_seconds = 600\ncool_down_seconds = 3\n";
    let settings = Settings { slots: 1, ..settings(breaker) };
    let fails = "outcome = \"failed\"\nleaves = \"nothing\"\nmessage = \"tests failed: 3 of 214\"";
    let stories = [story("bad1", fails), story("bad2", fails)].concat();
    let mut stage = Stage::set(&scenario(&stories), &settings);
    stage.open();
    stage.submit("bump", &["bad1", "bad2", "c", "d", "e"], &json!({ "waves": null }));
    let open = eventually("an open breaker", || {
        let listed = stage.json(&["breaker", "list"])["breakers"].as_array().unwrap().clone();
        listed.into_iter().find(|row| row["state"] != "closed")
    });
    assert_eq!(
        (&open["gate"], &open["template"]),
        (&json!("gate/template/bump"), &json!("bump@1")),
        "{open}"
    );
    let waiting = stage.jobs().into_iter().find(|job| job["state"] == "queued").unwrap();
    let why = stage.json(&["why", id(&waiting)]);
    assert_eq!(why["wait"]["reason"], "closed", "{why}");
    assert!(why["wait"]["text"].as_str().unwrap().contains("ended alike: work/work: tests failed"), "{why}");
    stage.json(&["resume", "template", "bump", "--reason", "a mistake"]);
    let jobs = stage.ends();
    let ended = |state: &str| jobs.iter().filter(|job| job["state"] == state).count();
    assert_eq!((ended("dead"), ended("succeeded")), (2, 3), "{jobs:?}");
    let shown = stage.sluice(&["breaker", "list", "--history"]);
    for word in [
        "open by breaker",
        "half open by breaker: one canary is tried",
        "closed by breaker: its canary went well",
    ] {
        assert!(shown.out.contains(word), "{word}: {}", shown.out);
    }
    let unknown = stage.sluice(&["breaker", "reset", "nothing", "--reason", "x"]);
    assert_eq!(unknown.code, 5, "{}", unknown.err);
    let books = assert_sound(stage, &settings, &[]);
    assert_eq!(books.notices.iter().filter(|notice| notice.kind == "breaker.opened").count(), 1);
}

#[test]
fn a_request_whose_retries_are_used_up_tells_so_instead_of_trying_on() {
    let settings = settings("[retries]\nper_request = 1\n");
    let fails = "outcome = \"failed\"\nleaves = \"nothing\"\nmessage = \"internal error, please retry\"";
    let mut stage = Stage::set(&scenario(&story("*", fails)), &settings);
    stage.open();
    let request = stage.submit("bump", &["a", "b"], &json!({}));
    let jobs = stage.ends();
    assert!(jobs.iter().all(|job| job["state"] == "dead"), "{jobs:?}");
    let attempts: u64 = jobs.iter().map(|job| job["attempts"].as_u64().unwrap()).sum();
    assert_eq!(attempts, 3, "one retry for both together");
    let told = stage.json(&["dead", "list"]).to_string();
    assert!(told.contains(&format!("retries/request/{request} is used up (1 of 1)")), "{told}");
    assert_sound(stage, &settings, &[]);
}

/// True if the task of an attempt was given the smaller scope.
fn smaller(stage: &Stage, attempt: &Value) -> bool {
    let path = format!("/agents/tasks/{}", attempt["task_id"].as_str().unwrap());
    let bearer = format!("Bearer {BOT_TOKEN}");
    let headers = [("authorization", bearer.as_str()), ("x-github-api-version", "2026-03-10")];
    let (status, body) = wire::exchange(&stage.simulator_url, "GET", &path, &headers, b"").unwrap();
    assert_eq!(status, 200, "{body}");
    body.contains("Raise it in Cargo.toml alone.")
}

#[test]
fn a_task_that_runs_out_of_time_is_tried_once_with_less_to_do() {
    let settings = settings("");
    let stories = [
        story("big", "attempt = 1\noutcome = \"timed_out\"\nleaves = \"nothing\""),
        story("huge", "outcome = \"timed_out\"\nleaves = \"nothing\""),
    ];
    let mut stage = Stage::set(&scenario(&stories.concat()), &settings);
    template(&stage, "careful", "[fallback]\nprompt = \"Raise it in Cargo.toml alone.\"\n");
    stage.open();
    stage.submit("careful", &["big", "huge"], &json!({}));
    let jobs = stage.ends();
    let of = |name: &str| jobs.iter().find(|job| job["repository"] == format!("acme/{name}")).unwrap();
    assert_eq!((&of("big")["state"], &of("big")["attempts"]), (&json!("succeeded"), &json!(2)), "{jobs:?}");
    assert_eq!((&of("huge")["state"], &of("huge")["attempts"]), (&json!("dead"), &json!(2)), "{jobs:?}");
    let letter = of("huge")["outcome"]["advice"].as_str().unwrap();
    assert!(letter.contains("the scope is too big for one session"), "{letter}");
    let huge = stage.json(&["show", id(of("huge"))]);
    let prompts: Vec<bool> =
        huge["attempts"].as_array().unwrap().iter().map(|attempt| smaller(&stage, attempt)).collect();
    assert_eq!(prompts, [false, true]);
    assert_sound(stage, &settings, &[]);
}
