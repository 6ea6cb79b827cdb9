//! Freezes through the daemon: nothing is created and no pull request is moved on while one is in force.

use serde_json::json;
use sluicegate::clock::{Clock, SystemClock};

use crate::{
    aftermath::assert_sound,
    oracle::created_ms,
    stage::{Settings, Stage, eventually, id},
    world::{scenario, slow_creates},
};

const NAMES: [&str; 8] = ["a1", "a2", "a3", "a4", "b1", "b2", "b3", "b4"];

fn queued(stage: &Stage) -> usize {
    stage.jobs().iter().filter(|job| job["state"] == "queued").count()
}

#[test]
fn after_an_acknowledged_freeze_nothing_is_created_but_what_is_exempt() {
    let settings = Settings { slots: 2, reviewers: vec![("ana", 20)], ..Settings::default() };
    let mut stage = Stage::set(&scenario(&slow_creates(200)), &settings);
    stage.open();
    let glob = ["freeze", "add", "b-side", "--now", "--scope", "repository:acme/b*", "--reason", "audit"];
    stage.json(&glob);
    stage.submit("bump", &NAMES, &json!({}));
    eventually("a start", || (!created_ms(&stage).is_empty()).then_some(()));
    let frozen = stage.json(&["freeze", "add", "--now", "--reason", "incident 42", "--actor", "olga"]);
    let acknowledged = SystemClock.now().0;
    assert_eq!((&frozen["name"], &frozen["in_force"]), (&json!("emergency"), &json!(true)));
    let created = created_ms(&stage).len();
    assert!(created < 4, "everything was created before the freeze: {created}");
    // What is worked on is done, and not handed over: labels and reviewers wait too.
    eventually("the end of what ran", || {
        let moving =
            stage.jobs().iter().filter(|job| job["state"] == "running" || job["state"] == "starting").count();
        (moving == 0).then_some(())
    });
    assert!(created_ms(&stage).iter().all(|at| *at <= acknowledged), "created in a freeze");
    let held: Vec<_> = stage.jobs().into_iter().filter(|job| job["state"] == "verifying").collect();
    assert!(!held.is_empty(), "{:?}", stage.jobs());
    eventually("the reason of a result that waits", || {
        let why = stage.json(&["why", id(&held[0])]);
        why["wait"]["text"].as_str().is_some_and(|text| text.contains("incident 42")).then_some(())
    });
    let waiting = stage.jobs().into_iter().find(|job| job["state"] == "queued").unwrap();
    let why = stage.json(&["why", id(&waiting)]);
    assert!(why["wait"]["text"].as_str().unwrap().contains("incident 42"), "{why}");
    let job = stage.job("b1");
    let exempt =
        ["freeze", "exempt", "--job", id(&job), "--until", "1h", "--reason", "hot fix", "--actor", "olga"];
    stage.json(&exempt);
    eventually("the exempt job's end", || (stage.job("b1")["state"] == "succeeded").then_some(()));
    assert_eq!(queued(&stage), NAMES.len() - created - 1);

    stage.json(&["freeze", "lift", "emergency", "--reason", "over"]);
    eventually("all but the other side", || (queued(&stage) == 3).then_some(()));
    let why = stage.json(&["why", id(&stage.job("b2"))]);
    assert!(why["wait"]["text"].as_str().unwrap().contains("audit"), "{why}");
    stage.json(&["freeze", "lift", "b-side", "--reason", "over"]);
    stage.ends();
    assert_sound(stage, &settings, &[]);
}

#[test]
fn a_freeze_of_the_file_holds_from_the_first_moment_and_over_a_restart() {
    let settings = Settings { policy: "freezes_file = \"freezes.toml\"".to_owned(), ..Settings::default() };
    let mut stage = Stage::set(&scenario(""), &settings);
    let always = "[[freeze]]\nname = \"nights\"\nreason = \"nobody is there\"\nscope = \"team:platform\"\n\
        [[freeze.entry]]\ncron = \"0 0 * * *\"\nfor = \"1d\"\n";
    stage.write("freezes.toml", always);
    stage.open();
    stage.submit("bump", &["a1"], &json!({}));
    eventually("the closed gate", || {
        let why = stage.json(&["why", id(&stage.job("a1"))]);
        why["wait"]["text"]
            .as_str()
            .is_some_and(|text| text.contains("freeze nights: nobody is there"))
            .then_some(())
    });
    assert!(stage.close().success());
    stage.open();
    let check = stage.json(&["freeze", "check", "acme/a1", "--team", "platform"]);
    assert_eq!(check["frozen"]["name"], "nights");
    assert!(created_ms(&stage).is_empty());
    // Lifted for the rest of its present time, by name.
    let lifted = stage.json(&["freeze", "lift", "nights", "--reason", "hot fix", "--actor", "olga"]);
    assert_eq!(lifted["freezes"][0]["lifted_by"], "olga");
    stage.ends();
    assert_sound(stage, &settings, &[]);
}
