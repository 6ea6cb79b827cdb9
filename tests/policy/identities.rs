//! Which identity works on a job.

use serde_json::json;
use sluicegate::{
    job::{RequestId, Timestamp},
    policy::{
        Code, Facts, IdentityRule, Models, Plan, PlanContext, Problem, RepositoryRules, Request,
        approval::People, plan,
    },
};

use crate::ground::{catalog, request, rules};

fn planned(identities: &[IdentityRule], names: &[&str]) -> Result<Plan, Vec<Problem>> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let context = PlanContext {
        catalog: &catalog("", ""),
        rules: &rules(3),
        allowed: &["acme/*".to_owned()],
        identities,
        identity: "wide",
        people: &People(Vec::new()),
        models: &Models::default(),
        request_id: RequestId::new(Timestamp(1), 7),
        repositories: &RepositoryRules::default(),
        facts: &Facts::default(),
        now: Timestamp(1),
    };
    plan(&Request { repositories: names, ..request(&json!({})) }, &context)
}

#[test]
fn each_job_has_the_narrowest_identity_and_without_one_there_is_no_job() {
    let narrow = IdentityRule { repositories: vec!["acme/api".into()], ..IdentityRule::new("narrow") };
    let wide = IdentityRule { repositories: vec!["acme/w*".into()], ..IdentityRule::new("wide") };
    let other = IdentityRule { templates: vec!["other".into()], ..IdentityRule::new("other") };
    let all = [wide, narrow.clone(), other];
    let found = planned(&all, &["acme/api", "acme/web", "acme/shop"]).unwrap();
    let identities: Vec<&str> = found.jobs.iter().map(|job| job.subject.identity.as_str()).collect();
    assert_eq!(identities, ["narrow", "wide"]);
    let skipped = &found.skipped[0];
    assert_eq!((skipped.reason.as_str(), skipped.repository.as_str()), ("identity-none", "acme/shop"));
    let problems = planned(&[narrow], &["acme/web"]).unwrap_err();
    assert!(problems.iter().any(|problem| problem.code == Code::NoRepositories), "{problems:?}");
}
