//! Waves that are proven by green checks, and what people do to waves on the command line.

use serde_json::{Value, json};

use crate::{
    aftermath::assert_sound,
    stage::{Settings, Stage, eventually, id},
    world::{scenario, story},
};

const PEOPLE: &str = "[[person]]\nlogin = \"ben\"\n[[person]]\nlogin = \"carla\"\n";

fn settings() -> Settings {
    Settings { slots: 6, reviewers: vec![("ana", 20)], more: PEOPLE.to_owned(), ..Settings::default() }
}

/// The waves of a request when they wait for something that is told with this text.
fn waiting(stage: &Stage, request: &str, text: &str) -> Value {
    eventually(&format!("waves that wait for {text}"), || {
        let view = stage.json(&["wave", "show", request]);
        view["waits_for"].as_str().unwrap().contains(text).then_some(view)
    })
}

/// The one job of a wave.
fn only(stage: &Stage, request: &str, wave: u64) -> Value {
    let jobs = stage.jobs();
    let mut of = jobs.into_iter().filter(|job| job["request"] == request && job["wave"] == wave);
    of.next().unwrap_or_else(|| panic!("no job in wave {wave}"))
}

fn merge(stage: &Stage, repository: &str) {
    let pulls = stage.control("pulls").as_array().unwrap().clone();
    let pull = pulls.iter().find(|pull| pull["repository"] == repository).unwrap();
    stage.direct(&format!("pulls/{repository}/{}/merge", pull["number"]), &json!({}));
}

#[test]
fn green_checks_prove_a_wave_whose_changes_nobody_has_merged_and_red_ones_do_not() {
    let settings = settings();
    let red = "review = \"left_open\"\nchecks = [{ name = \"ci\", conclusion = \"failure\" }]";
    let stories = [story("green*", "review = \"left_open\""), story("red*", red)];
    let mut stage = Stage::set(&scenario(&stories.concat()), &settings);
    stage.open();
    let waves = json!({ "waves": { "sizes": ["1", "rest"], "proven": { "by": "green" } } });
    let green = stage.submit("bump", &["green1", "green2"], &waves);
    let red = stage.submit("bump", &["red1", "red2"], &waves);
    for wave in [1, 2] {
        eventually(&format!("wave {wave} in review"), || {
            (only(&stage, &green, wave)["state"] == "in_review").then_some(())
        });
    }
    assert_eq!(stage.json(&["wave", "show", &green])["waves"][0]["good"], 1);
    let first = only(&stage, &red, 1);
    eventually("red checks that were seen", || {
        let history = stage.json(&["show", id(&first)])["history"].as_array().unwrap().clone();
        history
            .iter()
            .any(|entry| entry["kind"] == "job.checks_seen" && entry.to_string().contains("red"))
            .then_some(())
    });
    let view = waiting(&stage, &red, "0 of 1 that prove it have green checks");
    assert_eq!((&view["opened"], &only(&stage, &red, 2)["state"]), (&json!(1), &json!("held")), "{view}");
    let why = stage.json(&["why", id(&only(&stage, &red, 2))]);
    assert!(why["wait"]["text"].as_str().unwrap().contains("have green checks"), "{why}");
    // A person who merges it all the same has judged it.
    merge(&stage, first["repository"].as_str().unwrap());
    eventually("the second wave", || (only(&stage, &red, 2)["state"] == "in_review").then_some(()));
    for job in stage.jobs().iter().filter(|job| job["state"] == "in_review") {
        merge(&stage, job["repository"].as_str().unwrap());
    }
    stage.ends();
    for request in [&green, &red] {
        waiting(&stage, request, "every job of every wave has ended");
    }
    assert_sound(stage, &settings, &[]);
}

#[test]
fn waves_that_a_person_holds_open_nothing_until_somebody_else_approves_and_an_abort_ends_them() {
    let settings = settings();
    let mut stage = Stage::set(&scenario(""), &settings);
    stage.open();
    let waves = json!({ "waves": { "sizes": ["1", "1", "rest"] }, "hold": true });
    let request = stage.submit("bump", &["a", "b", "c", "d"], &waves);
    let hold = ["wave", "hold", &request, "--reason", "release freeze next door", "--actor", "olga"];
    // Said twice it is said once.
    for _ in 0..2 {
        assert_eq!(stage.json(&hold)["state"], "paused");
    }
    stage.json(&["approve", "--request", &request, "--actor", "ben", "--reason", "the whole plan"]);
    let view = waiting(&stage, &request, "held by olga (release freeze next door)");
    assert_eq!(view["opened"], 1);
    eventually("the end of the canary", || (only(&stage, &request, 1)["state"] == "succeeded").then_some(()));
    let view =
        waiting(&stage, &request, "held by olga (release freeze next door); it is paused; 0 of 1 approvals");
    assert_eq!((&view["opened"], &view["waves"][0]["good"]), (&json!(1), &json!(1)), "{view}");
    let approve =
        |who: &str| stage.sluice(&["wave", "approve", &request, "--actor", who, "--reason", "go on"]);
    let own = approve("carla");
    assert!(own.code == 4 && own.err.contains("somebody else must"), "{own:?}");
    assert_eq!(approve("ben").code, 0);
    eventually("the second wave", || (stage.json(&["wave", "show", &request])["opened"] == 2).then_some(()));
    let aborted = stage.sluice(&["wave", "abort", &request, "--reason", "wrong idea", "--actor", "carla"]);
    assert!(aborted.out.contains("nothing: ended by carla (wrong idea)"), "{aborted:?}");
    let late = stage.sluice(&hold);
    assert!(
        late.code == 4 && late.err.contains("no wave of request") && late.err.contains("is left to open"),
        "{late:?}"
    );
    let ended: Vec<(u64, String)> = stage
        .ends()
        .iter()
        .map(|job| (job["wave"].as_u64().unwrap(), job["state"].as_str().unwrap().to_owned()))
        .collect();
    let third = ended.iter().filter(|(wave, _)| *wave == 3);
    assert!(third.clone().count() == 2 && third.clone().all(|(_, state)| state == "cancelled"), "{ended:?}");
    assert_eq!(ended.iter().filter(|(_, state)| state == "succeeded").count(), 2, "{ended:?}");
    let books = assert_sound(stage, &settings, &[]);
    let told = |kind: &str| books.entries.iter().filter(|entry| entry.kind == kind).count();
    assert_eq!((told("wave.held"), told("wave.opened"), told("wave.aborted")), (1, 2, 1));
    let held = books.entries.iter().find(|entry| entry.kind == "wave.held").unwrap();
    assert!(held.actor == "olga" && held.body_json.contains("release freeze next door"), "{held:?}");
}
