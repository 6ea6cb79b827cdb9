//! Plans that are looked at, kept and applied; templates whose checks and sizes are enforced; models that are routed.

use serde_json::{Value, json};

use crate::{
    aftermath::assert_sound,
    stage::{HOOK_SECRET, Settings, Stage, id, process, settings::BUMP},
    world::{scenario, story},
};

/// The template with another name and further keys.
fn template(stage: &Stage, name: &str, keys: &str) {
    let text = BUMP.replace("name = \"bump\"", &format!("name = \"{name}\"\n{keys}"));
    stage.write(&format!("templates/{name}/1.toml"), text.trim_start());
}

fn asked(stage: &Stage, template: &str, names: &[&str], more: &Value) -> String {
    let mut request = json!({
        "template": template, "requester": "carla", "inputs": {"package": "serde"},
        "repositories": names.iter().map(|name| format!("acme/{name}")).collect::<Vec<_>>(),
    });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    stage.write("asked.json", request.to_string());
    stage.path("asked.json").display().to_string()
}

fn entries(books: &crate::aftermath::Books, kind: &str) -> usize {
    books.entries.iter().filter(|entry| entry.kind == kind).count()
}

#[test]
fn a_plan_starts_nothing_and_is_applied_once_and_only_if_it_still_holds() {
    let mut stage = Stage::set(&scenario(""), &Settings::default());
    template(&stage, "careful", "exclude = [\"acme/*-old\"]\ndeprecated = \"use bump\"");
    stage.open();
    let file = asked(&stage, "careful", &["api", "shop-old", "web"], &json!({}));
    let out = stage.path("plan.json").display().to_string();
    let plan = stage.json(&["plan", &file, "--out", &out, "--prompt", "acme/web"]);
    assert_eq!(plan["jobs"].as_array().unwrap().len(), 2);
    assert_eq!((&plan["jobs"][0]["outcome"], &plan["jobs"][0]["prompt"]), (&json!("allow"), &Value::Null));
    assert_eq!(plan["jobs"][0]["findings"][0]["reason"], "template-deprecated");
    assert!(plan["jobs"][1]["prompt"].as_str().unwrap().contains("in acme/web."), "{plan}");
    assert_eq!(
        (&plan["jobs"][0]["model"], &plan["jobs"][0]["model_by"]),
        (&json!("gpt-5.4"), &json!("template"))
    );
    assert_eq!(plan["skipped"][0]["reason"], "excluded-by-template");
    let slots =
        plan["budgets"].as_array().unwrap().iter().find(|budget| budget["key"] == "slots/global").unwrap();
    assert_eq!((&slots["asked"], &slots["limit"], &slots["used"]), (&json!(2), &json!(3), &json!(0)));
    assert_eq!(
        (&plan["estimate"]["without_history"], &plan["estimate"]["nano_credits"]),
        (&json!(2), &Value::Null)
    );
    let shown = stage.sluice(&["plan", &file]).out;
    assert!(
        shown.contains("2 admitted, 0 held for approval, 1 skipped") && shown.contains("no history"),
        "{shown}"
    );
    assert_eq!(stage.jobs().len(), 0);

    let first = stage.json(&["apply", &out]);
    let again = stage.json(&["apply", &out]);
    assert_eq!((&first["request"], &first["plan_digest"]), (&again["request"], &plan["digest"]));
    assert_eq!((&first["replayed"], &again["replayed"]), (&json!(false), &json!(true)));
    let request = first["request"].as_str().unwrap();
    let shown = stage.sluice(&["show", request]).out;
    assert!(
        shown
            .contains("acme/shop-old: the template `careful` leaves out `acme/*-old` (excluded-by-template)"),
        "{shown}"
    );
    let why = stage.json(&["why", request, "--repository", "acme/Shop-Old"]);
    assert_eq!(why["skipped"]["findings"][0]["reason"], "excluded-by-template");
    assert_eq!(stage.json(&["why", request, "--repository", "acme/api"])["repository"], "acme/api");
    assert_eq!(stage.sluice(&["why", request, "--repository", "acme/none"]).code, 5);

    let file = asked(&stage, "bump", &["api"], &json!({}));
    stage.json(&["plan", &file, "--out", &out]);
    let edited = std::fs::read_to_string(&out).unwrap().replace("gpt-5.4", "gpt-5.5");
    stage.write("edited.json", edited);
    let refused = stage.sluice(&["apply", &stage.path("edited.json").display().to_string()]);
    assert!(refused.code == 3 && refused.err.contains("bad-plan"), "{refused:?}");
    stage.write("none.json", "{}");
    assert_eq!(stage.sluice(&["apply", &stage.path("none.json").display().to_string()]).code, 3);
    assert!(stage.close().success());
    let route = "[[route]]\nrisk = \"medium\"\nmodel = \"claude-x\"\n";
    stage.configure(&Settings { more: route.to_owned(), ..Settings::default() });
    stage.open();
    let refused = stage.sluice(&["apply", &out]);
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.err.contains("acme/api: the model was gpt-5.4, is now claude-x"), "{refused:?}");
    stage.ends();
    let books = assert_sound(stage, &Settings::default(), &[]);
    assert_eq!((books.jobs.len(), entries(&books, "request.accepted")), (2, 1));
}

