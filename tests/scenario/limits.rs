//! Limits over time: overdrafts, late ends, windows that roll over, and who goes first.

use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    aftermath::{Books, assert_sound},
    stage::{Settings, Stage, eventually, id},
    world::{scenario, story},
};

/// Start and end of the task in a repository, by the simulator; the end is None while it lives.
fn life(stage: &Stage, name: &str) -> (i64, Option<i64>) {
    let tasks = stage.control("tasks");
    let full = format!("acme/{name}");
    let task = tasks.as_array().unwrap().iter().find(|task| task["repository"] == full.as_str());
    let task = task.unwrap_or_else(|| panic!("no task in {full}"));
    (task["created_ms"].as_i64().unwrap(), task["ended_ms"].as_i64())
}

/// Bodies of the history's entries of one kind about the job in a repository.
fn bodies(books: &Books, name: &str, kind: &str) -> Vec<serde_json::Value> {
    let job = Some(books.job(name).id);
    let entries = books.entries.iter().filter(|entry| entry.job_id == job && entry.kind == kind);
    entries.map(|entry| serde_json::from_str(&entry.body_json).unwrap()).collect()
}

#[test]
fn a_task_that_wakes_up_again_is_a_recorded_overdraft_and_new_starts_wait_until_it_is_worked_off() {
    let settings = Settings { slots: 1, ..Settings::default() };
    let stories = [
        story("woken", "outcome = \"reopened\"\nrun_ms = 800\nreopen_after_ms = 600\nreview_after_ms = 4000"),
        story("long", "run_ms = 2500"),
    ];
    let mut stage = Stage::set(&scenario(&stories.join("\n")), &settings);
    stage.open();
    stage.submit("bump", &["woken", "long", "third"], &json!({}));
    let over = eventually("an overdraft", || {
        let budgets = stage.ask("/v1/budgets");
        let slots = budgets["budgets"]
            .as_array()
            .unwrap()
            .iter()
            .find(|budget| budget["key"] == "slots/global")
            .cloned();
        slots.filter(|slots| slots["used"] == 2)
    });
    assert_eq!(over["limit"], 1);
    assert_eq!(stage.job("third")["wait"]["budget"]["key"], "slots/global");
    stage.ends();
    let (ends, third) = (life(&stage, "long").1.unwrap(), life(&stage, "third").0);
    assert!(third >= ends, "the third task was created {} ms too early", ends - third);
    let books = assert_sound(stage, &settings, &["woken"]);
    let resumed = &bodies(&books, "woken", "job.resumed")[0];
    assert_eq!(resumed["overdraft"], json!(["slots/global"]), "{resumed}");
}

#[test]
fn a_cancelled_job_keeps_its_slot_until_its_task_has_ended_and_its_late_result_is_left_alone() {
    let settings = Settings { slots: 1, ..Settings::default() };
    let mut stage = Stage::set(&scenario(&story("late", "run_ms = 2000\nreview = \"left_open\"")), &settings);
    stage.open();
    stage.submit("bump", &["late", "next"], &json!({}));
    let running = stage.reaches("late", "running");
    let cancelled =
        stage.json(&["cancel", id(&running), "--reason", "asked for by mistake", "--actor", "carla"]);
    assert_eq!(cancelled["state"], "cancelled");
    let why = stage.json(&["why", id(&stage.job("next"))]);
    assert_eq!(why["wait"]["budget"]["key"], "slots/global", "{why}");
    assert_eq!(
        (&why["holders"][0]["job"], &why["holders"][0]["state"]),
        (&running["id"], &json!("cancelled")),
        "{why}"
    );
    stage.ends();
    eventually("the late end", || (stage.ask("/v1/overview")["live_tasks"] == 0).then_some(()));
    assert!(life(&stage, "next").0 >= life(&stage, "late").1.unwrap());
    let pulls = stage.control("pulls");
    let late = pulls.as_array().unwrap().iter().find(|pull| pull["repository"] == "acme/late").unwrap();
    assert_eq!((&late["labels"], &late["reviewers"], &late["open"]), (&json!([]), &json!([]), &json!(true)));
    let books = assert_sound(stage, &settings, &[]);
    assert_eq!(books.notices_of("late", "job.late_result"), 1);
    assert!(books.told_of("late").contains(&"attempt.late_end") && books.job("late").pull_number.is_none());
}

#[test]
fn a_window_admits_again_when_it_rolls_over() {
    const PERIOD_MS: i64 = 2_000;
    let window =
        "[[budget]]\nname = \"starts\"\nkind = \"window\"\nper = \"global\"\nlimit = 3\nperiod = \"2s\"\n";
    let settings =
        Settings { slots: 10, reviewers: vec![("ana", 20)], more: window.to_owned(), ..Settings::default() };
    let mut stage = Stage::set(&scenario(""), &settings);
    stage.open();
    stage.submit("bump", &["a", "b", "c", "d", "e", "f", "g", "h"], &json!({}));
    let why = eventually("a wait for the window", || {
        let why = stage.json(&["why", id(&stage.job("h"))]);
        (why["wait"]["budget"]["key"] == "starts/global").then_some(why)
    });
    assert!(why["wait"]["clears_at"].as_i64().unwrap() > why["wait"]["since"].as_i64().unwrap(), "{why}");
    stage.ends();
    let books = assert_sound(stage, &settings, &[]);
    let mut taken: Vec<i64> = books
        .holds
        .iter()
        .filter(|hold| hold.budget_id.as_str() == "starts/global")
        .map(|hold| hold.taken_at.0)
        .collect();
    taken.sort_unstable();
    assert_eq!(taken.len(), 8);
    assert!(
        taken.windows(4).all(|four| four[3] - four[0] >= PERIOD_MS),
        "more than 3 in a period: {taken:?}"
    );
    // Nobody waits longer than the window asks for, housekeeping included.
    assert!(taken[7] - taken[0] < 3 * PERIOD_MS, "woken late: {taken:?}");
}

#[test]
fn a_small_request_is_not_stuck_behind_a_large_one() {
    let settings = Settings { slots: 16, ..Settings::default() };
    let mut stage = Stage::set(&scenario(&story("*", "run_ms = 80\nqueued_ms = 10")), &settings);
    stage.open();
    let names: Vec<String> = (0..200).map(|n| format!("large-{n}")).collect();
    let large = stage.submit("branch", &names.iter().map(String::as_str).collect::<Vec<_>>(), &json!({}));
    let small = stage.submit("branch", &["s1", "s2", "s3", "s4", "s5"], &json!({"requester": "dave"}));
    stage.ends();
    let books = assert_sound(stage, &settings, &[]);
    let request: BTreeMap<_, _> = books.jobs.iter().map(|job| (job.id, job.request_id.to_string())).collect();
    let accepted = books.entries.iter().rposition(|entry| entry.kind == "request.accepted").unwrap();
    let admitted = |entries: &[sluicegate::ledger::rows::EntryRow]| -> Vec<String> {
        let admissions = entries.iter().filter(|entry| entry.kind == "job.admitted");
        admissions.map(|entry| request[&entry.job_id.unwrap()].clone()).collect()
    };
    let (before, after) = (admitted(&books.entries[..accepted]), admitted(&books.entries[accepted..]));
    assert!(before.iter().all(|id| *id == large) && after.iter().filter(|id| **id == large).count() >= 100);
    let last = after.iter().rposition(|id| *id == small).unwrap();
    // Turn by turn, and what was already proposed.
    assert!(last < 2 * 5 + 16, "the last of five was admitted as number {last} after its request");
}
