//! Templates and plans through the public interface: the shipped templates are good, wrong ones are told with
//! their place, a request is planned whole or not at all, and prompts hold their promises on random inputs.
#![expect(clippy::unwrap_used, reason = "in functions that tests share")]

use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

use proptest::prelude::*;
use serde_json::json;
use sluicegate::{
    budget::{Amount, BudgetRule, Key, Kind, Member, Period, Pool, Rules, Scope},
    job::{RequestId, Timestamp},
    policy::{
        Catalog, Code, Facts, IdentityRule, Models, Plan, PlanContext, Problem, RepositoryRules, Request,
        plan, render::PROMPT_BYTES_MAX,
    },
};

const SMALL: &str = r#"
name = "small"
version = 1
summary = "For tests"
owner = "dana"
team = "platform"
repositories = ["acme/*", "other/*"]
exclude = ["acme/old-*"]
reviewers = "people"
estimate_credits = "2.5"
prompt = """
Do {{ inputs.what }} in {{ repository.full_name }}, {{ inputs.times }} times.
{{ inputs.notes | data }}
"""
[inputs]
required = ["what"]
[inputs.properties.what]
type = "string"
pattern = "^[a-z ]+$"
description = "what to do"
[inputs.properties.times]
type = "integer"
maximum = 9
default = 1
[inputs.properties.notes]
type = "string"
default = ""
[scope]
may_change = ["src/**"]
"#;

fn shipped() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/templates");
    let mut files = Vec::new();
    for folder in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        for file in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            files.push((file.display().to_string(), fs::read_to_string(&file).unwrap()));
        }
    }
    files
}

static CATALOG: LazyLock<Catalog> =
    LazyLock::new(|| Catalog::load(vec![("small/1.toml".to_owned(), SMALL.to_owned())]).unwrap());

fn rules() -> Rules {
    let budget = |name: &str, kind, per| BudgetRule {
        name: name.to_owned(),
        kind,
        per,
        matching: None,
        limit: Amount::from(10_u32),
        period: Period::Lifetime,
    };
    let pool = |name: &str| {
        let member =
            |login: &str| Member { login: login.into(), limit: Amount::from(2_u32), away: Vec::new() };
        (name.to_owned(), Pool { name: name.to_owned(), members: vec![member("ana"), member("ben")] })
    };
    Rules {
        budgets: vec![
            budget("slots", Kind::Slots, Scope::Global),
            budget("credits", Kind::Spend, Scope::Request),
        ],
        pools: BTreeMap::from([pool("people"), pool("platform-reviewers")]),
        ..Rules::default()
    }
}

fn request(inputs: serde_json::Value) -> Request {
    let text = json!({
        "template": "small", "repositories": ["Acme/API", "acme/old-web", "other/web"],
        "inputs": inputs, "requester": "zoe",
    });
    Request::parse_json(text.to_string().as_bytes()).unwrap()
}

fn plan_under(request: &Request, rules: &Rules, id: i64) -> Result<Plan, Vec<Problem>> {
    let allowed = ["acme/*".to_owned(), "other/web".to_owned()];
    plan_of(&CATALOG, request, (rules, &allowed), id)
}

fn plan_of(
    catalog: &Catalog,
    request: &Request,
    (rules, allowed): (&Rules, &[String]),
    id: i64,
) -> Result<Plan, Vec<Problem>> {
    let context = PlanContext {
        catalog,
        rules,
        allowed,
        identities: &[IdentityRule::new("bot")],
        identity: "bot",
        people: &sluicegate::policy::approval::People(Vec::new()),
        models: &Models { default: Some("model-a".to_owned()), ..Models::default() },
        request_id: RequestId::new(Timestamp(id), 7),
        repositories: &RepositoryRules::default(),
        facts: &Facts::default(),
        now: Timestamp(id),
    };
    plan(request, &context)
}

fn planned(request: &Request) -> Result<Plan, Vec<Problem>> {
    plan_under(request, &rules(), 1)
}

/// The request with some fields replaced.
fn changed(request: &Request, change: &serde_json::Value) -> Request {
    let mut body = serde_json::to_value(request).unwrap();
    let fields = change.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    serde_json::from_value(body).unwrap()
}

fn refused(request: &Request) -> Problem {
    planned(request).unwrap_err().remove(0)
}

