//! The decision: a job takes every hold that it asks for, or none.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    budget::{
        amount::Amount,
        demand::{Demand, Expiry, Release},
        key::Key,
    },
    job::time::Timestamp,
};

/// A closed gate: a budget of zero with a reason and perhaps an opening time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Closure {
    pub reason: String,
    pub actor: String,
    pub since: Timestamp,
    pub opens_at: Option<Timestamp>,
}

impl Closure {
    /// It counts until its opening time.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.opens_at.is_none_or(|opens| now < opens)
    }
}

/// One budget as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    pub used: Amount,
    /// None: not limited.
    pub limit: Option<Amount>,
    pub closed: Option<Closure>,
}

impl View {
    /// True if `amount` more fits. More may be used than the limit allows (an overdraft): then nothing fits.
    pub fn fits(&self, amount: Amount) -> bool {
        self.limit.is_none_or(|limit| self.used.plus(amount).is_some_and(|sum| sum <= limit))
    }
    /// A closure counts until its opening time.
    pub fn closed_at(&self, now: Timestamp) -> Option<&Closure> {
        self.closed.as_ref().filter(|closure| closure.holds_at(now))
    }
}

/// A member of a pool as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    pub login: String,
    pub key: Key,
    pub view: View,
    /// Set while the person is away.
    pub away_until: Option<Timestamp>,
}

/// The snapshot that a decision is made from.
pub trait Books {
    fn view(&self, key: &Key) -> View;
    /// The members of a pool, away or not.
    fn members(&self, pool: &Key, now: Timestamp) -> Vec<MemberView>;
}

/// One hold that admission takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Take {
    pub key: Key,
    pub amount: Amount,
    pub release: Release,
    pub expires_at: Option<Timestamp>,
}

/// Why a demand is not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// Used up for now.
    Full,
    /// The demand alone is over the limit: waiting cannot help until the limit is raised.
    OverLimit,
    /// Paused, drained, frozen or cooling down.
    Closed,
    /// Nobody in the pool may be chosen: everyone is away, or is the requester.
    NobodyAvailable,
}

/// The first demand that is not met, with the figures that make it so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Refusal {
    pub key: Key,
    pub kind: RefusalKind,
    pub need: Amount,
    pub used: Amount,
    /// None only when closed.
    pub limit: Option<Amount>,
    /// When time alone will change the answer, if it will.
    pub clears_at: Option<Timestamp>,
    /// The words of whoever closed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.limit.unwrap_or_default();
        match self.kind {
            RefusalKind::Full => {
                write!(f, "{}: {} of {limit} in use, {} needed", self.key, self.used, self.need)?;
            }
            RefusalKind::OverLimit => {
                write!(f, "{}: {} needed, but the limit is {limit}", self.key, self.need)?;
            }
            RefusalKind::Closed => {
                write!(f, "{} is closed: {}", self.key, self.reason.as_deref().unwrap_or("no reason given"))?;
            }
            RefusalKind::NobodyAvailable => {
                write!(f, "{}: nobody is available who may review this", self.key)?;
            }
        }
        match self.clears_at {
            Some(at) => write!(f, " (until {at})"),
            None => Ok(()),
        }
    }
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The holds to take, in the order of the demands; gates take none.
    Admit(Vec<Take>),
    Refuse(Refusal),
}

/// Decides for one job. Demands are tested in the given order, coarse to fine; the first that is not met
/// is the answer.
///
/// The same key may be demanded more than once; the sum must fit.
pub fn decide(books: &impl Books, demands: &[Demand], now: Timestamp) -> Decision {
    let mut takes: Vec<Take> = Vec::with_capacity(demands.len());
    for demand in demands {
        let key = if demand.key.name() == super::key::POOL {
            match choose(books, demand, &takes, now) {
                Ok(key) => key,
                Err(refusal) => return Decision::Refuse(refusal),
            }
        } else {
            let need = with_own(&takes, &demand.key, demand.amount);
            if let Some(refusal) = refuse(&demand.key, need, &books.view(&demand.key), now) {
                return Decision::Refuse(refusal);
            }
            demand.key.clone()
        };
        if demand.amount > Amount::ZERO {
            let expires_at = match demand.expiry {
                Expiry::Never => None,
                Expiry::Period(period) => period.expires(now),
            };
            takes.push(Take { key, amount: demand.amount, release: demand.release, expires_at });
        }
    }
    Decision::Admit(takes)
}

/// `amount` and what this job already takes from the same budget.
fn with_own(takes: &[Take], key: &Key, amount: Amount) -> Amount {
    let own = takes.iter().filter(|take| take.key == *key);
    own.fold(amount, |sum, take| sum.plus(take.amount).unwrap_or(Amount::MAX))
}

/// None if `amount` may be taken from the budget.
pub fn refuse(key: &Key, amount: Amount, view: &View, now: Timestamp) -> Option<Refusal> {
    let refusal = |kind, clears_at, reason| Refusal {
        key: key.clone(),
        kind,
        need: amount,
        used: view.used,
        limit: view.limit,
        clears_at,
        reason,
    };
    if let Some(closure) = view.closed_at(now) {
        return Some(refusal(RefusalKind::Closed, closure.opens_at, Some(closure.reason.clone())));
    }
    if view.limit.is_some_and(|limit| amount > limit) {
        return Some(refusal(RefusalKind::OverLimit, None, None));
    }
    if amount > Amount::ZERO && !view.fits(amount) {
        return Some(refusal(RefusalKind::Full, None, None));
    }
    None
}

/// The least loaded member who is there, has room and is not excluded; ties by name.
fn choose(books: &impl Books, demand: &Demand, takes: &[Take], now: Timestamp) -> Result<Key, Refusal> {
    let members = books.members(&demand.key, now);
    let allowed: Vec<&MemberView> = members.iter().filter(|member| !demand.excludes(&member.login)).collect();
    let present = || allowed.iter().filter(|member| member.away_until.is_none());
    let need = |member: &MemberView| with_own(takes, &member.key, demand.amount);
    let load = |member: &MemberView| member.view.used.plus(need(member)).unwrap_or(Amount::MAX);
    let free =
        present().filter(|member| member.view.closed_at(now).is_none() && member.view.fits(need(member)));
    if let Some(member) = free.min_by(|a, b| (load(a), &a.login).cmp(&(load(b), &b.login))) {
        return Ok(member.key.clone());
    }
    let back = allowed.iter().filter_map(|member| member.away_until).min();
    let used = present().fold(Amount::ZERO, |sum, member| sum.plus(member.view.used).unwrap_or(Amount::MAX));
    let limit = present().fold(Amount::ZERO, |sum, member| {
        sum.plus(member.view.limit.unwrap_or(Amount::ZERO)).unwrap_or(Amount::MAX)
    });
    let kind = if present().next().is_none() { RefusalKind::NobodyAvailable } else { RefusalKind::Full };
    Err(Refusal {
        key: demand.key.clone(),
        kind,
        need: demand.amount,
        used,
        limit: Some(limit),
        clears_at: back,
        reason: None,
    })
}
