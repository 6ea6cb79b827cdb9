//! Identities through the daemon: the narrowest one works, its token is renewed without a restart, and nothing outlives it.

use serde_json::json;
use sluicegate::{
    clock::{Clock, SystemClock},
    job::Millis,
};

use crate::{
    aftermath::assert_sound,
    oracle::created_ms,
    stage::{Settings, Stage, eventually, id},
    world::scenario,
};

const NEXT: &str = "ghp_PlantedNextTokenOfTheBot123456";
const PAY: &str = "ghp_PlantedTokenOfPayments01234567";

#[test]
fn a_token_that_ends_too_soon_starts_nothing_until_another_stands_in_its_file() {
    let soon = SystemClock.now().plus(Millis::hours(2));
    let tokens = format!(
        "expires = \"{soon}\"\n[[tokens]]\nname = \"next\"\nsecret = \"{NEXT}\"\nuser = \"octo-operator\"\n"
    );
    let settings = Settings::default();
    let mut stage = Stage::set(&scenario(&tokens), &settings);
    stage.open();
    stage.submit("bump", &["api", "web"], &json!({}));
    eventually("the reason of the wait", || {
        let why = stage.json(&["why", id(&stage.job("api"))]);
        why["wait"]["text"]
            .as_str()
            .is_some_and(|text| text.contains("the token of bot ends on"))
            .then_some(())
    });
    assert!(created_ms(&stage).is_empty());
    let gates = stage.json(&["gates"]);
    assert_eq!(gates["gates"][0]["closed_by"][0]["source"], "token", "{gates}");
    let checked = stage.sluice(&["identity", "check"]);
    assert_eq!(checked.code, 1, "{checked:?}");
    assert!(stage.json(&["identity", "list"])["identities"][0]["held_back"].is_string());
    let notices = stage.ask("/v1/notices");
    let told =
        notices["notices"].as_array().unwrap().iter().filter(|notice| notice["kind"] == "identity.expiring");
    assert_eq!(told.count(), 1, "{notices}");

    stage.write("bot-token", format!("{NEXT}\n"));
    let jobs = stage.ends();
    assert!(jobs.iter().all(|job| job["state"] == "succeeded" && job["attempts"] == 1), "{jobs:?}");
    assert_eq!(stage.sluice(&["identity", "check"]).code, 0);
    assert!(!stage.everything_said().contains(NEXT));
    assert_sound(stage, &settings, &[]);
}

#[test]
fn the_narrowest_identity_works_and_the_audit_tells_who_used_what() {
    let more = format!(
        "[[users]]\nlogin = \"pay-operator\"\nid = 1002\n[[tokens]]\nname = \"pay\"\nsecret = \"{PAY}\"\nuser = \"pay-operator\"\n"
    );
    let identity = r#"
[[identity]]
name = "pay"
token = "file:pay-token"
repositories = ["acme/pay-*", "acme/bank"]
templates = ["bump"]
purpose = "payments"
owner = "dana"
login = "pay-operator"
"#;
    let settings = Settings { more: identity.to_owned(), ..Settings::default() };
    let mut stage = Stage::set(&scenario(&more), &settings);
    stage.write("pay-token", format!("{PAY}\n"));
    stage.open();
    stage.submit("bump", &["api", "pay-web"], &json!({}));
    stage.submit("branch", &["pay-api"], &json!({}));
    let jobs = stage.ends();
    assert!(jobs.iter().all(|job| job["state"] == "succeeded"), "{jobs:?}");
    for (name, identity) in [("api", "bot"), ("pay-web", "pay"), ("pay-api", "bot")] {
        let shown = stage.json(&["show", id(&stage.job(name))]);
        assert_eq!(shown["attempts"][0]["identity"], identity, "{name}");
    }
    let audit = stage.json(&["identity", "audit"]);
    let pay = audit["identities"].as_array().unwrap().iter().find(|one| one["name"] == "pay").unwrap();
    assert_eq!(
        (&pay["used"][0]["repository"], &pay["used"][0]["starts"]),
        (&json!("acme/pay-web"), &json!(1))
    );
    assert_eq!((&pay["never_used_repositories"], &pay["owner"]), (&json!(["acme/bank"]), &json!("dana")));
    assert_eq!(stage.sluice(&["identity", "audit", "--month", "soon"]).code, 3);
    let before = stage.json(&["identity", "audit", "--month", "2020-01"]);
    assert!(before["identities"].as_array().unwrap().iter().all(|one| one["used"] == json!([])), "{before}");
    assert_eq!(stage.sluice(&["identity", "check"]).code, 0);
    assert_sound(stage, &settings, &[]);
}
