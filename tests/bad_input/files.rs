//! Configurations and templates that a daemon does not start with.

use crate::{
    stage::{HOOK_SECRET, Stage},
    table::{REFUSED, assert_told, scenario, still},
};

/// Which file is changed, what for what, and parts of the message: where, what, what to do.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

const CONFIG: &str = "sluice.toml";
const TEMPLATE: &str = "templates/bump/1.toml";

const ROWS: &[Row] = &[
    (
        "unknown key",
        CONFIG,
        "listen = ",
        "lisen = ",
        &["sluice.toml:5:1: unknown key `lisen`", "| lisen = ", "did you mean `listen`?"],
    ),
    (
        "unknown section",
        CONFIG,
        "[worker]",
        "[workers]",
        &["unknown key `workers`", "did you mean `worker`?"],
    ),
    ("not TOML", CONFIG, "[worker]", "[worker", &["sluice.toml:", "| [worker"]),
    (
        "secret written down",
        CONFIG,
        "file:bot-token",
        "ghp_hunter2",
        &["only a reference to a secret may stand here", "write env:NAME or file:PATH", "(hidden)"],
    ),
    (
        "secret that is not set",
        CONFIG,
        "file:bot-token",
        "env:NO_SUCH_TOKEN",
        &["env:NO_SUCH_TOKEN: the variable is not set", "set it in the environment"],
    ),
    (
        "secret that is no file",
        CONFIG,
        "file:bot-token",
        "file:nowhere",
        &["file:nowhere: the file", "cannot be read", "check its path"],
    ),
    (
        "open to the world",
        CONFIG,
        "127.0.0.1:0",
        "0.0.0.0:0",
        &["sluice.toml:5:10: other machines could reach it", "behind_proxy = true"],
    ),
    (
        "token in the clear",
        CONFIG,
        "base_url = \"http://127.0.0.1",
        "base_url = \"http://192.0.2.1",
        &["the token would travel without encryption", "https://"],
    ),
    (
        "no number",
        CONFIG,
        "sweep_seconds = 1",
        "sweep_seconds = \"often\"",
        &["invalid type: string", "| sweep_seconds = \"often\""],
    ),
    (
        "out of range",
        CONFIG,
        "lease_seconds = 3",
        "lease_seconds = 0",
        &["0 is out of range: write 3 to 3600"],
    ),
    (
        "unknown kind of budget",
        CONFIG,
        "kind = \"slots\"",
        "kind = \"slot\"",
        &["unknown word `slot`", "did you mean `slots`?"],
    ),
    (
        "unknown gate",
        CONFIG,
        "[worker]",
        "[gate]\nurl = \"http://x\"\n[worker]",
        &["there is no such gate", "write \"memory\""],
    ),
    (
        "no such templates",
        CONFIG,
        "[policy]",
        "[policy]\ntemplates = \"elsewhere\"",
        &["elsewhere: the folder of templates cannot be read"],
    ),
    (
        "undefined variable",
        TEMPLATE,
        "inputs.package |",
        "inputs.pakage |",
        &["bump/1.toml:12:10: the prompt names `inputs.pakage`", "did you mean `inputs.package`?"],
    ),
    (
        "undefined name",
        TEMPLATE,
        "repository.full_name",
        "repo.full_name",
        &["bump/1.toml:12:10: the prompt names `repo.full_name`", "known here:"],
    ),
    (
        "prompt that cannot be read",
        TEMPLATE,
        "| data }}",
        "| data",
        &["the prompt cannot be rendered: syntax error", "{{ inputs.name }}"],
    ),
    (
        "unknown key in a template",
        TEMPLATE,
        "owner = ",
        "onwer = ",
        &["bump/1.toml:4:1: unknown key `onwer`", "did you mean `owner`?"],
    ),
    (
        "unknown pool",
        TEMPLATE,
        "reviewers = \"reviewers\"",
        "reviewers = \"reviewer\"",
        &["template bump@1: its reviewer pool `reviewer`", "did you mean `reviewers`?"],
    ),
    ("version that is not the file's", TEMPLATE, "version = 1", "version = 2", &["bump/1.toml", "version"]),
    (
        "inputs that are no schema",
        TEMPLATE,
        "type = \"string\"",
        "type = \"sting\"",
        &["bump/1.toml:", "sting"],
    ),
];

#[test]
fn a_daemon_does_not_start_with_a_wrong_file_and_makes_no_ledger() {
    let stage = Stage::set(&scenario(""), &still());
    for (what, name, from, to, parts) in ROWS {
        let good = std::fs::read_to_string(stage.path(name)).unwrap();
        assert!(good.contains(from), "{what}: no `{from}` in {name}");
        stage.write(name, good.replacen(from, to, 1));
        assert_refused(&stage, what, parts);
        stage.write(name, good);
    }
    for name in [CONFIG, TEMPLATE] {
        let good = std::fs::read(stage.path(name)).unwrap();
        stage.write(name, [&good, &b"# \xff\n"[..]].concat());
        assert_refused(&stage, "not UTF-8", &["not UTF-8: byte 0xff at position", "save it as UTF-8"]);
        stage.write(name, good);
    }
}

