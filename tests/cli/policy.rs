//! `sluice policy test`: the shipped policy keeps its promises, a broken one is told with file and line, and a wrong test is no test.

use std::{fs, path::Path};

use crate::program::{Left, left, sluice};

const CONFIG: &str = r#"
[[identity]]
name = "main"
token = "env:NOWHERE"
[policy]
repositories = ["acme/*"]
repositories_file = "repositories.toml"
freezes_file = "freezes.toml"
default_model = "gpt-a"
"#;

const RULES: &str = r#"
[[repository]]
match = "acme/*"
[[repository]]
match = "acme/vault"
class = "regulated"
on_open_pull = "skip"
"#;

const FREEZES: &str = r#"
[[freeze]]
name = "year-end"
reason = "accounts"
[[freeze.entry]]
from = "2026-12-18"
until = "2027-01-03"
"#;

const TEMPLATE: &str = r#"
name = "tidy"
version = 1
summary = "Tidies"
owner = "dana"
team = "platform"
repositories = ["acme/*"]
labels = ["deps"]
estimate_credits = 1
prompt = "Tidy {{ repository.full_name }}{% if repository.languages %} in {{ repository.languages | join(', ') }}{% endif %}."
[requires]
files = ["Cargo.toml"]
[scope]
may_change = ["**"]
"#;

const CASES: &str = r#"
[[case]]
name = "the plain one"
[case.request]
template = "tidy"
repositories = ["acme/api"]
requester = "carla"
[case.facts]
languages = ["Rust"]
files = { "Cargo.toml" = "" }
[case.expect]
outcome = "allow"
model = "gpt-a"
frozen = ""

[[case]]
name = "the vault in the last week of the year"
at = "2026-12-24T10:00:00Z"
[case.request]
template = "tidy"
repositories = ["acme/vault"]
requester = "carla"
[case.facts]
languages = ["Rust"]
files = { "Cargo.toml" = "" }
[case.expect]
outcome = "needs_approval"
reasons = ["class-needs-approval"]
class = "regulated"
frozen = "year-end"
"#;

fn policy(cases: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("sluice.toml", CONFIG),
        ("repositories.toml", RULES),
        ("freezes.toml", FREEZES),
        ("templates/tidy/1.toml", TEMPLATE.trim_start()),
        ("policy-tests/tidy.toml", cases),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn test(folder: &Path, more: &[&str]) -> Left {
    left(sluice(&[&["policy", "test"], more].concat(), folder).output().unwrap())
}

#[test]
fn the_shipped_policy_passes_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for more in [&[][..], &["config"]] {
        let ran = test(root, more);
        assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
        assert!(ran.out.contains("10 cases in 2 files: all as expected"), "{}", ran.out);
    }
}

#[test]
fn a_policy_that_decides_otherwise_is_told_with_file_and_line_what_was_expected_and_what_it_did() {
    let good = policy(CASES);
    let ran = test(good.path(), &[]);
    assert_eq!((ran.code, ran.out.trim()), (Some(0), "2 cases in 1 file: all as expected"), "{}", ran.err);
    for (file, from, to, line, told) in [
        (
            "repositories.toml",
            "class = \"regulated\"",
            "",
            27,
            "acme/vault: expected needs_approval, got allow",
        ),
        ("repositories.toml", "class = \"regulated\"", "", 28, "expected [class-needs-approval], got []"),
        ("repositories.toml", "\"acme/*\"", "\"acme/*\"\ntemplates = [\"x\"]", 12, "(template-not-eligible)"),
        ("sluice.toml", "gpt-a", "gpt-b", 13, "acme/api: expected `gpt-a`, got `gpt-b`"),
        ("freezes.toml", "2026-12-18", "2026-12-25", 30, "acme/vault: expected `year-end`, got none"),
        ("templates/tidy/1.toml", "\"Cargo.toml\"", "\"Makefile\"", 12, "does not say: Makefile"),
        ("templates/tidy/1.toml", "[\"acme/*\"]", "[\"acme/v*\"]", 12, "the request is refused"),
    ] {
        let folder = policy(CASES);
        let path = folder.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}: {from}");
        fs::write(&path, text.replace(from, to)).unwrap();
        let ran = test(folder.path(), &[]);
        assert_eq!(ran.code, Some(1), "{file}: {}{}", ran.out, ran.err);
        let found = ran.out.lines().any(|at| at.contains(&format!("tidy.toml:{line}:")) && at.contains(told));
        assert!(found, "{file} {line} {told}:\n{}", ran.out);
    }
    let folder = policy(&CASES.replace("gpt-a", "gpt-z"));
    let ran = test(folder.path(), &["--json"]);
    let answer: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((answer["ok"].as_bool(), answer["cases"].as_u64()), (Some(false), Some(2)), "{answer}");
    assert_eq!(answer["failures"][0]["code"], "policy-test-failed");
}

#[test]
fn a_wrong_test_is_refused_with_its_line_and_no_tests_are_no_success() {
    for (from, to, told) in [
        ("outcome = \"allow\"", "outcom = \"allow\"", "tidy.toml:12:1: unknown key `outcom`"),
        ("outcome = \"allow\"", "outcome = \"maybe\"", "tidy.toml:12:11: unknown word `maybe`"),
        ("languages = [\"Rust\"]", "langauges = []", "tidy.toml:9:1: unknown key `langauges`"),
        ("requester = \"carla\"", "requestor = \"carla\"", "unknown key `requestor`"),
        ("2026-12-24T10:00:00Z", "tomorrow", "tidy.toml:18:6: `at` of the case"),
        ("outcome = \"allow\"\nmodel = \"gpt-a\"\nfrozen = \"\"\n", "", "expects nothing"),
    ] {
        assert!(CASES.contains(from), "{from}");
        let folder = policy(&CASES.replacen(from, to, 1));
        let ran = test(folder.path(), &[]);
        assert_eq!(ran.code, Some(3), "{to}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(told), "{told}:\n{}", ran.err);
    }
    let folder = policy("");
    assert!(test(folder.path(), &[]).err.contains("there is no case"));
    fs::remove_file(folder.path().join("policy-tests/tidy.toml")).unwrap();
    let ran = test(folder.path(), &[]);
    assert_eq!(ran.code, Some(3), "{}", ran.out);
    assert!(ran.err.contains("there are no tests"), "{}", ran.err);
}

/// Only some files: the rest is that of the configuration in force.
#[test]
fn a_part_of_a_policy_is_tried_with_the_rest_of_the_one_in_force() {
    let (in_force, part) = (policy(CASES), tempfile::tempdir().unwrap());
    fs::create_dir(part.path().join("policy-tests")).unwrap();
    fs::write(part.path().join("policy-tests/tidy.toml"), CASES).unwrap();
    let name = part.path().display().to_string();
    let ran = test(in_force.path(), &[&name]);
    assert_eq!(ran.code, Some(3), "{}", ran.out);
    assert!(ran.err.contains("neither `sluice.toml` nor"), "{}", ran.err);
    fs::write(part.path().join("repositories.toml"), RULES.replace("regulated", "sensitive")).unwrap();
    let ran = test(in_force.path(), &[&name]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("expected needs_approval, got allow"), "{}", ran.out);
}
