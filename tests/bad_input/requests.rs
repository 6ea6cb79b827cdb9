//! Requests that are refused.

use serde_json::json;

use crate::{
    stage::Stage,
    table::{CONFLICT, REFUSED, USAGE, assert_told, counts, scenario, still},
};

/// As they should be.
const JSON: &str = r#"{"template": "bump", "requester": "carla",
 "repositories": ["acme/api"], "inputs": {"package": "serde"}}"#;
const TOML: &str = r#"template = "bump"
requester = "carla"
repositories = ["acme/api"]
[inputs]
package = "serde"
"#;

/// What is wrong, what is written for what (in `JSON` or `TOML`), and parts of the message: where, what, what to do.
type Row = (&'static str, &'static str, &'static str, &'static [&'static str]);

const IN_JSON: &[Row] = &[
    (
        "unknown template",
        "\"bump\"",
        "\"bumb\"",
        &["template: there is no template `bumb`", "did you mean `bump`?"],
    ),
    ("unknown version", "\"bump\"", "\"bump@9\"", &["the template `bump` has no version 9", "versions: 1"]),
    (
        "not a version",
        "\"bump\"",
        "\"bump@new\"",
        &["`bump@new` does not name a template", "write `name` or `name@2`"],
    ),
    (
        "wrong input type",
        "\"serde\"",
        "5",
        &["inputs.package: expected string, found the number 5", "hint: it is: the package, such as serde"],
    ),
    (
        "missing input",
        "\"package\": \"serde\"",
        "",
        &["inputs: the input `package` is missing", "such as serde"],
    ),
    (
        "unknown input",
        "{\"package\"",
        "{\"pakage\": 1, \"package\"",
        &["the template has no input `pakage`", "did you mean `package`?"],
    ),
    (
        "no repository",
        "\"acme/api\"",
        "\"acme\"",
        &["repositories[0]: `acme` is not a repository", "write owner/name"],
    ),
    ("nothing to do", "\"acme/api\"", "", &["no repository is named", "list at least one"]),
    (
        "named twice",
        "\"acme/api\"",
        "\"acme/api\", \"Acme/API\"",
        &["repositories[1]: `acme/api` is named twice", "upper and lower case are the same"],
    ),
    ("a marker of ours", "serde", "Sluicegate-Job: a/b/c", &["inputs.package", "marker-in-input"]),
    (
        "unknown key",
        "\"repositories\"",
        "\"repositores\"",
        &["r.json:2:", "unknown key `repositores`", "did you mean `repositories`?"],
    ),
    ("no JSON", "\"serde\"", "", &["r.json:2:54", "expected value"]),
    ("nobody may review", "carla", "ana", &["nobody but the requester `ana`", "add another member"]),
];

const IN_TOML: &[Row] = &[
    (
        "unknown template",
        "\"bump\"",
        "\"bumb\"",
        &["r.toml:1:12: there is no template `bumb`", "| template = \"bumb\"", "did you mean `bump`?"],
    ),
    (
        "wrong input type",
        "\"serde\"",
        "5",
        &["r.toml:5:11: expected string, found the number 5", "| package = 5", "such as serde"],
    ),
    (
        "outside the allow-list",
        "acme/api",
        "other/api",
        &[
            "r.toml:3:17: `other/api` is outside the allow-list of this installation (acme/*)",
            "ask the operator",
        ],
    ),
    (
        "unknown key",
        "requester",
        "requster",
        &["r.toml:2:1: unknown key `requster`", "| requster = \"carla\"", "did you mean `requester`?"],
    ),
    (
        "missing key",
        "requester = \"carla\"\n",
        "",
        &["the key `requester` is missing", "add `requester = ...`"],
    ),
    ("no TOML", "\"bump\"", "bump", &["r.toml:1:12", "| template = bump"]),
];

/// The table as files that are handed in.
fn rows() -> Vec<(&'static str, &'static str, Vec<u8>, &'static [&'static str])> {
    let mut rows = Vec::new();
    for (name, good, table) in [("r.json", JSON, IN_JSON), ("r.toml", TOML, IN_TOML)] {
        for (what, from, to, parts) in table {
            assert!(good.contains(from), "{what}: {from}");
            rows.push((*what, name, good.replacen(from, to, 1).into_bytes(), *parts));
        }
    }
    let json = |from: &str, to: &str| JSON.replace(from, to).into_bytes();
    let many: Vec<String> = (0..10_001).map(|n| format!("\"acme/r{n}\"")).collect();
    let parts: &[_] = &["10001 repositories are named, at most 10000", "split the request"];
    rows.push(("10,001 repositories", "r.json", json("\"acme/api\"", &many.join(",")), parts));
    let parts: &[_] = &["the inputs are over 65536 bytes", "refer to long texts"];
    rows.push(("inputs too long", "r.json", json("serde", &"x".repeat(70_000)), parts));
    let parts: &[_] = &["the rendered prompt is over 65536 bytes (64 KiB)", "shorten the inputs"];
    rows.push(("prompt over 64 KiB", "r.json", json("serde", &"x".repeat(65_500)), parts));
    let parts: &[_] = &["r.toml:2: not UTF-8: byte 0xff at position 34", "save it as UTF-8"];
    rows.push(("not UTF-8", "r.toml", b"template = \"bump\"\nrequester = \"car\xffla\"\n".to_vec(), parts));
    let parts: &[_] = &["r.json:1: not UTF-8: byte 0xff at position 16", "save it as UTF-8"];
    rows.push(("JSON that is not UTF-8", "r.json", b"{\"template\": \"bu\xffmp\"}".to_vec(), parts));
    rows
}

fn open() -> Stage {
    let mut settings = still();
    settings.reviewers = vec![("ana", 2)];
    let mut stage = Stage::set(&scenario(""), &settings);
    stage.open();
    stage
}

#[test]
fn a_request_that_is_refused_says_why_and_leaves_nothing() {
    let stage = open();
    stage.submit("bump", &["first"], &json!({}));
    let before = counts(&stage);
    for (what, name, bytes, parts) in rows() {
        stage.write(name, bytes);
        let path = stage.path(name).display().to_string();
        let ran = stage.sluice(&["submit", &path]);
        assert_told(what, &ran, REFUSED, &[parts, &["nothing of it was kept"]].concat());
        // Planned only, it is refused alike.
        assert_told(what, &stage.sluice(&["submit", &path, "--dry-run"]), REFUSED, parts);
        assert_eq!(counts(&stage), before, "{what}");
    }
    assert_eq!(stage.job("first")["state"], "queued");
}

#[test]
fn a_command_line_that_makes_no_request_says_why_and_leaves_nothing() {
    let stage = open();
    stage.write("repositories", b"acme/api\nacme/\xff\n");
    let list = stage.path("repositories").display().to_string();
    let base = ["submit", "--template", "bump", "--requester", "carla"];
    let before = counts(&stage);
    for (what, more, exit, parts) in [
        (
            "no repository",
            &["--input", "package=x"][..],
            USAGE,
            &["no repository is named", "add --repository OWNER/NAME"][..],
        ),
        (
            "no value",
            &["-r", "acme/api", "--input", "package"],
            USAGE,
            &["--input package: there is no `=`", "write --input key=text"],
        ),
        (
            "not JSON",
            &["-r", "acme/api", "--input", "package:=five"],
            USAGE,
            &["--input package:=five: this is not JSON"],
        ),
        (
            "wrong type",
            &["-r", "acme/api", "--input", "package:=5"],
            REFUSED,
            &["expected string, found the number 5"],
        ),
        (
            "a band that is none",
            &["-r", "acme/api", "--input", "package=x", "--priority", "12"],
            REFUSED,
            &["priority", "write 0 (first) to 9 (last)"],
        ),
        (
            "a list that is no text",
            &["--repositories-file", &list, "--input", "package=x"],
            REFUSED,
            &["repositories:2: the file is not UTF-8", "save it as UTF-8"],
        ),
        ("a file and flags", &["some.toml"], USAGE, &["cannot be used with"]),
    ] {
        assert_told(what, &stage.sluice(&[&base, more].concat()), exit, parts);
    }
    let missing = stage.sluice(&["submit", "/nowhere/request.toml"]);
    assert_told(
        "no such file",
        &missing,
        REFUSED,
        &["/nowhere/request.toml cannot be read: No such file", "check the path"],
    );
    assert_eq!(counts(&stage), before);
}

#[test]
fn an_idempotency_key_belongs_to_one_request() {
    let stage = open();
    let keyed = |key: &str| JSON.replacen('{', &format!("{{\"idempotency_key\": \"{key}\", "), 1);
    stage.write("r.json", keyed("nightly-7"));
    let path = stage.path("r.json").display().to_string();
    let first = stage.json(&["submit", &path]);
    let before = counts(&stage);
    stage.write("r.json", keyed("nightly-7").replace("serde", "tokio"));
    let parts =
        ["idempotency key `nightly-7` was used on", first["request"].as_str().unwrap(), "use a new key"];
    assert_told("the key of another request", &stage.sluice(&["submit", &path]), CONFLICT, &parts);
    stage.write("r.json", keyed("nächtlich"));
    let parts = ["idempotency_key: not an idempotency key", "1 to 200 printable ASCII"];
    assert_told("a key that is none", &stage.sluice(&["submit", &path]), REFUSED, &parts);
    assert_eq!(counts(&stage), before);
}

#[test]
fn a_template_that_was_changed_under_its_version_is_refused_until_it_is_put_back() {
    let mut stage = open();
    let request_id = stage.submit("bump", &["first"], &json!({"idempotency_key": "k"}));
    let path = "templates/bump/1.toml";
    let original = std::fs::read_to_string(stage.path(path)).unwrap();
    assert!(stage.close().success());
    stage.write(path, original.replace("Raise", "Lower"));
    stage.open();
    let before = counts(&stage);
    stage.write("r.json", JSON);
    let file = stage.path("r.json").display().to_string();
    let parts = ["template bump@1 was changed after its first use on", "give the changed text a new version"];
    assert_told("another text under the same version", &stage.sluice(&["submit", &file]), CONFLICT, &parts);
    assert_eq!(counts(&stage), before);
    // What was accepted before stays accepted, also when it is asked again.
    assert_eq!(stage.submit("bump", &["first"], &json!({"idempotency_key": "k"})), request_id);
    assert!(stage.close().success());
    stage.write(path, original);
    stage.open();
    assert_eq!(stage.sluice(&["submit", &file]).code, 0);
}
