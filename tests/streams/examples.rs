//! The examples of the documentation, each as it stands there, against a daemon, the simulator and a Redis of their own.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use serde_json::json;

use crate::{
    stage::{BOT_TOKEN, Settings, Stage},
    support::RedisServer,
};

fn scenario() -> String {
    format!(
        r#"
[defaults]
queued_ms = 10
run_ms = 50
[[repositories]]
match = "acme/*"
[[users]]
login = "octo-operator"
id = 1001
[[tokens]]
name = "operator"
secret = "{BOT_TOKEN}"
user = "octo-operator"
"#
    )
}

/// Runs an example with a good and with a bad request; `check` says whether its interpreter and library are there.
fn run(name: &str, program: &str, check: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join(name);
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/redis").join(name), &place).unwrap();
    if program == "node" {
        // Node looks beside the program, and not where `npm install -g` puts libraries.
        let root = Command::new("npm").args(["root", "-g"]).output();
        let root = root.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        symlink(root.unwrap_or_default(), folder.path().join("node_modules")).unwrap();
    }
    let there = Command::new(program).args(check).current_dir(folder.path()).output();
    if !there.is_ok_and(|output| output.status.success()) {
        println!("skipped: {program} or the library of {name} is not installed");
        return;
    }
    let redis = RedisServer::start();
    let more = format!("[streams]\nurl = \"{}\"\n", redis.url());
    let mut stage = Stage::set(&scenario(), &Settings { more, ..Settings::default() });
    stage.open();
    let good = json!({
        "template": "branch", "repositories": ["acme/one", "acme/two"], "requester": "carla",
        "inputs": { "package": "serde" }, "idempotency_key": "good-one",
    });
    let bad = json!({ "template": "nothing", "repositories": [], "requester": "carla", "idempotency_key": "bad-one" });
    for (request, key, code, told) in
        [(good, "good-one", 0, "succeeded"), (bad, "bad-one", 1, "there is no template")]
    {
        let path = stage.folder.path().join(key);
        fs::write(&path, request.to_string()).unwrap();
        let mut command = Command::new(program);
        command.arg(&place).arg(&path).env("REDIS_URL", redis.url());
        if program == "bash" {
            command.arg(key);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "{name}: {said}");
        assert!(said.contains(told), "{name}: {said}");
    }
}

/// Comes with the server that every test needs.
#[test]
fn the_shell_example_works() {
    assert!(Command::new("redis-cli").arg("--version").output().is_ok(), "redis-cli is not installed");
    run("submit.sh", "bash", &["-c", "true"]);
}

#[test]
fn the_python_example_works() {
    run("submit.py", "python3", &["-c", "import redis"]);
}

#[test]
fn the_node_example_works() {
    run("submit.mjs", "node", &["--input-type=module", "-e", "import 'ioredis'"]);
}

#[test]
fn the_ruby_example_works() {
    run("submit.rb", "ruby", &["-e", "require 'redis'"]);
}
