//! Whether the next wave of a request may open: decided from what became of the jobs before it.

use std::fmt;

use crate::{
    job::{failure::FailureClass, state::State, time::Timestamp},
    policy::waves::{By, Rule},
};

/// What became of one job, as far as waves care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Pending,
    /// Proven, since then.
    Good(Timestamp),
    /// It failed, and waiting would not have helped; or a person turned its result down.
    Failed,
    /// It ended without a verdict on the change: the provider had trouble, or time ran out.
    Unjudged,
    /// A person took it out; it counts for nothing.
    Withdrawn,
}

/// One job as the ledger has it.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub state: State,
    pub since: Timestamp,
    /// The word of the event that ended it.
    pub ended_by: Ended,
    pub class: Option<FailureClass>,
    /// When its checks were seen green, if the newest ones are.
    pub green_since: Option<Timestamp>,
}

/// What ended a job, as far as its state does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ended {
    /// Its deadline passed.
    Expired,
    /// A person refused to let it start.
    Refused,
    #[default]
    Otherwise,
}

impl Seen {
    pub fn fate(&self, by: By) -> Fate {
        match self.state {
            State::Succeeded => Fate::Good(self.since),
            State::InReview if by == By::Green => self.green_since.map_or(Fate::Pending, Fate::Good),
            State::Quarantined => Fate::Failed,
            State::Rejected if self.ended_by == Ended::Refused => Fate::Withdrawn,
            State::Rejected => Fate::Failed,
            State::Cancelled => Fate::Withdrawn,
            State::Dead if self.ended_by == Ended::Expired => Fate::Unjudged,
            State::Dead => match self.class {
                Some(
                    FailureClass::Infrastructure
                    | FailureClass::RateLimited
                    | FailureClass::ModelUnavailable
                    | FailureClass::Stopped,
                ) => Fate::Unjudged,
                Some(
                    FailureClass::Work
                    | FailureClass::TimedOut
                    | FailureClass::NoResult
                    | FailureClass::Refused
                    | FailureClass::Unknown,
                )
                | None => Fate::Failed,
            },
            State::Held
            | State::Queued
            | State::Starting
            | State::StartUnknown
            | State::Running
            | State::WaitingForUser
            | State::Verifying
            | State::InReview => Fate::Pending,
        }
    }
}

/// The jobs of some waves, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub pending: usize,
    pub failed: usize,
    pub unjudged: usize,
    pub withdrawn: usize,
    /// Since when each good one is good.
    pub good: Vec<Timestamp>,
}

impl Tally {
    pub fn add(&mut self, fate: Fate) {
        let count = match fate {
            Fate::Good(since) => return self.good.push(since),
            Fate::Pending => &mut self.pending,
            Fate::Failed => &mut self.failed,
            Fate::Unjudged => &mut self.unjudged,
            Fate::Withdrawn => &mut self.withdrawn,
        };
        *count = count.saturating_add(1);
    }

    /// Good ones that make the share; at least one.
    fn needed(&self, share: u8) -> usize {
        let judged = [self.pending, self.failed, self.unjudged]
            .iter()
            .fold(self.good.len(), |a, b| a.saturating_add(*b));
        judged.saturating_mul(usize::from(share)).div_ceil(100).max(1)
    }

    /// When the needed number was reached.
    fn reached(&self, needed: usize) -> Option<Timestamp> {
        let mut good = self.good.clone();
        good.sort_unstable();
        good.get(needed.saturating_sub(1)).copied()
    }
}

impl FromIterator<Fate> for Tally {
    fn from_iter<T: IntoIterator<Item = Fate>>(fates: T) -> Self {
        let mut tally = Self::default();
        fates.into_iter().for_each(|fate| tally.add(fate));
        tally
    }
}

/// Why nothing opens until a person has acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// It cannot be told whether the wave is good.
    Doubt,
    /// A person wants it.
    Person,
}

/// How far a request is.
#[derive(Clone, Debug)]
pub struct Course<'a> {
    pub rule: &'a Rule,
    pub waves: u32,
    /// The newest wave that is open.
    pub opened: u32,
    pub paused: Option<Pause>,
    /// The newest open wave.
    pub newest: Tally,
    /// All waves before it.
    pub earlier: Tally,
    /// Valid approvals of the next wave; while it is paused, only those given since.
    pub approved: u32,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next wave opens.
    Open,
    /// A person's pause ends; then it is looked again.
    Resume,
    /// Every wave is open, and every job has ended.
    Over,
    Wait(Wait),
    /// Nothing opens until a person has looked.
    Pause(Doubt),
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Every wave is open; jobs are at work.
    Work {
        pending: usize,
    },
    Proof {
        good: usize,
        needed: usize,
        by: By,
    },
    Soak {
        until: Timestamp,
    },
    Approvals {
        have: u32,
        need: u32,
    },
    /// A pause, and so many approvals to end it.
    Person {
        have: u32,
        need: u32,
    },
}

/// Why it cannot be told whether a wave is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    Failed { failed: usize },
    NoVerdict { good: usize, needed: usize },
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { failed } => write!(f, "{failed} of its jobs failed or were turned down"),
            Self::NoVerdict { good, needed } => {
                write!(
                    f,
                    "{good} of the {needed} that prove it are good, and the others ended without a verdict"
                )
            }
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work { pending } => write!(f, "every wave is open; {pending} jobs have not ended"),
            Self::Proof { good, needed, by: By::Merged } => {
                write!(f, "{good} of {needed} that prove it are merged")
            }
            Self::Proof { good, needed, by: By::Green } => {
                write!(f, "{good} of {needed} that prove it have green checks")
            }
            Self::Soak { until } => write!(f, "it is proven and soaks until {until}"),
            Self::Approvals { have, need } => write!(f, "it is proven; {have} of {need} approvals are given"),
            Self::Person { have, need } => {
                write!(f, "it is paused; {have} of {need} approvals to go on are given")
            }
        }
    }
}

