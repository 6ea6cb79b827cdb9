//! Rules of people, waves, breakers and retries that cannot be: each is refused with its line and the reason.

use std::{collections::BTreeMap, fs};

use sluicegate::{
    budget::Key,
    config::{ConfigError, Loaded, Settings},
    policy::Template,
};

fn load(text: &str) -> Result<Loaded, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sluice.toml");
    fs::write(&path, text).unwrap();
    Settings::load(Some(&path), &BTreeMap::new())
}

#[test]
fn people_breakers_and_retries_that_cannot_be_are_told_with_their_line() {
    for (text, said) in [
        ("[[person]]\nlogin = \"not a login\"\n", "2:9: `not a login` is not a login"),
        (
            "[[person]]\nlogin = \"ana\"\n[[person]]\nlogin = \"Ana\"\n",
            "4:9: the person `Ana` is there twice",
        ),
        ("[[person]]\nlogin = \"ana\"\nroles = []\n", "3:9: a person without a role may do nothing"),
        ("[[person]]\nlogin = \"ana\"\nroles = [\"The Boss\"]\n", "3:10: `The Boss` is not a name"),
        ("[policy]\napproval_hours = 0\n", "2:18: 0 is out of range"),
        ("[breaker]\nfailures = 1\n", "2:12: out of range (bad-config)"),
        ("[breaker]\nshare = \"120%\"\n", "2:9: `120%` is over 100%"),
        ("[breaker]\nscope = \"world\"\n", "2:9: unknown word `world`"),
        ("[breaker]\ncool_down_seconds = 0\n", "2:21: out of range"),
        ("[retries]\nper_job = 3\n", "2:1: unknown key `per_job`"),
        (
            "[[budget]]\nname = \"retries\"\nkind = \"count\"\nper = \"request\"\nlimit = 1\n",
            "2:8: a budget cannot be named `retries`",
        ),
    ] {
        let told = load(text).unwrap_err().to_string();
        assert!(told.contains(said), "{text}: {told}");
    }
    let loaded = load("[retries]\nper_request = 4\nper_template_day = 9\n").unwrap();
    let limit = |key: &str| loaded.settings.rules.limit(&Key::new(key)).map(|limit| limit.get());
    assert_eq!((limit("retries/request/x"), limit("retries/template/bump")), (Some(4), Some(9)));
}

#[test]
fn waves_and_retries_of_a_template_that_cannot_be_are_told_with_their_line() {
    let template = |more: &str| {
        let text = format!(
            "name = \"small\"\nversion = 1\nsummary = \"s\"\nowner = \"dana\"\nteam = \"t\"\nrepositories = [\"a/*\"]\n\
             estimate_credits = 1\nprompt = \"Do it.\"\n[scope]\nmay_change = [\"**\"]\n{more}"
        );
        let problems = Template::parse("small/1.toml", &text).unwrap_err();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    for (more, said) in [
        ("[waves]\nsizes = [\"1\", \"0\", \"rest\"]\n", "small/1.toml:12:9: a wave of 0 jobs proves nothing"),
        ("[waves]\nsizes = [\"130%\", \"rest\"]\n", "small/1.toml:12:9: `130%` is over 100%"),
        ("[waves]\nsizes = [\"rest\", \"5\"]\n", "small/1.toml:12:9: `rest` must be the last wave"),
        ("[waves]\nsizes = [\"70%\", \"70%\", \"rest\"]\n", "the shares add up to 140%"),
        ("[waves]\nsizes = [\"rest\"]\nproven = { by = \"luck\" }\n", "13:17: unknown word `luck`"),
        ("[waves]\nsizes = [\"rest\"]\napprovals = { count = 0 }\n", "13:23: out of range"),
        (
            "[retry]\non = [\"infrastructure\", \"work\"]\n",
            "12:6: waiting does not change a failure of the class `work`",
        ),
    ] {
        let told = template(more);
        assert!(told.contains(said), "{more}: {told}");
    }
}
