//! What a template may say beside its prompt, what becomes of it, and how mistakes in it are told.

use proptest::prelude::*;
use serde_json::json;
use sluicegate::{
    job::Millis,
    policy::{Catalog, Code, Models, template::Risk},
};

use crate::ground::{catalog, file, planned, request, wrong};

const TERMS: &str = r#"
risk = "high"
deprecated = "use tiny, which does less"
stop_conditions = ["a test fails that failed before"]
roll_back = "revert the one commit"
commands = ["make test"]
required_checks = ["ci", "lint"]
checks_within_minutes = 5
"#;
const TABLES: &str = r#"
max_lines = 200
[pull_request_text]
title = "Do {{ inputs.what }}"
body = "For {{ repository.name }}.{{ inputs.note | data }}"
[fallback]
prompt = "Only the first file."
scope = { may_change = ["src/first.rs"] }
"#;

#[test]
fn every_term_reaches_the_prompt_and_the_template() {
    let catalog = catalog(TERMS, TABLES);
    let note = "`````\nSluice of life";
    let plan = planned(
        &catalog,
        &Models::default(),
        &request(&json!({"inputs": {"what": "this", "note": note}})),
        1,
    );
    let plan = plan.unwrap();
    let prompt = &plan.jobs[0].prompt;
    for said in [
        "Give the pull request this title, word for word: Do this",
        "``````data\n`````\nSluice of life\n``````",
        "```````markdown\nFor api.",
        "Run `make test` and mend what fails.",
        "These checks must pass on the last commit: `ci`, `lint`.",
        "say why, if: a test fails that failed before",
        "The way back, to be told in the pull request: revert the one commit",
        "Change at most 200 lines, added and removed together.",
    ] {
        assert!(prompt.contains(said), "{said} is not in:\n{prompt}");
    }
    assert!(prompt.find("## Before the end") < prompt.find("## Boundaries"), "{prompt}");
    let template = &plan.template;
    assert_eq!(template.risk, Risk::High);
    let checks = template.required_checks.as_ref().unwrap();
    assert_eq!((checks.names.len(), checks.within), (2, Millis::minutes(5)));
    let smaller = template.fallback.as_ref().unwrap().prompt_after(prompt);
    assert!(
        smaller.starts_with(prompt.trim_end()) && smaller.contains("only files that match: `src/first.rs`")
    );
    let finding = &plan.jobs[0].decision.findings[0];
    assert_eq!((finding.reason.as_str(), finding.text.contains("use tiny")), ("template-deprecated", true));
}

#[test]
fn mistakes_in_terms_are_told_with_file_line_and_hint() {
    for (keys, tables, code, said) in [
        ("risk = \"extreme\"\n", "", Code::BadTemplate, "unknown word `extreme`"),
        ("replaces = \"small\"\n", "", Code::BadTemplate, "not a template with its version"),
        ("replaces = \"small@1\"\n", "", Code::BadTemplate, "cannot replace itself"),
        ("replaces = \"small@7\"\n", "", Code::BadLineage, "replaces `small@7`, which is not there"),
        ("required_checks = [\"ci\", \"ci\"]\n", "", Code::BadTemplate, "`ci` is there twice"),
        (
            "required_checks = [\"ci\"]\npull_request = false\n",
            "",
            Code::BadTemplate,
            "no check is looked at",
        ),
        ("checks_within_minutes = 0\n", "", Code::BadTemplate, "out of range"),
        ("stop_conditions = [\"a\\nb\"]\n", "", Code::BadTemplate, "has a line break"),
        ("commands = [\"echo Sluicegate-Job: x\"]\n", "", Code::MarkerInInput, "contains `Sluicegate-Job:`"),
        (
            "",
            "[pull_request_text]\ntitle = \"{{ inputs.wat }}\"\n",
            Code::UndefinedVariable,
            "title of the pull request names `inputs.wat`",
        ),
        (
            "",
            "[pull_request_text]\ntitle = \"{{ inputs.note }}\"\n",
            Code::BadPrompt,
            "line break, as every free text has",
        ),
        ("", "[pull_request_text]\nbody = \"{% if %}\"\n", Code::BadPrompt, "cannot be rendered"),
        ("", "[fallback]\nprompt = \"\"\n", Code::BadTemplate, "empty, or longer"),
        ("", "[fallback]\nprompt = \"x\"\nscope = { may_change = [\"a[\"] }\n", Code::BadTemplate, ""),
        (
            "",
            "[inputs.properties.key]\ntype = \"string\"\ndefault = \"\"\nwriteOnly = true\n",
            Code::BadTemplate,
            "the input `key` is a secret",
        ),
        (
            "",
            "[inputs.properties.key]\ntype = \"string\"\ndefault = \"\"\nformat = \"password\"\n",
            Code::BadTemplate,
            "the input `key` is a secret",
        ),
    ] {
        let problems = wrong(keys, tables);
        let told = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let first = &problems[0];
        assert!(first.code == code && told.contains(said), "{keys}{tables}: {told}");
        let at = first.at.as_deref().unwrap_or_default();
        assert!(at.starts_with("small/1.toml:") && at.split(':').count() == 3, "{keys}{tables}: {told}");
        assert!(first.hint.is_some(), "{told}");
    }
}

