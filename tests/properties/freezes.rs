//! Freezes over years and zones: more of them never let more through, and what closes a gate keeps back nobody who is free.

use proptest::prelude::*;
use sluicegate::{
    budget::Key,
    job::{
        id::{JobId, RequestId},
        repository::Repository,
        time::{Millis, Timestamp},
    },
    policy::freeze::{
        Exempt, Exemption, Freeze, Subject, Waiting, Written, active, cover, in_force,
        written::{self, Calendars, Entry},
    },
};

const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Pacific/Apia",
];
const SCOPES: [&str; 6] =
    ["global", "organisation:acme", "repository:acme/a*", "team:pay", "template:upgrade", "class:regulated"];
/// 2020 to 2040.
const YEARS: std::ops::Range<i64> = 1_577_836_800_000..2_208_988_800_000;

fn entry() -> impl Strategy<Value = Entry> {
    let day = || (2020_u32..2040, 1_u32..13, 1_u32..29).prop_map(|(y, m, d)| format!("{y}-{m:02}-{d:02}"));
    let time = || (day(), 0_u32..24, 0_u32..60).prop_map(|(day, h, m)| format!("{day}T{h:02}:{m:02}"));
    let once = (prop_oneof![day(), time()], prop::option::of(day()));
    let once = once.prop_map(|(from, until)| Entry { from: Some(from), until, ..Entry::default() });
    let window = (0_u32..60, 0_u32..24, prop::sample::select(&["*", "1-5", "sun", "0,3"]), 1_u32..100)
        .prop_map(|(minute, hour, days, hours)| Entry {
            cron: Some(format!("{minute} {hour} * * {days}")),
            length: Some(format!("{hours}h")),
            ..Entry::default()
        });
    prop_oneof![once, window]
}

fn freeze() -> impl Strategy<Value = Freeze> {
    let scopes = prop::sample::select(&SCOPES);
    let except = prop::collection::vec(prop::sample::select(&SCOPES), 0..2);
    let parts =
        (scopes, except, prop::sample::select(&ZONES), prop::collection::vec(entry(), 1..3), 0_u32..5);
    parts.prop_filter_map("it ends before it begins", |(scope, except, zone, entry, name)| {
        let written = Written {
            name: format!("f{name}"),
            reason: "because".to_owned(),
            scope: scope.to_owned(),
            except: except.into_iter().map(str::to_owned).collect(),
            zone: zone.to_owned(),
            entry,
        };
        written::read(&written, &Calendars::new()).ok()
    })
}

fn request(number: u8) -> RequestId {
    RequestId::new(Timestamp(0), u128::from(number))
}
fn job(number: u8) -> JobId {
    JobId::new(Timestamp(0), u128::from(number))
}

fn exemption() -> impl Strategy<Value = Exemption> {
    let exempt = prop_oneof![
        (0_u8..4).prop_map(|n| Exempt::Request(request(n))),
        (0_u8..8).prop_map(|n| Exempt::Job(job(n))),
        Just(Exempt::Everything),
    ];
    (prop::option::of(0_u32..5), exempt, YEARS).prop_map(|(freeze, exempt, until)| Exemption {
        freeze: freeze.map(|number| format!("f{number}")),
        exempt,
        until: Timestamp(until),
        reason: "because".to_owned(),
        actor: "ben".to_owned(),
    })
}

#[derive(Clone, Debug)]
struct Who {
    repository: Repository,
    team: &'static str,
    class: Option<&'static str>,
    request: u8,
    job: u8,
}

fn who() -> impl Strategy<Value = Who> {
    let names = prop::sample::select(&["acme/api", "acme/web", "other/api"]);
    let parts =
        (names, prop::sample::select(&["pay", "web"]), prop::option::of(Just("regulated")), 0_u8..4, 0_u8..8);
    parts.prop_map(|(name, team, class, request, job)| Who {
        repository: name.parse().unwrap(),
        team,
        class,
        request,
        job,
    })
}

fn subject(who: &Who) -> Subject<'_> {
    Subject {
        repository: &who.repository,
        template: "upgrade",
        team: who.team,
        class: who.class,
        request: Some(request(who.request)),
        job: Some(job(who.job)),
    }
}

proptest! {
    #[test]
    fn another_freeze_never_lets_more_through(
        freezes in prop::collection::vec(freeze(), 0..4), more in freeze(), at in YEARS, who in who(),
        exemptions in prop::collection::vec(exemption(), 0..3),
    ) {
        let now = Timestamp(at);
        let before = active(&in_force(&freezes, now), &exemptions, &subject(&who), now);
        let all: Vec<Freeze> = freezes.into_iter().chain([more]).collect();
        let after = active(&in_force(&all, now), &exemptions, &subject(&who), now);
        prop_assert!(before.is_none() || after.is_some());
        let end = |until: Option<Timestamp>| until.map_or(i64::MAX, |at| at.0);
        if let (Some(before), Some(after)) = (before, after) {
            prop_assert!(end(after.until) >= end(before.until), "it opens earlier with one more");
        }
    }

    #[test]
    fn a_freeze_lasts_without_a_gap_until_the_end_that_it_tells(freeze in freeze(), at in YEARS, part in 0_u64..1_000) {
        let now = Timestamp(at);
        if let Some(Some(end)) = freeze.until(now) {
            prop_assert!(end > now);
            let between = now.plus(Millis(end.since(now).0.saturating_sub(1) / 1_000 * part));
            prop_assert!(freeze.until(between).is_some(), "open at {between} within {now} to {end}");
        }
        if let Some(begins) = freeze.begins(now, Millis::hours(24 * 60)) {
            prop_assert!(begins > now && freeze.until(begins).is_some());
        }
    }

    #[test]
    fn nobody_who_is_free_stands_behind_a_gate_that_a_freeze_closes(
        waiting in prop::collection::vec((who(), any::<bool>()), 0..12),
    ) {
        let frozen = || sluicegate::policy::freeze::Frozen { name: "f".into(), reason: "r".into(), until: None };
        let waiting: Vec<Waiting> = waiting
            .into_iter()
            .map(|(who, still)| Waiting {
                repository: who.repository,
                request: request(who.request),
                frozen: still.then(frozen),
            })
            .collect();
        let closed = cover(&waiting);
        for free in waiting.iter().filter(|job| job.frozen.is_none()) {
            let gates = [
                Key::gate(sluicegate::budget::Scope::Repository, free.repository.full_name()),
                Key::gate(sluicegate::budget::Scope::Request, &free.request.to_string()),
            ];
            prop_assert!(gates.iter().all(|gate| !closed.contains_key(gate)), "{free:?} {closed:?}");
        }
    }
}
