//! While jobs wait: the gate is what a rebuild would make of it, and each reason that is told is the true one.

use std::collections::BTreeSet;

use sluicegate::{
    gate::Counts,
    job::{id::JobId, state::State},
};

use crate::{
    fleet::Fleet,
    judge,
    plan::{Plan, Store},
    stage::eventually,
};

const JOBS: usize = 40;

/// Every job that the ledger says is waiting.
fn queued(fleet: &mut Fleet) -> BTreeSet<JobId> {
    let url = fleet.ledger_url();
    let jobs = eventually("the ledger", || fleet.reader.jobs(&url));
    jobs.iter().filter(|job| job.state == State::Queued).map(|job| job.id).collect()
}

/// What is worked on comes to its end; the rest waits.
fn until_only_the_paused_wait(fleet: &mut Fleet) {
    let url = fleet.ledger_url();
    eventually("the end of what ran", || {
        let jobs = fleet.reader.jobs(&url)?;
        jobs.iter().all(|job| job.state.is_terminal() || job.state == State::Queued).then_some(())
    });
}

/// I6: the gate knows exactly the jobs that wait in the ledger, and all of them are parked. Gives its counters.
fn assert_same(fleet: &mut Fleet) -> Counts {
    let waiting: Vec<JobId> = queued(fleet).into_iter().collect();
    assert!(!waiting.is_empty(), "nothing waits");
    eventually("I6 the gate knows what waits", || {
        let (jobs, counts) = fleet.gate()?;
        let parked = counts.ready_classes == 0 && counts.proposed == 0 && counts.dirty_budgets == 0;
        (jobs == waiting && parked).then_some(counts)
    })
}

/// I8: why a waiting job waits.
fn reason(fleet: &mut Fleet) -> String {
    let job = queued(fleet).pop_first().expect("nothing waits");
    let (_, why) = fleet.ask("GET", &format!("/v1/jobs/{job}/why"), "").expect("the daemon answers");
    why["wait"]["text"].as_str().unwrap_or_else(|| panic!("no reason: {why}")).to_owned()
}

#[test]
fn a_gate_that_was_emptied_while_jobs_wait_is_filled_as_it_was_and_says_why_it_is_closed() {
    let mut fleet = Fleet::start(Plan { create_ms: 150, ..Plan::default() });
    fleet.submit(JOBS);
    fleet.until_created(4);
    fleet.sluice(&["pause", "global", "--reason", "incident 42", "--actor", "ana"]);
    until_only_the_paused_wait(&mut fleet);
    let before = assert_same(&mut fleet);
    assert!(reason(&mut fleet).contains("incident 42"), "I8 {}", reason(&mut fleet));
    fleet.redis().ask::<()>(&["FLUSHALL"]);
    let rebuilt = assert_same(&mut fleet);
    assert_eq!(rebuilt, before, "I6 the gate equals a rebuild");
    fleet.sluice(&["resume", "global", "--reason", "over", "--actor", "ana"]);
    fleet.until_created(8);
    // Requests are taken while there is no gate, and why nothing starts is said.
    fleet.stop_redis();
    fleet.submit(4);
    eventually("I8 the closed gate as the reason", || {
        let text = reason(&mut fleet);
        (text.contains("gate") || text.contains("redis")).then_some(())
    });
    fleet.replace_redis(None);
    judge::all_is_well(fleet);
}

#[test]
fn workers_of_one_role_each_do_the_whole_work_together_and_are_replaced_by_their_like() {
    let workers = vec!["start", "start", "track,review,notify", "track,review,notify"];
    let mut fleet = Fleet::start(Plan { daemon: "admit", workers, ..Plan::default() });
    for victim in ["worker-1", "worker-3", "worker-2", "worker-4"] {
        fleet.busy_for(8);
        fleet.member(victim).kill();
        fleet.busy_for(8);
        fleet.open(victim);
    }
    judge::all_is_well(fleet);
}

#[test]
fn several_processes_share_one_sqlite_file() {
    let mut fleet = Fleet::start(Plan { store: Store::Sqlite, ..Plan::default() });
    for victim in ["worker-1", "daemon"] {
        fleet.busy_for(8);
        fleet.member(victim).kill();
        fleet.begin(victim, &[]);
    }
    fleet.busy_for(8);
    judge::all_is_well(fleet);
}
