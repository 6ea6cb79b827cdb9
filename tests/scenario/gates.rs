//! Pausing, draining, and what the provider or the token closes: while it lasts nothing is created, and nothing is lost.

use serde_json::{Value, json};
use sluicegate::clock::{Clock, SystemClock};

use crate::{
    aftermath::assert_sound,
    oracle::created_ms,
    stage::{Settings, Stage, eventually, id},
    world::{create_fault, scenario, slow_creates, story},
};

/// So many that some are on their way whenever somebody intervenes.
const NAMES: [&str; 16] =
    ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8"];

fn wide_open() -> Settings {
    Settings { slots: 6, reviewers: vec![("ana", 20)], starts_in_flight: 3, ..Settings::default() }
}

fn in_state(stage: &Stage, state: &str) -> Vec<Value> {
    stage.jobs().into_iter().filter(|job| job["state"] == state).collect()
}

#[test]
fn after_an_acknowledged_pause_nothing_is_created_until_it_is_resumed() {
    let settings = wide_open();
    let mut stage = Stage::set(&scenario(&slow_creates(250)), &settings);
    stage.open();
    stage.json(&["pause", "repository", "acme/a1", "--reason", "incident 41"]);
    stage.submit("bump", &NAMES, &json!({}));
    let own = stage.job("a1");
    assert_eq!(own["wait"]["reason"], "closed", "{own}");
    eventually("starts on their way", || (created_ms(&stage).len() >= 3).then_some(()));
    let closed = stage.json(&["pause", "global", "--reason", "incident 42", "--actor", "ana"]);
    let acknowledged = SystemClock.now().0;
    assert_eq!(closed["closure"]["reason"], "incident 42");
    let created = created_ms(&stage).len();
    assert!(created < NAMES.len() - 1, "everything was created before the pause: {created}");
    // What runs goes on to its end; what waits says why.
    eventually("the end of what ran", || {
        let moving =
            stage.jobs().iter().filter(|job| !crate::stage::is_end(job) && job["state"] != "queued").count();
        (moving == 0).then_some(())
    });
    assert!(created_ms(&stage).iter().all(|at| *at <= acknowledged), "I12 created after the pause");
    assert_eq!(created_ms(&stage).len(), created);
    for job in in_state(&stage, "queued") {
        let why = stage.json(&["why", id(&job)]);
        assert_eq!(why["wait"]["reason"], "closed", "{why}");
        assert!(why["wait"]["text"].as_str().unwrap().contains("incident 4"), "{why}");
    }
    stage.json(&["resume", "global", "--reason", "over"]);
    eventually("all but the one that stays paused", || {
        (in_state(&stage, "succeeded").len() == NAMES.len() - 1).then_some(())
    });
    assert_eq!(stage.job("a1")["state"], "queued");
    stage.json(&["resume", "repository", "acme/a1", "--reason", "over"]);
    stage.ends();
    let books = assert_sound(stage, &settings, &[]);
    assert!(
        books.attempts.values().flatten().all(|attempt| attempt.counted == 1 || attempt.task_id.is_none())
    );
}

#[test]
fn a_daemon_that_is_told_to_stop_answers_for_every_start_and_goes_on_after_the_restart() {
    let settings = wide_open();
    let mut stage = Stage::set(&scenario(&slow_creates(200)), &settings);
    stage.open();
    stage.submit("bump", &NAMES, &json!({}));
    eventually("starts on their way", || (created_ms(&stage).len() >= 2).then_some(()));
    assert_eq!(stage.sluice(&["health"]).code, 0);
    assert!(stage.close().success());
    let stopped = SystemClock.now().0;
    assert_eq!(stage.sluice(&["health"]).code, 1, "its life is over");
    let created = created_ms(&stage);
    assert!(created.iter().all(|at| *at <= stopped) && created.len() < NAMES.len(), "{created:?}");
    stage.open();
    assert!(in_state(&stage, "start_unknown").is_empty(), "a start was left without an answer");
    let jobs = stage.ends();
    assert!(jobs.iter().all(|job| job["state"] == "succeeded" && job["attempts"] == 1), "{jobs:?}");
    assert_eq!(created_ms(&stage).len(), NAMES.len());
    assert_sound(stage, &settings, &[]);
}

#[test]
fn a_start_that_the_provider_limits_uses_up_no_attempt() {
    let limits = [
        create_fault("api", "status = 403\nsecondary = true\nretry_after_s = 1"),
        create_fault("api", "status = 429\nsecondary = true\nretry_after_s = 1"),
    ];
    let mut stage = Stage::set(&scenario(&limits.join("\n")), &Settings::default());
    stage.write(
        "templates/once/1.toml",
        crate::stage::settings::BUMP.replace("\"bump\"", "\"once\"").replace("= 3", "= 1"),
    );
    stage.open();
    stage.submit("once", &["api"], &json!({}));
    eventually("the closed gate", || {
        let budgets = stage.json(&["budgets"]);
        let gates = budgets["budgets"].as_array().unwrap();
        gates.iter().any(|gate| gate["key"] == "gate/identity/bot").then_some(())
    });
    let jobs = stage.ends();
    assert_eq!(
        (&jobs[0]["state"], &jobs[0]["attempts"]),
        (&json!("succeeded"), &json!(1)),
        "I11 {}",
        jobs[0]
    );
    let books = assert_sound(stage, &Settings::default(), &[]);
    let counted: Vec<u8> = books.attempts_of("api").iter().map(|attempt| attempt.counted).collect();
    assert!(counted.len() >= 2 && counted.iter().map(|n| u32::from(*n)).sum::<u32>() == 1, "{counted:?}");
}

