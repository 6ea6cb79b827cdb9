//! What people ask of jobs and budgets that cannot be done, and a daemon that cannot be asked.

use serde_json::json;

use crate::{
    stage::{Stage, eventually, id, process},
    table::{
        CONFLICT, FAILED, NOT_FOUND, REFUSED, UNAUTHORISED, UNREACHABLE, USAGE, assert_told, counts,
        scenario, still,
    },
};

/// What is asked, with which line, and how it is answered. QUEUED and HELD stand for the ids of two jobs, REQUEST for the end of a request's.
type Row = (&'static str, &'static [&'static str], i32, &'static [&'static str]);

const ROWS: &[Row] = &[
    (
        "unknown job",
        &["show", "0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11"],
        NOT_FOUND,
        &["there is no job 0193d6f0", "sluice jobs"],
    ),
    (
        "unknown end of an id",
        &["why", "beefbeef"],
        NOT_FOUND,
        &["whose id ends with `beefbeef`", "sluice jobs"],
    ),
    ("no id", &["show", "api"], NOT_FOUND, &["`api` is no job id", "at least its last 4 characters"]),
    ("unknown request", &["jobs", "--request", "beefbeef"], NOT_FOUND, &["no request", "sluice requests"]),
    (
        "unknown state",
        &["jobs", "--state", "runing"],
        USAGE,
        &["`runing` is not a job state", "running, waiting_for_user"],
    ),
    (
        "no repository",
        &["jobs", "--repository", "acme"],
        USAGE,
        &["`acme` is not a repository", "write owner/name"],
    ),
    (
        "unknown state of a notice",
        &["notify", "list", "--state", "bogus"],
        USAGE,
        &["'bogus'", "waiting, delivered, given-up, dropped"],
    ),
    (
        "unknown state of a delivery",
        &["deliveries", "list", "--state", "foo"],
        USAGE,
        &["'foo'", "received, done, ignored, unmapped, refused"],
    ),
    (
        "unknown receiver",
        &["notify", "list", "--to", "webhok"],
        NOT_FOUND,
        &["there is no receiver `webhok`: did you mean `webhook`?"],
    ),
    ("unknown hook", &["deliveries", "list", "--hook", "nope"], NOT_FOUND, &["there is no hook `nope`"]),
    (
        "holders of nothing",
        &["budgets", "--holders", "nope"],
        NOT_FOUND,
        &["there is no budget nope", "sluice budgets"],
    ),
    (
        "the id of a request for that of a job",
        &["why", "REQUEST"],
        NOT_FOUND,
        &["REQUEST is a request, not a job", "`sluice jobs --request REQUEST`"],
    ),
    (
        "a request withdrawn as a job",
        &["cancel", "REQUEST", "--reason", "x"],
        NOT_FOUND,
        &["REQUEST is a request, not a job", "`sluice jobs --request REQUEST`"],
    ),
    (
        "refuse what is queued",
        &["refuse", "QUEUED", "--reason", "x"],
        CONFLICT,
        &["job QUEUED: a job that is queued cannot be refused: only one that is held"],
    ),
    (
        "pause a template that is none",
        &["pause", "template", "bmup", "--reason", "x"],
        NOT_FOUND,
        &["there is no template `bmup`: did you mean `bump`?", "sluice template list"],
    ),
    (
        "drain an identity that is none",
        &["drain", "identity", "bto", "--reason", "x"],
        NOT_FOUND,
        &["there is no identity `bto`: did you mean `bot`?", "sluice identity list"],
    ),
    (
        "resume a template that is none",
        &["resume", "template", "neverclosed", "--reason", "x"],
        NOT_FOUND,
        &["there is no template `neverclosed`"],
    ),
    (
        "revoke no token",
        &["token", "revoke", "nosuch", "--reason", "x"],
        NOT_FOUND,
        &["there is no token nosuch", "sluice token list"],
    ),
    (
        "lift no freeze",
        &["freeze", "lift", "nope", "--reason", "x"],
        NOT_FOUND,
        &["there is no freeze nope", "sluice freeze list"],
    ),
    ("limit out of range", &["jobs", "--limit", "0"], USAGE, &["0 is not in 1..=10000"]),
    (
        "approve what is queued",
        &["approve", "QUEUED", "--reason", "x"],
        CONFLICT,
        &["job QUEUED: a job that is queued", "approved", "sluice show"],
    ),
    (
        "release what is queued",
        &["release", "QUEUED", "--reason", "x"],
        CONFLICT,
        &["job QUEUED: a job that is queued", "released", "sluice show"],
    ),
    (
        "approve one's own",
        &["approve", "HELD", "--reason", "x", "--actor", "carla"],
        CONFLICT,
        &["HELD", "carla asked for this", "somebody else must"],
    ),
    (
        "retry what is not dead",
        &["dead", "retry", "QUEUED", "--reason", "x"],
        CONFLICT,
        &["QUEUED", "is queued, not a dead letter", "sluice show"],
    ),
    (
        "discard what is not dead",
        &["dead", "discard", "QUEUED", "--reason", "x"],
        CONFLICT,
        &["QUEUED", "is queued, not a dead letter"],
    ),
    ("no reason", &["cancel", "QUEUED"], USAGE, &["--reason <TEXT>"]),
    ("an empty reason", &["cancel", "QUEUED", "--reason", " "], REFUSED, &["reason: empty", "say why"]),
    ("unknown scope", &["pause", "repo", "acme/api", "--reason", "x"], USAGE, &["repo"]),
    (
        "a gate before nothing",
        &["pause", "repository", "api", "--reason", "x"],
        REFUSED,
        &["value: `api` is not a repository", "write owner/name"],
    ),
    (
        "an opening time that is none",
        &["pause", "global", "--reason", "x", "--until", "soon"],
        USAGE,
        &["`soon` is neither a time", "30m"],
    ),
    (
        "unknown budget",
        &["limit", "slots/globl", "3", "--reason", "x"],
        NOT_FOUND,
        &["budget slots/globl has no limit in the configuration", "[[budget]]"],
    ),
    ("unknown command", &["frobnicate"], USAGE, &["frobnicate"]),
    (
        "wrong token",
        &["jobs", "--token-file", "wrong"],
        UNAUTHORISED,
        &["the token is not accepted", "--token-file"],
    ),
    (
        "a token file that holds none",
        &["jobs", "--token-file", "words"],
        UNAUTHORISED,
        &["words does not hold a token", "start the daemon again"],
    ),
    (
        "no token file",
        &["jobs", "--token-file", "none"],
        UNREACHABLE,
        &["there is no token file none", "sluice serve"],
    ),
];

#[test]
fn what_cannot_be_done_says_why_and_changes_nothing() {
    let mut stage = Stage::set(&scenario(""), &still());
    stage.open();
    stage.submit("bump", &["api"], &json!({}));
    stage.submit("branch", &["held"], &json!({"hold": true}));
    let (queued, held) = (stage.job("api"), stage.job("held"));
    let request = queued["request"].as_str().unwrap();
    let end = &request[request.len() - 8..];
    let (queued, held) = (id(&queued), id(&held));
    let why = ["--reason", "because"];
    let before = counts(&stage);
    stage.write("wrong", "0123456789abcdef0123456789abcdef\n");
    stage.write("words", "two words\n");
    let named = |words: &[&str]| {
        words.join("\n").replace("QUEUED", queued).replace("HELD", held).replace("REQUEST", end)
    };
    for (what, line, exit, parts) in ROWS {
        let (line, parts) = (named(line), named(parts));
        let (line, parts): (Vec<&str>, Vec<&str>) = (line.split('\n').collect(), parts.split('\n').collect());
        assert_told(what, &stage.sluice(&line), *exit, &parts);
        assert_eq!(counts(&stage), before, "{what}");
    }
    assert_eq!((&stage.job("api")["state"], &stage.job("held")["state"]), (&json!("queued"), &json!("held")));
    // The one who did not ask may.
    assert_eq!(stage.sluice(&[&["approve", held, "--actor", "ana"], &why[..]].concat()).code, 0);
}

#[test]
fn the_end_of_an_id_that_fits_several_is_told() {
    let mut stage = Stage::set(&scenario(""), &still());
    stage.open();
    // Enough jobs that two of them share an end that is long enough to be looked for.
    let names: Vec<String> = (0..2_000).map(|n| format!("r{n}")).collect();
    stage.submit("branch", &names.iter().map(String::as_str).collect::<Vec<_>>(), &json!({}));
    let mut ends = std::collections::BTreeMap::new();
    for job in stage.jobs() {
        let id = id(&job).to_owned();
        *ends.entry(id[id.len() - 4..].to_owned()).or_insert(0) += 1;
    }
    let shared = ends.into_iter().find(|(_, jobs)| *jobs > 1).expect("no two ends are alike").0;
    let parts = [format!("have an id that ends with `{shared}`"), "give more of it".to_owned()];
    assert_told(
        "an end that fits several",
        &stage.sluice(&["show", &shared]),
        CONFLICT,
        &[&parts[0], &parts[1]],
    );
}

#[test]
fn a_daemon_that_does_not_run_is_told_and_what_it_had_is_still_there() {
    let mut stage = Stage::set(&scenario(""), &still());
    stage.open();
    stage.submit("bump", &["api"], &json!({}));
    let before = counts(&stage);
    assert!(stage.close().success());
    let gone = stage.sluice(&["jobs"]);
    let parts =
        ["the daemon at http://127.0.0.1:", "cannot be reached", "Connection refused", "sluice serve"];
    assert_told("no daemon", &gone, UNREACHABLE, &parts);
    let config = stage.path("sluice.toml").display().to_string();
    for (server, parts) in
        [("127.0.0.1:1", "write it like http://"), ("http://me:hunter2@127.0.0.1:1", "use --token-file")]
    {
        let line = ["--config", &config, "--server", server, "jobs"].map(str::to_owned);
        let ran = process::run(stage.folder.path(), &line, &[]);
        assert_told("no address", &ran, USAGE, &["the address of a daemon", parts]);
        assert!(!ran.err.contains("hunter2"));
    }
    stage.open();
    let (requests, jobs, _) = counts(&stage);
    assert_eq!((requests, jobs), (before.0, before.1));
}

#[test]
fn an_expired_token_is_told_before_the_start_and_at_the_start_and_nothing_is_lost() {
    let expired = scenario("expires = \"2026-01-01T00:00:00Z\"");
    let mut stage = Stage::set(&expired, &crate::stage::Settings::default());
    let doctor = stage.sluice(&["doctor"]);
    assert_eq!(doctor.code, FAILED, "{doctor:?}");
    for part in ["BAD   identity   bot: ", "401 Bad credentials", "renew the token"] {
        assert!(doctor.out.contains(part), "{part}: {}", doctor.out);
    }
    stage.open();
    stage.submit("bump", &["api"], &json!({}));
    let why = eventually("the reason of the wait", || {
        let why = stage.json(&["why", id(&stage.job("api"))]);
        (why["wait"]["reason"] == "closed").then_some(why)
    });
    assert!(why["wait"]["text"].as_str().unwrap().contains("the provider refuses the token of bot"), "{why}");
    let job = stage.job("api");
    assert_eq!((&job["state"], &job["attempts"]), (&json!("queued"), &json!(0)));
    assert_eq!(stage.control("creates"), json!([]));
}
