//! A changed policy over what a daemon has decided, while it runs.

use serde_json::{Value, json};

use crate::{
    stage::{Settings, Stage, settings::BUMP},
    world::scenario,
};

fn replay(stage: &Stage, with: &str, more: &[&str]) -> (i32, String) {
    let with = stage.path(with).display().to_string();
    let ran = stage.sluice(&[&["policy", "replay", "--since", "2020-01-01", "--with", &with], more].concat());
    assert!(ran.err.is_empty(), "{}", ran.err);
    (ran.code, ran.out)
}

#[test]
fn a_changed_policy_is_replayed_while_the_daemon_runs_and_tells_what_would_differ() {
    let mut stage = Stage::set(&scenario(""), &Settings::default());
    stage.open();
    stage.submit("bump", &["api", "web"], &json!({}));
    stage.submit("branch", &["api"], &json!({}));
    // The policy in force, named as if it were another one.
    let (code, same) = replay(&stage, ".", &["--detailed-exitcode"]);
    assert_eq!(code, 0, "{same}");
    assert!(same.contains("3 decisions in 2 requests: 3 the same, 0 different, 0 cannot be told"), "{same}");

    stage.write("other/templates/bump/1.toml", BUMP.trim_start().replace("gpt-5.4", "gpt-9"));
    let (code, told) = replay(&stage, "other", &["--limit", "1"]);
    assert_eq!(code, 0, "{told}");
    for words in [
        "model gpt-5.4 -> gpt-9",
        "and 1 more difference",
        "0 the same, 2 different, 1 cannot be told",
        "2  another model",
        "1  template-gone: ",
        "2  template-changed: ",
        "other/templates",
    ] {
        assert!(told.contains(words), "{words}:\n{told}");
    }
    let (code, json) = replay(&stage, "other", &["--detailed-exitcode", "--json"]);
    assert_eq!(code, 10, "{json}");
    let answer: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(answer["tally"]["differs"], 2, "{answer}");
    let decisions = answer["decisions"].as_array().unwrap();
    assert_eq!(decisions.len(), 3, "the same ones are only counted: {answer}");
    let one = decisions.iter().find(|one| one["repository"] == "acme/web").unwrap();
    assert_eq!((&one["verdict"], &one["changed"]), (&json!("differs"), &json!(["model"])));
    assert_eq!((&one["was"]["model"], &one["is"]["model"]), (&json!("gpt-5.4"), &json!("gpt-9")));

    // Nothing lies behind this day.
    let until = ["--until", "2020-01-01", "--json"];
    let none: Value = serde_json::from_str(&replay(&stage, "other", &until).1).unwrap();
    assert_eq!((&none["tally"]["requests"], &none["decisions"]), (&json!(0), &json!([])));
    stage.ends();
    assert!(stage.close().success());
    assert_eq!(
        replay(&stage, ".", &["--detailed-exitcode"]).0,
        0,
        "also without a daemon, and after everything ended"
    );
    stage.write("empty/x", "");
    let ran = stage.sluice(&[
        "policy",
        "replay",
        "--since",
        "2020-01-01",
        "--with",
        &stage.path("empty").display().to_string(),
    ]);
    assert_eq!(ran.code, 3, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("neither `sluice.toml` nor"), "{}", ran.err);
}
