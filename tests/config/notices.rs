//! Receivers of notices: what the shipped file says of each kind, and wrong ones with the message that each must give.

use std::fs;

use sluicegate::config::{
    Settings,
    notices::{Address, Place, Tls, Way},
};

use crate::{Env, IDENTITY, check, env, folder, load, shipped, wrong};

/// The commented receivers of the shipped file, switched on.
fn examples() -> String {
    let text = fs::read_to_string(shipped()).unwrap();
    let lines = text.lines().skip_while(|line| *line != "# [[notices.sink]]");
    let lines = lines.take_while(|line| line.starts_with('#'));
    lines.map(|line| line.trim_start_matches("# ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_shipped_examples_are_one_of_each_kind_and_every_one_is_right() {
    let text = format!("{IDENTITY}{}", examples());
    let (folder, path) = folder(&text);
    fs::create_dir(folder.path().join("templates")).unwrap();
    let loaded = Settings::load(Some(&path), &Env::new()).unwrap();
    let sinks = &loaded.settings.notices.sinks;
    let names: Vec<&str> = sinks.iter().map(|sink| sink.name.as_str()).collect();
    assert_eq!(names, ["hub", "slack-platform", "tracking", "mail-oncall", "record"]);
    assert!(
        matches!(&sinks[0].way, Way::Webhook { url: Address::Plain(url), .. } if url.starts_with("https://"))
    );
    assert!(matches!(&sinks[1].way, Way::Slack { .. }));
    let Way::GithubComment { identity, place, repository, number } = &sinks[2].way else { panic!() };
    assert_eq!(
        (identity.as_str(), *place, repository.full_name(), *number),
        ("main", Place::PullRequest, "acme/operations", 12)
    );
    let Way::Email(email) = &sinks[3].way else { panic!() };
    assert_eq!((email.host.as_str(), email.port, email.tls), ("mail.example.org", 587, Tls::Starttls));
    assert!(matches!(sinks[4].way, Way::Log));
    // Every secret that they name is looked for.
    let told: Vec<String> = check(Some(&path), &env(&[("GITHUB_TOKEN", "x")]))
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect();
    for name in ["SLUICE_HUB_SECRET", "SLACK_PLATFORM_URL", "SMTP_PASSWORD"] {
        assert!(
            told.iter().any(|told| told.starts_with(&format!("env:{name}: the variable is not set"))),
            "{told:?}"
        );
    }
}

/// The text is told with its place, what is wrong, and what to do.
fn refused(text: &str, [place, shown, hint]: [&str; 3]) {
    // At the end, so that the lines of the receivers stay what they are.
    let told = wrong(format!("{text}\n{IDENTITY}"), &[]);
    assert!(told.starts_with(&format!("sluice.toml:{place}: ")), "{place}\n{told}");
    assert!(told.contains(shown) && told.contains(hint) && told.contains(" | "), "{shown} {hint}\n{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

/// Its first three lines.
fn sink(kind: &str, more: &str) -> String {
    format!("[[notices.sink]]\nname = \"one\"\nkind = \"{kind}\"\n{more}")
}

const S: &str = "secret = \"env:S\"";

#[test]
fn what_an_address_misses_is_told_with_its_place() {
    let hook = |url: &str| sink("webhook", &format!("url = \"{url}\"\n{S}"));
    refused(&sink("webhook", S), ["2:8", "`url` is missing, which a webhook needs", "https://"]);
    refused(&sink("webhook", "url = \"https://x.example\""), ["2:8", "`secret` is missing", "env:NAME"]);
    refused(&hook("ftp://x.example"), ["4:7", "not an address", "https://"]);
    let more = format!("{}\nhost = \"x\"", hook("https://x.example"));
    refused(&more, ["6:8", "`host` means nothing to a webhook", "docs/notices.md"]);
    refused(&hook("http://10.1.2.3/x"), ["4:7", "in a private network", "allow_private"]);
    refused(&hook("http://[::ffff:127.0.0.1]/x"), ["4:7", "this very machine", "allow_private"]);
    let other = format!("{}\nallow_private = [\"10.0.0.0/8\"]", hook("http://169.254.169.254/x"));
    refused(&other, ["4:7", "the metadata of a cloud", "allow_private"]);
    refused(&sink("webhook", "allow_private = [\"ten\"]"), ["4:18", "ten", ""]);
    refused(&sink("webhook", "timeout_ms = 1"), ["4:14", "1 is out of range: write 100 to 120000", ""]);
    refused(&sink("slack", "url = \"https://x.example/hunter2\""), ["3:8", "is a secret", "env:NAME"]);
    refused(&sink("pager", ""), ["3:8", "pager", ""]);
    refused(&sink("log", "").replace("one", "log"), ["2:8", "another receiver `log`", "another name"]);
    let webhook = format!("[notices.webhook]\nurl = \"http://localhost:9/\"\n{S}");
    refused(&webhook, ["2:7", "this very machine", "allow_private"]);
}

#[test]
fn what_a_conversation_misses_is_told_with_its_place() {
    let comment = |more: &str| sink("github_comment", more);
    refused(&comment("number = 1"), ["2:8", "`repository` is missing", "number = 12"]);
    refused(&comment("repository = \"a/b\""), ["2:8", "`number` is missing", "number = 12"]);
    refused(&comment("repository = \"x\"\nnumber = 1"), ["4:14", "`x` is not a repository", "owner/name"]);
    let other = comment("identity = \"man\"\nrepository = \"a/b\"\nnumber = 1");
    refused(&other, ["4:12", "no identity `man`", "did you mean `main`?"]);
}

#[test]
fn what_mail_misses_is_told_with_its_place() {
    let mail = |host: &str, more: &str| {
        sink("email", &format!("host = \"{host}\"\nfrom = \"a@example.org\"\n{more}"))
    };
    let host = "mail.example.org";
    let to = |more: &str| format!("to = [\"b@example.org\"]\n{more}");
    refused(&mail(host, ""), ["2:8", "`to` is missing", "oncall@"]);
    refused(&mail(host, "to = []"), ["6:6", "nobody is written to", ""]);
    refused(&mail(host, "to = [\"b\"]"), ["6:6", "`b` is no address of mail", "name@host"]);
    let header = "to = [\"b@x.org\\r\\nBcc: c@x.org\"]";
    refused(&mail(host, header), ["6:6", "is no address of mail", "name@host"]);
    refused(&mail(host, &to("tls = \"none\"")), ["7:7", "without encryption", "allow_private"]);
    let elsewhere = to("tls = \"none\"\nallow_private = [\"10.0.0.0/8\"]");
    refused(&mail("8.8.8.8", &elsewhere), ["7:7", "without encryption", "allow_private"]);
    assert!(load(format!("{}\n{IDENTITY}", mail("10.1.2.3", &elsewhere)), &[]).is_ok());
    refused(&mail(host, &to("username = \"u\"")), ["2:8", "come together", "both"]);
    refused(&mail("localhost", &to("")), ["4:8", "this very machine", "allow_private"]);
    refused(&mail("mail:25", &to("")), ["4:8", "not the name of a machine", "a key of its own"]);
}

#[test]
fn an_address_that_is_not_public_has_a_code_of_its_own_and_passes_when_it_is_named() {
    let text = "[notices.webhook]\nurl = \"http://10.1.2.3/\"\nsecret = \"env:S\"\n";
    let error = load(text, &[]).unwrap_err();
    assert_eq!(error.0[0].code.as_str(), "private-address");
    let loaded = load(format!("{text}allow_private = [\"10.0.0.0/8\"]\n"), &[]).unwrap();
    assert_eq!(loaded.settings.notices.sinks[0].name, "webhook");
}