/// `serve` and `config check` say the same.
fn assert_refused(stage: &Stage, what: &str, parts: &[&str]) {
    let secret = [("SLUICE_TEST_HOOK", HOOK_SECRET)];
    let ran = stage.serve_in_vain(&secret);
    assert_told(what, &ran, REFUSED, &[parts, &["the configuration cannot be used"]].concat());
    assert!(!ran.err.contains("hunter2"), "{what}: {}", ran.err);
    let checked = crate::stage::process::run(stage.folder.path(), &stage.line(&["config", "check"]), &secret);
    assert_told(what, &checked, REFUSED, parts);
    assert!(!stage.path("ledger.db").exists() && !stage.path("token.url").exists(), "{what}");
}

#[test]
fn a_missing_secret_of_the_webhook_is_told_by_its_reference() {
    let stage = Stage::set(&scenario(""), &still());
    let parts = ["env:SLUICE_TEST_HOOK: the variable is not set", "set it in the environment"];
    assert_told("no secret", &stage.serve_in_vain(&[]), REFUSED, &parts);
    let ran = stage.serve_in_vain(&[("SLUICE_TEST_HOOK", "hunter2hunter2")]);
    let parts =
        ["env:SLUICE_TEST_HOOK: read the webhook secret: it must start with `whsec_`", "Standard Webhooks"];
    assert_told("no webhook secret", &ran, REFUSED, &parts);
    assert!(!ran.err.contains("hunter2"));
}

/// What a secret says is looked at before the start, and not repeated.
#[test]
fn the_address_of_a_receiver_that_is_kept_as_a_secret_is_checked_as_at_the_start() {
    let stage = Stage::set(&scenario(""), &still());
    let mut text = std::fs::read_to_string(stage.path("sluice.toml")).unwrap();
    text.push_str(
        "\n[[notices.sink]]\nname = \"chat\"\nkind = \"slack\"\nurl = \"env:CHAT\"\n\
         [[notices.sink]]\nname = \"hub\"\nkind = \"webhook\"\nurl = \"env:HUB\"\nsecret = \"env:SLUICE_TEST_HOOK\"\n",
    );
    stage.write("sluice.toml", text);
    let config = ["config", "check"].map(str::to_owned);
    for (chat, hub, parts) in [
        (
            "https://10.1.2.3/hunter2",
            "hunter2",
            &["env:CHAT: set up chat: ", "in a private network", "env:HUB: read the url of hub: "][..],
        ),
        (
            "hunter2:hunter2",
            "https://127.0.0.1/hunter2",
            &["env:CHAT: read the url of chat: it is not http or https", "env:HUB: set up hub: "],
        ),
    ] {
        let env = [("SLUICE_TEST_HOOK", HOOK_SECRET), ("CHAT", chat), ("HUB", hub)];
        let served = stage.serve_in_vain(&env);
        let line = [&stage.line(&[])[..], &config].concat();
        let checked = crate::stage::process::run(stage.folder.path(), &line, &env);
        for ran in [&served, &checked] {
            assert_told("a receiver", ran, REFUSED, parts);
            assert!(!ran.err.contains("hunter2"), "{}", ran.err);
        }
    }
    let good = "https://hooks.example.org/hunter2";
    let env = [("SLUICE_TEST_HOOK", HOOK_SECRET), ("CHAT", good), ("HUB", good)];
    let line = [&stage.line(&[])[..], &config].concat();
    let checked = crate::stage::process::run(stage.folder.path(), &line, &env);
    assert_eq!(checked.code, 0, "{checked:?}");
}

#[test]
fn a_secret_that_others_can_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt as _;
    let stage = Stage::set(&scenario(""), &still());
    let check = |mode| {
        std::fs::set_permissions(stage.path("bot-token"), std::fs::Permissions::from_mode(mode)).unwrap();
        let line = stage.line(&["config", "check"]);
        crate::stage::process::run(stage.folder.path(), &line, &[("SLUICE_TEST_HOOK", HOOK_SECRET)])
    };
    let (open, closed) = (check(0o644), check(0o600));
    assert!(
        open.code == 0 && open.out.contains("can read the secret in") && open.out.contains("chmod 600"),
        "{open:?}"
    );
    assert!(closed.code == 0 && !closed.out.contains("can read the secret in"), "{closed:?}");
}

#[test]
fn a_configuration_and_a_scenario_that_are_not_there_are_named() {
    let stage = Stage::set(&scenario(""), &still());
    let run = |line: &[&str]| {
        let line: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        crate::stage::process::run(stage.folder.path(), &line, &[])
    };
    let none = run(&["serve", "--config", "/nowhere/sluice.toml"]);
    assert_told(
        "no file",
        &none,
        REFUSED,
        &["/nowhere/sluice.toml: cannot be read: No such file", "check the path"],
    );
    let none = run(&["simulate", "--scenario", "/nowhere/x.toml"]);
    assert_told(
        "no scenario",
        &none,
        REFUSED,
        &["open scenario /nowhere/x.toml: No such file", "docs/simulator.md"],
    );
    stage.write("x.toml", "[limits]\nrequests_per_hours = 3\n");
    let none = run(&["simulate", "--scenario", "x.toml"]);
    assert_told(
        "wrong scenario",
        &none,
        REFUSED,
        &["x.toml:2:1: unknown field `requests_per_hours`", "docs/simulator.md"],
    );
}