/// Decides what follows. A wave opens when the one before it is proven and none before it failed; a person can let it open in
/// spite of a doubt, which is then on the record.
pub fn next(course: &Course<'_>, now: Timestamp) -> Next {
    let pending = course.newest.pending.saturating_add(course.earlier.pending);
    if course.opened >= course.waves {
        return if pending == 0 { Next::Over } else { Next::Wait(Wait::Work { pending }) };
    }
    let asked = course.rule.approvals.as_ref().map_or(0, |approvals| approvals.count);
    if let Some(pause) = course.paused {
        let (have, need) = (course.approved, asked.max(1));
        return match pause {
            _ if have < need => Next::Wait(Wait::Person { have, need }),
            Pause::Person => Next::Resume,
            Pause::Doubt => Next::Open,
        };
    }
    let failed = course.newest.failed.saturating_add(course.earlier.failed);
    if failed > 0 {
        return Next::Pause(Doubt::Failed { failed });
    }
    let (needed, good) = (course.newest.needed(course.rule.proven.share.0), course.newest.good.len());
    let Some(reached) = course.newest.reached(needed) else {
        return if good.saturating_add(course.newest.pending) < needed {
            Next::Pause(Doubt::NoVerdict { good, needed })
        } else {
            Next::Wait(Wait::Proof { good, needed, by: course.rule.proven.by })
        };
    };
    let until = reached.plus(course.rule.soak());
    if now < until {
        return Next::Wait(Wait::Soak { until });
    }
    if course.approved < asked {
        return Next::Wait(Wait::Approvals { have: course.approved, need: asked });
    }
    Next::Open
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(more: &str) -> Rule {
        toml::from_str(&format!("sizes = [\"4\", \"rest\"]\n{more}")).unwrap()
    }

    fn decide(rule: &Rule, fates: &[Fate], paused: Option<Pause>, approved: u32) -> Next {
        let newest = fates.iter().copied().collect();
        let course =
            Course { rule, waves: 2, opened: 1, paused, newest, earlier: Tally::default(), approved };
        next(&course, Timestamp(100_000))
    }

    #[test]
    fn a_wave_is_proven_by_its_share_its_soak_and_its_approvals() {
        let good = Fate::Good(Timestamp(50_000));
        let strict = rule("");
        assert_eq!(decide(&strict, &[good; 4], None, 0), Next::Open);
        assert!(matches!(decide(&strict, &[good, Fate::Pending], None, 0), Next::Wait(Wait::Proof { .. })));
        assert_eq!(
            decide(&rule("proven = { share = \"50%\" }"), &[good, Fate::Pending], None, 0),
            Next::Open
        );
        let until = Timestamp(110_000);
        assert_eq!(decide(&rule("soak_minutes = 1"), &[good; 4], None, 0), Next::Wait(Wait::Soak { until }));
        let two = rule("approvals = { count = 2 }");
        assert_eq!(decide(&two, &[good], None, 1), Next::Wait(Wait::Approvals { have: 1, need: 2 }));
        assert_eq!(decide(&two, &[good], None, 2), Next::Open);
        assert_eq!(decide(&strict, &[good, Fate::Withdrawn], None, 0), Next::Open);
    }

    #[test]
    fn a_failure_or_a_missing_verdict_waits_for_a_person() {
        let (good, strict) = (Fate::Good(Timestamp(0)), rule("proven = { share = \"50%\" }"));
        for fates in [
            &[good, good, good, Fate::Failed][..],
            &[Fate::Unjudged, Fate::Unjudged, good],
            &[Fate::Withdrawn],
            &[],
        ] {
            assert!(matches!(decide(&strict, fates, None, 9), Next::Pause(_)), "{fates:?}");
            assert!(matches!(decide(&strict, fates, Some(Pause::Doubt), 0), Next::Wait(Wait::Person { .. })));
            assert_eq!(decide(&strict, fates, Some(Pause::Doubt), 1), Next::Open);
            assert_eq!(decide(&strict, fates, Some(Pause::Person), 1), Next::Resume);
        }
    }

    #[test]
    fn a_failure_is_for_cause_unless_waiting_or_a_person_explains_it() {
        let seen =
            |state, ended_by, class| Seen { state, since: Timestamp(1), ended_by, class, green_since: None };
        let fate = |state, ended_by, class| seen(state, ended_by, class).fate(By::Merged);
        assert_eq!(fate(State::Dead, Ended::Otherwise, Some(FailureClass::Work)), Fate::Failed);
        assert_eq!(fate(State::Dead, Ended::Otherwise, Some(FailureClass::Infrastructure)), Fate::Unjudged);
        assert_eq!(fate(State::Dead, Ended::Expired, None), Fate::Unjudged);
        assert_eq!(fate(State::Rejected, Ended::Otherwise, None), Fate::Failed);
        assert_eq!(fate(State::Rejected, Ended::Refused, None), Fate::Withdrawn);
        assert_eq!(fate(State::InReview, Ended::Otherwise, None), Fate::Pending);
        let green = Seen { green_since: Some(Timestamp(9)), ..seen(State::InReview, Ended::Otherwise, None) };
        assert_eq!(
            (green.fate(By::Green), green.fate(By::Merged)),
            (Fate::Good(Timestamp(9)), Fate::Pending)
        );
    }
}
