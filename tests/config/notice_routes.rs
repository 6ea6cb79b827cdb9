//! Routes of notices and summaries: the shipped ones, and wrong ones with the message that each must give.

use std::fs;

use sluicegate::{
    config::Settings,
    job::Timestamp,
    policy::notices::{Severity, Told},
};

use crate::{Env, folder, load, shipped, wrong};

const SINKS: &str = "[[notices.sink]]\nname = \"tracking\"\nkind = \"github_comment\"\nrepository = \"acme/operations\"\n\
    number = 12\nidentity = \"main\"\n[[notices.sink]]\nname = \"slack\"\nkind = \"slack\"\nurl = \"env:SLACK\"\n\
    [[identity]]\nname = \"main\"\ntoken = \"env:GITHUB_TOKEN\"\n";

#[test]
fn the_shipped_route_and_summary_can_be_switched_on() {
    let text = fs::read_to_string(shipped()).unwrap();
    let from = text.lines().skip_while(|line| !line.starts_with("# [[notices.route]]"));
    let written: Vec<&str> =
        from.take_while(|line| !line.is_empty()).map(|line| line.trim_start_matches("# ")).collect();
    let webhook = "[notices.webhook]\nurl = \"https://example.org/x\"\nsecret = \"env:HOOK\"\n";
    let (_folder, path) = folder(format!("{SINKS}{webhook}{}\n", written.join("\n")));
    let loaded = Settings::load(Some(&path), &Env::new()).unwrap();
    let rules = &loaded.settings.notices.rules;
    let told =
        Told { kind: "job.dead", severity: Severity::Warning, team: Some("platform"), template: Some("x") };
    let night = Timestamp::parse("2026-11-20T22:10:00Z").unwrap();
    let decision = rules.decide(told, "log", night);
    assert_eq!((decision.route.as_str(), decision.to[0].sink.as_str()), ("platform", "webhook"));
    assert_eq!(decision.to[0].at.to_string(), "2026-11-21T06:00:00.000Z");
    assert!(rules.summaries[0].fits("platform", "dependency-upgrade"));
}

#[test]
fn one_window_of_quiet_or_several_may_be_written() {
    let several = "[[notices.route]]\nto = [\"log\"]\nquiet = [{ zone = \"UTC\", from = \"20:00\", to = \"07:00\" }, \
        { zone = \"UTC\", from = \"00:00\", to = \"00:00\", days = [\"sat\", \"sun\"] }]\n";
    let loaded = load(several, &[]).unwrap();
    assert_eq!(loaded.settings.notices.rules.routes[0].quiet.len(), 2);
    assert_eq!(loaded.settings.notices.rules.routes[0].name, "route 1");
}

#[test]
fn a_wrong_route_is_told_with_its_place_and_what_to_do() {
    for (route, place, shown, hint) in [
        ("to = [\"slak\"]", "5:7", "there is no receiver `slak`", "did you mean `slack`?"),
        ("to = []\ncontinue = true", "6:12", "does nothing", "leave `continue` out"),
        ("to = [\"log\"]\ndigest = \"90s\"", "6:10", "`90s` is not a span", "write 1m to 24h"),
        ("to = [\"log\"]\nkinds = [\"\"]", "6:10", "would fit nothing", "`*` stands for"),
        ("to = [\"log\"]\nname = \"A b\"", "6:8", "`A b` is not a name", "lower-case"),
        ("to = [\"log\"]\nseverity = \"bad\"", "6:12", "unknown word `bad`", ""),
        ("to = [\"log\"]\nquiet = 3", "6:9", "a table such as", ""),
    ] {
        let text = format!("[notices]\nmax_attempts = 3\n\n[[notices.route]]\n{route}\n{SINKS}");
        let message = wrong(&text, &[]);
        assert!(message.starts_with(&format!("sluice.toml:{place}")), "{route}: {message}");
        assert!(message.contains(shown) && message.contains(hint), "{route}: {message}");
    }
}

#[test]
fn wrong_quiet_hours_are_told_with_what_is_wrong() {
    for (quiet, shown) in [
        ("zone = \"Mars\", from = \"20:00\", to = \"07:00\"", "`Mars` is not a time zone"),
        ("zone = \"UTC\", from = \"24:00\", to = \"07:00\"", "`24:00` is not a time of day"),
        ("zone = \"UTC\", from = \"20:00\", to = \"7\"", "`7` is not a time of day"),
        ("zone = \"UTC\", from = \"20:00\", to = \"07:00\", days = []", "there is none"),
        ("zone = \"UTC\", from = \"20:00\", to = \"07:00\", below = \"info\"", "nothing is less than info"),
        ("zone = \"UTC\", from = \"20:00\", to = \"07:00\", days = [\"someday\"]", "unknown word `someday`"),
    ] {
        let message = wrong(format!("[[notices.route]]\nto = [\"log\"]\nquiet = {{ {quiet} }}\n"), &[]);
        assert!(message.starts_with("sluice.toml:3:") && message.contains(shown), "{quiet}: {message}");
    }
}

#[test]
fn a_summary_needs_a_receiver_that_can_change_what_it_was_given() {
    let summary = |to: &str| format!("{SINKS}[[notices.summary]]\nto = \"{to}\"\n");
    assert_eq!(load(summary("tracking"), &[]).unwrap().settings.notices.rules.summaries[0].to, "tracking");
    let message = wrong(summary("slack"), &[]);
    assert!(message.contains("`slack` cannot change a message that it has taken"), "{message}");
    assert!(message.contains("github_comment"), "{message}");
    assert!(wrong(summary("nobody"), &[]).contains("there is no receiver `nobody`"));
}
