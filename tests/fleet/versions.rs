//! A fleet is brought to the next version while it works, and back by the copy that was made before. `ops/upgrade-check` names the
//! program of an earlier version; without it this one stands for both: then the way is tried, and not the difference.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    fleet::{DAEMON, Fleet},
    judge,
    plan::Plan,
    soak::told,
    stage::process::SLUICE,
};

/// The program of the version before.
const BEFORE: &str = "UPGRADE_FROM";
/// 1: the version before knows fewer tables, and must not be started on the newer ones.
const REFUSES: &str = "UPGRADE_REFUSES";

#[expect(clippy::disallowed_methods, reason = "the other version is for whoever runs it")]
fn before() -> PathBuf {
    std::env::var_os(BEFORE).map_or_else(|| SLUICE.into(), PathBuf::from)
}

/// Every process of the fleet is of the version before, and works.
fn fleet_of_before() -> Fleet {
    let mut fleet = Fleet::set(Plan { create_ms: 100, ..Plan::default() });
    for name in fleet.names() {
        fleet.member(&name).program = before();
        fleet.open(&name);
    }
    work(&mut fleet, 6);
    fleet
}

/// Hands work in and waits until the provider has all of it. The ledger is not looked at: it may be of another version than this test.
fn work(fleet: &mut Fleet, jobs: usize) {
    let tasks = fleet.control("creates").len();
    fleet.submit(jobs);
    fleet.until_created(tasks + jobs);
}

fn succeed(program: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    let output = command.args(arguments).env("SLUICE", SLUICE).output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{} {arguments:?}: {said}", program.display());
    println!("{} {}: {}", program.display(), arguments.join(" "), said.trim());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn script(name: &str, arguments: &[&str]) -> String {
    succeed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("ops").join(name), arguments)
}

fn migrate(fleet: &Fleet) {
    let config = fleet.path().join(format!("{DAEMON}.toml")).display().to_string();
    succeed(Path::new(SLUICE), &["migrate", "--config", &config]);
}

/// One of the version before that is started too late says so, and does nothing.
fn comes_too_late(fleet: &mut Fleet, name: &str) {
    if told(REFUSES) != Some(1) {
        return;
    }
    fleet.begin(name, &[]);
    assert!(
        !fleet.member(name).is_ready(),
        "{name} of the version before works on tables that it does not know"
    );
    assert!(!fleet.member(name).end().success());
    let log = fleet.logs_of(name);
    let said = log.lines().find(|line| line.contains("newer Sluicegate"));
    println!(
        "{name} of the version before: {}",
        said.unwrap_or_else(|| panic!("it does not say why: {log}"))
    );
}

/// Brings a process to this version.
fn renew(fleet: &mut Fleet, name: &str) {
    fleet.member(name).program = SLUICE.into();
    fleet.open(name);
}

#[test]
fn a_fleet_is_brought_to_the_next_version_while_it_works() {
    let mut fleet = fleet_of_before();
    fleet.submit(6);
    migrate(&fleet);
    // Those of the version before go on.
    work(&mut fleet, 6);
    fleet.terminate("worker-1");
    comes_too_late(&mut fleet, "worker-1");
    renew(&mut fleet, "worker-1");
    // Side by side: whoever takes a job, all of it is done.
    work(&mut fleet, 12);
    for name in ["worker-2", DAEMON] {
        fleet.terminate(name);
        renew(&mut fleet, name);
        work(&mut fleet, 6);
    }
    judge::all_is_well(fleet);
}

#[test]
fn the_version_before_goes_on_with_the_copy_that_was_made_before_the_upgrade() {
    let mut fleet = fleet_of_before();
    fleet.close();
    let copies = fleet.path().join("copies").display().to_string();
    let copy = script("backup", &[&fleet.ledger_url(), &copies]);
    migrate(&fleet);
    comes_too_late(&mut fleet, DAEMON);
    // Back: a new database with what was copied, and a gate that is built from it.
    fleet.move_ledger();
    fleet.redis().ask::<()>(&["FLUSHALL"]);
    let url = fleet.ledger_url();
    succeed(
        Path::new("pg_restore"),
        &["--exit-on-error", "--single-transaction", "--no-owner", "--dbname", &url, &copy],
    );
    succeed(&before(), &["audit", "verify", "--ledger", &url]);
    for name in fleet.names() {
        fleet.open(&name);
    }
    work(&mut fleet, 6);
    fleet.close();
    // And forward again, so that everything can be judged.
    migrate(&fleet);
    for name in fleet.names() {
        renew(&mut fleet, &name);
    }
    judge::all_is_well(fleet);
}
