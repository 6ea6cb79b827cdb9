//! The network between one worker, or everybody, and one server fails in each way. Whoever is cut off does no harm; whoever
//! is not goes on.

use std::time::Duration;

use crate::{
    fleet::Fleet,
    judge,
    member::Member,
    plan::Plan,
    support::{Link, Weather},
};

/// Longer than the lease and a sweep, so that the others take over.
const LONG: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(400);
const BAD: [Weather; 4] = [Weather::Cut, Weather::Stalled, Weather::Deaf, Weather::Slow(150)];

/// Each bad weather over one worker for long, and over everybody for a moment.
fn fails(of: impl Fn(&Member) -> &Link + Copy, for_long: Weather) {
    let mut fleet = Fleet::start(Plan { workers: vec!["", ""], ..Plan::default() });
    fleet.busy_for(6);
    of(fleet.member("worker-1")).set(for_long);
    std::thread::sleep(LONG);
    of(fleet.member("worker-1")).set(Weather::Fair);
    for weather in BAD {
        fleet.busy_for(4);
        fleet.weather(of, weather);
        std::thread::sleep(SHORT);
        fleet.weather(of, Weather::Fair);
    }
    judge::all_is_well(fleet);
}

#[test]
fn a_worker_that_is_cut_off_from_everything_is_replaced_and_welcome_again() {
    let mut fleet = Fleet::start(Plan::default());
    fleet.busy_for(6);
    fleet.member("worker-1").weather(Weather::Cut);
    std::thread::sleep(LONG);
    fleet.member("worker-1").weather(Weather::Fair);
    fleet.busy_for(10);
    judge::all_is_well(fleet);
}

#[test]
fn a_worker_without_the_ledger_starts_nothing_and_the_others_go_on() {
    fails(|member| &member.sql, Weather::Cut);
}

#[test]
fn a_worker_whose_ledger_is_silent_starts_nothing_and_the_others_go_on() {
    fails(|member| &member.sql, Weather::Stalled);
}

#[test]
fn starts_whose_answer_the_network_lost_are_looked_for_and_not_sent_again() {
    fails(|member| &member.github, Weather::Deaf);
}
