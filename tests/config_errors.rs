//! Wrong configurations, each with the message that it must give: file, line, column, the offending text and what
//! to do. Also that the shipped configuration is right, and that no message repeats a secret.
#![expect(clippy::unwrap_used, reason = "in functions that tests share")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use sluicegate::{
    budget::{Key, Period, Scope},
    config::{ConfigError, Loaded, Settings, check, load_catalog},
    job::Millis,
};
use tempfile::TempDir;

#[cfg(test)]
#[path = "config/mod.rs"]
mod parts;

type Env = BTreeMap<String, String>;

fn env(variables: &[(&str, &str)]) -> Env {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sluice.toml")
}

/// A folder with this file as its configuration.
fn folder(text: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sluice.toml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn load(text: impl AsRef<[u8]>, variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let (_folder, path) = folder(text);
    Settings::load(Some(&path), &env(variables))
}

/// The whole message, the folder's changing name left out.
fn wrong(text: impl AsRef<[u8]>, variables: &[(&str, &str)]) -> String {
    let (folder, path) = folder(text);
    let error = Settings::load(Some(&path), &env(variables)).unwrap_err().to_string();
    error.replace(&format!("{}/", folder.path().display()), "")
}

const BUDGET: &str = "[[budget]]\nname = \"slots\"\nkind = \"slots\"\nper = \"global\"\nlimit = 3\n";
const IDENTITY: &str = "[[identity]]\nname = \"main\"\ntoken = \"env:GITHUB_TOKEN\"\n";
const POOL: &str = "[[pool]]\nname = \"people\"\n[[pool.member]]\nlogin = \"ana\"\n";

#[test]
fn a_wrong_file_is_told_with_line_column_text_and_hint() {
    let budget = |from: &str, to: &str| BUDGET.replace(from, to);
    let pool = |from: &str, to: &str| POOL.replace(from, to);
    for (text, place, shown, hint) in [
        ("[ledgr]\n".to_owned(), "sluice.toml:1:2: unknown key `ledgr`", "[ledgr]", "did you mean `ledger`?"),
        ("\n[http]\nlisten = 4280\n".to_owned(), "sluice.toml:3:10: ", "listen = 4280", ""),
        ("[http]\nlisten = \"here\"\n".to_owned(), "sluice.toml:2:10: invalid socket address", "^^^^^^", ""),
        (
            "[worker]\nstart_in_flight = 3".to_owned(),
            "sluice.toml:2:1: unknown key",
            "^^^",
            "did you mean `starts_in_flight`?",
        ),
        (
            "[worker]\nadmit_batch = 0".to_owned(),
            "sluice.toml:2:15: 0 is out of range: write 1 to 512",
            "^",
            "",
        ),
        ("[worker]\nadmit_batch = -1".to_owned(), "sluice.toml:2:15: -1 is out of range", "^^", ""),
        (
            "[worker]\nadmit_batch = \"many\"".to_owned(),
            "sluice.toml:2:15: invalid type: string",
            "^^^^^^",
            "",
        ),
        ("[worker\n".to_owned(), "sluice.toml:1:8: ", "[worker", ""),
        (
            "[worker]\nadmit_batch = 1\nadmit_batch = 2\n".to_owned(),
            "sluice.toml:3:1: duplicate key",
            "admit_batch = 2",
            "",
        ),
        (
            "[log]\nformat = \"jsn\"\n".to_owned(),
            "sluice.toml:2:10: unknown word `jsn`",
            "\"jsn\"",
            "did you mean `json`?",
        ),
        (
            "[ledger]\nurl = \"mysql://x\"\n".to_owned(),
            "sluice.toml:2:7: the ledger's address",
            "mysql",
            "sqlite:.sluice/ledger.db",
        ),
        (
            "[ledger]\nsynchronous = \"ful\"\n".to_owned(),
            "sluice.toml:2:15: ",
            "\"ful\"",
            "did you mean `full`?",
        ),
        (
            "[gate]\nurl = \"http://x\"\n".to_owned(),
            "sluice.toml:2:7: there is no such gate",
            "redis",
            "write \"memory\"",
        ),
        (
            "[github]\nbase_url = \"http://github.example\"\n".to_owned(),
            "sluice.toml:2:12: the token would travel",
            "^^^",
            "https",
        ),
        (
            "[policy]\nidentity = \"mian\"\n[[identity]]\nname = \"main\"\ntoken = \"env:T\"\n".to_owned(),
            "sluice.toml:2:12: there is no identity `mian`",
            "mian",
            "did you mean `main`?",
        ),
        (
            "[policy]\nrepositories = [\"acme/*\", \"a b\"]\n".to_owned(),
            "sluice.toml:2:27: `a b` is not a glob",
            "^^^^^",
            "owner/name",
        ),
        (
            "[[identity]]\nname = \"main\"\n".to_owned(),
            "sluice.toml:1:1: the key `token` is missing",
            "[[identity]]",
            "add `token = ...`",
        ),
        (
            "[worker]\nroles = []\n".to_owned(),
            "sluice.toml:2:9: a worker without a role does nothing",
            "[]",
            "admit, start, track, review, notify",
        ),
        (
            "[tracking]\nrunning_ms = 0\n".to_owned(),
            "sluice.toml:2:14: 0 is out of range",
            "^",
            "milliseconds",
        ),
        (
            "[notices.webhook]\nurl = \"example.org\"\nsecret = \"env:S\"\n".to_owned(),
            "sluice.toml:2:7: not an address",
            "example",
            "https://",
        ),
        (
            budget("kind = \"slots\"", "kind = \"slot\""),
            "sluice.toml:3:8: unknown word `slot`",
            "\"slot\"",
            "did you mean `slots`?",
        ),
        (
            budget("global", "globe"),
            "sluice.toml:4:7: unknown word `globe`",
            "\"globe\"",
            "did you mean `global`?",
        ),
        (budget("limit = 3", "limit = -3"), "sluice.toml:5:9: ", "-3", ""),
        (
            budget("limit = 3", "limit = 2.5"),
            "sluice.toml:5:9: `2.5` is not a whole number",
            "2.5",
            "only `spend`",
        ),
        (
            budget("limit = 3", "limit = 3\nperiod = \"1h\""),
            "sluice.toml:6:10: this kind of budget has no period",
            "1h",
            "leave `period` out",
        ),
        (
            budget("kind = \"slots\"", "kind = \"window\""),
            "sluice.toml:3:8: a window budget needs a period",
            "window",
            "period = \"1h\"",
        ),
        (
            budget("kind = \"slots\"", "kind = \"window\"\nperiod = \"weekly\""),
            "sluice.toml:4:10: `weekly` is not a period",
            "^^^",
            "7d",
        ),
        (
            budget("name = \"slots\"", "name = \"pool\""),
            "sluice.toml:2:8: a budget cannot be named `pool`",
            "pool",
            "another name",
        ),
        (
            budget("limit = 3", "limit = 3\nmatch = \"x\""),
            "sluice.toml:6:9: a global budget has nothing to match",
            "match",
            "leave `match` out",
        ),
        (
            format!("{BUDGET}{BUDGET}"),
            "sluice.toml:6:1: the budget `slots` per global is there twice",
            "",
            "keep one",
        ),
        (pool("ana", "a b"), "sluice.toml:4:9: `a b` is not a login", "a b", "GitHub login"),
        (
            pool("[[pool.member]]\nlogin = \"ana\"\n", ""),
            "sluice.toml:1:1: the pool `people` has no member",
            "",
            "[[pool.member]]",
        ),
        (
            format!("{POOL}[[pool.member]]\nlogin = \"Ana\"\n"),
            "sluice.toml:6:9: `Ana` is in the pool twice",
            "Ana",
            "keep one",
        ),
        (
            format!("{POOL}away = [\"2026-12-24/soon\"]\n"),
            "sluice.toml:5:9: `2026-12-24/soon` is not an absence",
            "soon",
            "2026-12-24/2027-01-02",
        ),
        (format!("{POOL}open_reviews = 5000\n"), "sluice.toml:5:16: 5000 is out of range", "5000", ""),
    ] {
        let told = wrong(&text, &[]);
        assert!(told.starts_with(place), "{place}\n{told}");
        assert!(
            told.contains(shown) && told.contains(hint) && told.contains(" | "),
            "{shown} {hint}\n{told}"
        );
    }
}

#[test]
fn a_file_that_is_no_text_or_is_not_there_is_named() {
    let told = wrong(b"[http]\nlisten = \"\xfe\"", &[]);
    assert!(told.starts_with("sluice.toml:2: not UTF-8: byte 0xfe at position 17"), "{told}");
    let error = Settings::load(Some(Path::new("/nowhere/sluice.toml")), &Env::new()).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/sluice.toml: cannot be read: "), "{error}");
    let error = Settings::load(None, &env(&[("SLUICE_CONFIG", "/nowhere/x.toml")])).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/x.toml: "), "{error}");
}

#[test]
fn all_problems_of_a_file_are_told_at_once() {
    let told = wrong("[gate]\nurl = \"x\"\n[ledger]\nurl = \"y\"\n", &[]);
    assert!(told.contains("sluice.toml:2:7") && told.contains("sluice.toml:4:7"), "{told}");
}

#[test]
fn a_variable_overrides_the_file_and_a_wrong_one_is_named() {
    let text = "[worker]\nadmit_batch = 7\n[policy]\ndefault_model = \"a\"\n";
    let variables = [
        ("SLUICE_WORKER__ADMIT_BATCH", "9"),
        ("SLUICE_POLICY__REPOSITORIES", "[\"acme/*\"]"),
        ("SLUICE_POLICY__DEFAULT_MODEL", "5"),
        ("SLUICE_GITHUB__USE_ETAGS", "false"),
        ("SLUICE_NOTICES__WEBHOOK__URL", "https://example.org"),
        ("SLUICE_CONFIG_UNRELATED", "x"),
        ("SLUICE_LOG", "debug"),
    ];
    let missing = wrong(text, &variables);
    assert!(missing.starts_with("SLUICE_NOTICES__WEBHOOK__URL: the key `secret` is missing"), "{missing}");
    let together = [
        ("SLUICE_NOTICES__WEBHOOK__URL", "https://example.org"),
        ("SLUICE_NOTICES__WEBHOOK__SECRET", "env:S"),
    ];
    assert!(load(text, &together).unwrap().settings.notices.webhook.is_some());
    let both = variables.into_iter().filter(|(name, _)| !name.contains("WEBHOOK")).collect::<Vec<_>>();
    let settings = load(text, &both).unwrap().settings;
    assert_eq!((settings.worker.admit_batch, settings.policy.default_model.as_deref()), (9, Some("5")));
    assert_eq!((settings.policy.repositories, settings.github.use_etags), (vec!["acme/*".to_owned()], false));
    for (name, value, says, hint) in [
        ("SLUICE_WORKER__ADMIT_BATCH", "many", "`worker.admit_batch`: invalid type", ""),
        ("SLUICE_WORKER__ADMIT_BATCH", "0", "0 is out of range: write 1 to 512", ""),
        ("SLUICE_WORKER__ADMIT_BACH", "9", "unknown key `admit_bach`", "did you mean `admit_batch`?"),
        ("SLUICE_WORKR__ADMIT_BATCH", "9", "no section `workr`", "did you mean `worker`?"),
        ("SLUICE_BUDGET__LIMIT", "9", "no section `budget`", ""),
        ("SLUICE_HTTP__LISTEN", "here", "`http.listen`: invalid socket address", ""),
        ("SLUICE_LEDGER__PASSWORD", "hunter2", "only a reference to a secret", "env:NAME or file:PATH"),
        ("SLUICE_LEDGER__URL", "postgres://sluice:hunter2@db/x", "holds a password", "env:NAME"),
        ("SLUICE_GATE__URL", "redis://sluice:hunter2@db", "holds a password", "env:NAME"),
        ("SLUICE_STREAMS__URL", "redis://:hunter2@db", "holds a password", "env:NAME"),
        ("SLUICE_POLICY__REPOSITORIES", "[\"a b\"]", "`a b` is not a glob", "owner/name"),
        ("SLUICE_LOG__FORMAT", "jsn", "unknown word `jsn`", "did you mean `json`?"),
    ] {
        let told = wrong(text, &[(name, value)]);
        assert!(
            told.starts_with(&format!("{name}: ")) && told.contains(says) && told.contains(hint),
            "{told}"
        );
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_secret_that_was_written_down_is_refused_and_not_repeated() {
    for text in [
        "[[identity]]\nname = \"main\"\ntoken = \"ghp_hunter2\"\n",
        "[[identity]]\nname = \"main\"\ntoken = \"ghp_hunter2\n",
        "identity = [{ name = \"main\", token = \"ghp_hunter2\" }]\n",
        "[ledger]\npassword = \"hunter2\"\n",
        "[ledger]\nurl = \"postgres://sluice:hunter2@db/sluice\"\n",
        "[ledger]\nurl = \"postgres://db/sluice?user=x&password=hunter2\"\n",
        "[notices.webhook]\nurl = \"https://example.org\"\nsecret = \"whsec_hunter2\"\n",
    ] {
        let told = wrong(text, &[]);
        assert!(told.starts_with("sluice.toml:") && !told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_missing_or_empty_secret_is_told_by_its_reference() {
    let text = "[[identity]]\nname = \"main\"\ntoken = \"file:token\"\n";
    let (folder, path) = folder(text);
    fs::create_dir(folder.path().join("templates")).unwrap();
    let told = |problems: Vec<sluicegate::policy::Problem>| problems.first().unwrap().to_string();
    assert!(told(check(Some(&path), &Env::new()).unwrap_err()).starts_with("file:token: the file "));
    fs::write(folder.path().join("token"), "\n").unwrap();
    assert!(
        told(check(Some(&path), &Env::new()).unwrap_err()).starts_with("file:token: the secret is empty")
    );
    fs::write(folder.path().join("token"), "hunter2\n").unwrap();
    let summary = check(Some(&path), &Env::new()).unwrap();
    assert!(summary.warnings.iter().any(|warning| warning.contains("there are no templates")));
    assert!(!format!("{summary:?}").contains("hunter2"));
}

#[test]
fn templates_are_held_against_the_rest_of_the_configuration() {
    let catalog = |text: &str| {
        let (folder, path) = folder(text);
        let to = folder.path().join("templates/new-service");
        fs::create_dir_all(&to).unwrap();
        fs::copy(shipped().with_file_name("templates/new-service/1.toml"), to.join("1.toml")).unwrap();
        fs::write(to.join("notes.md"), "not a template").unwrap();
        load_catalog(&Settings::load(Some(&path), &Env::new()).unwrap()).map_err(|error| error.to_string())
    };
    let pool = POOL.replace("people", "platform-reviewers");
    assert_eq!(catalog(&pool).unwrap().iter().count(), 1);
    let told = catalog(&POOL.replace("people", "platform-reviewer")).unwrap_err();
    assert!(told.starts_with("template new-service@1: its reviewer pool `platform-reviewers`"), "{told}");
    assert!(told.contains("did you mean `platform-reviewer`?"), "{told}");
    let told =
        catalog(&format!("[policy]\nmodels = [\"a-*\"]\ndefault_model = \"b-1\"\n{pool}")).unwrap_err();
    assert!(told.contains("its model `b-1` is not allowed") && told.contains("a-*"), "{told}");
    let told = catalog(&format!("[policy]\ntemplates = \"elsewhere\"\n{pool}")).unwrap_err();
    assert!(told.contains("elsewhere: the folder of templates cannot be read"), "{told}");
}

#[test]
fn a_template_that_is_no_text_is_named_beside_the_other_problems() {
    let (folder, path) = folder("");
    let to = folder.path().join("templates/broken");
    fs::create_dir_all(&to).unwrap();
    fs::write(to.join("1.toml"), b"name = \"\xff\"").unwrap();
    fs::write(to.join("2.toml"), "nam = \"broken\"").unwrap();
    let told = load_catalog(&Settings::load(Some(&path), &Env::new()).unwrap()).unwrap_err().to_string();
    assert!(
        told.contains("broken/1.toml:1: not UTF-8") && told.contains("broken/2.toml:1:1: unknown key"),
        "{told}"
    );
}

#[test]
fn the_shipped_configuration_is_right_and_says_the_defaults() {
    let variables = env(&[("GITHUB_TOKEN", "hunter2")]);
    let summary = check(Some(&shipped()), &variables).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(summary.templates, ["dependency-upgrade@1", "new-service@1", "weekly-release-prep@1"]);
    assert_eq!((summary.identity.as_str(), summary.warnings.len()), ("main", 0));
    let shipped = Settings::load(Some(&shipped()), &Env::new()).unwrap().settings;
    let (limit, key) = (shipped.rules.limit(&Key::scoped("credits", Scope::Global, "")), "10,000 credits");
    assert_eq!(limit.unwrap().get(), 10_000_000_000_000, "{key}");
    let starts = shipped.rules.budgets.iter().find(|rule| rule.name == "starts").unwrap();
    assert_eq!(starts.period, Period::Rolling(Millis::hours(1)));
    // What the file spells out must be what is in force without it.
    let default = Settings::default();
    let told = |settings: &Settings| {
        format!(
            "{:?}{:?}{:?}{:?}{:?}{:?}{:?}{:?}{:?}{:?}",
            settings.ledger,
            settings.gate,
            settings.http,
            settings.github,
            settings.tracking,
            settings.recovery,
            settings.notices,
            settings.worker,
            settings.log,
            settings.policy.templates,
        )
    };
    assert_eq!(told(&shipped), told(&default));
}

/// The first line of the file says so.
#[test]
fn the_shipped_configuration_names_every_key() {
    let text = fs::read_to_string(shipped()).unwrap();
    let named = |key: &str| {
        let forms = [format!("{key} = "), format!("[{key}"), format!(".{key}]")];
        text.lines().any(|line| {
            forms
                .iter()
                .any(|form| line.trim_start_matches(['#', ' ', '[']).starts_with(form) || line.contains(form))
        })
    };
    let sections = include_str!("../src/config/sections.rs");
    let mut keys = 0;
    for part in sections.split("deny_unknown_fields").skip(1) {
        let fields = part.split_once(" {\n").unwrap().1.split("\n}").next().unwrap();
        let mut renamed = None;
        for line in fields.lines().map(str::trim) {
            if let Some((_, name)) = line.split_once("rename = \"") {
                renamed = name.split('"').next();
            } else if line.contains("serde(skip") {
                renamed = Some("");
            } else if let Some((field, _)) = line.strip_prefix("pub ").and_then(|line| line.split_once(": "))
            {
                let key = renamed.take().unwrap_or(field);
                assert!(key.is_empty() || named(key), "{key} is not in config/sluice.toml");
                keys += 1;
            }
        }
    }
    assert!(keys > 80, "{keys}");
}

#[test]
fn what_is_allowed_and_looks_unintended_is_warned_about() {
    let text = format!("{}{POOL}open_reviews = 0\n", BUDGET.replace("limit = 3", "limit = 0"));
    let warnings = load(text, &[]).unwrap().warnings.join("\n");
    for part in [
        "limit 0: nothing of it can start unless a limit was set with `sluice limit`",
        "open_reviews 0",
        "no repository may be touched",
    ] {
        assert!(warnings.contains(part), "{part}: {warnings}");
    }
}

#[test]
fn plain_http_to_another_machine_needs_its_own_word() {
    for base in ["http://127.0.0.1:4300", "http://localhost", "http://[::1]:80/x"] {
        assert!(load(format!("[github]\nbase_url = \"{base}\"\n"), &[]).is_ok(), "{base}");
    }
    // Begins like this machine and is another.
    let said = wrong("[github]\nbase_url = \"http://localhost.example:80/\"\n", &[]);
    assert!(said.contains("2:12: the token would travel") && said.contains("plain_http = true"), "{said}");
    let asked = "[github]\nbase_url = \"http://simulator:4300\"\nplain_http = true\n";
    assert!(load(asked, &[]).is_ok());
    let variables =
        [("SLUICE_GITHUB__BASE_URL", "http://simulator:4300"), ("SLUICE_GITHUB__PLAIN_HTTP", "true")];
    assert!(load("", &variables).is_ok());
}

#[test]
fn the_configuration_of_the_containers_is_right_and_names_their_services() {
    let path = shipped().with_file_name("compose.toml");
    let variables = [
        ("SLUICE_GITHUB__BASE_URL", "http://simulator:4300"),
        ("SLUICE_GITHUB__PLAIN_HTTP", "true"),
        ("SLUICE_GITHUB__MIN_WRITE_GAP_MS", "0"),
        ("SLUICE_LOG__LEVEL", "info"),
    ];
    let loaded = Settings::load(Some(&path), &env(&variables)).unwrap();
    let compose =
        std::fs::read_to_string(path.parent().unwrap().with_file_name("docker-compose.yml")).unwrap();
    for service in ["\n  postgres:\n", "\n  redis:\n", "\n  simulator:\n"] {
        assert!(compose.contains(service), "{service}");
    }
    assert_eq!(loaded.settings.ledger.url, "postgres://sluice@postgres/sluice");
    assert_eq!(loaded.settings.gate.url, "redis://redis:6379/0");
    for (name, _) in variables {
        assert!(compose.contains(name), "{name}");
    }
}
