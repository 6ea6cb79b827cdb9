//! Pausing, draining, and what the provider or the token closes: while it lasts nothing is created, and nothing is lost.

use serde_json::{Value, json};
use sluicegate::clock::{Clock, SystemClock};

use crate::{
    aftermath::assert_sound,
    oracle::created_ms,
    stage::{Settings, Stage, eventually, id},
    world::{create_fault, scenario, slow_creates},
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
    assert!(stage.close().success());
    let stopped = SystemClock.now().0;
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