#[test]
fn a_refused_token_closes_the_gate_of_its_identity_until_it_is_renewed() {
    let mut stage = Stage::set(&scenario(""), &Settings::default());
    stage.write("bot-token", "ghp_PlantedAndRefused0123456789\n");
    stage.open();
    stage.submit("bump", &["api", "web"], &json!({}));
    let why = eventually("a reason that names the token", || {
        let why = stage.json(&["why", id(&stage.job("api"))]);
        (why["wait"]["budget"]["key"] == "gate/identity/bot").then_some(why)
    });
    let told = why["wait"]["text"].as_str().unwrap();
    assert!(told.contains("refuses the token of bot") && why["wait"]["clears_at"].is_i64(), "{told}");
    let notices = stage.ask("/v1/notices");
    assert_eq!(notices["notices"][0]["kind"], "identity.refused", "{notices}");
    // Renewed, and started again.
    stage.write("bot-token", crate::stage::BOT_TOKEN);
    assert!(stage.close().success());
    stage.open();
    stage.json(&["resume", "identity", "bot", "--reason", "the token was renewed"]);
    let jobs = stage.ends();
    assert!(jobs.iter().all(|job| job["state"] == "succeeded" && job["attempts"] == 1), "I11 {jobs:?}");
    assert!(!stage.everything_said().contains("ghp_PlantedAndRefused"));
    let books = assert_sound(stage, &Settings::default(), &[]);
    assert_eq!(books.notices.iter().filter(|notice| notice.kind == "identity.refused").count(), 1);
}

#[test]
fn under_the_kill_switch_nothing_is_written_at_the_provider_and_what_runs_is_still_followed() {
    let settings = wide_open();
    // Long enough that the switch is thrown while the agent works.
    let mut stage = Stage::set(&scenario(&story("*", "run_ms = [1500, 1600]")), &settings);
    stage.open();
    stage.submit("bump", &["api", "web", "pay"], &json!({}));
    eventually("work", || (in_state(&stage, "running").len() == 3).then_some(()));
    stage.json(&["kill-switch", "on", "--reason", "runs wild", "--actor", "ben"]);
    stage.submit("bump", &["late"], &json!({}));
    eventually("results that are not handed over", || {
        let told =
            |job: &Value| job["wait"]["text"].as_str().is_some_and(|text| text.contains("not handed over"));
        let held = in_state(&stage, "verifying");
        (held.len() == 3 && held.iter().all(told)).then_some(())
    });
    // The pause of everything is another gate: opening it lifts nothing.
    stage.json(&["resume", "global", "--reason", "a mistake"]);
    let late = stage.job("late");
    assert_eq!(late["wait"]["reason"], "kill_switch", "{late}");
    assert!(stage.sluice(&["jobs"]).out.contains("THE KILL SWITCH IS ON: runs wild (thrown by ben"));
    let doctor = stage.sluice(&["doctor"]);
    assert!(doctor.out.starts_with("warn  kill-switch on since"), "{}", doctor.out);
    let calls = stage.control("requests")["counts"].clone();
    let writes =
        |call: &&Value| call["method"] != "GET" && !call["route"].as_str().unwrap().ends_with("/tasks");
    let written: Vec<&Value> = calls.as_array().unwrap().iter().filter(writes).collect();
    assert!(written.is_empty(), "{written:?}");
    assert_eq!(created_ms(&stage).len(), 3);
    stage.json(&["kill-switch", "off", "--reason", "mended"]);
    let jobs = stage.ends();
    assert!(jobs.iter().all(|job| job["state"] == "succeeded"), "{jobs:?}");
    assert_sound(stage, &settings, &[]);
}

#[test]
fn a_drain_waits_for_what_the_agent_works_on_and_leaves_the_gate_closed() {
    let settings = wide_open();
    let mut stage = Stage::set(&scenario(&story("long", "run_ms = [4000, 4100]")), &settings);
    stage.open();
    stage.submit("bump", &["long", "other"], &json!({}));
    eventually("work", || (!in_state(&stage, "running").is_empty()).then_some(()));
    let line = ["drain", "global", "--reason", "upgrade"];
    let left = stage.sluice(&[&line[..], &["--no-wait", "--json"]].concat());
    assert_eq!(left.code, 0, "{}", left.err);
    let seen: Value = serde_json::from_str(&left.out).unwrap();
    assert_eq!((&seen["drained"], &seen["closure"]["reason"]), (&json!(false), &json!("drain: upgrade")));
    let late = stage.sluice(&[&line[..], &["--timeout", "1s"]].concat());
    assert_eq!(late.code, 9, "{}{}", late.out, late.err);
    assert!(late.err.contains("stays closed; `sluice resume global --reason TEXT`"), "{}", late.err);
    stage.submit("bump", &["late"], &json!({}));
    let done = stage.sluice(&line);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    assert!(done.out.contains("acme/long  running") && done.out.contains("drained: nothing"), "{}", done.out);
    let moving = ["starting", "start_unknown", "running", "verifying"];
    assert!(stage.jobs().iter().all(|job| moving.iter().all(|state| job["state"] != *state)));
    assert_eq!(stage.job("late")["wait"]["reason"], "closed");
    assert!(stage.sluice(&["gates"]).out.contains("drain: upgrade"));
    stage.json(&["resume", "global", "--reason", "upgraded"]);
    stage.ends();
    assert_sound(stage, &settings, &[]);
}
