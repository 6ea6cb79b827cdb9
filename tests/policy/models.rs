//! Which model a job gets, what needs an approval, and what no approval lifts.

use proptest::prelude::*;
use serde_json::json;
use sluicegate::policy::{
    Code, Models, Outcome,
    models::{Known, Route},
    repositories::Class,
    template::Risk,
};

use crate::ground::{catalog, planned, request};

fn route(template: Option<&str>, risk: Option<Risk>, class: Option<Class>, model: &str) -> Route {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Route {
        name: format!("route to {model}"),
        template: owned(template),
        risk,
        class,
        model: model.to_owned(),
    }
}

fn known(name: &str, blocked_for: &[&str]) -> Known {
    Known {
        name: name.to_owned(),
        blocked_for: blocked_for.iter().map(|class| (*class).to_owned()).collect(),
    }
}

#[test]
fn a_class_outranks_a_risk_and_a_risk_a_template_and_without_a_route_the_template_decides() {
    let catalog = catalog("model = \"of-template\"\n", "");
    let template = catalog.get("small", None).unwrap();
    let request = request(&json!({}));
    let mut models = Models { default: Some("default".to_owned()), ..Models::default() };
    let choose = |models: &Models, class| models.choose(template, class, &request).unwrap().model.unwrap();
    assert_eq!(choose(&models, Class::Standard), "of-template");
    for (route, wanted) in [
        (route(None, None, None, "all"), "all"),
        (route(Some("sm*"), None, None, "glob"), "glob"),
        (route(Some("small"), None, None, "exact"), "exact"),
        (route(None, Some(Risk::Medium), None, "medium"), "medium"),
        (route(None, Some(Risk::High), None, "high"), "medium"),
        (route(None, None, Some(Class::Sensitive), "sensitive"), "sensitive"),
    ] {
        models.routes.push(route);
        assert_eq!(choose(&models, Class::Sensitive), wanted);
    }
    assert_eq!(choose(&models, Class::Standard), "medium");
}

#[test]
fn another_model_than_the_route_needs_a_reason_and_an_approval() {
    let catalog = catalog("model = \"routed\"\n", "");
    let of = |more| planned(&catalog, &Models::default(), &request(&more), 1);
    let problem = of(json!({"model": "bigger"})).unwrap_err().remove(0);
    assert_eq!((problem.code, problem.at.as_deref()), (Code::ReasonMissing, Some("model_reason")));
    let plan = of(json!({"model": "bigger", "model_reason": "the small one gave up twice"})).unwrap();
    let job = &plan.jobs[0];
    let finding = job.decision.decisive().unwrap();
    assert_eq!((job.model.as_deref(), job.model_by.as_str()), (Some("bigger"), "request"));
    assert_eq!((finding.outcome, finding.reason.as_str()), (Outcome::NeedsApproval, "model-escalated"));
    assert!(finding.text.contains("gave up twice"), "{finding:?}");
    let same = of(json!({"model": "routed"})).unwrap();
    assert!(same.jobs[0].decision.findings.is_empty(), "what the route gives anyway needs nothing");
}

#[test]
fn a_blocked_model_is_denied_whoever_asks_and_an_unknown_one_is_remarked() {
    let catalog = catalog("model = \"claude-a\"\n", "");
    let of = |models: &Models, more| planned(&catalog, models, &request(&more), 1);
    let blocked = Models { known: vec![known("claude-*", &["*"]), known("gpt-*", &[])], ..Models::default() };
    let problems = of(&blocked, json!({})).unwrap_err();
    assert!(problems.iter().any(|problem| problem.what.contains("model-blocked")), "{problems:?}");
    let other = of(&blocked, json!({"model": "gpt-b", "model_reason": "it is not blocked"})).unwrap();
    assert_eq!(other.jobs[0].decision.outcome(), Outcome::NeedsApproval);
    let unknown = Models { known: vec![known("gpt-*", &[])], ..Models::default() };
    let plan = of(&unknown, json!({})).unwrap();
    let finding = &plan.jobs[0].decision.findings[0];
    assert_eq!((finding.outcome, finding.reason.as_str()), (Outcome::Allow, "model-unknown"));
    let outside = Models { allowed: vec!["gpt-*".to_owned()], ..Models::default() };
    let problems = of(&outside, json!({})).unwrap_err();
    assert!(problems.iter().any(|problem| problem.what.contains("model-not-allowed")), "{problems:?}");
}

#[test]
fn a_model_that_is_left_to_the_provider_is_denied_where_one_is_blocked() {
    let catalog = catalog("", "");
    let template = catalog.get("small", None).unwrap();
    let models = Models { known: vec![known("gpt-*", &["regulated"])], ..Models::default() };
    let of = |class| models.choose(template, class, &request(&json!({}))).unwrap().findings;
    assert_eq!((of(Class::Standard), of(Class::Sensitive)), (Vec::new(), Vec::new()));
    assert_eq!(of(Class::Regulated)[0].reason, "model-not-routed");
}

#[test]
fn a_blocked_class_leaves_out_its_repositories_and_a_route_for_it_lets_them_in_again() {
    let catalog = catalog("model = \"claude-a\"\n", "");
    let asked = request(&json!({"repositories": ["acme/api", "acme/pay"]}));
    let mut models =
        Models { known: vec![known("claude-*", &["regulated"]), known("gpt-*", &[])], ..Models::default() };
    let plan = planned(&catalog, &models, &asked, 1).unwrap();
    assert_eq!((plan.jobs.len(), plan.skipped[0].reason.as_str()), (1, "model-blocked"));
    models.routes.push(route(None, None, Some(Class::Regulated), "gpt-b"));
    let plan = planned(&catalog, &models, &asked, 1).unwrap();
    let chosen: Vec<Option<&str>> = plan.jobs.iter().map(|job| job.model.as_deref()).collect();
    assert_eq!(chosen, [Some("claude-a"), Some("gpt-b")]);
}

proptest! {
    /// Blocking a model for more classes never lets anything through that was not let through before.
    #[test]
    fn a_broader_block_never_allows_more(
        wanted in prop::option::of("[ab]"), class in prop::sample::select(vec![Class::Standard, Class::Sensitive, Class::Regulated]),
        fewer in prop::collection::vec(prop::sample::select(vec!["standard", "sensitive", "*"]), 0..2),
        more in prop::collection::vec(prop::sample::select(vec!["standard", "regulated", "*"]), 0..2),
    ) {
        let catalog = catalog("model = \"a\"\n", "");
        let template = catalog.get("small", None).unwrap();
        let more_reason = wanted.as_ref().map(|model| json!({"model": model, "model_reason": "why not"}));
        let request = request(&more_reason.unwrap_or(json!({})));
        let outcome = |blocked: Vec<&str>| {
            let blocked = blocked.into_iter().map(str::to_owned).collect();
            let models = Models { known: vec![Known { name: "a".into(), blocked_for: blocked }], ..Models::default() };
            let choice = models.choose(template, class, &request).unwrap();
            choice.findings.iter().map(|finding| finding.outcome).max().unwrap_or_default()
        };
        let broader = [fewer.clone(), more].concat();
        prop_assert!(outcome(broader) >= outcome(fewer));
    }
}
