//! Webhooks in a fleet: what one process receives is looked at by the one that follows the job, and whoever dies over a delivery,
//! it becomes one request.

use serde_json::{Value, json};
use sluicegate::{job::State, telemetry::failpoint};

use crate::{
    fleet::{DAEMON, Fleet},
    judge,
    plan::Plan,
    points::assert_died,
    stage::eventually,
};

/// Nobody polls as long as a test takes.
const SELDOM: (&str, &str) = ("SLUICE_TRACKING__REVIEW_MS", "600000");
const REVIEWER: &str = "worker-1";

fn state_of(fleet: &mut Fleet, repository: &str) -> Option<State> {
    let url = fleet.ledger_url();
    let jobs = fleet.reader.jobs(&url)?;
    jobs.iter().find(|job| job.repository.full_name() == repository).map(|job| job.state)
}

fn becomes(fleet: &mut Fleet, repository: &str, state: State) {
    eventually(&format!("{repository} {state}"), || (state_of(fleet, repository)? == state).then_some(()));
}

/// As GitHub tells of a pull request that was closed. What it says of it is not believed, so that it need not be true.
fn closed(pull: &Value) -> String {
    json!({
        "action": "closed",
        "repository": { "full_name": pull["repository"] },
        "pull_request": { "number": pull["number"], "merged": false, "head": { "ref": pull["head_ref"] } },
    })
    .to_string()
}

#[test]
fn a_merge_is_seen_at_once_by_whoever_follows_it_and_one_that_nobody_told_of_by_the_poll() {
    let plan =
        Plan { hooks: true, daemon: "admit,start,track,notify", workers: vec!["review"], ..Plan::default() };
    let mut fleet = Fleet::set(plan);
    for name in fleet.names() {
        fleet.begin(&name, &[SELDOM]);
        assert!(fleet.member(&name).is_ready(), "{name} ended");
    }
    fleet.submit(2);
    let (told, untold) = ("acme/plain-1", "acme/plain-2");
    for repository in [told, untold] {
        becomes(&mut fleet, repository, State::InReview);
    }
    let merged = |fleet: &Fleet, repository: &str| {
        let pulls = fleet.control("pulls");
        pulls.into_iter().find(|pull| pull["repository"] == repository && pull["merged"] == true)
    };
    let pull = eventually("both are merged", || merged(&fleet, untold).and(merged(&fleet, told)));
    let (status, kept) = fleet.deliver("d-1", "pull_request", &closed(&pull)).unwrap();
    assert_eq!((status, &kept["again"]), (202, &json!(false)), "{kept}");
    becomes(&mut fleet, told, State::Succeeded);
    assert_eq!(state_of(&mut fleet, untold), Some(State::InReview));
    let (status, again) = fleet.deliver("d-1", "pull_request", &closed(&pull)).unwrap();
    assert_eq!((status, &again["delivery"], &again["state"]), (200, &kept["delivery"], &json!("done")));
    // The other delivery was lost: it costs nothing but time.
    fleet.member(REVIEWER).kill();
    fleet.open(REVIEWER);
    becomes(&mut fleet, untold, State::Succeeded);
    let books = judge::all_is_well(fleet);
    let told_of = books.entries.iter().filter(|entry| entry.kind == "delivery.concerns").count();
    assert_eq!(told_of, 1);
}

#[test]
fn a_labelled_issue_is_one_request_wherever_its_receiver_dies() {
    let mut fleet = Fleet::start(Plan { hooks: true, ..Plan::default() });
    let url = fleet.ledger_url();
    let points: Vec<&str> =
        failpoint::ALL.iter().copied().filter(|point| point.starts_with("hook.")).collect();
    for (number, point) in points.iter().enumerate() {
        fleet.terminate(DAEMON);
        fleet.begin(DAEMON, &[("SLUICE_FAILPOINT", point)]);
        assert!(fleet.member(DAEMON).is_ready(), "the daemon ended before {point}");
        let body = json!({
            "action": "labeled",
            "issue": { "node_id": format!("I_{number}") },
            "repository": { "full_name": format!("acme/plain-h{number}") },
            "sender": { "login": "mia" },
        })
        .to_string();
        let id = format!("d-{number}");
        // Killed at the first one before it could answer.
        let answer = fleet.deliver(&id, "issues", &body);
        assert!(answer.is_none_or(|(status, _)| status == 202), "{point}");
        assert_died(&mut fleet, DAEMON, point);
        let key = format!("hook/github/I_{number}");
        let request = eventually(&format!("others go on after {point}"), || fleet.reader.request(&url, &key));
        fleet.open(DAEMON);
        let (status, again) = fleet.deliver(&id, "issues", &body).unwrap();
        assert_eq!((status, &again["again"]), (200, &json!(true)), "{point}: {again}");
        fleet.accepted.push(request);
    }
    assert_eq!(points.len(), 3);
    let books = judge::all_is_well(fleet);
    let taken = books.entries.iter().filter(|entry| entry.kind == "delivery.taken").count();
    assert_eq!(taken, points.len());
}