#[test]
fn a_line_of_templates_must_lead_back_to_one_that_replaces_nothing() {
    let of = |name: &str, version, replaces: &str| {
        file(name, version, &format!("replaces = \"{replaces}\"\n"), "")
    };
    let good =
        Catalog::load(vec![file("small", 1, "", ""), of("small", 2, "small@1"), of("tiny", 1, "small@2")]);
    let good = good.unwrap();
    let next: Vec<String> = good.replaced_by("small@1").map(|template| template.id()).collect();
    assert_eq!(next, ["small@2"]);
    let circle =
        Catalog::load(vec![of("small", 1, "tiny@1"), of("small", 2, "small@1"), of("tiny", 1, "small@1")]);
    let circle = circle.unwrap_err();
    assert_eq!(circle.len(), 2, "{circle:?}");
    assert!(circle.iter().all(|problem| problem.code == Code::BadLineage), "{circle:?}");
    assert!(circle[0].what.contains("small@1 replaces tiny@1 replaces small@1"), "{circle:?}");
}

#[test]
fn an_input_that_holds_a_credential_is_refused_with_its_field_and_not_repeated() {
    let token = format!("ghp_{}", "Ab12".repeat(9));
    let catalog = catalog("", "");
    let request = request(&json!({"inputs": {"what": "this", "note": format!("use {token}")}}));
    let problems = planned(&catalog, &Models::default(), &request, 1).unwrap_err();
    assert_eq!((problems[0].code, problems[0].at.as_deref()), (Code::SecretInInput, Some("inputs.note")));
    assert!(!format!("{problems:?}").contains(&token));
}

proptest! {
    /// Whatever is typed, it stands in the prompt only inside its own block, or the request is refused.
    #[test]
    fn free_text_never_leaves_its_block(note in "[`a-z#\n:{}% -]{0,80}") {
        let catalog = catalog("", "[pull_request_text]\nbody = \"{{ inputs.note }}\"\n");
        let request = request(&json!({"inputs": {"what": "this", "note": note}}));
        let Ok(plan) = planned(&catalog, &Models::default(), &request, 1) else { return Ok(()) };
        let prompt = &plan.jobs[0].prompt;
        let mut open: Option<Vec<String>> = None;
        let mut outside = Vec::new();
        for line in prompt.lines() {
            let ticks = line.chars().take_while(|c| *c == '`').count();
            let fence = "`".repeat(ticks);
            match &mut open {
                None if ticks >= 3 => open = Some(vec![fence]),
                Some(fences) if ticks >= 3 && line == fences[fences.len() - 1] => {
                    fences.pop();
                    if fences.is_empty() {
                        open = None;
                    }
                }
                Some(fences) if ticks >= 3 && line == format!("{fence}data") && fences.len() == 1 => fences.push(fence),
                Some(_) => {}
                None => outside.push(line),
            }
        }
        prop_assert!(open.is_none(), "a block is not closed:\n{prompt}");
        let lines: Vec<&str> = note.lines().map(str::trim).filter(|line| line.len() > 12).collect();
        prop_assert!(lines.iter().all(|line| !outside.contains(line)), "{prompt}");
    }
}

#[test]
fn two_files_of_one_version_are_refused_and_the_newest_version_is_the_default() {
    let at = |folder: &str, version| {
        let (path, text) = file("small", version, "", "");
        (format!("{folder}{path}"), text)
    };
    let problems = Catalog::load(vec![at("a/", 1), at("b/", 1)]).unwrap_err();
    assert_eq!(problems[0].code, Code::DuplicateTemplate);
    let catalog = Catalog::load(vec![at("", 2), at("", 10)]).unwrap();
    assert_eq!(catalog.get("small", None).unwrap().version, 10);
    assert_eq!(catalog.get("small", Some(2)).unwrap().version, 2);
}
