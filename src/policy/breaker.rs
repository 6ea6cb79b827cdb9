//! The breaker: counts how attempts of one template, version and model end, stops them when too many end alike, and then lets one
//! through at a time until one has gone well.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    job::{
        failure::FailureClass,
        lifecycle::Event,
        routing::Failure,
        state::State as JobState,
        time::{Millis, Timestamp},
    },
    policy::waves::Share,
};

/// When it opens and for how long. Kept with each request when it is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    pub scope: Scope,
    /// Older ends are forgotten.
    pub window_seconds: u32,
    /// Failures of one kind that open it, however many went well.
    pub failures: u32,
    /// The share of failures of one kind that opens it, once there are `min_samples` ends; left out: only the number counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    pub min_samples: u32,
    /// From opening until one job is tried; doubled each time that one fails, up to a day.
    pub cool_down_seconds: u32,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            scope: Scope::Template,
            window_seconds: 3_600,
            failures: 5,
            share: None,
            min_samples: 10,
            cool_down_seconds: 900,
        }
    }
}

/// What it stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The request whose jobs failed.
    Request,
    /// Every job of the template.
    #[default]
    Template,
}

/// Who closes a gate on behalf of a breaker.
pub const ACTOR: &str = "breaker";

const DAY: Millis = Millis::hours(24);
/// Parts of the window that are forgotten one by one.
const PARTS: u64 = 12;
/// Kinds of failures that are told apart in one part; further ones count as ends only.
const KINDS_MAX: usize = 32;

impl Rule {
    /// What is wrong with it: the key, what, what to do.
    pub fn faults(&self) -> Vec<(&'static str, &'static str, &'static str)> {
        let mut faults = Vec::new();
        if !(1..=604_800).contains(&self.window_seconds) {
            faults.push(("window_seconds", "out of range", "write 1 to 604800 (a week)"));
        }
        if !(1..=86_400).contains(&self.cool_down_seconds) {
            faults.push(("cool_down_seconds", "out of range", "write 1 to 86400 (a day)"));
        }
        if !(2..=100_000).contains(&self.failures) {
            faults.push(("failures", "out of range", "write 2 to 100000: one failure is no storm"));
        }
        if !(2..=100_000).contains(&self.min_samples) {
            faults.push(("min_samples", "out of range", "write 2 to 100000"));
        }
        faults
    }

    /// How long it stays open the `trips`-th time in a row, from 1.
    pub fn cool_down(&self, trips: u32) -> Millis {
        let doublings = trips.saturating_sub(1).min(24);
        Millis::seconds(u64::from(self.cool_down_seconds).saturating_mul(1_u64 << doublings)).min(DAY)
    }

    fn window(&self) -> Millis {
        Millis::seconds(u64::from(self.window_seconds))
    }
}

/// The ends of attempts, by parts of the window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Window(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    from: Timestamp,
    /// Failures and others.
    ends: u32,
    /// Failures by their fingerprint.
    failures: BTreeMap<String, u32>,
}

/// Why it opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storm {
    pub fingerprint: String,
    pub failures: u32,
    /// All ends in the window.
    pub ends: u32,
}

