//! What commands ask of a daemon, and what they make of its answers.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    daemon::{Daemon, TOKEN, job},
    program::{left, run, sluice},
};

fn page(state: &str) -> String {
    format!("{{\"jobs\":[{}],\"next\":null}}", job(state))
}

#[test]
fn each_refusal_of_the_daemon_has_its_exit_code() {
    for (status, code) in
        [(400, 3), (401, 8), (403, 8), (404, 5), (409, 4), (413, 3), (422, 3), (500, 1), (503, 1)]
    {
        let problem = json!({"type": "x", "title": "no", "status": status, "detail": "said\u{1b}[31m why", "code": "x"});
        let daemon = Daemon::start(vec![("GET /v1/jobs", status, problem.to_string())]);
        let left = daemon.run(&["jobs"]);
        assert_eq!(left.code, Some(code), "{status}: {left:?}");
        assert!(left.err.starts_with("error: said\u{fffd}[31m why"), "{}", left.err);
        assert!(!left.err.contains(TOKEN));
        let left = daemon.run(&["jobs", "--json"]);
        let error: Value = serde_json::from_str(&left.err).unwrap();
        assert_eq!((error["exit_code"].as_i64(), error["answer"].clone()), (Some(i64::from(code)), problem));
    }
}

#[test]
fn a_refused_input_shows_every_problem_with_its_place_and_hint() {
    let problem = json!({"title": "no", "status": 422, "detail": "", "code": "invalid-request", "problems": [
        {"code": "wrong-input", "what": "expected a whole number", "at": "x.toml:3:9", "hint": "write 3"},
        {"code": "duplicate-repository", "what": "named twice"},
    ]});
    let daemon = Daemon::start(vec![("POST /v1/requests", 422, problem.to_string())]);
    daemon.file("x.toml", b"template = 1");
    let left = daemon.run(&["submit", "x.toml"]);
    assert_eq!(left.code, Some(3));
    for word in ["  x.toml:3:9: expected a whole number (wrong-input)", "    hint: write 3", "  named twice"]
    {
        assert!(left.err.contains(word), "{}", left.err);
    }
}

#[test]
fn a_daemon_that_is_not_there_ends_with_6_and_says_how_to_start_one() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("token"), "some-token").unwrap();
    let arguments = ["jobs", "--server", "http://127.0.0.1:1", "--token-file", "token"];
    let there = left(sluice(&arguments, folder.path()).output().unwrap());
    assert_eq!(there.code, Some(6), "{there:?}");
    assert!(there.err.contains("http://127.0.0.1:1") && there.err.contains("sluice serve"), "{}", there.err);
    let no_token = run(&["jobs", "--server", "http://127.0.0.1:1", "--token-file", "nowhere"]);
    assert_eq!(no_token.code, Some(6));
    assert!(no_token.err.contains("nowhere"), "{}", no_token.err);
}

#[test]
fn the_address_comes_from_the_configuration_that_the_daemon_reads() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("mine.toml");
    fs::write(&config, "[http]\nlisten = \"127.0.0.1:1\"\ntoken_file = \"mine.token\"\n").unwrap();
    fs::write(folder.path().join("mine.token"), "some-token").unwrap();
    let by_flag = left(sluice(&["jobs", "--config", "mine.toml"], folder.path()).output().unwrap());
    let by_variable =
        left(sluice(&["jobs"], folder.path()).env("SLUICE_CONFIG", "mine.toml").output().unwrap());
    for left in [by_flag, by_variable] {
        assert_eq!(left.code, Some(6), "{left:?}");
        assert!(left.err.contains("http://127.0.0.1:1"), "{}", left.err);
    }
    fs::write(&config, "[http]\nlissten = 3\n").unwrap();
    let wrong = left(sluice(&["jobs", "--config", "mine.toml"], folder.path()).output().unwrap());
    assert_eq!(wrong.code, Some(3));
    assert!(wrong.err.contains("mine.toml:2:1") && wrong.err.contains("lissten"), "{}", wrong.err);
}

