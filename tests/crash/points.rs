//! A crash at each named point, then a second life.

use std::{collections::BTreeSet, os::unix::process::ExitStatusExt, time::Duration};

use sluicegate::telemetry::failpoint;
use tokio::{
    sync::Semaphore,
    task::{JoinError, JoinSet},
};

use crate::{
    checks,
    house::{House, now, seconds},
    setting::Setting,
    story::Story,
};

const SIGABRT: i32 = 6;
/// Daemons that live at once in this program, each with its simulator; mostly they wait.
pub static SEATS: Semaphore = Semaphore::const_new(6);

/// Points on the way of a job, by step. `:n` is the n-th hit: several hits are different moments of the way.
const SUBMIT: &[&str] = &["submit.received", "submit.recorded"];
const ADMIT: &[&str] = &["admit.proposed", "admit.recorded", "admit.recorded:3", "admit.settled"];
const START: &[&str] =
    &["start.before_post", "start.before_post:5", "start.answered", "start.answered:4", "start.recorded"];
const TRACK: &[&str] = &["track.listed", "track.observed", "track.observed:4", "track.recorded:3"];
const SETTLE: &[&str] =
    &["settle.found", "settle.described", "settle.labelled", "settle.requested", "settle.recorded"];
const REVIEW: &[&str] = &["review.seen", "review.seen:3", "review.recorded", "review.recorded:3"];
const WIDEN: &[&str] = &["widen.decided", "widen.decided:2", "widen.recorded", "widen.recorded:2"];
const NOTICE: &[&str] = &["notice.delivered", "notice.delivered:2", "notice.recorded"];
const RECOVER: &[&str] = &["recover.looked", "recover.looked:2", "recover.recorded"];
const LEDGER: &[&str] = &[
    "ledger.before_commit",
    "ledger.before_commit:2",
    "ledger.before_commit:3",
    "ledger.before_commit:5",
    "ledger.before_commit:9",
    "ledger.before_commit:20",
    "ledger.after_commit",
    "ledger.after_commit:2",
    "ledger.after_commit:4",
    "ledger.after_commit:7",
    "ledger.after_commit:16",
    "feed.received",
    "feed.received:3",
    "feed.received:8",
];
/// Crashed at by the tests of the intake, which need Redis.
const INTAKE: &[&str] = &["intake.read", "intake.recorded", "intake.rejected"];
/// Crashed at by the tests of fleets, where other schedulers go on.
const SCHEDULE: &[&str] = &["schedule.due", "schedule.drafted", "schedule.taken"];
/// The same, where other processes go through deliveries.
const HOOK: &[&str] = &["hook.received", "hook.drafted", "hook.taken"];
/// Has a test of its own.
const POSTING: &str = "start.posting";

/// One crash at the point, a submit repeated after it, and everything that must be true at the end.
async fn crash_at(point: &'static str, setting: Setting) {
    let _seat = SEATS.acquire().await.unwrap();
    let begun = now();
    let house = House::build(setting).await;
    let mut first = house.begin(Some(point));
    if house.is_ready(&mut first).await {
        // The crash may come before the answer.
        house.submit().await;
    }
    let ended = first.end().await;
    let name = point.split(':').next().unwrap();
    assert_eq!((ended.signal(), house.crashes()), (Some(SIGABRT), format!("{name}\n")), "{point}");
    tokio::time::sleep(Duration::from_millis(house.setting.down_ms)).await;
    let mut second = house.begin(None);
    assert!(house.is_ready(&mut second).await, "the second life ended");
    let request = house.submit().await.expect("the daemon answers");
    house.rest(&mut second).await;
    checks::all_is_well(&house, &request).await;
    assert!(second.terminate().await.success());
    println!("{point}: {:.1} s", seconds(begun));
}

