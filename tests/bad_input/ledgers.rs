//! Ledgers that a daemon does not open, and that are as they were afterwards.

use std::fs;

use serde_json::json;
use sqlx::Connection as _;

use crate::{
    stage::{HOOK_SECRET, Ran, Stage},
    table::{FAILED, assert_told, counts, scenario, still},
};

/// A ledger with one request of two jobs, and nobody who uses it.
fn left() -> (Stage, (usize, usize)) {
    let mut stage = Stage::set(&scenario(""), &still());
    stage.open();
    stage.submit("bump", &["api", "web"], &json!({}));
    let (requests, jobs, _) = counts(&stage);
    assert!(stage.close().success());
    (stage, (requests, jobs))
}

fn in_vain(stage: &Stage) -> Ran {
    stage.serve_in_vain(&[("SLUICE_TEST_HOOK", HOOK_SECRET)])
}

/// The same from a look at it that changes nothing.
fn looked_at(stage: &Stage, parts: &[&str]) {
    let url = format!("sqlite:{}", stage.path("ledger.db").display());
    assert_told("audit", &stage.sluice(&["audit", "verify", "--ledger", &url]), FAILED, parts);
}

/// Changes the ledger behind the program's back.
fn meddle(stage: &Stage, sql: &'static str) {
    let url = format!("sqlite:{}", stage.path("ledger.db").display());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut store = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut store).await.unwrap();
        store.close().await.unwrap();
    });
}

fn assert_whole(stage: &mut Stage, before: (usize, usize)) {
    stage.open();
    let (requests, jobs, _) = counts(stage);
    assert_eq!((requests, jobs), before);
    assert_eq!(stage.ask("/v1/invariants"), json!({"broken": []}));
}

#[test]
fn a_ledger_of_a_newer_version_is_left_alone() {
    let (mut stage, before) = left();
    meddle(
        &stage,
        "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) \
         VALUES (99, 'later', '2027-01-01', 1, x'00', 1)",
    );
    let parts = [
        "written by a newer Sluicegate (its migration 99 is unknown here)",
        "upgrade this program",
        "backup",
    ];
    assert_told("newer", &in_vain(&stage), FAILED, &parts);
    looked_at(&stage, &parts);
    meddle(&stage, "DELETE FROM _sqlx_migrations WHERE version = 99");
    assert_whole(&mut stage, before);
}

#[test]
fn a_clock_behind_the_ledger_stops_the_start() {
    let (mut stage, before) = left();
    meddle(&stage, "UPDATE head SET at = at + 3600000");
    let parts = [
        "this machine's clock (20",
        "is behind the ledger's last entry (20",
        "set the clock right, then start again",
    ];
    assert_told("clock", &in_vain(&stage), FAILED, &parts);
    meddle(&stage, "UPDATE head SET at = at - 3600000");
    assert_whole(&mut stage, before);
}

#[test]
fn a_ledger_that_cannot_be_read_is_left_alone() {
    let (mut stage, before) = left();
    let path = stage.path("ledger.db");
    let good = fs::read(&path).unwrap();
    let garbage = b"This is not a ledger at all. ".repeat(400);
    fs::write(&path, &garbage).unwrap();
    let parts = ["the ledger cannot be opened", "ledger.db", "file is not a database", "restore a backup"];
    assert_told("no database", &in_vain(&stage), FAILED, &parts);
    looked_at(&stage, &parts);
    assert_eq!(fs::read(&path).unwrap(), garbage);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let parts = ["the ledger cannot be opened", "ledger.db", "check where it is and who may read it"];
    assert_told("a folder", &in_vain(&stage), FAILED, &parts);
    fs::remove_dir(&path).unwrap();
    looked_at(&stage, &["unable to open database file", "check where it is"]);
    assert!(!path.exists(), "looking made a ledger");
    fs::write(&path, good).unwrap();
    assert_whole(&mut stage, before);
}

#[test]
fn a_history_that_was_changed_is_told() {
    let (mut stage, _) = left();
    meddle(
        &stage,
        "DROP TRIGGER entries_no_update; UPDATE entries SET actor = 'mallory' WHERE kind = 'request.accepted'",
    );
    let url = format!("sqlite:{}", stage.path("ledger.db").display());
    let ran = stage.sluice(&["audit", "verify", "--ledger", &url]);
    assert!(
        ran.code == FAILED && ran.out.contains("broken: ") && ran.out.contains("entries before it are good"),
        "{ran:?}"
    );
    stage.open();
    let broken = stage.ask("/v1/audit/verify");
    assert!(broken["broken"].is_string(), "{broken}");
}

#[test]
fn a_second_daemon_on_the_same_ledger_goes_away_and_the_first_goes_on() {
    let mut stage = Stage::set(&scenario(""), &still());
    stage.open();
    stage.submit("bump", &["api"], &json!({}));
    let before = counts(&stage);
    let parts = [
        "another process is using the ledger",
        "ledger.db",
        "stop it first, or give this one a ledger of its own",
    ];
    assert_told("a second daemon", &in_vain(&stage), FAILED, &parts);
    assert_eq!(counts(&stage), before);
    let address = fs::read_to_string(stage.path("token.url")).unwrap();
    let port = address.trim().rsplit(':').next().unwrap();
    let config = fs::read_to_string(stage.path("sluice.toml")).unwrap();
    stage.write("sluice.toml", config.replace("127.0.0.1:0", &format!("127.0.0.1:{port}")));
    let parts = ["listening on 127.0.0.1:", "Address already in use", "change [http] listen"];
    assert_told("an address in use", &in_vain(&stage), FAILED, &parts);
    assert_eq!(counts(&stage), before);
}

#[test]
fn a_token_file_that_holds_nothing_useful_is_told() {
    let (mut stage, before) = left();
    stage.write("token", "aB3dE5gH7jK9mN1pQ3sT5\n");
    let parts = ["token holds no token of at least 22 characters", "remove it, and a new one is made"];
    assert_told("no token", &in_vain(&stage), FAILED, &parts);
    fs::remove_file(stage.path("token")).unwrap();
    assert_whole(&mut stage, before);
}