#[test]
fn filters_become_a_query_and_the_token_a_header() {
    let daemon = Daemon::start(vec![("GET /v1/jobs", 200, page("queued"))]);
    let left = daemon.run(&[
        "jobs",
        "--request",
        "a b&c",
        "--state",
        "queued",
        "--repository",
        "Acme/API",
        "--limit",
        "7",
    ]);
    assert_eq!(left.code, Some(0), "{left:?}");
    let asked = daemon.last();
    assert_eq!(asked.line, "GET /v1/jobs?request=a+b%26c&state=queued&repository=acme%2Fapi&limit=7");
    assert_eq!(asked.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert!(left.out.contains("acme/api") && left.out.contains("3 min 20 s"), "{}", left.out);
    assert!(left.out.contains("slots/global: 3 of 3 in use"), "{}", left.out);
}

#[test]
fn a_job_is_named_in_the_path_whatever_it_is_called() {
    let daemon = Daemon::start(Vec::new());
    assert_eq!(daemon.run(&["why", "../requests?x"]).code, Some(5));
    assert_eq!(daemon.last().line, "GET /v1/jobs/..%2Frequests%3Fx/why");
}

#[test]
fn why_names_what_ends_a_quarantine() {
    let why = json!({
        "id": "0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11", "repository": "acme/api", "state": "quarantined", "ahead": null, "holders": [],
        "wait": { "reason": "quarantine", "text": "a person must look: out of scope", "since": 0, "clears_at": null },
    });
    let daemon = Daemon::start(vec![("GET /v1/jobs/8a11/why", 200, why.to_string())]);
    let left = daemon.run(&["why", "8a11"]);
    assert_eq!(left.code, Some(0), "{left:?}");
    for command in ["sluice release 3c9b8a11 --reason ...", "sluice discard-result 3c9b8a11 --reason ..."] {
        assert!(left.out.contains(command), "{}", left.out);
    }
}

#[test]
fn acts_carry_who_and_why() {
    let daemon = Daemon::start(vec![("POST /v1/", 200, job("cancelled"))]);
    for (arguments, line) in [
        (&["cancel", "8a11"][..], "POST /v1/jobs/8a11/cancel"),
        (&["approve", "8a11"], "POST /v1/jobs/8a11/approve"),
        (&["refuse", "8a11"], "POST /v1/jobs/8a11/refuse"),
        (&["release", "8a11"], "POST /v1/jobs/8a11/release"),
        (&["discard-result", "8a11"], "POST /v1/jobs/8a11/discard-result"),
        (&["dead", "discard", "8a11"], "POST /v1/dead/8a11/discard"),
    ] {
        let left = daemon.run(&[arguments, &["--reason", "too risky", "--actor", "ana"]].concat());
        assert_eq!(left.code, Some(0), "{left:?}");
        let asked = daemon.last();
        assert_eq!(asked.line, line);
        assert_eq!(
            serde_json::from_str::<Value>(&asked.body).unwrap(),
            json!({"actor": "ana", "reason": "too risky"})
        );
    }
}

#[test]
fn flags_become_a_request_and_files_are_sent_as_they_are() {
    let accepted = json!({"request": "0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a22", "template": "x@1", "jobs": 2,
        "plan_digest": "d", "replayed": false});
    let daemon = Daemon::start(vec![("POST /v1/requests", 201, accepted.to_string())]);
    daemon.file("list", b"# ours\nacme/web\n");
    let flags = "submit --template x --requester carla -r acme/api --repositories-file list -i version=1.0 -i n:=3 \
                 --idempotency-key k --hold --reason because";
    let left = daemon.run(&flags.split_whitespace().collect::<Vec<_>>());
    assert_eq!(left.code, Some(0), "{left:?}");
    assert!(left.out.contains("2 jobs of x@1"), "{}", left.out);
    let body: Value = serde_json::from_str(&daemon.last().body).unwrap();
    let wanted = json!({"template": "x", "repositories": ["acme/api", "acme/web"], "requester": "carla", "hold": true,
        "inputs": {"version": "1.0", "n": 3}, "idempotency_key": "k", "reason": "because"});
    assert_eq!(body, wanted);

    daemon.file("request.toml", b"template = \"x\" # \xff");
    assert_eq!(daemon.run(&["submit", "request.toml"]).code, Some(0));
    let asked = daemon.last();
    assert_eq!(asked.header("content-type"), Some("application/toml"));
    assert_eq!(asked.header("x-file-name"), Some("request.toml"));
    assert!(asked.body.starts_with("template = \"x\" # "));
}

#[test]
fn waiting_ends_with_the_outcome_of_the_jobs() {
    let row = json!({"id": "0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a22", "idempotency_key": null, "body_digest": "",
        "plan_digest": "", "template": "x", "template_version": 1, "template_digest": "", "requester": "carla",
        "team": "t", "owner": "o", "reason": null, "identity": "i", "inputs_json": "{}", "spec_json": "{}",
        "skipped_json": "[]", "jobs": 1, "created_at": 0});
    let accepted =
        json!({"request": row["id"], "template": "x@1", "jobs": 1, "plan_digest": "d", "replayed": true});
    for (state, code, word) in
        [("succeeded", 0, "1 job succeeded"), ("dead", 7, "timed_out: ran out of \u{fffd}[2Jtime")]
    {
        let view = json!({"request": row, "states": [{"state": state, "jobs": 1}], "ended": true});
        let daemon = Daemon::start(vec![
            ("POST /v1/requests", 200, accepted.to_string()),
            ("GET /v1/requests/0193", 200, view.to_string()),
            ("GET /v1/jobs", 200, page(state)),
        ]);
        daemon.file("r.json", b"{}");
        let left = daemon.run(&["submit", "r.json", "--wait"]);
        assert_eq!(left.code, Some(code), "{left:?}");
        assert!(left.out.contains("was accepted before") && left.out.contains(word), "{}", left.out);
        let left = daemon.run(&["submit", "r.json", "--wait", "--json"]);
        assert_eq!((left.code, serde_json::from_str(&left.out).ok()), (Some(code), Some(view)));
    }
}

#[test]
fn a_broken_history_ends_with_1() {
    let verified = |broken: Value| json!({"entries": 9, "hash": "abc", "broken": broken}).to_string();
    let whole =
        Daemon::start(vec![("GET /v1/audit/verify", 200, verified(Value::Null))]).run(&["audit", "verify"]);
    assert_eq!((whole.code, whole.out.contains("whole: 9 entries")), (Some(0), true), "{whole:?}");
    let broken = verified(json!("entry 4 was changed"));
    let daemon = Daemon::start(vec![("GET /v1/audit/verify", 200, broken)]);
    let left = daemon.run(&["audit", "verify"]);
    assert_eq!((left.code, left.err.contains("entry 4 was changed")), (Some(1), true), "{left:?}");
    assert_eq!(daemon.run(&["audit", "verify", "--json"]).code, Some(1));
}

#[test]
fn a_limit_of_credits_is_sent_in_nano_credits() {
    let budget = |key: &str, nano: bool| {
        json!({"key": key, "used": 0, "limit": 5, "limit_set_by_operator": false,
        "closed": null, "nano_credits": nano})
    };
    let list =
        json!({"budgets": [budget("credits/global", true), budget("slots/global", false)]}).to_string();
    let set = budget("credits/global", true).to_string();
    let daemon = Daemon::start(vec![("GET /v1/budgets", 200, list), ("POST /v1/budgets/limit", 200, set)]);
    for (key, number, sent) in [
        ("credits/global", "2.5", json!(2_500_000_000_u64)),
        ("slots/repository/acme/api", "2", json!(2)),
        ("slots/global", "default", Value::Null),
    ] {
        assert_eq!(daemon.run(&["limit", key, number, "--reason", "x"]).code, Some(0), "{key}");
        let body: Value = serde_json::from_str(&daemon.last().body).unwrap();
        assert_eq!((body["key"].as_str(), body["limit"].clone()), (Some(key), sent));
    }
    assert_eq!(daemon.run(&["limit", "slots/global", "2.5", "--reason", "x"]).code, Some(2));
    assert_eq!(daemon.run(&["limit", "nothing/global", "2", "--reason", "x"]).code, Some(5));
}

fn behind(working: &str, closed: bool) -> String {
    let closure =
        if closed { r#"{"reason":"drain: x","actor":"ana","since":0,"opens_at":null}"# } else { "null" };
    format!(
        "{{\"key\":\"gate/global\",\"closure\":{closure},\"working\":[{working}],\"waiting_for_people\":2}}"
    )
}

#[test]
fn a_drain_ends_by_what_is_left_behind_the_gate() {
    let closed = r#"{"key":"gate/global","closure":null}"#.to_owned();
    for (working, is_closed, more, code, said) in [
        ("", true, &[][..], 0, "drained: nothing behind gate/global"),
        (&*job("running"), true, &["--timeout", "1s"], 9, "not drained in time: 1 job still worked on"),
        (&*job("running"), true, &["--no-wait"], 0, "not waited for; gate/global stays closed"),
        (&*job("running"), false, &[], 4, "gate/global was opened while it was drained"),
    ] {
        let daemon = Daemon::start(vec![
            ("POST /v1/gates/close", 200, closed.clone()),
            ("GET /v1/gates/behind?scope=global", 200, behind(working, is_closed)),
        ]);
        let line = [&["drain", "global", "--reason", "x", "--actor", "ana"], more].concat();
        let left = daemon.run(&line);
        assert_eq!(left.code, Some(code), "{left:?}");
        let everything = format!("{}{}", left.out, left.err);
        assert!(everything.contains(said) && everything.contains("2 jobs not waited for"), "{everything}");
        let sent: Value = serde_json::from_str(&daemon.asked()[0].body).unwrap();
        assert_eq!((&sent["reason"], &sent["until"]), (&json!("drain: x"), &Value::Null));
    }
}

#[test]
fn what_is_remarked_upon_a_gate_is_shown() {
    let gate =
        |remark: &str| json!({"key": "gate/team/platfrom", "closure": null, "remarks": [remark]}).to_string();
    let daemon = Daemon::start(vec![
        ("POST /v1/gates/close", 200, gate("no job is behind it now\u{1b}[2J")),
        ("POST /v1/gates/open", 200, gate("the kill switch is still on")),
        ("GET /v1/gates/behind", 200, behind("", true)),
    ]);
    for (act, said) in [
        ("pause", "nothing behind it is being started any more\nno job is behind it now\u{fffd}[2J\n"),
        ("drain", "no job is behind it now\u{fffd}[2J\n"),
        ("resume", "gate/team/platfrom is open\nthe kill switch is still on\n"),
    ] {
        let left = daemon.run(&[act, "team", "platfrom", "--reason", "x"]);
        assert!(left.code == Some(0) && left.out.contains(said), "{left:?}");
    }
}

#[test]
fn a_checkpoint_is_made_by_whoever_the_token_is_of() {
    let point = json!({"seq": 3, "hash": "abc", "at": "2026-11-20T10:00:00Z", "entries": 3, "key": "k", "public_key": "p",
        "signature": "s"});
    let daemon = Daemon::start(vec![("POST /v1/audit/checkpoints", 200, point.to_string())]);
    let own = sluicegate::policy::access::bearer::assemble([9; 6], [9; 24]).1;
    for (token, line, sent) in [
        (own.as_str(), &[][..], json!({ "reason": "", "actor": null })),
        (TOKEN, &[], json!({ "reason": "", "actor": "root" })),
        (
            TOKEN,
            &["--actor", "ana", "--reason", "month end"],
            json!({ "reason": "month end", "actor": "ana" }),
        ),
    ] {
        daemon.file("token", token.as_bytes());
        let mut command = daemon.command(&[&["audit", "checkpoint"], line].concat());
        let left = left(command.env("USER", "root").output().unwrap());
        assert!(left.code == Some(0) && left.out.contains("3 entries"), "{left:?}");
        assert_eq!(serde_json::from_str::<Value>(&daemon.last().body).unwrap(), sent);
    }
}

#[test]
fn an_interrupted_drain_says_that_the_gate_stays_closed() {
    let daemon = Daemon::start(vec![
        ("POST /v1/gates/close", 200, r#"{"key":"gate/global","closure":null}"#.to_owned()),
        ("GET /v1/gates/behind", 200, behind(&job("running"), true)),
    ]);
    let mut child = daemon
        .command(&["drain", "global", "--reason", "x"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It says what it waits for before it looks again.
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("not waited for") {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "it ended");
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("stopped waiting: 1 job still worked on; gate/global stays closed"), "{said}");
}

#[test]
fn the_kill_switch_is_turned_with_who_and_why_and_told_before_the_jobs() {
    let gate = r#"{"key":"gate/kill-switch","closure":null}"#.to_owned();
    let list = format!(
        "{{\"jobs\":[{}],\"next\":null,\"kill_switch\":{{\"reason\":\"wild\",\"actor\":\"ben\",\"since\":0,\"opens_at\":null}}}}",
        job("queued")
    );
    let daemon = Daemon::start(vec![("POST /v1/kill-switch/", 200, gate), ("GET /v1/jobs", 200, list)]);
    for (turn, said) in
        [("on", "nothing is started and nothing is written"), ("off", "the kill switch is off")]
    {
        let left = daemon.run(&["kill-switch", turn, "--reason", "wild", "--actor", "ben"]);
        assert!(left.code == Some(0) && left.out.contains(said), "{left:?}");
        assert_eq!(daemon.last().line, format!("POST /v1/kill-switch/{turn}"));
        assert_eq!(
            serde_json::from_str::<Value>(&daemon.last().body).unwrap(),
            json!({"actor": "ben", "reason": "wild"})
        );
    }
    let jobs = daemon.run(&["jobs"]);
    assert!(jobs.out.starts_with("THE KILL SWITCH IS ON: wild (thrown by ben"), "{jobs:?}");
}

#[test]
fn closed_gates_are_listed_with_who_and_why() {
    let closure =
        |until: Value| json!({"reason": "x\u{1b}[2J", "actor": "ana", "since": 0, "opens_at": until});
    let by = |source: &str, until: Value| {
        let mut closed = closure(until);
        closed["source"] = json!(source);
        closed
    };
    let gate = |key: &str, source: &str, until: Value| json!({"key": key, "closure": closure(until.clone()), "closed_by": [by(source, until)]});
    let list = json!({"gates": [
        gate("gate/kill-switch", "operator", Value::Null),
        gate("gate/global", "operator", Value::Null),
        gate("gate/team/core", "freeze/year-end", json!(1_795_168_800_000_i64)),
    ]});
    let left = Daemon::start(vec![("GET /v1/gates", 200, list.to_string())]).run(&["gates"]);
    for word in [
        "by `sluice kill-switch off`",
        "by `sluice resume`",
        "2026-11-20",
        "x\u{fffd}[2J",
        "ana",
        "freeze/year-end",
    ] {
        assert!(left.out.contains(word), "{word}: {}", left.out);
    }
    let none = Daemon::start(vec![("GET /v1/gates", 200, r#"{"gates":[]}"#.to_owned())]).run(&["gates"]);
    assert_eq!(none.out.trim_end(), "every gate is open");
}

#[test]
fn a_daemon_elsewhere_is_named_by_two_flags_or_two_variables_and_no_configuration_is_read() {
    let empty = "{\"jobs\":[],\"next\":null}".to_owned();
    let daemon = Daemon::start(vec![("GET /v1/jobs", 200, empty)]);
    daemon.file("sluice.toml", b"this is no configuration");
    for left in [daemon.run(&["jobs"]), daemon.run_by_variables(&["jobs"])] {
        assert_eq!((left.code, left.out.trim()), (Some(0), "no such jobs"), "{left:?}");
    }
    // Every command that talks to a daemon asks it, whatever else may be wrong here.
    for arguments in [
        &["requests"][..],
        &["show", "abcd"],
        &["why", "abcd"],
        &["dead", "list"],
        &["budgets"],
        &["gates"],
        &["workers"],
        &["template", "list"],
        &["identity", "list"],
        &["freeze", "list"],
        &["repository", "list"],
        &["breaker", "list"],
        &["wave", "show", "abcd"],
        &["audit", "verify"],
        &["cancel", "abcd", "--reason", "x"],
        &["pause", "global", "--reason", "x"],
        &["resume", "global", "--reason", "x"],
        &["kill-switch", "on", "--reason", "x"],
        &["limit", "slots/global", "1", "--reason", "x"],
        &["submit", "--template", "t", "--requester", "ana", "--repository", "a/b"],
    ] {
        let before = daemon.asked().len();
        let left = daemon.run_by_variables(arguments);
        assert!(daemon.asked().len() > before, "{arguments:?} asked nothing: {left:?}");
    }
}
