//! Deciding alone: a request for ten thousand repositories under rules of repositories, facts, routes, blocked models and budgets, and
//! comparing the plan with itself. `cargo bench --bench policy`; it must not read or write anything.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "prints figures that it takes by the clock"
)]

use std::{collections::BTreeMap, fmt::Write as _, time::Instant};

use anyhow::{anyhow, ensure};
use sluicegate::{
    budget::{Amount, BudgetRule, Kind, Member, Period, Pool, Rules, Scope},
    job::{RequestId, Timestamp},
    policy::{
        Catalog, Facts, Models, Outline, PlanContext, RepositoryFacts, RepositoryRules, Request,
        models::{Known, Route},
        plan,
        repositories::Class,
        template::Risk,
    },
};

const REPOSITORIES: usize = 10_000;
/// Groups of repositories, each with a rule of its own.
const GROUPS: usize = 500;
const RUNS: usize = 7;

const TEMPLATE: &str = r#"
name = "small"
version = 1
summary = "For the benchmark"
owner = "dana"
team = "platform"
repositories = ["acme/*"]
exclude = ["acme/*-archive", "acme/*-fork"]
reviewers = "people"
risk = "high"
deprecated = "there is a better one"
commands = ["make test"]
stop_conditions = ["a test fails that failed before"]
required_checks = ["ci"]
estimate_credits = 1
prompt = """
Upgrade {{ inputs.package }} in {{ repository.full_name }}.
{% for step in range(40) %}
{{ step }}. Look at every place that names {{ inputs.package }}, and change nothing else there.
{% endfor %}
{{ inputs.note | data }}
"""
[inputs]
required = ["package"]
[inputs.properties.package]
type = "string"
pattern = "^[a-z-]+$"
[inputs.properties.note]
type = "string"
default = ""
[scope]
may_change = ["**/Cargo.toml", "**/Cargo.lock", "src/**"]
must_not_change = [".github/**"]
max_files = 40
max_lines = 400
[pull_request_text]
title = "Upgrade {{ inputs.package }}"
body = "For {{ repository.name }}."
"#;

fn main() -> anyhow::Result<()> {
    let catalog = Catalog::load(vec![("small/1.toml".to_owned(), TEMPLATE.to_owned())])
        .map_err(|problems| anyhow!("the template: {problems:?}"))?;
    let estate = estate()?;
    let (request, facts) = request_and_facts()?;
    let (rules, models) = (rules(), models());
    let context = PlanContext {
        catalog: &catalog,
        rules: &rules,
        allowed: &["acme/*".to_owned()],
        identities: &[sluicegate::policy::IdentityRule::new("bot")],
        people: &sluicegate::policy::approval::People(Vec::new()),
        identity: "bot",
        models: &models,
        request_id: RequestId::new(Timestamp(1), 1),
        repositories: &estate,
        facts: &facts,
        now: Timestamp(1),
    };
    let (mut deciding, mut comparing) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let begun = Instant::now();
        let planned = plan(&request, &context).map_err(|problems| anyhow!("{problems:?}"))?;
        deciding.push(begun.elapsed());
        ensure!(planned.jobs.len() + planned.skipped.len() == REPOSITORIES, "some repositories are missing");
        ensure!(!planned.skipped.is_empty(), "nothing is skipped, so a rule does not work");
        let begun = Instant::now();
        let outline = Outline::of(&planned);
        ensure!(outline.digest() == planned.digest && outline.differences(&outline).is_empty());
        comparing.push(begun.elapsed());
    }
    for (what, mut times) in [("decide", deciding), ("outline, digest and compare", comparing)] {
        times.sort_unstable();
        let of = |at: usize| times.get(at).map(std::time::Duration::as_millis).unwrap_or_default();
        println!(
            "{what}: {} ms for {REPOSITORIES} repositories ({} to {})",
            of(RUNS / 2),
            of(0),
            of(RUNS - 1)
        );
    }
    Ok(())
}

fn estate() -> anyhow::Result<RepositoryRules> {
    let mut text = String::new();
    for group in 0..GROUPS {
        let class = ["standard", "sensitive", "regulated"].get(group % 3).copied().unwrap_or_default();
        write!(
            text,
            "[[repository]]\nmatch = \"acme/g{group:03}-*\"\nclass = \"{class}\"\nteam = \"team-{group}\"\n"
        )?;
    }
    RepositoryRules::parse("repositories.toml", &text).map_err(|problems| anyhow!("{problems:?}"))
}

fn request_and_facts() -> anyhow::Result<(Request, Facts)> {
    let names: Vec<String> = (0..REPOSITORIES).map(|n| format!("acme/g{:03}-{n}", n % GROUPS)).collect();
    let mut facts = Facts::default();
    for name in &names {
        facts.learn(
            name.parse()?,
            RepositoryFacts { visible: Some(true), ..RepositoryFacts::default() },
            Timestamp(1),
        );
    }
    let body = serde_json::json!({
        "template": "small", "repositories": names, "requester": "zoe",
        "inputs": {"package": "serde", "note": "as discussed"},
    });
    Ok((Request::parse_json(body.to_string().as_bytes())?, facts))
}

fn rules() -> Rules {
    let budget = |name: &str, kind, per, matching: Option<String>| BudgetRule {
        name: name.to_owned(),
        kind,
        per,
        matching,
        limit: Amount::from(3_u32),
        period: Period::Lifetime,
    };
    let mut budgets = vec![
        budget("slots", Kind::Slots, Scope::Global, None),
        budget("slots", Kind::Slots, Scope::Repository, None),
        budget("unproven", Kind::Change, Scope::Request, None),
        budget("credits", Kind::Spend, Scope::Team, None),
    ];
    budgets.extend(
        (0..50).map(|n| budget("slots", Kind::Slots, Scope::Repository, Some(format!("acme/g{n:03}-*")))),
    );
    let members = ["ana", "ben"].map(|login| Member {
        login: login.into(),
        limit: Amount::from(2_u32),
        away: Vec::new(),
    });
    let pool = Pool { name: "people".to_owned(), members: members.to_vec() };
    Rules { budgets, pools: BTreeMap::from([("people".to_owned(), pool)]), ..Rules::default() }
}

fn models() -> Models {
    let route = |name: &str, template: Option<String>, risk, class, model: &str| Route {
        name: name.to_owned(),
        template,
        risk,
        class,
        model: model.to_owned(),
    };
    let mut routes = vec![
        route("route 1", None, None, None, "gpt-a"),
        route("route 2", None, Some(Risk::High), None, "gpt-b"),
        route("route 3", None, None, Some(Class::Sensitive), "claude-c"),
        route("route 4", None, None, Some(Class::Regulated), "grok-d"),
    ];
    routes.extend((0..200).map(|n| route("more", Some(format!("other-{n}-*")), None, None, "gpt-a")));
    let known = [("gpt-*", None), ("claude-*", None), ("grok-*", Some("regulated"))];
    let known = known.map(|(name, class)| Known {
        name: name.to_owned(),
        blocked_for: class.into_iter().map(str::to_owned).collect(),
    });
    Models { routes, known: known.to_vec(), allowed: Vec::new(), default: None }
}
