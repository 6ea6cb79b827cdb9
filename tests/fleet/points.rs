//! A worker is killed at every named step of a job's way, while the others run and take over what it drove.

use std::os::unix::process::ExitStatusExt;

use sluicegate::telemetry::failpoint;

use crate::{
    fleet::{DAEMON, Fleet},
    judge,
    plan::Plan,
    stage::eventually,
};

const SIGABRT: i32 = 6;
const VICTIM: &str = "worker-1";
const OTHER: &str = "worker-2";

/// One after the other in one fleet, which is kept busy: each life of the victim ends at the next point.
fn killed_at(points: impl Iterator<Item = &'static str>) {
    // What one does alone must come to the victim or to the one that replaces it.
    let mut fleet = Fleet::start(Plan { daemon: "admit,start", ..Plan::default() });
    // Schedulers, and those who receive webhooks, die in tests of their own.
    for point in points.filter(|point| !["schedule.", "hook."].iter().any(|other| point.starts_with(other))) {
        if point.starts_with("submit.") {
            submit_dies(&mut fleet, point);
            continue;
        }
        if point.starts_with("intake.") {
            intake_dies(&mut fleet, point);
            continue;
        }
        if point.starts_with("widen.") {
            widen_dies(&mut fleet, point);
            continue;
        }
        fleet.terminate(VICTIM);
        fleet.begin(VICTIM, &[("SLUICE_FAILPOINT", point)]);
        if fleet.member(VICTIM).is_ready() {
            give_duties(&mut fleet, point);
        }
        fleet.busy_until(point, |fleet| fleet.member(VICTIM).has_ended().then_some(()));
        assert_died(&mut fleet, VICTIM, point);
        fleet.open(VICTIM);
    }
    judge::all_is_well(fleet);
}

/// The other ends in order, so that the victim does what only one does; then it is back, to replace the victim.
fn give_duties(fleet: &mut Fleet, point: &str) {
    fleet.terminate(OTHER);
    eventually(&format!("the victim's duties before {point}"), || {
        let victim = fleet.member(VICTIM);
        // They come one by one when a worker that died had some of them.
        let duties = ["lease=track/bot", "lease=review/bot", "lease=notify"];
        (victim.has_ended() || duties.iter().all(|duty| victim.process().log().contains(duty))).then_some(())
    });
    fleet.open(OTHER);
}

/// The daemon dies over a request, which is repeated in its next life.
fn submit_dies(fleet: &mut Fleet, point: &str) {
    fleet.member(DAEMON).kill();
    fleet.begin(DAEMON, &[("SLUICE_FAILPOINT", point)]);
    assert!(fleet.member(DAEMON).is_ready(), "the daemon ended");
    let body = fleet.request(4);
    assert_eq!(fleet.offer(&body), None, "{point} comes before the answer");
    assert_died(fleet, DAEMON, point);
    fleet.open(DAEMON);
    fleet.submit_again(&body);
}

/// Whoever has the house-keeping dies while it opens the next wave of a request. It may come to any of the three, so each would die.
fn widen_dies(fleet: &mut Fleet, point: &str) {
    const ALL: [&str; 3] = [DAEMON, VICTIM, OTHER];
    for name in ALL {
        fleet.member(name).kill();
        fleet.begin(name, &[("SLUICE_FAILPOINT", point)]);
    }
    assert!(ALL.into_iter().all(|name| fleet.member(name).is_ready()), "one ended before {point}");
    let body = fleet.request_in_waves();
    fleet.submit_again(&body);
    let died = eventually(&format!("whoever comes to {point}"), || {
        ALL.into_iter().find(|name| fleet.member(name).has_ended())
    });
    assert_died(fleet, died, point);
    for name in ALL {
        fleet.member(name).kill();
        fleet.open(name);
    }
}

/// The daemon dies over an entry of the stream, which others or its next life read again.
fn intake_dies(fleet: &mut Fleet, point: &str) {
    fleet.member(DAEMON).kill();
    fleet.begin(DAEMON, &[("SLUICE_FAILPOINT", point)]);
    let body = fleet.request(4);
    // Any of the three may be the one that reads an entry.
    eventually(&format!("the daemon at {point}"), || {
        fleet.put_on_stream("no request");
        fleet.put_on_stream(&body);
        fleet.member(DAEMON).has_ended().then_some(())
    });
    assert_died(fleet, DAEMON, point);
    fleet.open(DAEMON);
    fleet.submit_on_stream(&body);
    eventually("what was no request is told of", || {
        (fleet.redis().ask::<u64>(&["XLEN", "sluice:rejected"]) > 0).then_some(())
    });
}

pub fn assert_died(fleet: &mut Fleet, victim: &str, point: &str) {
    let ended = fleet.member(victim).end();
    assert_eq!(ended.signal(), Some(SIGABRT), "{point}: {ended}");
}

#[test]
fn a_worker_that_dies_at_an_earlier_step_is_replaced_by_the_others() {
    killed_at(failpoint::ALL.iter().copied().step_by(2));
}

#[test]
fn a_worker_that_dies_at_a_later_step_is_replaced_by_the_others() {
    killed_at(failpoint::ALL.iter().copied().skip(1).step_by(2));
}
