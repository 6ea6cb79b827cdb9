//! The shipped schedule, and wrong ones with the message that each must give.

use std::{fs, path::PathBuf};

use sluicegate::{
    config::{Settings, check, load_catalog},
    job::{id::RequestId, time::Timestamp},
    policy::{Facts, IdentityRule, PlanContext, RepositoryRules, approval::People, plan},
};
use tempfile::TempDir;

use crate::{Env, env, folder, shipped};

/// The commented schedule of the shipped file, switched on.
fn with_schedule(change: impl Fn(String) -> String) -> (TempDir, PathBuf) {
    let text = fs::read_to_string(shipped()).unwrap();
    let lines = text.lines().skip_while(|line| *line != "# [[schedule]]").take_while(|line| !line.is_empty());
    let lines: Vec<&str> = lines.map(|line| line.trim_start_matches("# ")).collect();
    let schedule = format!("{}\n", lines.join("\n"));
    let (folder, path) = folder(change(format!("{text}\n{schedule}")));
    for name in ["weekly-release-prep", "dependency-upgrade"] {
        let to = folder.path().join("templates").join(name);
        fs::create_dir_all(&to).unwrap();
        fs::copy(shipped().with_file_name(format!("templates/{name}/1.toml")), to.join("1.toml")).unwrap();
    }
    (folder, path)
}

#[test]
fn the_shipped_schedule_prepares_a_release_each_week() {
    let (_folder, path) = with_schedule(|text| text);
    let summary = check(Some(&path), &env(&[("GITHUB_TOKEN", "x")])).unwrap();
    assert_eq!(summary.schedules, ["weekly-release"]);
    let loaded = Settings::load(Some(&path), &Env::new()).unwrap();
    let schedule = &loaded.settings.schedules[0];
    let friday = Timestamp::parse("2026-11-20T10:00:00Z").unwrap();
    let nominal = schedule.times.after(friday).next().unwrap();
    assert_eq!(nominal.to_string(), "2026-11-26T08:00:00.000Z");
    let request = schedule.request(nominal).unwrap();
    assert_eq!(
        (&request.inputs["version"], &request.inputs["release_date"]),
        (&"2026.48.0".into(), &"2026-11-26".into())
    );
    assert_eq!(request.idempotency_key.as_deref(), Some("schedule/weekly-release/2026-11-26T08:00:00.000Z"));
    let catalog = load_catalog(&loaded).unwrap();
    let rules = loaded.settings.rules.clone();
    let context = PlanContext {
        catalog: &catalog,
        rules: &rules,
        allowed: &loaded.settings.policy.repositories,
        identities: &[IdentityRule::new("main")],
        identity: "main",
        models: &loaded.settings.models,
        people: &People::default(),
        request_id: RequestId::new(nominal, 1),
        repositories: &RepositoryRules::default(),
        facts: &Facts::default(),
        now: nominal,
    };
    let planned = plan(&request, &context).unwrap();
    assert!(
        planned.jobs[0].prompt.contains("Prepare release 2026.48.0 of acme/api, planned for 2026-11-26.")
    );
}

#[test]
fn a_wrong_schedule_is_told_with_its_place() {
    for (from, to, what, hint) in [
        ("0 9 * * thu", "0 9 * *", "`0 9 * *`: it has 4 fields", "write minute, hour"),
        ("0 9 * * thu", "61 9 * * thu", "`61 9 * * thu`: ", "write minute, hour"),
        ("0 9 * * thu", "0 9 31 2 *", "`0 9 31 2 *`: it never comes", "write minute, hour"),
        ("Europe/Berlin", "Europe/Bonn", "`Europe/Bonn` is not a time zone", "IANA"),
        ("jitter_seconds = 600", "jitter_seconds = 21601", "21601 is out of range", "6 hours"),
        (
            "catch_up = \"latest\"",
            "catch_up = \"every\"",
            "unknown word `every`",
            "known here: none, latest, all",
        ),
        ("catch_up = \"latest\"", "catch_up_max = 3", "it counts only where", "catch_up = \"all\""),
        ("catch_up = \"latest\"", "catch_up = \"all\"\ncatch_up_max = 51", "51 is out of range", "1 to 50"),
        ("overlap = \"skip\"", "overlap = \"skipp\"", "unknown word `skipp`", "did you mean `skip`?"),
        ("owner = \"dana\"", "owner = \"da na\"", "`da na` is not a login", "GitHub login"),
        ("name = \"weekly-release\"", "name = \"Weekly\"", "`Weekly` is not a name", "lower-case"),
        (
            "nominal.week_year",
            "nominal.yaer",
            "names `nominal.yaer`, which it is not given",
            "did you mean `nominal.year`?",
        ),
        ("{{ nominal.date }}", "{{ inputs.date }}", "names `inputs.date`, which it is not given", ""),
        ("{{ nominal.date }}", "{{ nominal.date", "cannot be rendered", "docs/schedules.md"),
        (
            "template = \"weekly-release-prep\"",
            "template = \"weekly@x\"",
            "does not name a template",
            "name@2",
        ),
        (
            "repositories = [\"acme/api\"]",
            "repository = [\"acme/api\"]",
            "unknown key `repository`",
            "repositories",
        ),
    ] {
        let (_folder, path) = with_schedule(|text| {
            let at = text.rfind("[[schedule]]").unwrap();
            let (before, schedule) = text.split_at(at);
            assert!(schedule.contains(from), "{from}");
            format!("{before}{}", schedule.replace(from, to))
        });
        let problems = check(Some(&path), &env(&[("GITHUB_TOKEN", "x")])).unwrap_err();
        let told = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let place = format!("{}:", path.display());
        assert!(told.contains(what) && told.contains(hint), "{to}: {told}");
        assert!(
            told.starts_with(&place) && told[place.len()..].starts_with(|c: char| c.is_ascii_digit()),
            "{told}"
        );
    }
}

#[test]
fn a_schedule_is_held_against_its_template() {
    for (from, to, what) in [
        ("template = \"weekly-release-prep\"", "template = \"monthly\"", "there is no template"),
        (
            "template = \"weekly-release-prep\"",
            "template = \"dependency-upgrade\"",
            "the input `package` is missing",
        ),
        ("nominal.week_year", "nominal.weekday", "inputs.version: expected a text that fits"),
    ] {
        let (_folder, path) = with_schedule(|text| {
            let (before, schedule) = text.split_at(text.rfind("[[schedule]]").unwrap());
            format!("{before}{}", schedule.replace(from, to))
        });
        let problems = check(Some(&path), &env(&[("GITHUB_TOKEN", "x")])).unwrap_err();
        let told = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let says = "the request of schedule weekly-release would be refused";
        assert!(told.contains(says) && told.contains(what), "{to}: {told}");
        assert!(told.starts_with(&format!("{}:", path.display())), "{told}");
    }
}

#[test]
fn two_schedules_of_one_name_are_refused() {
    let (_folder, path) = with_schedule(|text| {
        let schedule = text[text.rfind("[[schedule]]").unwrap()..].to_owned();
        format!("{text}{schedule}")
    });
    let told = Settings::load(Some(&path), &Env::new()).unwrap_err().to_string();
    assert!(told.contains("the schedule `weekly-release` is there twice, first at"), "{told}");
}