impl Window {
    /// Counts one end; None: it went well.
    pub fn add(&mut self, fingerprint: Option<&str>, rule: &Rule, now: Timestamp) {
        let width = Millis((rule.window().0 / PARTS).max(1));
        // A part is kept until all of it has left the window.
        self.0.retain(|part| now < part.from.plus(width).plus(rule.window()));
        if self.0.last().is_none_or(|part| now >= part.from.plus(width)) {
            self.0.push(Part { from: now, ends: 0, failures: BTreeMap::new() });
        }
        let Some(part) = self.0.last_mut() else { return };
        part.ends = part.ends.saturating_add(1);
        let Some(fingerprint) = fingerprint else { return };
        if part.failures.len() < KINDS_MAX || part.failures.contains_key(fingerprint) {
            let count = part.failures.entry(fingerprint.to_owned()).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// The most frequent failure, if there are too many of it.
    pub fn storm(&self, rule: &Rule, now: Timestamp) -> Option<Storm> {
        let width = Millis((rule.window().0 / PARTS).max(1));
        let parts = || self.0.iter().filter(|part| now < part.from.plus(width).plus(rule.window()));
        let ends = parts().fold(0_u32, |sum, part| sum.saturating_add(part.ends));
        let mut kinds: BTreeMap<&str, u32> = BTreeMap::new();
        for (kind, count) in parts().flat_map(|part| &part.failures) {
            let sum = kinds.entry(kind).or_default();
            *sum = sum.saturating_add(*count);
        }
        let (fingerprint, failures) = kinds.into_iter().max_by_key(|(_, count)| *count)?;
        let by_share = rule.share.is_some_and(|share| {
            let needed = u64::from(ends).saturating_mul(u64::from(share.0));
            ends >= rule.min_samples && u64::from(failures).saturating_mul(100) >= needed
        });
        (failures >= rule.failures || by_share).then(|| Storm {
            fingerprint: fingerprint.to_owned(),
            failures,
            ends,
        })
    }
}

/// What the end of an attempt says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Good,
    /// With its fingerprint.
    Bad(String),
    /// It was never sent.
    NotStarted,
    /// A person ended it, or nobody can tell.
    Unclear,
}

/// What an event says of the attempt of a job that was in `before`. None: the attempt goes on. Waiting for a person is no end.
pub fn verdict(before: JobState, event: Event, failure: Option<&Failure>) -> Option<Verdict> {
    let step = match before {
        JobState::Starting | JobState::StartUnknown => "start",
        JobState::Verifying | JobState::InReview => "result",
        JobState::Held
        | JobState::Queued
        | JobState::Running
        | JobState::WaitingForUser
        | JobState::Quarantined
        | JobState::Succeeded
        | JobState::Rejected
        | JobState::Dead
        | JobState::Cancelled => "work",
    };
    match event {
        Event::Retried | Event::GaveUp | Event::StartRejected => Some(match failure {
            Some(failure) if failure.class != FailureClass::Stopped => {
                Verdict::Bad(format!("{step}/{}", failure.fingerprint))
            }
            Some(_) | None => Verdict::Unclear,
        }),
        Event::Quarantined => Some(Verdict::Bad("result/quarantined".to_owned())),
        Event::ReviewRequested | Event::Accepted => Some(Verdict::Good),
        // Merged before anybody was asked to review it.
        Event::Merged if before == JobState::Verifying => Some(Verdict::Good),
        Event::NotStarted => Some(Verdict::NotStarted),
        Event::Cancelled | Event::Closed | Event::Discarded | Event::Expired => Some(Verdict::Unclear),
        Event::Approved
        | Event::Refused
        | Event::Admitted
        | Event::Started
        | Event::StartLost
        | Event::NeedsUser
        | Event::Resumed
        | Event::Completed
        | Event::Released
        | Event::Merged => None,
    }
}

/// Whether it stops anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BreakerState)]
pub enum State {
    Closed,
    /// Until its cool-down is over; the next job that is admitted then is the canary.
    Open,
    /// One canary is at work, and nothing else starts.
    HalfOpen,
}

impl State {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// What a verdict does to a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    Stay,
    /// For the cool-down of one trip more.
    Open,
    /// For the same cool-down once more: the canary told nothing.
    Again,
    /// The canary never ran: the next job may be one at once.
    Free,
    Close,
}

/// Decides. While it is open nothing that ends changes it: what ends then was started before. Only the canary's verdict closes it.
pub fn follow(state: State, canary: bool, verdict: &Verdict, storm: bool) -> Move {
    match (state, verdict) {
        (State::Closed, Verdict::Bad(_)) if storm => Move::Open,
        (State::HalfOpen, Verdict::Good) if canary => Move::Close,
        (State::HalfOpen, Verdict::Bad(_)) if canary => Move::Open,
        (State::HalfOpen, Verdict::NotStarted) if canary => Move::Free,
        (State::HalfOpen, Verdict::Unclear) if canary => Move::Again,
        _ => Move::Stay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule {
        scope: Scope::Template,
        window_seconds: 120,
        failures: 3,
        share: None,
        min_samples: 4,
        cool_down_seconds: 10,
    };

    fn at(seconds: u64) -> Timestamp {
        Timestamp(0).plus(Millis::seconds(seconds))
    }

    #[test]
    fn only_like_failures_within_the_window_make_a_storm() {
        let mut window = Window::default();
        for (second, kind) in [(0, "a"), (10, "b"), (20, "a"), (30, "b")] {
            window.add(Some(kind), &RULE, at(second));
        }
        assert_eq!(window.storm(&RULE, at(30)), None, "two of each");
        // Going well in between resets nothing.
        window.add(None, &RULE, at(31));
        window.add(Some("a"), &RULE, at(32));
        let storm = window.storm(&RULE, at(32)).unwrap();
        assert_eq!((storm.fingerprint.as_str(), storm.failures, storm.ends), ("a", 3, 6));
        assert_eq!(window.storm(&RULE, at(170)), None, "the first has left the window");
    }

    #[test]
    fn a_share_counts_once_there_are_enough_ends() {
        let rule = Rule { failures: 1_000, share: Some(Share(50)), ..RULE };
        let mut window = Window::default();
        for second in 0..3 {
            window.add(Some("a"), &rule, at(second));
            assert_eq!(window.storm(&rule, at(second)), None);
        }
        window.add(None, &rule, at(4));
        assert!(window.storm(&rule, at(4)).is_some());
        for second in 5..9 {
            window.add(None, &rule, at(second));
        }
        assert_eq!(window.storm(&rule, at(9)), None, "three of eight");
    }

    #[test]
    fn a_window_stays_small_whatever_fails() {
        let mut window = Window::default();
        for number in 0..10_000_u64 {
            window.add(Some(&format!("kind {number}")), &RULE, at(number / 20));
        }
        assert!(window.0.len() <= 14 && window.0.iter().all(|part| part.failures.len() <= KINDS_MAX));
    }

    #[test]
    fn waiting_for_a_person_is_no_failure_and_a_person_who_stops_a_task_is_none() {
        assert_eq!(verdict(JobState::Running, Event::NeedsUser, None), None);
        let stopped = Failure::new(FailureClass::Stopped, "stopped");
        assert_eq!(verdict(JobState::Running, Event::GaveUp, Some(&stopped)), Some(Verdict::Unclear));
        let work = Failure::new(FailureClass::Work, "tests failed: 3 of 9");
        let Some(Verdict::Bad(kind)) = verdict(JobState::Running, Event::Retried, Some(&work)) else {
            panic!()
        };
        assert_eq!(kind, "work/work: tests failed: # of #");
    }

    #[test]
    fn the_cool_down_doubles_up_to_a_day() {
        assert_eq!([1, 2, 3].map(|trips| RULE.cool_down(trips).0), [10_000, 20_000, 40_000]);
        assert_eq!((RULE.cool_down(40), RULE.cool_down(u32::MAX)), (DAY, DAY));
    }
}
