//! Help, versions, completions, and command lines that are wrong.

use std::fs;

use serde_json::Value;

use crate::{
    daemon::Daemon,
    program::{left, run, sluice},
};

#[test]
fn help_tells_every_command_and_every_exit_code() {
    let help = run(&["--help"]);
    assert_eq!(help.code, Some(0));
    for word in [
        "serve",
        "submit",
        "plan",
        "apply",
        "template",
        "jobs",
        "show",
        "why",
        "requests",
        "dead",
        "budgets",
        "limit",
        "pause",
        "resume",
        "drain",
        "kill-switch",
        "gates",
        "cancel",
        "approve",
        "refuse",
        "release",
        "audit",
        "desk",
        "doctor",
        "health",
        "config",
        "policy",
        "simulate",
        "demo",
        "bench",
        "completions",
        "--json",
        "--server",
        "--token-file",
        "--config",
        "--color",
    ] {
        assert!(help.out.contains(&format!("  {word}")), "{word}:\n{}", help.out);
    }
    for code in 0..=10 {
        assert!(help.out.contains(&format!("\n  {code}  ")), "{code}");
    }
    for command in [
        &["submit"][..],
        &["dead", "list"],
        &["config", "check"],
        &["audit", "verify"],
        &["bench"],
        &["plan"],
        &["template", "diff"],
        &["policy", "replay"],
        &["policy", "test"],
    ] {
        let mut arguments = command.to_vec();
        arguments.push("--help");
        assert_eq!(run(&arguments).code, Some(0), "{command:?}");
    }
    assert!(run(&["--version"]).out.starts_with("sluice "));
}

#[test]
fn a_wrong_command_line_ends_with_2_and_says_what_is_wrong() {
    for (arguments, word) in [
        (&[][..], "Usage"),
        (&["frobnicate"], "frobnicate"),
        (&["jobs", "--state", "tired"], "`tired` is not a job state"),
        (&["jobs", "--repository", "api"], "`api` is not a repository"),
        (&["jobs", "--limit", "0"], "--limit"),
        (&["cancel", "1234"], "--reason"),
        (&["submit"], "--template"),
        (&["submit", "x.toml", "--template", "y"], "--template"),
        (&["submit", "x.toml", "--requester", "carla"], "--requester"),
        (&["submit", "x.toml", "--dry-run", "--wait"], "--wait"),
        (&["submit", "--template", "x"], "--requester"),
        (&["pause", "everything", "--reason", "x"], "`everything` is not a scope"),
        (&["pause", "global", "--reason", "x", "--until", "soon"], "`soon` is neither a time"),
        (&["drain", "global", "--reason", "x", "--timeout", "soon"], "`soon` is not a span"),
        (&["drain", "global", "--reason", "x", "--timeout", "1m", "--no-wait"], "--no-wait"),
        (&["kill-switch", "on"], "--reason"),
        (&["kill-switch", "up", "--reason", "x"], "up"),
        (&["bench", "everything"], "everything"),
        (&["completions", "cmd"], "cmd"),
        (&["jobs", "--server", "127.0.0.1:1", "--token-file", "token"], "is not the address of a daemon"),
        (&["jobs", "--color", "blue"], "blue"),
    ] {
        let left = run(arguments);
        assert_eq!(left.code, Some(2), "{arguments:?}: {left:?}");
        assert!(left.err.contains(word), "{arguments:?}: {}", left.err);
        assert_eq!(left.out, "", "{arguments:?}");
    }
}

#[test]
fn a_wrong_command_line_is_told_to_programs_as_one_object() {
    for (arguments, what, hint) in [
        (&["frobnicate", "--json"][..], "unrecognized subcommand 'frobnicate'", "Usage"),
        (&["jobs", "--json", "--state", "tired"], "`tired` is not a job state", "--help"),
        (&["cancel", "1234", "--json"], "--reason", "Usage"),
    ] {
        let left = run(arguments);
        assert_eq!((left.code, left.out.as_str()), (Some(2), ""), "{left:?}");
        let error: Value = serde_json::from_str(&left.err).unwrap();
        assert_eq!((&error["error"], &error["exit_code"]), (&"usage".into(), &2.into()));
        assert!(error["what"].as_str().unwrap().contains(what), "{error}");
        assert!(error["hint"].as_str().unwrap().contains(hint), "{error}");
    }
    assert!(run(&["jobs", "--json", "--help"]).out.contains("Usage"), "help is no error");
}

