//! Policy over history: today's policy decides today's history as it was decided, and a changed one differs in what was changed.
//! The ledger is filled by the way that every request goes.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use serde_json::{Value, json};
use sluicegate::{
    job::Timestamp,
    ledger::{Ledger, Location},
    pipeline::{
        Policy,
        replay::{Replay, Row, Span},
    },
    policy::{
        Models, RepositoryFacts, RepositoryRules, Request,
        facts::{About, AgentSettings, OpenPull},
        models::{Known, Route},
        replay::{Aspect, Tally, Verdict},
        repositories::Class,
    },
};

use crate::house::House;

const PLAIN: &str = r#"
name = "plain"
version = 1
summary = "Plain"
owner = "dana"
team = "platform"
repositories = ["acme/*"]
exclude = ["acme/old-*"]
estimate_credits = 1
model = "gpt-a"
prompt = "Do it in {{ repository.full_name }}."
[scope]
may_change = ["**"]
"#;

/// Wants to know everything, and is widened step by step.
const CURIOUS: &str = r#"
name = "curious"
version = 1
summary = "Curious"
owner = "dana"
team = "platform"
repositories = ["acme/*"]
labels = ["deps"]
estimate_credits = 1
prompt = "Do it in {{ repository.full_name }}, in {{ repository.languages | join(', ') }}."
[requires]
files = ["Cargo.toml"]
green_checks = true
[scope]
may_change = ["**"]
[waves]
sizes = ["1", "40%", "rest"]
"#;

const RULES: &str = r#"
[[repository]]
match = "acme/*"
on_open_pull = "skip"
[[repository]]
match = "acme/b*"
class = "sensitive"
on_open_pull = "adopt"
[[repository]]
match = "acme/c*"
class = "regulated"
[[repository]]
match = "acme/d*"
templates = ["plain"]
"#;

fn estate_rules() -> RepositoryRules {
    RepositoryRules::parse("repositories.toml", RULES).unwrap()
}

fn models() -> Models {
    let route = Route {
        name: "route 1".into(),
        template: None,
        risk: None,
        class: Some(Class::Sensitive),
        model: "gpt-b".into(),
    };
    let known = Known { name: "claude-*".into(), blocked_for: vec!["regulated".into()] };
    let all = Known { name: "gpt-*".into(), blocked_for: Vec::new() };
    Models {
        routes: vec![route],
        known: vec![known, all],
        allowed: Vec::new(),
        default: Some("gpt-c".into()),
    }
}

fn repository(flags: u8) -> RepositoryFacts {
    let on = |bit: u8| flags & (1 << bit) != 0;
    let pull = OpenPull {
        number: 3,
        head_ref: "copilot/x".into(),
        base_ref: "main".into(),
        labels: vec!["deps".into()],
        html_url: None,
    };
    let mut facts = RepositoryFacts {
        visible: Some(!(on(0) && on(1))),
        about: Some(About {
            archived: on(0) && on(2),
            can_push: Some(!on(1)),
            default_branch: "main".into(),
            language: Some(if on(3) { "Rust" } else { "Go" }.into()),
            ..About::default()
        }),
        languages: Some(if on(4) { Vec::new() } else { vec!["Rust".into()] }),
        agent: Some(if on(5) {
            AgentSettings::Hidden
        } else {
            AgentSettings::Enabled { workflow_approval: on(6), firewall: true }
        }),
        pulls: Some(if on(7) { vec![pull] } else { Vec::new() }),
        ..RepositoryFacts::default()
    };
    let file = if on(2) && on(6) { "Absent" } else { "Present" };
    facts.files.insert("Cargo.toml".into(), serde_json::from_value(json!(file.to_lowercase())).unwrap());
    facts
}

/// Everything that the replay says, from a ledger that is opened beside the one that is written.
async fn replayed(house: &House, policy: &Policy, newest: bool) -> (Vec<Row>, Tally) {
    let url = format!("sqlite:{}", house.folder.path().join("ledger.db").display());
    let location = Location { url, password: None, full_durability: true };
    let ledger = Ledger::open_read_only(&location, Arc::default()).await.unwrap();
    let span = Span { since: Timestamp(0), until: Timestamp(i64::MAX), newest };
    let mut replay = Replay::new(&ledger, policy, span);
    let (mut rows, mut tally) = (Vec::new(), Tally::default());
    while let Some(request) = replay.next().await.unwrap() {
        tally.add(request.iter().map(|row| &row.compared));
        rows.extend(request);
    }
    ledger.close().await;
    (rows, tally)
}

