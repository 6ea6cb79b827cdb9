//! The log of a real daemon as a machine reads it: the whole way of one job is found by its id.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    stage::{Settings, Stage},
    world::{create_fault, scenario},
};

#[test]
fn every_line_about_a_job_carries_the_same_ids() {
    let lost = create_fault("api", "drop = true");
    let mut stage = Stage::set(&scenario(&lost), &Settings::default());
    let text = std::fs::read_to_string(stage.path("sluice.toml")).unwrap();
    stage.write("sluice.toml", text.replace("[log]", "[log]\nformat = \"json\""));
    stage.open();
    let request = stage.submit("branch", &["api", "web"], &json!({}));
    let jobs = stage.ends();
    let log = stage.daemon().log();
    assert!(stage.close().success());
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let job = jobs.iter().find(|job| job["repository"] == "acme/api").unwrap()["id"].clone();
    let about: Vec<&Value> = lines.iter().filter(|line| line["job"] == job).collect();
    assert!(about.iter().all(|line| line["request"] == request.as_str()), "{about:#?}");
    assert!(about.iter().all(|line| line["identity"] == "bot"), "{about:#?}");
    let moves: Vec<&str> = about
        .iter()
        .filter(|line| line["message"] == "a job has moved")
        .map(|line| line["to"].as_str().unwrap())
        .collect();
    assert_eq!(moves.first(), Some(&"starting"), "{moves:?}");
    assert_eq!(moves.last(), Some(&"succeeded"), "{moves:?}");
    // The step that could not start it says so under the same names.
    let warned = about.iter().find(|line| line["message"] == "a start did not succeed").unwrap();
    assert_eq!((&warned["step"], &warned["level"]), (&json!("start"), &json!("WARN")), "{warned}");
    let attempts: BTreeSet<&str> = about.iter().filter_map(|line| line["attempt"].as_str()).collect();
    assert!(attempts.contains(warned["attempt"].as_str().unwrap()), "{attempts:?}");
    assert!(lines.iter().all(|line| line["timestamp"].is_string() && line["target"].is_string()));
}
