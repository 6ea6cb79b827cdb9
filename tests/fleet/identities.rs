//! Identities in a fleet: whichever process is asked tells the same, also one that never talks to the provider for a job.

use serde_json::{Value, json};
use sluicegate::job::time::Millis;

use crate::{
    fleet::{DAEMON, Fleet, now},
    judge,
    plan::Plan,
    stage::wire,
};

const JOBS: usize = 6;

#[test]
fn a_daemon_that_starts_nothing_tells_how_tokens_stand_and_what_the_workers_did() {
    let mut fleet = Fleet::set(Plan { daemon: "notify", workers: vec!["", ""], ..Plan::default() });
    let ends = now().plus(Millis::hours(48)).0 / 1_000 * 1_000;
    let text = sluicegate::job::time::Timestamp(ends).to_string();
    let (path, body) = ("/_control/tokens/operator", json!({ "expires": text }).to_string());
    let headers = [("content-type", "application/json")];
    let answer = wire::exchange(&fleet.simulator_url, "POST", path, &headers, body.as_bytes());
    assert_eq!(answer.map(|(status, _)| status), Some(204));
    // The first one keeps house, and watches the tokens.
    for name in ["worker-1", "worker-2", DAEMON] {
        fleet.open(name);
    }
    let listed = fleet.sluice(&["identity", "list"]);
    let bot = &listed["identities"][0];
    assert_eq!(
        (&bot["name"], &bot["default"], &bot["held_back"]),
        (&json!("bot"), &json!(true), &Value::Null)
    );
    assert_eq!(bot["token_expires_at"], ends, "{listed}");
    let checked = fleet.sluice(&["identity", "check"]);
    let bot = &checked["identities"][0];
    assert_eq!((&bot["login"], &bot["problem"]), (&json!("octo-operator"), &Value::Null), "{checked}");
    assert_eq!(bot["token_expires_at"], ends, "{checked}");

    fleet.submit(JOBS);
    fleet.until_quiet();
    let used = |month: Option<&str>| {
        let line = month
            .map_or_else(|| vec!["identity", "audit"], |month| vec!["identity", "audit", "--month", month]);
        let audit = fleet.sluice(&line);
        let bot =
            audit["identities"].as_array().unwrap().iter().find(|one| one["name"] == "bot").unwrap().clone();
        bot["used"].as_array().unwrap().iter().map(|used| used["starts"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((used(None), used(Some("2020-01"))), (fleet.control("creates").len() as u64, 0));
    let books = judge::all_is_well(fleet);
    let told = books.notices.iter().filter(|notice| notice.kind == "identity.expiring").count();
    assert_eq!(told, 1, "two days before its end, once for all processes");
}
