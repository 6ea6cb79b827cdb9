//! A template, a request and the policy around them, for all tests here.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluicegate::{
    budget::{Amount, BudgetRule, Kind, Period, Rules, Scope},
    job::{RequestId, Timestamp},
    policy::{Catalog, Facts, Models, Plan, PlanContext, Problem, RepositoryRules, Request, plan},
};

pub const BASE: &str = r#"
name = "small"
version = 1
summary = "For tests"
owner = "dana"
team = "platform"
repositories = ["acme/*"]
exclude = ["acme/old-*"]
estimate_credits = 1
prompt = "Do {{ inputs.what }} in {{ repository.full_name }}."
"#;

pub const REST: &str = r#"
[inputs]
required = ["what"]
[inputs.properties.what]
type = "string"
pattern = "^[a-z ]+$"
[inputs.properties.note]
type = "string"
default = ""
[scope]
may_change = ["src/**"]
"#;

/// The template with further keys, at its own path.
pub fn file(name: &str, version: u32, keys: &str, tables: &str) -> (String, String) {
    let text = format!("{BASE}{keys}{REST}{tables}")
        .replace("name = \"small\"", &format!("name = \"{name}\""))
        .replace("version = 1\n", &format!("version = {version}\n"));
    (format!("{name}/{version}.toml"), text)
}

pub fn catalog(keys: &str, tables: &str) -> Catalog {
    Catalog::load(vec![file("small", 1, keys, tables)]).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// What is wrong with the template with further keys.
pub fn wrong(keys: &str, tables: &str) -> Vec<Problem> {
    Catalog::load(vec![file("small", 1, keys, tables)]).unwrap_err()
}

pub fn request(more: &Value) -> Request {
    let mut body = json!({
        "template": "small", "repositories": ["acme/api", "acme/web", "acme/old-shop"],
        "inputs": {"what": "this"}, "requester": "zoe",
    });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    Request::parse_json(body.to_string().as_bytes()).unwrap()
}

pub fn rules(limit: u32) -> Rules {
    let budget = |per| BudgetRule {
        name: "slots".to_owned(),
        kind: Kind::Slots,
        per,
        matching: None,
        limit: Amount::from(limit),
        period: Period::Lifetime,
    };
    Rules {
        budgets: vec![budget(Scope::Global), budget(Scope::Request)],
        pools: BTreeMap::new(),
        ..Rules::default()
    }
}

/// One regulated repository; the others are standard ones.
pub fn estate() -> RepositoryRules {
    let text = "[[repository]]\nmatch = \"acme/pay\"\nclass = \"regulated\"\n";
    RepositoryRules::parse("repositories.toml", text).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// Plans the request as at some time.
pub fn planned(catalog: &Catalog, models: &Models, request: &Request, at: i64) -> Result<Plan, Vec<Problem>> {
    let context = PlanContext {
        catalog,
        rules: &rules(3),
        allowed: &["acme/*".to_owned()],
        identities: &[sluicegate::policy::IdentityRule::new("bot")],
        people: &sluicegate::policy::approval::People(Vec::new()),
        identity: "bot",
        models,
        request_id: RequestId::new(Timestamp(at), u128::from(at.unsigned_abs())),
        repositories: &estate(),
        facts: &Facts::default(),
        now: Timestamp(at),
    };
    plan(request, &context)
}
