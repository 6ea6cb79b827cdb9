//! A year of every schedule in zones that change their clocks in every way: each time comes once, in order, at the reading that
//! is documented, whenever it is looked for and whatever the clock of the machine does.

use jiff::{
    Timestamp as Instant, ToSpan as _,
    civil::{Date, date},
    tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase},
};
use proptest::prelude::*;
use sluicegate::{
    job::time::{Millis, Timestamp},
    policy::schedule::{Schedule, Written, written},
};

/// Half an hour of summer time, midnight that does not exist, the south, none at all, and the usual.
const ZONES: [&str; 7] = [
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "America/St_Johns",
];
const YEARS: std::ops::Range<i16> = 2025..2028;

fn schedule(cron: &str, zone: &str, more: &str) -> Schedule {
    let text = format!(
        "name = \"s\"\ncron = \"{cron}\"\nzone = \"{zone}\"\nowner = \"dana\"\n{more}\n\
         [request]\ntemplate = \"t\"\nrepositories = [\"acme/api\"]\n"
    );
    let written: Written = toml::from_str(&text).unwrap();
    written::read(&written, "here").unwrap()
}

fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap()
}

fn millis(at: Instant) -> Timestamp {
    Timestamp(at.as_millisecond())
}

fn days(year: i16) -> impl Iterator<Item = Date> {
    date(year, 1, 1).series(1.day()).take_while(move |day| day.year() == year)
}

fn year(zone: &TimeZone, year: i16) -> (Timestamp, Timestamp) {
    let start = |year| millis(date(year, 1, 1).to_zoned(zone.clone()).unwrap().timestamp());
    (start(year), start(year + 1))
}

fn come(cron: &str, name: &str, of: i16) -> Vec<Timestamp> {
    let (from, to) = year(&zone(name), of);
    let schedule = schedule(cron, name, "");
    schedule.times.after(from.minus(Millis(1))).take_while(|at| *at < to).collect()
}

/// A time of day: the first of two readings; where there is none, the end of the gap.
#[test]
fn a_daily_time_comes_once_on_every_day_of_the_year() {
    for name in ZONES {
        let zone = zone(name);
        for of in YEARS {
            for (hour, minute) in [(0, 0), (0, 30), (1, 45), (2, 0), (2, 15), (2, 30), (12, 0), (23, 30)] {
                let instant = |day: Date| {
                    let reading = zone.to_ambiguous_timestamp(day.at(hour, minute, 0, 0));
                    let earlier = reading.earlier().unwrap();
                    match reading.offset() {
                        AmbiguousOffset::Gap { .. } => {
                            millis(zone.following(earlier).next().unwrap().timestamp())
                        }
                        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => millis(earlier),
                    }
                };
                let expected: Vec<Timestamp> = days(of).map(instant).collect();
                let found = come(&format!("{minute} {hour} * * *"), name, of);
                assert_eq!(found, expected, "{hour}:{minute} in {name}, {of}");
            }
        }
    }
}

/// Every so often: at every fitting moment that there is.
#[test]
fn what_comes_every_half_hour_comes_at_each_one_that_the_clock_shows() {
    for name in ZONES {
        let zone = zone(name);
        for of in YEARS {
            let (from, to) = year(&zone, of);
            let quarters = (from.0..to.0).step_by(900_000);
            let fits = |at: &i64| {
                let at = Instant::from_millisecond(*at).unwrap();
                zone.to_datetime(at).minute() % 30 == 0
            };
            let expected: Vec<Timestamp> = quarters.filter(fits).map(Timestamp).collect();
            assert_eq!(come("*/30 * * * *", name, of), expected, "{name}, {of}");
        }
    }
}

/// The table of docs/schedules.md.
#[test]
fn the_documented_examples_are_true() {
    for (cron, name, after, expected) in [
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
        ("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z"),
        ("30 0-3 * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", "2026-10-03T15:30:00Z"),
        ("0 0 * * *", "America/Santiago", "2026-09-05T12:00:00Z", "2026-09-06T04:00:00Z"),
        ("0 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00Z", "2026-04-23T22:00:00Z"),
        ("0 9 * * thu", "Europe/Berlin", "2026-11-20T12:00:00Z", "2026-11-26T08:00:00Z"),
        ("0 9 L * *", "UTC", "2028-02-01T00:00:00Z", "2028-02-29T09:00:00Z"),
    ] {
        let at = |text| Timestamp::parse(text).unwrap();
        let found = schedule(cron, name, "").times.after(at(after)).next();
        assert_eq!(found, Some(at(expected)), "{cron} in {name} after {after}");
    }
}

#[derive(Clone, Debug)]
struct Case {
    cron: &'static str,
    zone: &'static str,
    policy: &'static str,
    jitter: u32,
    /// By how many minutes the clock moves between two looks; it may be set back.
    steps: Vec<i64>,
}

fn case() -> impl Strategy<Value = Case> {
    let crons =
        ["0 9 * * *", "30 2 * * *", "0 0 * * *", "*/30 * * * *", "0 */6 * * *", "0 9 * * thu", "0 12 1 * *"];
    let policies = ["\"none\"", "\"latest\"", "\"all\"\ncatch_up_max = 3", "\"all\"\ncatch_up_max = 50"];
    let step = prop_oneof![6 => 1_i64..20, 3 => 20_i64..3_000, 1 => 3_000_i64..60_000, 1 => -4_000_i64..0];
    let parts = (
        prop::sample::select(crons.to_vec()),
        prop::sample::select(&ZONES),
        prop::sample::select(policies.to_vec()),
        prop::sample::select(&[0_u32, 60, 600, 21_600]),
        prop::collection::vec(step, 1..60),
    );
    parts.prop_map(|(cron, zone, policy, jitter, steps)| Case { cron, zone, policy, jitter, steps })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Considered as the scheduler does it: whatever is looked at and when, no time is handed in twice or before it is due,
    /// their order is kept, and each is either handed in or told as missed.
    #[test]
    fn each_time_is_handed_in_or_missed_once(case in case()) {
        let more = format!("jitter_seconds = {}\ncatch_up = {}", case.jitter, case.policy);
        let schedule = schedule(case.cron, case.zone, &more);
        let start = Timestamp::parse("2026-03-01T00:00:00Z").unwrap();
        let (mut now, mut considered) = (start, start);
        let mut seen: Vec<Timestamp> = Vec::new();
        for step in case.steps {
            now = Timestamp(now.0 + step * 60_000);
            let due = schedule.due(considered, now);
            let mut this: Vec<Timestamp> = Vec::new();
            if let Some((first, last)) = due.missed {
                prop_assert!(schedule.due_at(last) <= now);
                this.extend(schedule.times.after(considered).take_while(|at| *at <= last));
                prop_assert_eq!(this.first(), Some(&first));
                prop_assert_eq!(this.last(), Some(&last));
            }
            prop_assert!(due.take.iter().all(|at| schedule.due_at(*at) <= now));
            this.extend(&due.take);
            // Nothing is left between what was considered before and what is considered now.
            let all: Vec<Timestamp> = schedule.times.after(considered).take(this.len()).collect();
            prop_assert_eq!(&this, &all);
            considered = this.last().copied().unwrap_or(considered);
            seen.extend(this);
            let next = schedule.due(considered, now).next.unwrap();
            prop_assert!(next > now, "something is left to do: {next} at {now}");
            prop_assert_eq!(schedule.due(considered, now).take, Vec::<Timestamp>::new());
        }
        let all: Vec<Timestamp> = schedule.times.after(start).take(seen.len()).collect();
        prop_assert_eq!(seen, all);
    }
}
