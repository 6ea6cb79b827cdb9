//! Freezes that cannot be meant, each with the message that it must give.

use std::fs;

use crate::{IDENTITY, check, env, folder};

#[test]
fn a_freeze_that_cannot_be_meant_is_told_with_file_and_line() {
    let (folder, path) = folder(format!("{IDENTITY}[policy]\nfreezes_file = \"freezes.toml\"\n"));
    fs::create_dir(folder.path().join("templates")).unwrap();
    let told = |text: &str| {
        fs::write(folder.path().join("freezes.toml"), text).unwrap();
        let problems = check(Some(&path), &env(&[("GITHUB_TOKEN", "x")])).err().unwrap_or_default();
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        told.join("\n").replace(&format!("{}/", folder.path().display()), "")
    };
    let freeze = "[[freeze]]\nname = \"a\"\nreason = \"r\"\n";
    let entry = |text: &str| format!("{freeze}[[freeze.entry]]\n{text}\n");
    let from = "from = \"2026-12-18\"";
    for (text, place, hint) in [
        (freeze.to_owned(), "freezes.toml:1:1: it has no time", "[[freeze.entry]]"),
        (
            entry("from = \"2026-12-18\"\nuntil = \"2026-12-17\""),
            "freezes.toml:6:9: it ends",
            "must be later",
        ),
        (
            entry("cron = \"0 0 * *\"\nfor = \"2h\""),
            "freezes.toml:5:8: `0 0 * *` has 4 fields",
            "day of the week",
        ),
        (entry("calendar = \"none.ics\""), "none.ics: cannot be read", "check the path"),
        (entry("calendar = \"bad.ics\""), "bad.ics:1: a calendar begins with", "docs/freezes.md"),
        (entry("until = \"2026-12-18\""), "freezes.toml:4:1: an entry has from and until", "keep one"),
        (
            format!("{}{freeze}[[freeze.entry]]\n{from}", entry(from)),
            "freezes.toml:7:8: the freeze `a` is there twice",
            "another name",
        ),
        (
            entry(from).replace("reason", "scope = \"template:nothing\"\nreason"),
            "there is no template `nothing`",
            "",
        ),
        (entry(from).replace("reason", "zone = \"Europe/Atlantis\"\nreason"), "is not a time zone", "IANA"),
        (
            entry(from).replace("reason", "scope = \"class:secret\"\nreason"),
            "freezes.toml:3:9: there is no class",
            "regulated",
        ),
        (freeze.replace("reason", "reson"), "unknown key `reson`", "did you mean `reason`?"),
    ] {
        fs::write(folder.path().join("bad.ics"), "hello: you\n").unwrap();
        let said = told(&text);
        assert!(said.contains(place) && said.contains(hint), "{text}\n{said}");
    }
    assert_eq!(told(&entry(from)), "");
}