#[test]
fn words_that_other_programs_use_are_understood() {
    let page = r#"{"jobs":[],"next":null}"#.to_owned();
    let desk = r#"{"items":[],"resting":0,"more":false}"#.to_owned();
    let daemon = Daemon::start(vec![("GET /v1/desk", 200, desk), ("GET /v1/jobs", 200, page)]);
    assert_eq!(daemon.run(&["status"]).code, Some(0));
    assert!(daemon.last().line.starts_with("GET /v1/jobs"));
    assert_eq!(daemon.run(&["explain", "8a11"]).code, Some(1));
    assert!(daemon.asked().iter().any(|asked| asked.line == "GET /v1/jobs/8a11/why"));
    for line in [&["desk", "--all"][..], &["desk", "list", "--all"]] {
        assert_eq!(daemon.run(line).code, Some(0), "{line:?}");
        assert_eq!(daemon.last().line, "GET /v1/desk?all=true", "{line:?}");
    }
    let help = run(&["--help"]);
    assert!(!help.out.contains("  status") && !help.out.contains("  explain"), "{}", help.out);
}

#[test]
fn a_broken_configuration_is_told_with_how_to_do_without_one() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sluice.toml"), "[htpp]\n").unwrap();
    let jobs = left(sluice(&["jobs"], folder.path()).output().unwrap());
    assert_eq!(jobs.code, Some(3), "{jobs:?}");
    for part in ["htpp", "sluice config check", "--server and --token-file"] {
        assert!(jobs.err.contains(part), "{part}: {}", jobs.err);
    }
}

#[test]
fn the_acts_of_operations_can_be_typed_as_they_stand() {
    let page = include_str!("../../docs/operations.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `sluice ")).take(5).collect();
    assert!(rows.iter().any(|row| row.contains("kill-switch on")), "{rows:?}");
    for row in rows {
        for command in row.split('`').filter(|part| part.starts_with("sluice ")) {
            let words = command
                .replace("SCOPE [VALUE]", "global")
                .replace("KEY", "slots/global")
                .replace(" N ", " 3 ");
            let asked: Vec<&str> =
                words.split_whitespace().skip(1).chain(["--token-file", "nowhere"]).collect();
            let left = run(&asked);
            assert_eq!(left.code, Some(6), "{command}: {left:?}");
        }
    }
}

#[test]
fn a_good_configuration_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("templates")).unwrap();
    let hook = "[[hook]]\nname = \"github\"\nkind = \"github\"\nsecrets = [\"env:WORD\"]\n";
    let notices =
        "[[notices.sink]]\nname = \"record\"\nkind = \"log\"\n[[notices.route]]\nto = [\"record\"]\n";
    let identity = "[[identity]]\nname = \"main\"\ntoken = \"env:WORD\"\n";
    let config = |parts: &[&str]| {
        fs::write(folder.path().join("sluice.toml"), parts.concat()).unwrap();
        left(sluice(&["config", "check"], folder.path()).env("WORD", "secret").output().unwrap())
    };
    let full = config(&[identity, hook, notices]);
    for line in
        ["  schedules     0\n", "  webhooks in   1: github\n", "  receivers     1: record; routes: 1\n"]
    {
        assert!(full.out.contains(line), "{line}: {full:?}");
    }
    let empty = config(&[identity]);
    assert!(empty.out.contains("  webhooks in   0\n  receivers     0; routes: 0\n"), "{empty:?}");
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let left = run(&["completions", shell]);
        assert_eq!(left.code, Some(0));
        assert!(left.out.contains("budgets") && left.out.contains("repositories-file"), "{shell}");
    }
}