/// Runs cases at once and names those that failed.
async fn crash_at_each(cases: impl IntoIterator<Item = (&'static str, Setting)>) {
    let mut running = JoinSet::new();
    for (point, setting) in cases {
        running.spawn(async move {
            let ended = tokio::spawn(crash_at(point, setting)).await;
            ended.err().filter(JoinError::is_panic).map(|_| point)
        });
    }
    let failed: Vec<_> = running.join_all().await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "crashes that did not end well: {failed:?}");
}

fn quick(points: &'static [&'static str]) -> impl Iterator<Item = (&'static str, Setting)> {
    points.iter().map(|point| (*point, Setting::default()))
}

#[test]
fn every_named_point_is_crashed_at() {
    let tables = [
        SUBMIT,
        INTAKE,
        SCHEDULE,
        HOOK,
        ADMIT,
        START,
        TRACK,
        SETTLE,
        REVIEW,
        WIDEN,
        NOTICE,
        RECOVER,
        LEDGER,
        &[POSTING],
    ];
    let crashed: BTreeSet<_> =
        tables.into_iter().flatten().map(|point| point.split(':').next().unwrap()).collect();
    assert_eq!(crashed, failpoint::ALL.iter().copied().collect());
    assert!(crashed.len() >= 15);
}

#[tokio::test]
async fn a_crash_around_submit_and_admission_loses_nothing_and_repeats_nothing() {
    crash_at_each(quick(SUBMIT).chain(quick(ADMIT))).await;
}

#[tokio::test]
async fn a_crash_around_a_start_makes_no_second_task() {
    crash_at_each(quick(START)).await;
}

#[tokio::test]
async fn a_start_that_was_sent_and_not_answered_is_looked_for_and_not_sent_again() {
    let slow = |when| Setting { slow_starts: Some((3, 1_000, when)), ..Setting::default() };
    // After the effect: the tasks are found. Before it: the provider sees the caller gone, and none were made.
    crash_at_each([(POSTING, slow("after")), (POSTING, slow("before"))]).await;
}

#[tokio::test]
async fn a_task_that_lists_show_late_is_found_however_long_the_daemon_was_down() {
    // Longer than the window passes between the start and the first look, and that look finds nothing yet.
    let late = Setting {
        stories: vec![Story::Plain; 2],
        slow_starts: Some((2, 1_000, "after")),
        list_lag_ms: 1_600,
        down_ms: 1_100,
        ..Setting::default()
    };
    crash_at_each([(POSTING, late)]).await;
}

#[tokio::test]
async fn a_crash_while_a_lost_start_is_looked_for_neither_forgets_nor_doubles_it() {
    let stories = || vec![Story::Lost, Story::Gone, Story::Plain];
    let lost = RECOVER.iter().map(|point| (*point, Setting { stories: stories(), ..Setting::default() }));
    crash_at_each(lost).await;
}

#[tokio::test]
async fn a_crash_while_tasks_are_followed_misses_none_of_their_ends() {
    crash_at_each(quick(TRACK)).await;
}

#[tokio::test]
async fn a_crash_between_result_and_merge_frees_reviewer_and_room_once() {
    crash_at_each(quick(SETTLE).chain(quick(REVIEW))).await;
}

#[tokio::test]
async fn a_crash_while_a_wave_opens_opens_it_once_and_forgets_none() {
    let waves = || Setting { stories: vec![Story::Plain; 5], waves: true, ..Setting::default() };
    crash_at_each(WIDEN.iter().map(|point| (*point, waves()))).await;
}

#[tokio::test]
async fn a_crash_around_a_notice_tells_people_once() {
    let refused = |point| (point, Setting { refused_notices: 2, ..Setting::default() });
    crash_at_each(quick(NOTICE).chain(["notice.delivered", "notice.recorded:2"].map(refused))).await;
}

#[tokio::test]
async fn a_crash_around_a_commit_leaves_a_ledger_that_goes_on() {
    crash_at_each(quick(LEDGER)).await;
}
