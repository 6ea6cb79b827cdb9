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
    lines.map(|line| format!("{}\n", line.trim_start_matches("# "))).collect()
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

#[test]
fn what_a_receiver_misses_or_has_no_use_for_is_told_with_its_place() {
    let hook = "[[notices.sink]]\nname = \"hub\"\nkind = \"webhook\"\n";
    let slack = "[[notices.sink]]\nname = \"team\"\nkind = \"slack\"\n";
    let comment = "[[notices.sink]]\nname = \"tracking\"\nkind = \"github_comment\"\n";
    let mail = "[[notices.sink]]\nname = \"mail\"\nkind = \"email\"\nhost = \"mail.example.org\"\nfrom = \"a@example.org\"\n";
    let to = "to = [\"b@example.org\"]\n";
    for (text, place, shown, hint) in [
        (
            format!("{hook}secret = \"env:S\"\n"),
            "sluice.toml:2:8",
            "`url` is missing, which a webhook needs",
            "https://",
        ),
        (
            format!("{hook}url = \"https://x.example\"\n"),
            "sluice.toml:2:8",
            "`secret` is missing",
            "env:NAME",
        ),
        (
            format!("{hook}url = \"ftp://x.example\"\nsecret = \"env:S\"\n"),
            "sluice.toml:4:7",
            "not an address",
            "https://",
        ),
        (
            format!("{hook}url = \"https://x.example\"\nsecret = \"env:S\"\nhost = \"x\"\n"),
            "sluice.toml:6:8",
            "`host` means nothing to a webhook",
            "docs/notices.md",
        ),
        (
            format!("{hook}url = \"http://10.1.2.3/x\"\nsecret = \"env:S\"\n"),
            "sluice.toml:4:7",
            "in a private network",
            "allow_private",
        ),
        (
            format!(
                "{hook}url = \"http://169.254.169.254/x\"\nsecret = \"env:S\"\nallow_private = [\"10.0.0.0/8\"]\n"
            ),
            "sluice.toml:4:7",
            "the metadata of a cloud",
            "allow_private",
        ),
        (
            format!("{hook}url = \"http://[::ffff:127.0.0.1]/x\"\nsecret = \"env:S\"\n"),
            "sluice.toml:4:7",
            "this very machine",
            "allow_private",
        ),
        (format!("{hook}allow_private = [\"ten\"]\n"), "sluice.toml:4:18", "ten", ""),
        (format!("{hook}timeout_ms = 1\n"), "sluice.toml:4:14", "1 is out of range: write 100 to 120000", ""),
        (
            format!("{slack}url = \"https://hooks.example.org/hunter2\"\n"),
            "sluice.toml:3:8",
            "is a secret",
            "env:NAME",
        ),
        (format!("{comment}number = 1\n"), "sluice.toml:2:8", "`repository` is missing", "number = 12"),
        (
            format!("{comment}repository = \"x\"\nnumber = 1\n"),
            "sluice.toml:4:14",
            "`x` is not a repository",
            "owner/name",
        ),
        (
            format!("{comment}identity = \"man\"\nrepository = \"a/b\"\nnumber = 1\n"),
            "sluice.toml:4:12",
            "no identity `man`",
            "did you mean `main`?",
        ),
        (mail.to_owned(), "sluice.toml:2:8", "`to` is missing", "oncall@"),
        (format!("{mail}to = []\n"), "sluice.toml:6:6", "nobody is written to", ""),
        (format!("{mail}to = [\"b\"]\n"), "sluice.toml:6:6", "`b` is no address of mail", "name@host"),
        (
            format!("{mail}to = [\"b@x.org\\r\\nBcc: c@x.org\"]\n"),
            "sluice.toml:6:6",
            "is no address of mail",
            "name@host",
        ),
        (format!("{mail}{to}tls = \"none\"\n"), "sluice.toml:7:7", "without encryption", "allow_private"),
        (format!("{mail}{to}username = \"u\"\n"), "sluice.toml:2:8", "come together", "both"),
        (
            format!("{mail}{to}").replace("mail.example.org", "localhost"),
            "sluice.toml:4:8",
            "this very machine",
            "allow_private",
        ),
        (
            format!("{mail}{to}").replace("mail.example.org", "mail:25"),
            "sluice.toml:4:8",
            "not the name of a machine",
            "a key of its own",
        ),
        (
            "[[notices.sink]]\nname = \"log\"\nkind = \"log\"\n".to_owned(),
            "sluice.toml:2:8",
            "another receiver `log`",
            "another name",
        ),
        ("[[notices.sink]]\nname = \"a\"\nkind = \"pager\"\n".to_owned(), "sluice.toml:3:8", "pager", ""),
        (
            "[notices.webhook]\nurl = \"http://localhost:9/\"\nsecret = \"env:S\"\n".to_owned(),
            "sluice.toml:2:7",
            "this very machine",
            "allow_private",
        ),
    ] {
        // At the end, so that the lines of the receivers stay what they are.
        let told = wrong(format!("{text}{IDENTITY}"), &[]);
        assert!(told.starts_with(place), "{place}\n{told}");
        assert!(
            told.contains(shown) && told.contains(hint) && told.contains(" | "),
            "{shown} {hint}\n{told}"
        );
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn an_address_that_is_not_public_has_a_code_of_its_own_and_passes_when_it_is_named() {
    let text = "[notices.webhook]\nurl = \"http://10.1.2.3/\"\nsecret = \"env:S\"\n";
    let error = load(text, &[]).unwrap_err();
    assert_eq!(error.0[0].code.as_str(), "private-address");
    let loaded = load(format!("{text}allow_private = [\"10.0.0.0/8\"]\n"), &[]).unwrap();
    assert_eq!(loaded.settings.notices.sinks[0].name, "webhook");
}