#[test]
fn the_shipped_templates_load_and_render() {
    let catalog = Catalog::load(shipped()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let names: Vec<&str> = catalog.iter().map(|template| template.name.as_str()).collect();
    assert_eq!(names, ["dependency-upgrade", "new-service", "weekly-release-prep"]);
    for (template, inputs, wanted) in [
        (
            "dependency-upgrade",
            json!({ "ecosystem": "cargo", "package": "serde", "to_version": "1.0.228", "notes": "be quick" }),
            "Upgrade the cargo dependency serde in acme/api to 1.0.228.",
        ),
        (
            "weekly-release-prep",
            json!({ "version": "2.14.0", "release_date": "2026-11-27" }),
            "Prepare release 2.14.0 of acme/api, planned for 2026-11-27. Prepare only",
        ),
        (
            "new-service",
            json!({ "service": "invoices", "language": "rust", "owners": "@acme/billing",
                    "purpose": "Keeps invoices and tells who paid.", "datastore": "postgres" }),
            "```data\nKeeps invoices and tells who paid.\n```",
        ),
    ] {
        let body = json!({ "template": template, "repositories": ["acme/api"], "requester": "zoe", "inputs": inputs });
        let request = Request::parse_json(body.to_string().as_bytes()).unwrap();
        let plan = plan_of(&catalog, &request, (&rules(), &["acme/*".to_owned()]), 1).unwrap();
        let prompt = &plan.jobs[0].prompt;
        assert!(prompt.contains(wanted), "{prompt}");
        assert!(!prompt.contains("{{") && !prompt.contains("{%") && !prompt.contains("\n\n\n\n"), "{prompt}");
        assert!(prompt.contains("## Boundaries") && prompt.len() < 8_000, "{}", prompt.len());
    }
}

#[test]
fn a_plan_holds_everything_that_was_decided() {
    let plan = planned(&request(json!({ "what": "sweep", "notes": "gently" }))).unwrap();
    let names: Vec<&str> = plan.jobs.iter().map(|job| job.repository.full_name()).collect();
    assert_eq!(names, ["acme/api", "other/web"]);
    assert_eq!(
        (plan.skipped[0].repository.as_str(), plan.skipped[0].reason.as_str()),
        ("acme/old-web", "excluded-by-template")
    );
    let job = &plan.jobs[0];
    assert!(
        job.prompt.starts_with("Do sweep in acme/api, 1 times.\n\n```data\ngently\n```"),
        "{}",
        job.prompt
    );
    assert_eq!(job.model.as_deref(), Some("model-a"));
    let of = |key: &str| job.demands.iter().find(|demand| demand.key == Key::new(key));
    assert_eq!(of("slots/global").unwrap().amount, Amount::ONE);
    assert_eq!(of("pool/people").unwrap().exclude, ["zoe"]);
    let spend = format!("credits/request/{}", RequestId::new(Timestamp(1), 7));
    assert_eq!(of(&spend).unwrap().amount.get(), 2_500_000_000);
    assert_eq!((plan.request.template.as_str(), plan.team.as_str()), ("small@1", "platform"));
    assert_eq!((plan.request.inputs["times"].clone(), plan.priority), (json!(1), 5));
}

#[test]
fn a_request_that_is_wrong_anywhere_is_refused_whole_with_every_reason() {
    let good = request(json!({ "what": "sweep" }));
    for (change, code, at, says) in [
        (json!({ "template": "smal" }), Code::UnknownTemplate, "template", "did you mean `small`?"),
        (json!({ "template": "small@7" }), Code::UnknownTemplate, "template", "versions: 1"),
        (json!({ "template": "small@x" }), Code::UnknownTemplate, "template", "`name@2`"),
        (json!({ "inputs": {} }), Code::WrongInput, "inputs", "it is: what to do"),
        (
            json!({ "inputs": { "what": 3 } }),
            Code::WrongInput,
            "inputs.what",
            "expected string, found the number 3",
        ),
        (
            json!({ "inputs": { "what": "x", "time": 3 } }),
            Code::WrongInput,
            "inputs",
            "did you mean `times`?",
        ),
        (json!({ "inputs": { "what": "x", "times": 12 } }), Code::WrongInput, "inputs.times", "12"),
        (json!({ "inputs": { "what": "X!" } }), Code::WrongInput, "inputs.what", "^[a-z ]+$"),
        (
            json!({ "inputs": { "what": "x", "notes": "\nsluicegate-JOB: 1" } }),
            Code::MarkerInInput,
            "inputs.notes",
            "remove it",
        ),
        (
            json!({ "inputs": { "what": "x", "notes": "\u{7}" } }),
            Code::ControlCharacter,
            "inputs.notes",
            "U+0007",
        ),
        (json!({ "repositories": [] }), Code::NoRepositories, "repositories", "at least one"),
        (json!({ "repositories": ["acme"] }), Code::BadRepository, "repositories[0]", "owner/name"),
        (json!({ "repositories": ["acme/old-a"] }), Code::NoRepositories, "repositories", "is left out"),
        (
            json!({ "repositories": ["acme/a", "acme/b", "ACME/A"] }),
            Code::DuplicateRepository,
            "repositories[2]",
            "at repositories[0] and repositories[2]",
        ),
        (
            json!({ "repositories": ["acme/a", "evil/b"] }),
            Code::RepositoryNotAllowed,
            "repositories[1]",
            "outside the allow-list of this installation",
        ),
        (json!({ "requester": "a b" }), Code::BadRequest, "requester", "login"),
        (json!({ "priority": 10 }), Code::BadRequest, "priority", "0 (first) to 9"),
        (json!({ "reason": "a\rb" }), Code::ControlCharacter, "reason", "line feed alone"),
        (
            json!({ "inputs": { "what": "x", "notes": "n".repeat(PROMPT_BYTES_MAX - 100) } }),
            Code::PromptTooLong,
            "prompt",
            "64 KiB",
        ),
        (
            json!({ "inputs": { "what": "x", "notes": "n".repeat(PROMPT_BYTES_MAX) } }),
            Code::WrongInput,
            "inputs",
            "65536 bytes together",
        ),
    ] {
        let problem = refused(&changed(&good, &change));
        let told = problem.to_string();
        assert_eq!((problem.code, problem.at.as_deref()), (code, Some(at)), "{told}");
        assert!(told.contains(says), "{told}");
    }
}

#[test]
fn ten_thousand_repositories_are_taken_and_one_more_is_refused() {
    let mut request = request(json!({ "what": "sweep" }));
    request.repositories = (0..10_000).map(|n| format!("acme/r{n}")).collect();
    assert_eq!(planned(&request).unwrap().jobs.len(), 10_000);
    request.repositories.push("acme/one-more".to_owned());
    let problem = refused(&request);
    assert_eq!(problem.code, Code::TooManyRepositories);
    assert!(problem.what.contains("10001") && problem.what.contains("at most 10000"));
}

#[test]
fn many_problems_of_one_kind_are_counted_after_the_first_twenty() {
    let mut request = request(json!({ "what": "sweep" }));
    request.repositories = (0..50).map(|n| format!("evil/r{n}")).collect();
    let problems = planned(&request).unwrap_err();
    assert_eq!(problems.len(), 21);
    assert!(problems[20].what.contains("and 30 more"));
}

#[test]
fn nobody_is_asked_to_review_their_own_request() {
    let mut rules = rules();
    rules.pools.get_mut("people").unwrap().members.truncate(1);
    let mut mine = request(json!({ "what": "sweep" }));
    mine.requester = "ANA".to_owned();
    assert_eq!(plan_under(&mine, &rules, 1).unwrap_err()[0].code, Code::NobodyMayReview);
    rules.pools.remove("people");
    assert_eq!(plan_under(&mine, &rules, 1).unwrap_err()[0].code, Code::UnknownPool);
}

#[test]
fn a_request_file_that_cannot_be_read_is_told_with_its_place() {
    let toml = "template = \"small\"\nrepositories = [\"acme/a\"]\nrequester = \"zoe\"\n";
    for (file, code, at, says) in [
        (format!("{toml}prioritee = 3\n"), Code::BadRequest, "r.toml:4:1", "did you mean `priority`?"),
        (format!("{toml}priority = \"high\"\n"), Code::BadRequest, "r.toml:4:12", "^^^^^^"),
        (format!("{toml}[inputs]\nday = 2026-11-27\n"), Code::WrongInput, "r.toml:5:7", "in quotes"),
        ("template = \"small\"\n".to_owned(), Code::BadRequest, "r.toml:1:1", "`repositories` is missing"),
        ("template = ".to_owned(), Code::BadRequest, "r.toml:1:11", ""),
    ] {
        let problem = Request::parse_toml("r.toml", file.as_bytes()).unwrap_err();
        let told = problem.to_string();
        assert_eq!((problem.code, problem.at.as_deref()), (code, Some(at)), "{told}");
        assert!(told.contains(says), "{told}");
    }
    assert_eq!(Request::parse_toml("r.toml", b"a = \"\xff\"").unwrap_err().code, Code::NotUtf8);
    assert_eq!(Request::parse_json(b"{\"template\": \"\xff\"}").unwrap_err().code, Code::NotUtf8);
    let problem =
        Request::parse_json(br#"{"template":"small","repositories":["a/b"],"requester":"z","hold":1}"#);
    assert!(problem.unwrap_err().at.unwrap().ends_with(" hold"));
}

#[test]
fn the_body_digest_ignores_the_key_and_the_order_of_names_and_nothing_else() {
    let of = |json: &str| Request::parse_json(json.as_bytes()).unwrap().body_digest();
    let one = of(r#"{"template":"t","repositories":["a/b"],"requester":"z","inputs":{"a":1,"b":2}}"#);
    let same = of(
        r#"{"inputs":{"b":2,"a":1},"requester":"z","repositories":["a/b"],"template":"t","idempotency_key":"k"}"#,
    );
    let other = of(r#"{"template":"t","repositories":["a/b"],"requester":"z","inputs":{"a":1,"b":3}}"#);
    assert_eq!(one, same);
    assert_ne!(one, other);
}

#[test]
fn a_wrong_template_is_told_with_the_line_of_its_file() {
    for (from, to, code, at, says) in [
        ("summary =", "sumary =", Code::BadTemplate, "small/1.toml:4:1", "did you mean `summary`?"),
        ("version = 1", "version = 2", Code::BadTemplate, "small/1.toml:2:8", "must be at `small/2.toml`"),
        ("owner = \"dana\"", "owner = \"a b\"", Code::BadTemplate, "small/1.toml:5:9", "login"),
        ("\"acme/*\", ", "\"acme/[ab]\", ", Code::BadTemplate, "small/1.toml:7:17", "glob of repositories"),
        (
            "[\"acme/*\", \"other/*\"]",
            "[]",
            Code::BadTemplate,
            "small/1.toml:7:16",
            "no repository is allowed",
        ),
        ("\"2.5\"", "-1", Code::BadTemplate, "small/1.toml:10:20", "not negative"),
        ("\"2.5\"", "\"2,5\"", Code::BadTemplate, "small/1.toml:10:20", "`2,5` is not an amount of credits"),
        (
            "inputs.what }}",
            "inputs.wat }}",
            Code::UndefinedVariable,
            "small/1.toml:12:1",
            "did you mean `inputs.what`?",
        ),
        (
            "{{ inputs.times",
            "{{ repository.id",
            Code::UndefinedVariable,
            "small/1.toml:12:1",
            "`repository.id`",
        ),
        ("| data", "| date", Code::BadPrompt, "small/1.toml:13:1", "unknown filter"),
        ("{{ inputs.notes | data }}", "{% if %}", Code::BadPrompt, "small/1.toml:13:1", "syntax error"),
        ("{{ inputs.notes | data }}", "{{ inputs }}", Code::UndefinedVariable, "small/1.toml:", "`inputs`"),
        (
            "{{ inputs.notes | data }}",
            "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
            Code::BadPrompt,
            "small/1.toml:13:1",
            "",
        ),
        ("maximum = 9", "maximum = \"nine\"", Code::BadTemplate, "small/1.toml:", "not a JSON Schema"),
        (
            "default = 1\n",
            "",
            Code::BadTemplate,
            "small/1.toml:",
            "`times` is neither required nor has a default",
        ),
        (
            "default = 1\n",
            "default = 99\n",
            Code::BadTemplate,
            "small/1.toml:",
            "does not fit its own schema",
        ),
        ("[\"src/**\"]", "[]", Code::BadTemplate, "small/1.toml:28:1", "no file may change"),
        ("[\"src/**\"]", "[\"src/[\"]", Code::BadTemplate, "small/1.toml:29:14", "error parsing glob"),
        ("Do {{", "Sluicegate-Job: {{", Code::MarkerInInput, "small/1.toml:11:10", "remove it"),
        (
            "reviewers = \"people\"",
            "reviewers = \"people\"\npull_request = false",
            Code::BadTemplate,
            "small/1.toml:9:13",
            "nobody can review",
        ),
        ("[scope]", "[retry]\nmax_attempts = 0\n[scope]", Code::BadTemplate, "small/1.toml:29:16", "1 to 10"),
    ] {
        assert!(SMALL.contains(from), "{from}");
        let text = SMALL.replacen(from, to, 1);
        let problem = Catalog::load(vec![("small/1.toml".to_owned(), text)]).unwrap_err().remove(0);
        let told = problem.to_string();
        assert_eq!(problem.code, code, "{told}");
        assert!(problem.at.as_deref().unwrap().starts_with(at) && told.contains(says), "{at}: {told}");
    }
}

#[test]
fn an_undefined_value_inside_an_input_never_becomes_an_empty_place() {
    let base = SMALL.replace("[inputs.properties.notes]\ntype = \"string\"\ndefault = \"\"", "")
        .replace("required = [\"what\"]", "required = [\"what\", \"list\"]")
        .replace(
            "[inputs.properties.times]",
            "[inputs.properties.list]\ntype = \"array\"\nitems = { properties = { name = { type = \"string\" } } }\n[inputs.properties.times]",
        );
    for body in [
        "{% for x in inputs.list %}{{ x.nam }}{% endfor %}",
        "{% for x in inputs.list %}{{ x.nam | join }}{% endfor %}",
        "{% for x in inputs.list %}{{ x.nam | tojson }}{% endfor %}",
        "{% for x in inputs.list %}{{ x.nam | data }}{% endfor %}",
        "{% for x in inputs.list %}{{ [x.nam] | join(',') }}{% endfor %}",
        "{% for x in inputs.list %}{{ x.nam ~ '' }}{% endfor %}",
        "{% for x in inputs.list %}{{ x.nam | upper }}{% endfor %}",
        "{% for x in inputs.list %}{% if x.nam %}{% endif %}{% endfor %}",
        "{% for x in inputs.list %}{{ none }}{% endfor %}",
    ] {
        let text = base.replace("{{ inputs.notes | data }}", body);
        let problems = Catalog::load(vec![("small/1.toml".to_owned(), text)]).err();
        let problems = problems.unwrap_or_else(|| panic!("accepted: {body}"));
        assert_eq!(problems[0].code, Code::UndefinedVariable, "{body}: {}", problems[0]);
    }
}

/// Texts without braces, so that a brace in the prompt could only come from the template.
fn free_text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 `#:/\n\t.*äß-]{0,200}"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rendered_text_has_no_placeholder_left_and_free_text_stays_in_its_block(notes in free_text(), times in 1..=9) {
        let plan = planned(&request(json!({ "what": "sweep", "times": times, "notes": notes }))).unwrap();
        let prompt = &plan.jobs[0].prompt;
        let left = ["{{", "{%", "none"].iter().any(|sign| prompt.contains(sign));
        prop_assert!(!left);
        prop_assert!(prompt.len() <= PROMPT_BYTES_MAX);
        if !notes.trim().is_empty() {
            let (_, rest) = prompt.split_once("data\n").unwrap();
            let fence = prompt.lines().find(|line| line.ends_with("`data")).unwrap().trim_end_matches("data");
            let (inside, outside) = rest.split_once(&format!("\n{fence}\n")).unwrap();
            prop_assert_eq!(inside, notes.trim_end());
            prop_assert!(outside.contains("## Boundaries"));
        }
    }

    #[test]
    fn a_plan_is_the_same_each_time_under_any_request_id(notes in free_text(), id in 1_i64..1_000_000) {
        let request = request(json!({ "what": "sweep", "notes": notes }));
        let (one, two) = (plan_under(&request, &rules(), 1).unwrap(), plan_under(&request, &rules(), id).unwrap());
        prop_assert_eq!(&one.digest, &two.digest);
        let prompts = |plan: &Plan| plan.jobs.iter().map(|job| job.prompt.clone()).collect::<Vec<_>>();
        prop_assert_eq!(prompts(&one), prompts(&two));
    }

    #[test]
    fn the_digest_changes_when_anything_decided_changes(which in 0_usize..8, times in 2_u32..=9) {
        let before = request(json!({ "what": "sweep", "times": 1 }));
        let (mut after, mut rules_after) = (before.clone(), rules());
        match which {
            0 => { after.inputs.insert("times".into(), json!(times)); }
            1 => { after.repositories.pop(); }
            2 => after.priority = Some(7),
            3 => after.hold = true,
            4 => after.team = Some("other".into()),
            5 => after.requester = "yan".into(),
            6 => after.deadline_minutes = Some(times),
            _ => rules_after.budgets[0].name = "places".into(),
        }
        let one = plan_under(&before, &rules(), 1).unwrap().digest;
        prop_assert_ne!(one, plan_under(&after, &rules_after, 1).unwrap().digest);
    }

    #[test]
    fn what_is_no_request_never_breaks_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Request::parse_json(&bytes).is_err());
        prop_assert!(Request::parse_toml("r.toml", &bytes).is_err());
    }
}
