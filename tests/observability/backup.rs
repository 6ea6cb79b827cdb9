//! A ledger is copied while a daemon writes to it, restored elsewhere, and is whole.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, chown},
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

/// Who has nothing.
const NOBODY: u32 = 65_534;

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
fn what_root_restores_belongs_to_whom_its_folder_belongs() {
    let mut stage = Stage::set(&scenario(""), &Settings::default());
    stage.open();
    assert!(stage.close().success());
    let ledger = format!("sqlite:{}", stage.path("ledger.db").display());
    let copy = done(&script("backup", &[&ledger, &stage.path("copies").display().to_string()]));
    let folder = stage.path("var");
    fs::create_dir(&folder).unwrap();
    // Only root can give something away.
    let given = chown(&folder, Some(NOBODY), Some(NOBODY)).is_ok();
    done(&script("restore", &[&copy, &format!("sqlite:{}", folder.join("ledger.db").display())]));
    let owner = |path: &Path| {
        let metadata = fs::metadata(path).unwrap();
        (metadata.uid(), metadata.gid())
    };
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty() && (!given || owner(&folder) == (NOBODY, NOBODY)));
    for file in files {
        assert_eq!(owner(&file), owner(&folder), "{}", file.display());
    }
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
