//! Dead letters, and requests that are handed in twice.

use serde_json::{Value, json};

use crate::{
    aftermath::assert_sound,
    stage::{Settings, Stage, id},
    world::{scenario, story},
};

fn listed(stage: &Stage, line: &[&str]) -> Vec<String> {
    let list = stage.json(&[&["dead", "list"], line].concat());
    list["jobs"].as_array().unwrap().iter().map(|job| id(job).to_owned()).collect()
}

#[test]
fn a_dead_letter_is_retried_once_however_often_it_is_asked_for_and_is_never_lost() {
    let fails =
        "attempt = 1\noutcome = \"failed\"\nleaves = \"nothing\"\nmessage = \"tests failed: 3 of 214\"";
    let mut stage = Stage::set(&scenario(&story("{again,never}", fails)), &Settings::default());
    stage.open();
    stage.submit("bump", &["again", "never", "well"], &json!({}));
    stage.ends();
    let (again, never) = (stage.job("again"), stage.job("never"));
    assert_eq!(listed(&stage, &[]), [id(&again), id(&never)]);
    let first = stage.json(&["dead", "retry", id(&again), "--reason", "the tests are mended"]);
    let second = stage.json(&["dead", "retry", id(&again), "--reason", "once more"]);
    assert_eq!((&first["already"], &second["already"]), (&json!(false), &json!(true)));
    assert_eq!(first["job"], second["job"], "I14");
    for _ in 0..2 {
        let discarded = stage.json(&["dead", "discard", id(&never), "--reason", "not worth it"]);
        assert_eq!((&discarded["state"], &discarded["discarded"]), (&json!("dead"), &json!(true)));
    }
    let refused = stage.sluice(&["dead", "retry", id(&never), "--reason", "after all"]);
    assert!(refused.code == 4 && refused.err.contains("was discarded"), "{refused:?}");
    assert_eq!(stage.reaches("again", "succeeded")["replay_of"], again["id"]);
    let letter = stage.json(&["dead", "show", id(&again)]);
    assert_eq!(letter["job"]["outcome"], again["outcome"], "I14 the letter has changed");
    assert_eq!(listed(&stage, &["--all"]), [id(&again), id(&never)], "I14");
    let books = assert_sound(stage, &Settings::default(), &[]);
    assert_eq!(books.jobs.len(), 4);
}

#[test]
fn a_request_that_is_handed_in_again_is_the_same_request() {
    let mut stage = Stage::set(&scenario(""), &Settings::default());
    stage.open();
    let key = json!({"idempotency_key": "nightly-7"});
    let first = stage.submit("bump", &["api", "web"], &key);
    let file = stage.path("request-bump.json").display().to_string();
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..4).map(|_| scope.spawn(|| stage.json(&["submit", &file]))).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(
        answers.iter().all(|answer| answer["request"] == first.as_str() && answer["replayed"] == true),
        "{answers:?}"
    );
    let other = std::fs::read_to_string(&file).unwrap().replace("serde", "tokio");
    stage.write("other.json", other);
    let refused = stage.sluice(&["submit", &stage.path("other.json").display().to_string()]);
    assert!(
        refused.code == 4 && refused.err.contains("nightly-7") && refused.err.contains("use a new key"),
        "{refused:?}"
    );
    assert_eq!((stage.ends().len(), stage.ask("/v1/requests")["requests"].as_array().unwrap().len()), (2, 1));
    // Also when everything has ended and the daemon has been away.
    assert!(stage.close().success());
    stage.open();
    assert_eq!(stage.submit("bump", &["api", "web"], &key), first);
    let books = assert_sound(stage, &Settings::default(), &[]);
    assert_eq!(books.jobs.len(), 2);
}
