//! What goes where: JSON as it came, colours only where wanted, and readers that leave early.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use crate::{
    daemon::{Daemon, job},
    program::sluice,
};

#[test]
fn json_is_the_daemons_own_answer() {
    let odd = "{\"jobs\" : [ ], \"next\":null, \"zeta\":1, \"alpha\":2}";
    let daemon = Daemon::start(vec![("GET /v1/", 200, odd.to_owned())]);
    for command in [
        &["jobs"][..],
        &["show", "8a11"],
        &["why", "8a11"],
        &["requests"],
        &["dead", "list"],
        &["dead", "show", "8a11"],
        &["budgets"],
        &["gates"],
        &["budgets", "--holders", "slots/global"],
    ] {
        let left = daemon.run(&[command, &["--json"]].concat());
        assert_eq!((left.code, left.out.trim_end()), (Some(0), odd), "{command:?}: {left:?}");
    }
}

#[test]
fn colours_are_only_for_terminals_unless_asked_for() {
    let page = format!("{{\"jobs\":[{}],\"next\":null}}", job("dead"));
    let daemon = Daemon::start(vec![("GET /v1/jobs", 200, page)]);
    let plain = daemon.run(&["jobs"]);
    assert!(!plain.out.contains('\u{1b}') && plain.out.contains("dead"), "{plain:?}");
    let coloured = daemon.run(&["jobs", "--color", "always"]);
    assert!(coloured.out.contains("\u{1b}[31mdead\u{1b}[0m"), "{coloured:?}");
    // What the agent wrote stays harmless.
    assert!(!coloured.out.contains("\u{1b}[2J"));
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = sluice(&["completions", "zsh"], folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(0), String::new()));
}

#[test]
fn a_watch_tells_changes_line_by_line_when_it_is_piped() {
    let page = format!("{{\"jobs\":[{}],\"next\":null}}", job("queued"));
    let daemon = Daemon::start(vec![("GET /v1/jobs", 200, page)]);
    let mut child = daemon.command(&["jobs", "--watch"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(
        line.trim_end(),
        "2026-11-20 10:03:20 UTC  acme/api  queued: slots/global: 3 of 3 in use, 1 needed"
    );
}
