//! The ledger's server goes, comes back, and loses answers. Nothing starts meanwhile; what was accepted goes on.

use crate::{
    fleet::Fleet,
    judge,
    plan::{Plan, Store},
};

const JOBS: usize = 30;

#[test]
fn postgres_that_ends_at_once_and_comes_back_at_each_phase_of_the_work_loses_nothing() {
    let mut fleet = Fleet::start(Plan { store: Store::OwnPostgres, ..Plan::default() });
    fleet.submit(JOBS);
    for created in [1, JOBS / 3, JOBS * 2 / 3, JOBS] {
        fleet.until_created(created);
        fleet.stop_sql();
        fleet.start_sql();
    }
    fleet.submit(JOBS / 3);
    judge::all_is_well(fleet);
}

#[test]
fn commits_whose_answer_is_lost_are_neither_forgotten_nor_done_twice() {
    let mut fleet = Fleet::start(Plan { lost_answers: 3, ..Plan::default() });
    fleet.submit(JOBS);
    fleet.submit(JOBS);
    fleet.until_quiet();
    let logs: String = fleet.names().iter().map(|name| fleet.logs_of(name)).collect();
    assert!(logs.contains("lost on purpose"), "no answer was lost");
    judge::all_is_well(fleet);
}

#[test]
fn duties_and_attempts_that_were_taken_over_without_an_answer_are_not_forgotten() {
    let mut fleet = Fleet::start(Plan { lost_answers: 20, ..Plan::default() });
    for victim in ["daemon", "worker-1", "worker-2"] {
        fleet.busy_for(8);
        fleet.member(victim).kill();
        fleet.open(victim);
    }
    fleet.busy_for(8);
    judge::all_is_well(fleet);
}
