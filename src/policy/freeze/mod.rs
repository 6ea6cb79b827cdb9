//! Freezes: times in which nothing is started and no pull request is moved on, each with a name, a scope and a reason.
//! Pure: the rules are data, `now` is handed in, and zones come from the data that the program carries, so that every
//! worker reads a calendar alike.

mod calendar;
mod cover;
mod cron;
mod when;
pub mod written;

use std::fmt;

use serde::{Deserialize, Serialize};

use self::when::{Stretch, When};
pub(super) use self::when::{early, late};
pub use self::{
    cover::{Waiting, cover},
    written::Written,
};
use crate::{
    budget::{Key, Scope, glob::matches},
    job::{
        id::{JobId, RequestId},
        repository::Repository,
        time::{Millis, Timestamp},
    },
};

/// What a freeze keeps still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    Global,
    Organisation(String),
    /// A glob of full names.
    Repository(String),
    Team(String),
    Template(String),
    /// A class of repositories.
    Class(String),
}

impl Reach {
    /// The one gate before exactly this; None: the repositories must be closed one by one.
    pub fn gate(&self) -> Option<Key> {
        match self {
            Self::Global => Some(Key::gate(Scope::Global, "")),
            Self::Organisation(name) => Some(Key::gate(Scope::Organisation, name)),
            Self::Team(name) => Some(Key::gate(Scope::Team, name)),
            Self::Template(name) => Some(Key::gate(Scope::Template, name)),
            Self::Repository(name) if !name.contains('*') => Some(Key::gate(Scope::Repository, name)),
            Self::Repository(_) | Self::Class(_) => None,
        }
    }

    pub fn covers(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::Global => true,
            Self::Organisation(name) => subject.repository.owner() == name,
            Self::Repository(glob) => matches(glob, subject.repository.full_name()),
            Self::Team(name) => subject.team == name,
            Self::Template(name) => subject.template == name,
            Self::Class(name) => subject.class == Some(name),
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => f.write_str("global"),
            Self::Organisation(name) => write!(f, "organisation:{name}"),
            Self::Repository(glob) => write!(f, "repository:{glob}"),
            Self::Team(name) => write!(f, "team:{name}"),
            Self::Template(name) => write!(f, "template:{name}"),
            Self::Class(name) => write!(f, "class:{name}"),
        }
    }
}

/// One calendar.
#[derive(Clone, Debug)]
pub struct Freeze {
    pub name: String,
    pub reason: String,
    pub reach: Reach,
    /// What it leaves alone within its reach.
    pub except: Vec<Reach>,
    /// IANA name.
    pub zone: String,
    whens: Vec<When>,
}

/// What a freeze may keep still, or not.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub repository: &'a Repository,
    pub template: &'a str,
    pub team: &'a str,
    /// None: not known.
    pub class: Option<&'a str>,
    /// None: no request yet.
    pub request: Option<RequestId>,
    pub job: Option<JobId>,
}

/// Whom an exemption lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Exempt {
    Job(JobId),
    Request(RequestId),
    /// The freeze says nothing until then: it was lifted.
    Everything,
}

/// An exception that a person made, on the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Exemption {
    /// None: from every freeze.
    pub freeze: Option<String>,
    pub exempt: Exempt,
    pub until: Timestamp,
    pub reason: String,
    pub actor: String,
}

impl Exemption {
    /// True if it takes anything from a freeze.
    pub fn touches(&self, freeze: &str, now: Timestamp) -> bool {
        now < self.until && self.freeze.as_deref().is_none_or(|name| name == freeze)
    }

    fn lets(&self, freeze: &str, subject: &Subject<'_>, now: Timestamp) -> bool {
        self.touches(freeze, now)
            && match self.exempt {
                Exempt::Job(id) => subject.job == Some(id),
                Exempt::Request(id) => subject.request == Some(id),
                Exempt::Everything => true,
            }
    }
}

/// Why something is kept still, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Frozen {
    /// Of the freeze.
    pub name: String,
    pub reason: String,
    /// None: until somebody lifts it.
    pub until: Option<Timestamp>,
}

impl fmt::Display for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "freeze {}: {}", self.name, self.reason)?;
        match self.until {
            Some(at) => write!(f, " (until {at})"),
            None => f.write_str(" (until it is lifted)"),
        }
    }
}

/// A freeze that is in force, and its end.
#[derive(Clone, Copy, Debug)]
pub struct InForce<'a> {
    pub freeze: &'a Freeze,
    pub until: Option<Timestamp>,
}

impl Freeze {
    /// Its end, if it is in force: entries that touch each other count as one.
    pub fn until(&self, now: Timestamp) -> Option<Option<Timestamp>> {
        /// Entries that follow one another without a gap are joined so often.
        const JOINED_MAX: usize = 50;
        let (_, mut end) = self.stretch(now)?;
        for _ in 0..JOINED_MAX {
            let Some((_, next)) = end.and_then(|at| self.stretch(at)) else { break };
            end = next;
        }
        Some(end)
    }

    /// Of what is in force at an instant, the stretch that ends last.
    fn stretch(&self, at: Timestamp) -> Option<Stretch> {
        let around = self.whens.iter().flat_map(|when| when.around(at, at));
        let holding = around.filter(|(from, until)| *from <= at && until.is_none_or(|until| at < until));
        holding.max_by_key(|(_, until)| until.map_or(i64::MAX, |at| at.0))
    }

    /// When it begins next, within a span.
    pub fn begins(&self, now: Timestamp, within: Millis) -> Option<Timestamp> {
        let around = self.whens.iter().flat_map(|when| when.around(now, now.plus(within)));
        around.map(|(from, _)| from).filter(|from| *from > now).min()
    }

    /// True if it has ended for good, as far as single entries tell.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.whens.iter().all(|when| when.is_over(now))
    }

    pub fn covers(&self, subject: &Subject<'_>) -> bool {
        // A repository whose class is not known may be of any.
        let unsure = matches!(self.reach, Reach::Class(_)) && subject.class.is_none();
        (unsure || self.reach.covers(subject)) && !self.except.iter().any(|except| except.covers(subject))
    }
}

/// The freezes that are in force at a time, whoever they concern.
pub fn in_force<'a>(freezes: impl IntoIterator<Item = &'a Freeze>, now: Timestamp) -> Vec<InForce<'a>> {
    let force = |freeze: &'a Freeze| Some(InForce { freeze, until: freeze.until(now)? });
    freezes.into_iter().filter_map(force).collect()
}

/// What keeps a subject still; of several, the one that lasts longest.
pub fn active(
    force: &[InForce<'_>],
    exemptions: &[Exemption],
    subject: &Subject<'_>,
    now: Timestamp,
) -> Option<Frozen> {
    let exempt = |name: &str| exemptions.iter().any(|exemption| exemption.lets(name, subject, now));
    let binding =
        force.iter().filter(|one| one.freeze.covers(subject) && !exempt(&one.freeze.name)).map(|one| {
            let Freeze { name, reason, .. } = one.freeze;
            Frozen { name: name.clone(), reason: reason.clone(), until: one.until }
        });
    // Of equals the first one, so that the reason does not change from look to look.
    let end = |frozen: &Frozen| frozen.until.map_or(i64::MAX, |at| at.0);
    binding.fold(None, |best, one| match best {
        Some(best) if end(&best) >= end(&one) => Some(best),
        _ => Some(one),
    })
}
