//! Plans that are made again: equal when nothing has changed, and told in sentences when something has.

use proptest::prelude::*;
use serde_json::json;
use sluicegate::policy::{Catalog, Code, Models, Outline, Request};

use crate::ground::{catalog, file, planned, request};

fn outline(catalog: &Catalog, models: &Models, request: &Request, at: i64) -> Outline {
    Outline::of(&planned(catalog, models, request, at).unwrap())
}

fn told(before: &Outline, after: &Outline) -> Vec<String> {
    let differences = before.differences(after);
    assert!(differences.iter().all(|one| one.code == Code::PlanChanged));
    differences.into_iter().map(|one| format!("{}: {}", one.at.unwrap_or_default(), one.what)).collect()
}

#[test]
fn whatever_has_changed_is_named() {
    let (old, models, asked) = (catalog("model = \"a\"\n", ""), Models::default(), request(&json!({})));
    let before = outline(&old, &models, &asked, 1);
    assert_eq!(told(&before, &outline(&old, &models, &asked, 2)), Vec::<String>::new());
    let changed = [
        (outline(&catalog("model = \"b\"\n", ""), &models, &asked, 1), "acme/api: the model was a, is now b"),
        (
            outline(&catalog("model = \"a\"\nlabels = [\"x\"]\n", ""), &models, &asked, 1),
            "template: the file of small@1 has changed",
        ),
        (
            outline(&old, &models, &request(&json!({"inputs": {"what": "that"}})), 1),
            "acme/api: the prompt has changed",
        ),
        (
            outline(&old, &models, &request(&json!({"repositories": ["acme/web"]})), 1),
            "acme/api: is not in the plan any more",
        ),
        (
            outline(
                &old,
                &models,
                &request(&json!({"repositories": ["acme/api", "acme/web", "acme/old-shop", "acme/new"]})),
                1,
            ),
            "acme/new: is new in the plan",
        ),
        (
            outline(&catalog("model = \"a\"\ndeprecated = \"old\"\n", ""), &models, &asked, 1),
            "acme/api: the remarks on it have changed (allow)",
        ),
    ];
    for (after, wanted) in changed {
        let told = told(&before, &after);
        assert!(told.iter().any(|one| one == wanted), "{wanted}: {told:?}");
        assert_ne!(before.digest(), after.digest());
    }
    let wider = Catalog::load(
        vec![file("small", 1, "model = \"a\"\n", "")]
            .into_iter()
            .map(|(path, text)| (path, text.replace("acme/old-*", "acme/w*")))
            .collect(),
    )
    .unwrap();
    let told = told(&before, &outline(&wider, &models, &asked, 1));
    assert!(told.iter().any(|one| one.starts_with("acme/web: is skipped now")), "{told:?}");
    assert!(told.iter().any(|one| one.starts_with("acme/old-shop: is not skipped any more")), "{told:?}");
}

#[test]
fn a_skip_is_kept_with_everything_that_was_found() {
    let plan = planned(&catalog("", ""), &Models::default(), &request(&json!({})), 1).unwrap();
    let skip = &plan.skipped[0];
    assert_eq!((skip.repository.as_str(), skip.reason.as_str()), ("acme/old-shop", "excluded-by-template"));
    assert_eq!((skip.findings.len(), skip.findings[0].rule.as_deref()), (1, Some("small@1")));
    let problems = planned(
        &catalog("", ""),
        &Models::default(),
        &request(&json!({"repositories": ["acme/old-shop"]})),
        1,
    );
    let problems = problems.unwrap_err();
    assert_eq!(problems[0].code, Code::NoRepositories);
    assert!(problems[1].what.contains("excluded-by-template"), "{problems:?}");
}

proptest! {
    /// A plan that is written down, read back and made again with nothing changed is the same plan, whenever that is.
    #[test]
    fn planning_again_gives_exactly_the_plan(
        names in prop::collection::btree_set("[a-z]{1,8}", 1..20), old in any::<bool>(), hold in any::<bool>(),
        model in prop::option::of("[ab]"), what in "[a-z ]{1,20}", at in 1_i64..1_000_000,
    ) {
        let catalog = catalog("model = \"a\"\n", "");
        let repositories: Vec<String> = names.iter().map(|name| format!("acme/{}{name}", if old && name.len() % 2 == 0 { "old-" } else { "" })).collect();
        let mut more = json!({"repositories": repositories, "hold": hold, "inputs": {"what": what.trim()}});
        if let Some(model) = model {
            more["model"] = json!(model);
            more["model_reason"] = json!("it is better");
        }
        prop_assume!(!what.trim().is_empty());
        let asked = request(&more);
        let Ok(plan) = planned(&catalog, &Models::default(), &asked, at) else { return Ok(()) };
        let kept = serde_json::to_string(&(&plan.request, Outline::of(&plan))).unwrap();
        let (again, before): (Request, Outline) = serde_json::from_str(&kept).unwrap();
        let now = Outline::of(&planned(&catalog, &Models::default(), &again, at + 1).unwrap());
        prop_assert_eq!(&before, &now);
        prop_assert_eq!(before.digest(), plan.digest);
        prop_assert!(before.differences(&now).is_empty());
    }
}
