//! Whoever hands in what schedules bring is killed at each step, beside others that would do the same: each time is one request.

use std::sync::Arc;

use sluicegate::{
    budget::Rules,
    clock::{Entropy, ManualClock},
    job::Timestamp,
    ledger::{By, Command, Ledger, Location, ScheduleChange},
    telemetry::failpoint,
};

use crate::{
    fleet::Fleet,
    judge,
    plan::{Plan, YEARLY},
    points::assert_died,
    stage::eventually,
};

const SCHEDULES: usize = 3;

/// A ledger on which the schedules were begun years ago, so that the newest of their times is due at once.
fn begin_long_ago(url: &str) {
    let clock = Arc::new(ManualClock::new(Timestamp::parse("2024-06-01T00:00:00Z").unwrap()));
    let location = Location { url: url.to_owned(), password: None, full_durability: true };
    let by = By::new("test", "");
    let begin = |number: usize| Command::Schedule {
        name: format!("yearly-{number}"),
        change: ScheduleChange::Begin { times: format!("{YEARLY} UTC") },
        by: by.clone(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let (rules, entropy) = (Arc::new(Rules::default()), Arc::new(Entropy::from_seed(1)));
        let ledger = Ledger::open_shared(&location, rules, clock, entropy).await.unwrap();
        for answer in ledger.write_all((0..SCHEDULES).map(begin).collect()).await {
            answer.unwrap();
        }
        ledger.close().await;
    });
}

#[test]
fn each_time_is_one_request_wherever_a_scheduler_dies() {
    let mut fleet = Fleet::set(Plan { schedules: SCHEDULES, ..Plan::default() });
    let url = fleet.ledger_url();
    begin_long_ago(&url);
    let mut deaths = 0;
    for point in failpoint::ALL.iter().filter(|point| point.starts_with("schedule.")) {
        for name in fleet.names() {
            fleet.begin(&name, &[("SLUICE_FAILPOINT", point)]);
        }
        // The one that keeps house dies, another takes its place and dies as well.
        for _ in 0..2 {
            let died = eventually(&format!("whoever comes to {point}"), || {
                fleet.names().into_iter().find(|name| fleet.member(name).has_ended())
            });
            assert_died(&mut fleet, &died, point);
            deaths += 1;
        }
        for name in fleet.names() {
            fleet.member(&name).kill();
        }
    }
    assert_eq!(deaths, 6);
    for name in fleet.names() {
        fleet.open(&name);
    }
    for number in 0..SCHEDULES {
        let key = format!("schedule/yearly-{number}/2026-01-01T00:00:00.000Z");
        let request = eventually(&key, || fleet.reader.request(&url, &key));
        fleet.accepted.push(request);
    }
    let books = judge::all_is_well(fleet);
    let taken = books.entries.iter().filter(|entry| entry.kind == "schedule.taken").count();
    assert_eq!(taken, SCHEDULES);
}
