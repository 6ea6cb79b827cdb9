//! The budgets as configured: which exist, what they limit, who is in which pool.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    budget::{
        amount::Amount,
        demand::{Demand, Expiry, Release, Subject},
        glob::{Narrow, matches},
        key::{Key, POOL, RETRIES},
    },
    job::time::{Millis, Timestamp},
};

/// What a budget is counted for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    Global,
    Organisation,
    Team,
    Identity,
    Template,
    Model,
    Request,
    Repository,
}

impl Scope {
    /// Coarse to fine: the order in which budgets are tested.
    pub const ALL: [Self; 8] = [
        Self::Global,
        Self::Organisation,
        Self::Team,
        Self::Identity,
        Self::Template,
        Self::Model,
        Self::Request,
        Self::Repository,
    ];
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Organisation => "organisation",
            Self::Team => "team",
            Self::Identity => "identity",
            Self::Template => "template",
            Self::Model => "model",
            Self::Request => "request",
            Self::Repository => "repository",
        }
    }
}

/// A word that is no scope.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a scope (global, organisation, team, identity, template, model, request, repository)")]
pub struct UnknownScope(pub String);

impl FromStr for Scope {
    type Err = UnknownScope;
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| UnknownScope(text.to_owned()))
    }
}
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// When a budget gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Concurrency: held while the agent works.
    Slots,
    /// Blast radius: held until the change is merged, closed or given up.
    Change,
    /// So many per rolling period.
    Window,
    /// AI credits, in nano-credits: the estimate is held, then exchanged for the actual.
    Spend,
    /// So many ever.
    Count,
}

/// How long a window, spend or count budget remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    Rolling(Millis),
    /// Until the end of the UTC day.
    Day,
    /// Until the end of the UTC month.
    Month,
    Lifetime,
}

impl Period {
    /// When something taken at `now` no longer counts.
    pub fn expires(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Rolling(span) => Some(now.plus(span)),
            Self::Day => Some(now.next_day()),
            Self::Month => Some(now.next_month()),
            Self::Lifetime => None,
        }
    }
}

/// One configured budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetRule {
    /// First part of the key, e.g. `slots`, `starts`, `unproven`, `credits`.
    pub name: String,
    pub kind: Kind,
    pub per: Scope,
    /// Restricts the rule to scope values that match; `*` stands for any run of characters.
    pub matching: Option<String>,
    /// In the kind's unit; spend in nano-credits.
    pub limit: Amount,
    pub period: Period,
}

impl BudgetRule {
    fn narrow(&self) -> Narrow {
        self.matching.as_deref().map_or(Narrow::Everything, Narrow::of)
    }
    fn covers(&self, value: &str) -> bool {
        self.matching.as_deref().is_none_or(|glob| matches(glob, value))
    }
}

/// A named person in a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub login: String,
    /// How many open reviews the person takes.
    pub limit: Amount,
    /// Absences, each from (inclusive) to (exclusive).
    pub away: Vec<(Timestamp, Timestamp)>,
}

impl Member {
    /// When the person is back, if they are away at `now`.
    pub fn away_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.away.iter().filter(|(from, to)| *from <= now && now < *to).map(|(_, to)| *to).max()
    }
}

/// Named people of whom one is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    pub name: String,
    pub members: Vec<Member>,
}

/// Every configured budget.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    pub budgets: Vec<BudgetRule>,
    pub pools: BTreeMap<String, Pool>,
    /// On whose behalf an identity works, by its name: nobody reviews their own work.
    pub logins: BTreeMap<String, String>,
}

impl Rules {
    /// The limit of a budget by configuration; None: not limited (gates, or no rule covers it).
    pub fn limit(&self, key: &Key) -> Option<Amount> {
        if key.name() == POOL {
            let pool = key.pool_of_member()?;
            let pool = self.pools.get(pool.as_str().strip_prefix("pool/")?)?;
            let login = key.member_login()?;
            return pool.members.iter().find(|member| member.login == login).map(|member| member.limit);
        }
        let (scope, value) = key.scope()?;
        self.rule(key.name(), scope, value).map(|rule| rule.limit)
    }

