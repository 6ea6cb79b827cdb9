//! Crash points end the process at the hit that was named, and only there. Each test runs this binary again with
//! the environment set.
#![cfg(feature = "failpoints")]
#![expect(clippy::unwrap_used, reason = "in functions that tests share")]

use std::{
    os::unix::process::ExitStatusExt,
    process::{Command, ExitStatus, Stdio},
    sync::mpsc,
    time::Duration,
};

use sluicegate::telemetry::failpoint::{hit, hit_after};

const SIGABRT: i32 = 6;

/// Runs one test of this file as a process of its own; also tells what it logged.
fn run(test: &str, failpoint: &str) -> (ExitStatus, String) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env("SLUICE_FAILPOINT", failpoint)
        .env("SLUICE_FAILPOINT_LOG", &log)
        .env("SLUICE_FAILPOINT_WAIT", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    (status, std::fs::read_to_string(log).unwrap_or_default())
}

#[test]
fn unarmed_points_do_nothing() {
    for _ in 0..3 {
        hit("submit.received");
        hit("start.answered");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "tells the run as a child from the ordinary one")]
fn unarmed_delayed_points_do_nothing() {
    hit_after("start.posting", 1);
    if std::env::var("SLUICE_FAILPOINT_WAIT").is_ok() {
        // The crash comes meanwhile, or the parent sees that there was none.
        let (_sender, nothing) = mpsc::channel::<()>();
        nothing.recv_timeout(Duration::from_mins(1)).unwrap_err();
    }
}

#[test]
fn an_armed_point_crashes_at_the_hit_that_was_named_and_logs_it() {
    for (failpoint, crashes) in
        [("submit.received", true), ("submit.received:3", true), ("submit.received:4", false), ("x", false)]
    {
        let (status, log) = run("unarmed_points_do_nothing", failpoint);
        assert_eq!(status.signal(), crashes.then_some(SIGABRT), "{failpoint}");
        assert_eq!(log, if crashes { "submit.received\n" } else { "" }, "{failpoint}");
    }
}

#[test]
fn an_armed_delayed_point_crashes_a_moment_later() {
    let (status, log) = run("unarmed_delayed_points_do_nothing", "start.posting");
    assert_eq!((status.signal(), log.as_str()), (Some(SIGABRT), "start.posting\n"));
}