fn request(more: &Value) -> Request {
    let mut body = json!({"template": "plain", "repositories": ["acme/api"], "requester": "zoe"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Request::parse_json(body.to_string().as_bytes()).unwrap()
}

/// A request, and how many decisions it is if it is accepted.
async fn submit(house: &House, more: &Value) -> u64 {
    let request = request(more);
    let named = u64::try_from(request.repositories.len()).unwrap();
    if house.context.submit(request).await.is_ok() { named } else { 0 }
}

prop_compose! {
    fn any_request()(
        names in prop::collection::btree_set("(acme/)(old-)?[a-e][xy]", 1..8), curious: bool, hold: bool,
        model in prop::option::of(prop::sample::select(vec!["gpt-a", "claude-x", "strange"])), own_waves: bool,
    ) -> Value {
        let mut asked = json!({"repositories": names, "template": if curious { "curious" } else { "plain" }, "hold": hold});
        if let Some(model) = model {
            asked["model"] = json!(model);
            asked["model_reason"] = json!("the small one gave up");
        }
        if own_waves {
            asked["waves"] = json!({"sizes": ["1", "1", "rest"]});
        }
        asked
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn the_policy_of_today_differs_nowhere_over_the_history_of_today(
        requests in prop::collection::vec(any_request(), 1..10), flags in prop::collection::vec(any::<u8>(), 20),
    ) {
        let names = ["", "old-"].iter().flat_map(|old| "abcde".chars().flat_map(move |one| {
            ["x", "y"].map(|two| format!("acme/{old}{one}{two}"))
        }));
        let estate: BTreeMap<String, RepositoryFacts> =
            names.zip(&flags).map(|(name, flags)| (name, repository(*flags))).collect();
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let change = |policy: &mut Policy| {
                policy.repositories = estate_rules();
                policy.models = models();
            };
            let house = House::with(&[PLAIN, CURIOUS], estate, change).await;
            let mut decisions = 0;
            for asked in &requests {
                decisions += submit(&house, asked).await;
            }
            let (rows, tally) = replayed(&house, &house.context.policy, false).await;
            let other: Vec<&Row> = rows.iter().filter(|row| row.compared.verdict != Verdict::Same).collect();
            prop_assert!(other.is_empty(), "{other:#?}");
            prop_assert_eq!((tally.decisions, tally.same), (decisions, decisions));
            Ok(())
        })?;
    }
}

/// Some requests under a plain policy with rules, of which nothing is to be asked but what `repository` tells.
async fn history() -> House {
    let names = ["api", "bank", "core", "dune"].map(|name| format!("acme/{name}"));
    let estate = names.iter().map(|name| (name.clone(), repository(0))).collect();
    let change = |policy: &mut Policy| {
        policy.repositories = estate_rules();
        policy.models = models();
    };
    let house = House::with(&[PLAIN, CURIOUS], estate, change).await;
    for template in ["plain", "curious"] {
        let asked = json!({"repositories": names, "template": template});
        assert_eq!(submit(&house, &asked).await, 4, "{template}");
    }
    house
}

/// Whose decision differs under a changed policy, and in what.
async fn differing(house: &House, change: impl FnOnce(&mut Policy)) -> Vec<(String, Vec<Aspect>)> {
    let mut policy = House::policy(&[PLAIN, CURIOUS]);
    policy.repositories = estate_rules();
    policy.models = models();
    change(&mut policy);
    let (rows, _) = replayed(house, &policy, false).await;
    let rows = rows.into_iter().filter(|row| row.compared.verdict == Verdict::Differs);
    let mut differing: Vec<(String, Vec<Aspect>)> = rows
        .map(|row| (format!("{} {}", row.template, row.compared.repository), row.compared.changed))
        .collect();
    differing.sort();
    differing
}

#[tokio::test]
async fn a_changed_policy_differs_in_what_was_changed_and_nowhere_else() {
    let house = history().await;
    let of = |list: &[(&str, Aspect)]| -> Vec<(String, Vec<Aspect>)> {
        list.iter().map(|(name, aspect)| ((*name).to_owned(), vec![*aspect])).collect()
    };
    assert_eq!(differing(&house, |_| {}).await, []);
    let blocked =
        differing(&house, |policy| policy.models.known[1].blocked_for = vec!["sensitive".into()]).await;
    let all = [
        ("curious@1 acme/api", Aspect::Wave),
        ("curious@1 acme/bank", Aspect::Outcome),
        ("plain@1 acme/bank", Aspect::Outcome),
    ];
    assert_eq!(blocked, of(&all), "the waves are cut anew without it");
    let routed = differing(&house, |policy| policy.models.routes[0].model = "gpt-z".into()).await;
    assert_eq!(routed, of(&[("curious@1 acme/bank", Aspect::Model), ("plain@1 acme/bank", Aspect::Model)]));
    let narrower = differing(&house, |policy| {
        let mut rule = sluicegate::policy::IdentityRule::new("narrow");
        rule.repositories = vec!["acme/a*".into()];
        rule.templates = vec!["plain".into()];
        policy.identities.push(rule);
    });
    assert_eq!(narrower.await, of(&[("plain@1 acme/api", Aspect::Identity)]));
    let opened = differing(&house, |policy| {
        let rules = RULES.replace("class = \"regulated\"", "");
        policy.repositories = RepositoryRules::parse("r.toml", &rules).unwrap();
    });
    assert_eq!(
        opened.await,
        of(&[("curious@1 acme/core", Aspect::Outcome), ("plain@1 acme/core", Aspect::Outcome)])
    );
    // A request is accepted as a whole or not at all.
    let smaller = differing(&house, |policy| policy.allowed = vec!["acme/a*".into()]).await;
    assert_eq!(smaller.len(), 8, "{smaller:?}");
}

#[tokio::test]
async fn what_cannot_be_told_is_said_and_not_guessed() {
    let house = history().await;
    let (_, tally) = replayed(&house, &House::policy(&[CURIOUS]), false).await;
    assert_eq!((tally.unknown, tally.notes["template-gone"]), (4, 4), "{tally:?}");
    let asks_more = PLAIN.replace("[scope]", "[requires]\nfiles = [\"Makefile\"]\n[scope]");
    let (rows, tally) = replayed(&house, &House::policy(&[&asks_more, CURIOUS]), false).await;
    let of_plain: Vec<&Row> = rows.iter().filter(|row| row.template == "plain@1").collect();
    assert!(of_plain.iter().all(|row| row.compared.verdict != Verdict::Same), "{of_plain:#?}");
    assert_eq!((tally.notes["facts-missing"], tally.notes["template-changed"]), (4, 4), "{tally:?}");
    // Asked for newer ones, it decides by them.
    let newer = PLAIN.replace("version = 1", "version = 2\nreplaces = \"plain@1\"").replace("gpt-a", "gpt-n");
    let mut policy = House::policy(&[PLAIN, &newer, CURIOUS]);
    policy.repositories = estate_rules();
    policy.models = models();
    let (rows, _) = replayed(&house, &policy, true).await;
    let differs: Vec<&str> = rows
        .iter()
        .filter(|row| row.compared.changed == [Aspect::Model])
        .map(|row| row.compared.repository.as_str())
        .collect();
    assert_eq!(differs, ["acme/api", "acme/core", "acme/dune"]);
}

#[tokio::test]
async fn a_long_history_is_read_in_pages_and_each_request_once_though_all_have_one_time() {
    let house = House::with(&[PLAIN], BTreeMap::new(), |_| {}).await;
    for number in 0..123 {
        let asked = json!({"repositories": [format!("acme/r{number}"), format!("acme/old-{number}")]});
        assert_eq!(submit(&house, &asked).await, 2);
    }
    let (rows, tally) = replayed(&house, &house.context.policy, false).await;
    assert_eq!((tally.requests, tally.decisions, tally.same), (123, 246, 246));
    let requests: std::collections::BTreeSet<_> = rows.iter().map(|row| row.request).collect();
    assert_eq!(requests.len(), 123);
}
