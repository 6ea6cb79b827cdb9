//! A worker that is stopped and wakes up much later, and one that is told to end: the others have taken over meanwhile.

use std::time::Duration;

use crate::{
    books::text,
    fleet::{Fleet, now},
    judge,
    plan::Plan,
    stage::eventually,
};

/// The lease of the plan's configuration, in seconds.
const LEASE: u64 = 3;

#[test]
fn a_worker_that_was_stopped_for_three_leases_does_no_harm_when_it_wakes() {
    let mut fleet = Fleet::start(Plan { create_ms: 200, ..Plan::default() });
    fleet.busy_for(6);
    fleet.member("worker-1").process().signal("STOP");
    // Long enough for the others to have taken over everything, three times.
    std::thread::sleep(Duration::from_secs(3 * LEASE));
    fleet.busy_for(10);
    fleet.member("worker-1").process().signal("CONT");
    fleet.busy_for(10);
    judge::all_is_well(fleet);
}

#[test]
fn a_worker_that_is_told_to_end_hands_over_at_once() {
    // Nobody sees the end of this lease: whoever goes on with the work was told of the end.
    let mut fleet = Fleet::start(Plan { run_ms: 4_000, slots: 12, lease_seconds: 600, ..Plan::default() });
    fleet.submit(12);
    fleet.until_created(8);
    assert!(fleet.member("worker-1").terminate().success());
    let told = now();
    let url = fleet.ledger_url();
    let ended = eventually("its end in the ledger", || {
        let workers = fleet.reader.workers(&url)?;
        workers.into_iter().find(|worker| worker.name.starts_with("worker-1") && worker.stopped_at.is_some())
    });
    assert!(ended.stopped_at.unwrap() <= told, "it recorded its end before it ended");
    fleet.until_created(12);
    let books = judge::all_is_well(fleet);
    // A story of its own loses answers; the end of a worker must not.
    let lost = |body: &str| body.contains("its worker ended");
    assert!(
        !books.entries.iter().any(|entry| lost(&entry.body_json)),
        "I12 a start was left without an answer"
    );
}

#[test]
fn nothing_is_created_after_a_pause_was_acknowledged_while_three_workers_start() {
    let mut fleet =
        Fleet::start(Plan { workers: vec!["", "", ""], create_ms: 250, slots: 12, ..Plan::default() });
    fleet.submit(60);
    fleet.until_created(4);
    fleet.sluice(&["pause", "global", "--reason", "incident 42", "--actor", "ana"]);
    let acknowledged = now().0;
    // Longer than any start that was on its way, and than the sweep of everybody.
    std::thread::sleep(Duration::from_secs(3));
    let late: Vec<_> = fleet
        .control("creates")
        .into_iter()
        .filter(|create| create["at_ms"].as_i64().unwrap() > acknowledged)
        .map(|create| text(&create, "marker").to_owned())
        .collect();
    assert!(late.is_empty(), "I12 created after {acknowledged}: {late:?}");
    assert!(fleet.control("creates").len() < 60, "everything was created before the pause");
    fleet.sluice(&["resume", "global", "--reason", "over", "--actor", "ana"]);
    judge::all_is_well(fleet);
}