    /// Whoever asked, and whoever works, do not review.
    fn excluded(&self, subject: &Subject) -> Vec<String> {
        let worker = self.logins.get(&subject.identity).cloned();
        std::iter::once(subject.requester.clone()).chain(worker).collect()
    }

    /// The pool behind a `pool/...` key.
    pub fn pool(&self, key: &Key) -> Option<&Pool> {
        self.pools.get(key.as_str().strip_prefix("pool/")?)
    }

    fn rule(&self, name: &str, scope: Scope, value: &str) -> Option<&BudgetRule> {
        let fitting =
            self.budgets.iter().filter(|rule| rule.name == name && rule.per == scope && rule.covers(value));
        fitting.max_by_key(|rule| rule.narrow())
    }

    /// What one more attempt of a job takes of the budgets for retries.
    pub fn retry_demands(&self, subject: &Subject) -> Vec<Demand> {
        let scopes = Scope::ALL.into_iter().map(|scope| (scope, subject.value(scope)));
        let rules = scopes.filter_map(|(scope, value)| Some((self.rule(RETRIES, scope, value)?, value)));
        rules.map(|(rule, value)| demand(rule, value, subject)).collect()
    }

    /// Everything that a job of this subject takes, coarse to fine: its gates, then each budget whose
    /// rule covers it, then the pool.
    pub fn demands(&self, subject: &Subject) -> Vec<Demand> {
        let mut demands: Vec<Demand> = subject.gates().map(Demand::gate).collect();
        for scope in Scope::ALL {
            let value = subject.value(scope);
            let mut names: Vec<&str> =
                self.budgets.iter().filter(|rule| rule.per == scope).map(|rule| rule.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            names.retain(|name| *name != RETRIES);
            for rule in names.into_iter().filter_map(|name| self.rule(name, scope, value)) {
                demands.push(demand(rule, value, subject));
            }
        }
        if let Some(pool) = &subject.pool {
            demands.push(Demand {
                key: Key::pool(pool),
                amount: Amount::ONE,
                release: Release::Change,
                expiry: Expiry::Never,
                exclude: self.excluded(subject),
            });
        }
        demands
    }
}

fn demand(rule: &BudgetRule, value: &str, subject: &Subject) -> Demand {
    let (amount, release, expiry) = match rule.kind {
        Kind::Slots => (Amount::ONE, Release::AgentStops, Expiry::Never),
        Kind::Change => (Amount::ONE, Release::Change, Expiry::Never),
        Kind::Window => (Amount::ONE, Release::Expiry, Expiry::Period(rule.period)),
        Kind::Spend => (subject.estimate, Release::Settled, Expiry::Period(rule.period)),
        Kind::Count => (Amount::ONE, Release::Expiry, Expiry::Period(Period::Lifetime)),
    };
    Demand { key: Key::scoped(&rule.name, rule.per, value), amount, release, expiry, exclude: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, per: Scope, matching: Option<&str>, limit: u32) -> BudgetRule {
        BudgetRule {
            name: name.into(),
            kind: Kind::Slots,
            per,
            matching: matching.map(Into::into),
            limit: Amount::from(limit),
            period: Period::Lifetime,
        }
    }

    #[test]
    fn the_most_specific_rule_gives_the_limit() {
        let rules = Rules {
            budgets: vec![
                rule("slots", Scope::Repository, None, 5),
                rule("slots", Scope::Repository, Some("acme/api"), 1),
                rule("slots", Scope::Repository, Some("acme/*"), 2),
            ],
            pools: BTreeMap::new(),
            ..Rules::default()
        };
        let limit = |value| rules.limit(&Key::scoped("slots", Scope::Repository, value)).unwrap().get();
        assert_eq!((limit("acme/api"), limit("acme/web"), limit("other/web")), (1, 2, 5));
    }
}
