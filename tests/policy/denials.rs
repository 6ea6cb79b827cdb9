//! Whatever a policy denies or holds in addition, no repository gets further by it: over whole plans, whatever is asked for.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use sluicegate::{
    job::{RequestId, Timestamp},
    policy::{
        Catalog, Facts, IdentityRule, Models, Outcome, PlanContext, RepositoryRules, Skip,
        approval::People,
        evaluate,
        models::{Known, Route},
        repositories::Class,
    },
};

use crate::ground::{file, request, rules};

/// Each bit forbids, or holds, something more.
const DENIALS: u16 = 9;

struct Ground {
    catalog: Catalog,
    estate: RepositoryRules,
    allowed: Vec<String>,
    identities: Vec<IdentityRule>,
    models: Models,
}

fn ground(denials: u16) -> Ground {
    let on = |bit: u16| denials & (1 << bit) != 0;
    let (path, text) = file("small", 1, "", "");
    let text = if on(0) { text.replace("\"acme/old-*\"", "\"acme/old-*\", \"acme/a*\"") } else { text };
    let line = |wanted: bool, line: &'static str| if wanted { line } else { "" };
    let rules = format!(
        "{}[[repository]]\nmatch = \"acme/*\"\n{}\n[[repository]]\nmatch = \"acme/b*\"\nclass = \"sensitive\"\n{}\n\
         [[repository]]\nmatch = \"acme/c*\"\nclass = \"regulated\"\n",
        if on(1) { "approval_classes = [\"sensitive\", \"regulated\"]\n" } else { "" },
        line(on(2), "templates = [\"other\"]"),
        line(on(3), "owners = [\"zoe\"]"),
    );
    let bot = IdentityRule::new("bot");
    let narrow = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect::<Vec<_>>();
    let route = Route {
        name: "route 1".into(),
        template: None,
        risk: None,
        class: Some(Class::Sensitive),
        model: "gpt-b".into(),
    };
    let blocked_for = if on(4) { vec!["sensitive".to_owned()] } else { Vec::new() };
    Ground {
        catalog: Catalog::load(vec![(path, text)]).unwrap(),
        estate: RepositoryRules::parse("r.toml", &rules).unwrap(),
        allowed: narrow(if on(5) { &["acme/a*", "acme/b*"] } else { &["acme/*"] }),
        identities: vec![IdentityRule {
            repositories: narrow(if on(6) { &["acme/b*", "acme/c*"] } else { &[] }),
            templates: narrow(if on(7) { &["other"] } else { &[] }),
            ..bot
        }],
        models: Models {
            routes: vec![route],
            known: vec![Known { name: "gpt-*".into(), blocked_for }],
            allowed: narrow(if on(8) { &["gpt-a"] } else { &[] }),
            default: Some("gpt-a".into()),
        },
    }
}

/// What becomes of each repository; a request that is refused denies all of them.
fn outcomes(denials: u16, asked: &Value) -> BTreeMap<String, Outcome> {
    let ground = ground(denials);
    let context = PlanContext {
        catalog: &ground.catalog,
        rules: &rules(3),
        allowed: &ground.allowed,
        identities: &ground.identities,
        people: &People(Vec::new()),
        identity: "bot",
        models: &ground.models,
        request_id: RequestId::new(Timestamp(1), 1),
        repositories: &ground.estate,
        facts: &Facts::default(),
        now: Timestamp(1),
    };
    let request = request(asked);
    match evaluate(&request, &context, None) {
        Err(_) => request.repositories.into_iter().map(|name| (name, Outcome::Deny)).collect(),
        Ok(plan) => {
            let jobs = plan.jobs.iter().map(|job| (job.repository.to_string(), job.decision.outcome()));
            let skipped =
                plan.skipped.iter().map(|Skip { repository, .. }| (repository.clone(), Outcome::Deny));
            jobs.chain(skipped).collect()
        }
    }
}

proptest! {
    #[test]
    fn a_policy_that_denies_more_lets_nothing_go_further(
        milder in 0..1_u16 << DENIALS, more in 0..1_u16 << DENIALS,
        names in prop::collection::btree_set("acme/(old-)?[abcd][xy]", 1..6),
        model in prop::option::of(prop::sample::select(vec!["gpt-a", "gpt-b", "claude"])),
    ) {
        let mut asked = json!({"repositories": names});
        if let Some(model) = model {
            asked["model"] = json!(model);
            asked["model_reason"] = json!("it is better");
        }
        let (before, after) = (outcomes(milder, &asked), outcomes(milder | more, &asked));
        prop_assert_eq!(before.len(), names.len());
        for (name, outcome) in &before {
            prop_assert!(after[name] >= *outcome, "{}: {:?} under {:b}, {:?} under {:b}", name, outcome, milder, after[name], milder | more);
        }
    }
}

/// Each of them does something: otherwise the property above would say nothing of it.
#[test]
fn each_denial_of_this_test_denies_or_holds_something() {
    let asked = json!({"repositories": ["acme/ax", "acme/bx", "acme/cx", "acme/dx"]});
    for bit in 0..DENIALS {
        assert_ne!(outcomes(0, &asked), outcomes(1 << bit, &asked), "{bit}");
    }
}