#[test]
fn required_checks_and_the_size_of_a_change_decide_before_anybody_is_asked_to_review() {
    let check = |name: &str, conclusion: &str| {
        format!("checks = [{{ name = \"ci\" }}, {{ name = \"{name}\", conclusion = \"{conclusion}\" }}]")
    };
    let late = "checks = [{ name = \"ci\" }, { name = \"lint\", queued_ms = 1500, run_ms = 100 }]";
    let large = format!(
        "{}\nfiles = [{{ path = \"src/a.rs\", additions = 40, deletions = 20 }}]",
        check("lint", "success")
    );
    let stories = [
        story("green", &check("lint", "success")),
        story("late", late),
        story("red", &check("lint", "failure")),
        story("absent", &check("other", "success")),
        story("large", &large),
    ];
    let settings = Settings { slots: 9, reviewers: vec![("ana", 9)], ..Settings::default() };
    let mut stage = Stage::set(&scenario(&stories.join("\n")), &settings);
    template(&stage, "strict", "required_checks = [\"ci\", \"lint\"]\nchecks_within_minutes = 60");
    let text = std::fs::read_to_string(stage.path("templates/strict/1.toml")).unwrap();
    stage.write("templates/strict/1.toml", text.replace("[scope]", "[scope]\nmax_lines = 50"));
    stage.open();
    stage.submit("strict", &["green", "late", "red", "absent", "large"], &json!({}));
    for (name, why) in
        [("red", "required check failed: `lint`"), ("large", "60 lines: at most 50 may change")]
    {
        let job = stage.reaches(name, "quarantined");
        assert!(job["outcome"]["advice"].as_str().unwrap().contains(why), "{job}");
    }
    for name in ["green", "late"] {
        stage.reaches(name, "succeeded");
    }
    // What never reports is not green however long the others are; a person may still let a red one pass.
    let absent = stage.job("absent");
    assert_eq!(absent["state"], "verifying", "{absent}");
    stage.json(&["release", id(&stage.job("red")), "--reason", "the check is broken, not the change"]);
    stage.reaches("red", "succeeded");
    stage.json(&["cancel", id(&absent), "--reason", "enough seen"]);
    stage.json(&["discard-result", id(&stage.job("large")), "--reason", "too large"]);
    stage.ends();
    assert_sound(stage, &settings, &[]);
}

#[test]
fn a_pull_request_gets_the_title_and_the_description_of_its_template_and_keeps_what_the_agent_wrote() {
    let stories = [story("api", "review = \"left_open\""), story("web", "review = \"left_open\"")];
    let mut stage = Stage::set(&scenario(&stories.join("\n")), &Settings::default());
    let text = "[pull_request_text]\ntitle = \"Bump in {{ repository.name }}\"\nbody = \"Made for {{ request.team }}.\\n\\nLook at the lock file.\"\n";
    let whole =
        BUMP.replace("name = \"bump\"", "name = \"told\"").replace("[scope]", &format!("{text}[scope]"));
    stage.write("templates/told/1.toml", whole.trim_start());
    stage.open();
    stage.submit("told", &["api"], &json!({}));
    stage.submit("bump", &["web"], &json!({}));
    let (told, plain) = (stage.reaches("api", "in_review"), stage.reaches("web", "in_review"));
    let pulls = stage.control("pulls");
    let of = |name: &str| pulls.as_array().unwrap().iter().find(|pull| pull["repository"] == name).unwrap();
    let (api, web) = (of("acme/api"), of("acme/web"));
    assert_eq!(api["title"], "Bump in api", "{told}");
    let (body, own) = (api["body"].as_str().unwrap(), web["body"].as_str().unwrap());
    let lead = format!(
        "Made for platform.\n\nLook at the lock file.\n\nRequest {}, job {}, template told@1, ",
        told["request"].as_str().unwrap(),
        id(&told)
    );
    assert!(body.starts_with(&lead) && body.matches("Made for").count() == 1, "{body}\n{lead}");
    assert!(!own.is_empty() && body.ends_with(own), "{body}");
    assert_ne!(web["title"], "Bump in web", "{plain}");
    for job in [&told, &plain] {
        stage.json(&["cancel", id(job), "--reason", "enough seen"]);
    }
    stage.ends();
}

