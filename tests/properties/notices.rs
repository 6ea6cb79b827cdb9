//! Where notices go: every one to somebody unless a rule says to nobody, always the same way, never late when it is urgent, and
//! never in quiet hours when it is not, in every zone and through every change of clocks.

use std::collections::BTreeSet;

use jiff::{
    civil::{Time, Weekday},
    tz::TimeZoneDatabase,
};
use proptest::prelude::*;
use sluicegate::{
    budget::glob::matches,
    job::time::{Millis, Timestamp},
    policy::notices::{KINDS, Quiet, Route, Rules, Severity, Told},
};

const ZONES: [&str; 6] = [
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Kathmandu",
    "America/St_Johns",
];
/// 2025 to 2027, in milliseconds.
const YEARS: std::ops::Range<i64> = 1_735_689_600_000..1_830_297_600_000;

fn time() -> impl Strategy<Value = Time> {
    (0_i8..24, 0_i8..4).prop_map(|(hour, quarter)| Time::new(hour, quarter * 15, 0, 0).unwrap())
}

fn severity() -> impl Strategy<Value = Severity> {
    prop::sample::select(Severity::ALL.to_vec())
}

fn quiet() -> impl Strategy<Value = Quiet> {
    let days = prop::collection::btree_set(0_u8..7, 1..=7);
    (prop::sample::select(ZONES.to_vec()), time(), time(), days, severity()).prop_map(
        |(zone, from, to, days, below)| Quiet {
            zone: TimeZoneDatabase::bundled().get(zone).unwrap(),
            from,
            to,
            days: Weekday::Monday
                .cycle_forward()
                .take(7)
                .enumerate()
                .filter_map(|(n, day)| days.contains(&u8::try_from(n).unwrap()).then_some(day))
                .collect(),
            below,
        },
    )
}

fn some(of: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::sample::select(of.to_vec()).prop_map(str::to_owned), 0..3)
}

fn route() -> impl Strategy<Value = Route> {
    let globs =
        (some(&["job.*", "*", "job.dead", "wave.paused"]), some(&["core", "*"]), some(&["bump", "new-*"]));
    let rest = (some(&["mail", "slack", "hook"]), any::<bool>(), prop::collection::vec(quiet(), 0..2));
    (globs, severity(), rest, prop::option::of(1_u64..=24)).prop_map(
        |((kinds, teams, templates), severity, (to, goes_on, quiet), hours)| Route {
            name: "r".into(),
            kinds,
            teams,
            templates,
            severity,
            to,
            goes_on,
            quiet,
            digest: hours.map(Millis::hours),
        },
    )
}

/// The rule as it is documented, in the plainest words.
fn fits(route: &Route, told: &Told<'_>) -> bool {
    let any = |globs: &[String], text: Option<&str>| match (globs, text) {
        ([], _) => true,
        (_, None) => false,
        (globs, Some(text)) => globs.iter().any(|glob| matches(glob, text)),
    };
    told.severity >= route.severity
        && any(&route.kinds, Some(told.kind))
        && any(&route.teams, told.team)
        && any(&route.templates, told.template)
}

proptest! {
    #[test]
    fn a_notice_goes_to_somebody_or_a_rule_says_to_nobody(
        routes in prop::collection::vec(route(), 0..6),
        kind in prop::sample::select(KINDS.to_vec()),
        about in prop::option::of((prop::sample::select(vec!["core", "web"]), prop::sample::select(vec!["bump", "new-x"]))),
        severity in severity(),
        now in YEARS,
    ) {
        let rules = Rules { routes, ..Rules::default() };
        let told = Told { kind: kind.0, severity, team: about.map(|(team, _)| team), template: about.map(|(_, template)| template) };
        let now = Timestamp(now);
        let decision = rules.decide(told, "usual", now);
        prop_assert_eq!(&decision, &rules.decide(told, "usual", now));
        let mut asked: Vec<&Route> = Vec::new();
        for route in rules.routes.iter().filter(|route| fits(route, &told)) {
            asked.push(route);
            if !route.goes_on {
                break;
            }
        }
        let mut wanted: BTreeSet<&str> = asked.iter().flat_map(|route| route.to.iter().map(String::as_str)).collect();
        if asked.is_empty() {
            wanted.insert("usual");
        }
        let found: Vec<&str> = decision.to.iter().map(|deposit| deposit.sink.as_str()).collect();
        prop_assert_eq!(found, wanted.into_iter().collect::<Vec<_>>(), "each once");
        if decision.to.is_empty() {
            prop_assert!(asked.iter().all(|route| route.to.is_empty()) && !asked.is_empty());
        }
        for deposit in &decision.to {
            prop_assert!(deposit.at >= now && deposit.digest == (deposit.at > now));
            prop_assert!(severity < Severity::Urgent || deposit.at == now, "what is urgent never waits");
        }
    }

    /// Against a minute by minute walk with the clock on the wall.
    #[test]
    fn what_waits_goes_out_at_the_first_moment_that_is_not_quiet(quiet in quiet(), now in YEARS) {
        let now = Timestamp(now - now.rem_euclid(900_000));
        let rules = Rules {
            routes: vec![Route { name: "r".into(), to: vec!["mail".into()], quiet: vec![quiet.clone()], ..Route::default() }],
            ..Rules::default()
        };
        let told = Told { kind: "job.dead", severity: Severity::Info, team: None, template: None };
        let found = rules.decide(told, "usual", now).to[0].at;
        prop_assert!(found.since(now) <= Millis::hours(24 * 101));
        if quiet.below == Severity::Info {
            prop_assert_eq!(found, now);
            return Ok(());
        }
        prop_assert_eq!(rules.decide(told, "usual", found).to[0].at, found, "then it is not quiet");
        // As far as clocks do not change, a wall clock tells the same.
        let at = |at: Timestamp| quiet.zone.to_datetime(jiff::Timestamp::from_millisecond(at.0).unwrap());
        let is_quiet = |moment: Timestamp| {
            let local = at(moment);
            let (day, clock) = (local.date(), local.time());
            let begins = |day: jiff::civil::Date| quiet.days.contains(&day.weekday());
            if quiet.to > quiet.from {
                begins(day) && quiet.from <= clock && clock < quiet.to
            } else {
                begins(day) && clock >= quiet.from || begins(day.yesterday().unwrap()) && clock < quiet.to
            }
        };
        let offset = |moment: Timestamp| quiet.zone.to_offset(jiff::Timestamp::from_millisecond(moment.0).unwrap());
        let steady = offset(now.minus(Millis::hours(26))) == offset(found.plus(Millis::hours(26)));
        if steady && found.since(now) < Millis::hours(24 * 8) {
            let mut moment = now;
            while moment < found {
                prop_assert!(is_quiet(moment), "{} waits for nothing", at(moment));
                moment = moment.plus(Millis::minutes(15));
            }
            prop_assert!(!is_quiet(found), "{} is quiet", at(found));
        }
    }
}
