//! Access through the whole program: tokens from the command line, a daemon with TLS, addresses that are refused, and planted tokens
//! that turn up nowhere.

use std::fs;

use serde_json::{Value, json};
use sluicegate::clock::{Clock as _, SystemClock};

use crate::{
    stage::{Process, Settings, Stage, eventually, process, wire},
    world::scenario,
};

/// Nothing ever starts.
fn still() -> Settings {
    Settings { slots: 0, ..Settings::default() }
}

/// A token in a file of its own, made by the local operator; its text.
fn token(stage: &Stage, name: &str, roles: &[&str], more: &[&str]) -> String {
    let file = stage.path(name).display().to_string();
    let mut line = vec!["token", "create", "--name", name, "--out", &file, "--reason", "for the test"];
    line.extend(roles.iter().flat_map(|role| ["--role", role]));
    stage.json(&[&line, more].concat());
    let text = fs::read_to_string(file).unwrap();
    text.trim().to_owned()
}

#[test]
fn people_work_with_tokens_of_their_own_which_turn_up_nowhere() {
    let mut stage = Stage::set(&scenario(""), &still());
    stage.open();
    let tokens = [
        token(&stage, "carla", &["producer"], &["--team", "platform"]),
        token(&stage, "ana", &["approver", "viewer"], &["--expires", "30d"]),
        token(&stage, "olga", &["operator"], &[]),
    ];
    let file = |name: &str| stage.path(name).display().to_string();
    let run = |name: &str, line: &[&str]| stage.sluice(&[&["--token-file", &file(name)], line].concat());
    let order = json!({
        "template": "bump", "requester": "carla", "repositories": ["acme/api"], "hold": true,
        "inputs": { "package": "serde" },
    });
    stage.write("order.json", order.to_string());
    let order = file("order.json");
    assert_eq!(run("ana", &["submit", &order]).code, 8, "an approver hands nothing in");
    let ran = run("carla", &["submit", &order, "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let id: Value = serde_json::from_str(&ran.out).unwrap();
    let id = id["request"].as_str().unwrap();
    let refused = run("carla", &["approve", "--request", id, "--reason", "mine"]);
    assert!(refused.code == 8 && refused.err.contains("no role that may do this"), "{refused:?}");
    let posed = run("ana", &["approve", "--request", id, "--reason", "x", "--actor", "ben"]);
    assert!(posed.code == 8 && posed.err.contains("leave --actor out"), "{posed:?}");
    assert_eq!(run("ana", &["approve", "--request", id, "--reason", "fine"]).code, 0);
    assert_eq!(run("olga", &["pause", "global", "--reason", "incident"]).code, 0);
    assert_eq!(stage.json(&["gates"])["gates"][0]["closure"]["actor"], "olga");
    let me = run("carla", &["token", "me"]);
    assert!(me.out.contains("acts as carla") && me.out.contains("teams platform"), "{me:?}");
    assert_eq!(run("olga", &["token", "list"]).code, 8);
    let listed = stage.sluice(&["token", "list"]);
    assert!(
        ["ana", "carla", "olga", "producer; teams platform"].iter().all(|text| listed.out.contains(text))
    );

    assert_eq!(stage.sluice(&["token", "revoke", "ana", "--reason", "left"]).code, 0);
    let gone = run("ana", &["jobs"]);
    assert!(gone.code == 8 && gone.err.contains("was revoked") && gone.err.contains("new token"), "{gone:?}");

    // Planted where no token belongs.
    let mut planted = tokens.to_vec();
    planted.push(format!("slg_{}", "c0ffee42".repeat(8) + "c0ff"));
    planted.push("PlantedGuess0123456789".to_owned());
    for wrong in &planted[3..] {
        stage.write("wrong", wrong);
        assert_eq!(run("wrong", &["jobs"]).code, 8);
        let config = stage.path("sluice.toml").display().to_string();
        let url = fs::read_to_string(stage.path("token.url")).unwrap();
        let headers = [("authorization", wrong.as_str())];
        let (status, body) = wire::exchange(url.trim(), "GET", "/v1/jobs", &headers, b"").unwrap();
        assert!(status == 401 && !body.contains(wrong.as_str()), "{config}: {body}");
    }
    let held = json!({ "package": format!("x {}", planted[3]) });
    let held =
        json!({ "template": "bump", "requester": "carla", "repositories": ["acme/api"], "inputs": held });
    stage.write("held.json", held.to_string());
    let refused = run("carla", &["submit", &file("held.json")]);
    assert_eq!(refused.code, 3, "{refused:?}");
    stage.close();

    let mut everything = stage.everything_said().into_bytes();
    for name in ["ledger.db", "ledger.db-wal"] {
        everything.extend(fs::read(stage.path(name)).unwrap_or_default());
    }
    let log = fs::read_to_string(stage.path("daemon.log")).unwrap();
    assert!(log.matches("a request was denied").count() >= 6 && log.contains("who=\"carla\""), "{log}");
    for secret in &planted {
        // A part of a token that nobody else has: its name alone may stand anywhere.
        let part = secret.get(18..60).unwrap_or(secret).as_bytes();
        assert!(!everything.windows(part.len()).any(|window| window == part), "{secret}");
    }
}

#[test]
fn the_daemon_speaks_tls_and_commands_trust_whom_they_are_told_to() {
    let stage = Stage::set(&scenario(""), &still());
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    stage.write("certificate.pem", made.cert.pem());
    stage.write("key.pem", made.signing_key.serialize_pem());
    let text = fs::read_to_string(stage.path("sluice.toml")).unwrap();
    let tls = "[http]\ntls_certificate = \"certificate.pem\"\ntls_key = \"key.pem\"\n";
    stage.write("sluice.toml", text.replace("[http]\n", tls));
    let config = stage.path("sluice.toml").display().to_string();
    let line = ["serve", "--config", &config].map(str::to_owned);
    let secret = [("SLUICE_TEST_HOOK", crate::stage::HOOK_SECRET)];
    let mut daemon = Process::start("daemon", stage.folder.path(), &line, &secret);
    let url = eventually("the daemon's address", || {
        assert!(daemon.is_running(), "the daemon ended: {}", daemon.log());
        let url = fs::read_to_string(stage.path("token.url")).ok()?;
        (!url.trim().is_empty()).then(|| url.trim().to_owned())
    });
    let port = url.strip_prefix("https://127.0.0.1:").unwrap();
    let server = format!("https://localhost:{port}");
    let ca = stage.path("certificate.pem").display().to_string();
    let run = |more: &[&str]| {
        let line = [&["--config", &config, "--server", &server], more].concat();
        let line: Vec<String> = line.into_iter().map(str::to_owned).collect();
        process::run(stage.folder.path(), &line, &[])
    };
    let trusted = run(&["--ca-file", &ca, "jobs"]);
    assert_eq!(trusted.code, 0, "{trusted:?}");
    let strange = run(&["jobs"]);
    assert!(strange.code == 6 && strange.err.contains("--ca-file"), "{strange:?}");
    let unread = run(&["--ca-file", &config, "jobs"]);
    assert!(unread.code == 2 && unread.err.contains("certificate"), "{unread:?}");
    let doctor = run(&["doctor"]);
    assert!(doctor.out.contains("127.0.0.1:0, with TLS"), "{doctor:?}");
    assert!(!doctor.out.contains("certificate.pem end"), "that is centuries away: {doctor:?}");
    daemon.signal("TERM");
    assert!(daemon.wait().success());

    // One that ends soon, or has ended, is warned of and no reason not to start.
    for (days, told) in [(-3, "ended on"), (3, "ends on")] {
        let end = jiff::Timestamp::from_millisecond(SystemClock.now().0)
            .unwrap()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date()
            + jiff::Span::new().days(days);
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        let (month, day) = (u8::try_from(end.month()).unwrap(), u8::try_from(end.day()).unwrap());
        params.not_after = rcgen::date_time_ymd(end.year().into(), month, day);
        let key = rcgen::KeyPair::generate().unwrap();
        stage.write("certificate.pem", params.self_signed(&key).unwrap().pem());
        stage.write("key.pem", key.serialize_pem());
        let line = ["config", "check", "--config", &config].map(str::to_owned);
        let check = process::run(stage.folder.path(), &line, &secret);
        let told = format!("certificate.pem {told} {end}");
        assert!(check.code == 0 && check.out.contains("warning       [http] tls_certificate: "), "{check:?}");
        assert!(check.out.contains(&told), "{check:?}");
        let doctor = run(&["doctor"]);
        assert!(
            doctor.out.lines().any(|line| line.starts_with("warn  endpoint") && line.contains(&told)),
            "{doctor:?}"
        );
    }

    // What is no pair is told before anything starts, by whoever is asked.
    stage.write("key.pem", "hunter2");
    for words in [&["config", "check"][..], &["serve"], &["doctor"]] {
        let line = [words, &["--config", &config]].concat();
        let line: Vec<String> = line.into_iter().map(str::to_owned).collect();
        let ran = process::run(stage.folder.path(), &line, &secret);
        let said = format!("{}{}", ran.out, ran.err);
        assert!(ran.code != 0 && said.contains("key.pem: no private key in PEM"), "{words:?}: {said}");
        assert!(!said.contains("hunter2"));
    }
}

#[test]
fn an_address_that_others_reach_needs_tls_or_a_proxy() {
    let stage = Stage::set(&scenario(""), &still());
    let text = fs::read_to_string(stage.path("sluice.toml")).unwrap();
    let open = text.replace("127.0.0.1:0", "0.0.0.0:0");
    stage.write("sluice.toml", &open);
    let ran = stage.serve_in_vain(&[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    for words in [&["config", "check"][..], &["doctor"]] {
        let said = stage.sluice(words);
        let text = format!("{}{}", said.out, said.err);
        for part in ["other machines could reach it", "tls_certificate", "behind_proxy = true"] {
            assert!(said.code != 0 && text.contains(part), "{words:?}: {text}");
        }
    }
    stage.write("sluice.toml", open.replace("[http]\n", "[http]\nbehind_proxy = true\n"));
    let line = stage.line(&["config", "check"]);
    let checked =
        process::run(stage.folder.path(), &line, &[("SLUICE_TEST_HOOK", crate::stage::HOOK_SECRET)]);
    assert!(checked.code == 0 && checked.out.contains("only the proxy reaches it"), "{checked:?}");
    for (keys, told) in [
        ("tls_certificate = \"x.pem\"\n", "a certificate without its key"),
        ("tls_key = \"x.pem\"\n", "a key without its certificate"),
        ("url = \"sluice.example\"\n", "not an address"),
    ] {
        stage.write("sluice.toml", text.replace("[http]\n", &format!("[http]\n{keys}")));
        let ran = stage.sluice(&["config", "check"]);
        assert!(ran.code == 3 && ran.err.contains(told), "{keys}: {ran:?}");
    }
}

#[test]
fn an_identity_provider_is_written_down_without_gaps() {
    let stage = Stage::set(&scenario(""), &still());
    let text = fs::read_to_string(stage.path("sluice.toml")).unwrap();
    let good = "[http.oidc]\nissuer = \"http://127.0.0.1:9\"\naudience = \"sluicegate\"\n[[http.oidc.grant]]\ngroup = \"all\"\nroles = [\"viewer\"]\n";
    let check = |oidc: &str| {
        stage.write("sluice.toml", format!("{text}\n{oidc}"));
        let line = stage.line(&["config", "check"]);
        process::run(stage.folder.path(), &line, &[("SLUICE_TEST_HOOK", crate::stage::HOOK_SECRET)])
    };
    assert_eq!(check(good).code, 0, "{:?}", check(good));
    let doctor = process::run(stage.folder.path(), &stage.line(&["doctor"]), &[]);
    assert!(doctor.out.contains("BAD   oidc") && doctor.out.contains("http://127.0.0.1:9"), "{doctor:?}");
    for (from, to, told) in [
        ("http://127.0.0.1:9", "http://login.example", "unprotected way"),
        ("audience = \"sluicegate\"\n", "audience = \"\"\n", "empty"),
        ("roles = [\"viewer\"]", "roles = [\"delegate\"]", "no role that lets anybody"),
        ("roles = [\"viewer\"]", "roles = [\"root\"]", "unknown word `root`"),
        ("roles = [\"viewer\"]", "roles = [\"viewer\"]\nteam = [\"web\"]", "unknown key `team`"),
        ("roles = [\"viewer\"]", "roles = [\"admin\"]\nteams = [\"web\"]", "an admin is not limited"),
        ("group = \"all\"", "group = \"\"", "not the name of a group"),
        ("[[http.oidc.grant]]\ngroup = \"all\"\nroles = [\"viewer\"]\n", "", "no group is granted anything"),
    ] {
        let ran = check(&good.replace(from, to));
        assert!(ran.code == 3 && ran.err.contains(told) && ran.err.contains("sluice.toml:"), "{to}: {ran:?}");
    }
}