#[test]
fn an_escalated_model_is_held_and_a_blocked_one_is_refused() {
    let more = "[[model]]\nname = \"gpt-*\"\n[[model]]\nname = \"claude-opus-*\"\n[[model]]\nname = \"grok-*\"\nblocked_for = [\"*\"]\n\
        [[route]]\ntemplate = \"bump\"\nmodel = \"gpt-5.5\"\n";
    let settings = Settings { more: more.to_owned(), ..Settings::default() };
    let mut stage = Stage::set(&scenario(""), &settings);
    stage.open();
    let plan = stage.json(&["plan", &asked(&stage, "bump", &["api"], &json!({}))]);
    assert_eq!(
        (&plan["jobs"][0]["model"], &plan["jobs"][0]["model_by"]),
        (&json!("gpt-5.5"), &json!("route 1"))
    );
    let blocked = json!({"model": "grok-4", "model_reason": "curious"});
    let refused = stage.sluice(&["plan", &asked(&stage, "bump", &["api"], &blocked)]);
    assert!(refused.code == 3 && refused.err.contains("model-blocked"), "{refused:?}");
    let bare =
        stage.sluice(&["submit", &asked(&stage, "bump", &["api"], &json!({"model": "claude-opus-5"}))]);
    assert!(bare.code == 3 && bare.err.contains("reason-missing"), "{bare:?}");
    let escalated = json!({"model": "claude-opus-5", "model_reason": "the small one gave up twice"});
    stage.submit("bump", &["api"], &escalated);
    let held = stage.reaches("api", "held");
    assert_eq!(
        (&held["model"], &held["findings"][0]["reason"]),
        (&json!("claude-opus-5"), &json!("model-escalated"))
    );
    stage.json(&["approve", id(&held), "--actor", "dana", "--reason", "once"]);
    stage.reaches("api", "succeeded");
    stage.ends();
    let books = assert_sound(stage, &settings, &[]);
    let used = books.attempts_of("api")[0].model_used.as_deref().unwrap_or_default();
    assert!(used.ends_with(":claude-opus-5"), "the provider names its models with a prefix: {used}");
    assert_eq!(books.notices_of("api", "model.differs"), 0);
}

#[test]
fn another_model_than_was_asked_for_is_told_once_and_the_job_goes_on() {
    let settings = Settings::default();
    let mut stage = Stage::set(&scenario(&story("other", "runs_model = \"claude-sonnet-4.6\"")), &settings);
    stage.open();
    stage.submit("bump", &["other", "same"], &json!({}));
    let jobs = stage.ends();
    assert!(jobs.iter().all(|job| job["state"] == "succeeded"), "{jobs:?}");
    let shown = stage.sluice(&["show", id(&stage.job("other"))]).out;
    assert!(shown.contains("gpt-5.4") && shown.contains("sweagent-capi:claude-sonnet-4.6"), "{shown}");
    let books = assert_sound(stage, &settings, &[]);
    for (name, times) in [("other", 1), ("same", 0)] {
        assert_eq!(books.notices_of(name, "model.differs"), times, "{name}");
        let told = books.told_of(name).into_iter().filter(|kind| *kind == "attempt.model_differs").count();
        assert_eq!(told, times, "{name}");
    }
    let entry = books.entries.iter().find(|entry| entry.kind == "attempt.model_differs").unwrap();
    assert!(
        entry.body_json.contains("gpt-5.4") && entry.body_json.contains("claude-sonnet-4.6"),
        "{entry:?}"
    );
}

#[test]
fn a_template_that_was_changed_after_its_use_is_told_before_anything_is_submitted() {
    let mut stage = Stage::set(&scenario(""), &Settings::default());
    template(&stage, "next", "replaces = \"bump@1\"");
    stage.open();
    stage.submit("bump", &["api"], &json!({}));
    stage.ends();
    let list = stage.json(&["template", "list"]);
    let bump = list["templates"].as_array().unwrap().iter().find(|one| one["id"] == "bump@1").unwrap();
    assert_eq!((&bump["changed"], &bump["replaced_by"]), (&json!(false), &json!(["next@1"])));
    let diff = stage.sluice(&["template", "diff", "bump@1", "next@1"]);
    assert!(diff.out.contains("-name = \"bump\"") && diff.out.contains("+replaces = \"bump@1\""), "{diff:?}");
    assert!(stage.sluice(&["template", "show", "bump"]).out.contains("summary = \"Raise a dependency\""));
    let unknown = stage.sluice(&["template", "show", "bunp"]);
    assert!(unknown.code == 5 && unknown.err.contains("did you mean `bump`?"), "{unknown:?}");
    let path = stage.path("templates/bump/1.toml").display().to_string();
    let good = stage.json(&["template", "check", &path]);
    assert_eq!(good["ledger"], "compared with what was first used");
    stage.write("templates/bump/1.toml", BUMP.trim_start().replace("Raise a", "Lower a"));
    for line in [&["template", "check", path.as_str()][..], &["config", "check"]] {
        let secret = [("SLUICE_TEST_HOOK", HOOK_SECRET)];
        let changed = process::run(stage.folder.path(), &stage.line(line), &secret);
        assert!(
            changed.code == 3 && changed.err.contains("bump@1 was changed after its first use"),
            "{changed:?}"
        );
        assert!(changed.err.contains("bump/2.toml with `replaces = \"bump@1\"`"), "{changed:?}");
    }
    stage.write("templates/bump/1.toml", BUMP.trim_start());
    assert_sound(stage, &Settings::default(), &[]);
}
