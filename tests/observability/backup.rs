//! A ledger is copied while a daemon writes to it, restored elsewhere, and is whole.

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::json;

use crate::{
    stage::{Settings, Stage},
    support::Postgres,
    tools::root,
    world::scenario,
};

fn script(name: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(root().join("ops").join(name));
    command.args(arguments).env("SLUICE", env!("CARGO_BIN_EXE_sluice")).output().unwrap()
}

fn done(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

/// What `audit verify` says of a ledger, without a daemon.
fn entries(ledger: &str) -> i64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    let output = command.args(["audit", "verify", "--json", "--ledger", ledger]).output().unwrap();
    let verified: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success() && verified["broken"].is_null(), "{verified}");
    verified["entries"].as_i64().unwrap()
}

/// Copies the ledger of a daemon at work, lets it go on, and restores the copy; then tries to restore it again.
fn back_and_forth(settings: &Settings, ledger: impl Fn(&Path) -> String, restored: impl Fn(&Path) -> String) {
    let mut stage = Stage::set(&scenario(""), settings);
    stage.open();
    stage.submit("branch", &["api", "web"], &json!({}));
    stage.ends();
    let folder = stage.path("copies");
    let from = ledger(stage.folder.path());
    let copy = done(&script("backup", &[&from, &folder.display().to_string()]));
    stage.submit("branch", &["late"], &json!({}));
    stage.ends();
    assert!(stage.close().success());
    let target = restored(stage.folder.path());
    done(&script("restore", &[&copy, &target]));
    assert!((10..entries(&from)).contains(&entries(&target)), "the copy is older than what went on");
    let again = script("restore", &[&copy, &target]);
    assert!(!again.status.success(), "a ledger that is there must not be overwritten");
}

#[test]
fn a_sqlite_ledger_in_use_is_copied_and_restored() {
    let at = |folder: &Path, name: &str| format!("sqlite:{}", folder.join(name).display());
    back_and_forth(
        &Settings::default(),
        |folder| at(folder, "ledger.db"),
        |folder| at(folder, "restored.db"),
    );
}

#[test]
fn a_postgresql_ledger_in_use_is_copied_and_restored() {
    let postgres = Postgres::shared();
    let (from, to) = (postgres.database(), postgres.database());
    let settings = Settings { ledger: Some(from.clone()), ..Settings::default() };
    back_and_forth(&settings, |_| from.clone(), |_| to.clone());
}

#[test]
fn a_copy_that_was_changed_is_not_restored() {
    let mut stage = Stage::set(&scenario(""), &Settings::default());
    stage.open();
    assert!(stage.close().success());
    let ledger = format!("sqlite:{}", stage.path("ledger.db").display());
    let copy = done(&script("backup", &[&ledger, &stage.path("copies").display().to_string()]));
    let mut bytes = std::fs::read(&copy).unwrap();
    let place = bytes.windows(17).position(|window| window == b"worker.registered").unwrap();
    bytes[place] = b'W';
    std::fs::write(&copy, bytes).unwrap();
    let target = format!("sqlite:{}", stage.path("restored.db").display());
    let output = script("restore", &[&copy, &target]);
    assert!(!output.status.success() && !stage.path("restored.db").exists());
}
