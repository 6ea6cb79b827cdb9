//! What classes ask for, as far as it decides which of them can be judged together. Values only.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::{
    budget::{Amount, Demand, Expiry, Key, Release},
    gate::memory::figures::Figures,
};

/// Under one budget, classes of equal need and equal shape stand in one group: while one of them is held up by a
/// budget that they share, so are the others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    pub need: Need,
    pub shape: Shape,
}

/// What a class asks of one budget: each amount with the logins that may not be chosen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Need(Vec<(Amount, Vec<String>)>);

/// What a class asks of all budgets that many classes share, as a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape(u64);

/// Many classes ask for it.
pub(super) fn is_shared(key: &Key) -> bool {
    key.own_value().is_none()
}

/// Excluded logins count only if the pool has them: a requester outside the pool changes nothing.
fn excluded(demand: &Demand, figures: &Figures) -> Vec<String> {
    let logins = figures.pool(&demand.key).iter().map(|(_, member)| &member.login);
    logins.filter(|login| demand.excludes(login)).cloned().collect()
}

impl Shape {
    pub fn of(demands: &[Demand], figures: &Figures) -> Self {
        let mut hasher = DefaultHasher::new();
        for demand in demands.iter().filter(|demand| is_shared(&demand.key)) {
            (&demand.key, demand.amount, excluded(demand, figures)).hash(&mut hasher);
        }
        Self(hasher.finish())
    }
}

impl Need {
    pub fn of(demands: &[Demand], key: &Key, figures: &Figures) -> Self {
        let own = demands.iter().filter(|demand| demand.key == *key);
        Self(own.map(|demand| (demand.amount, excluded(demand, figures))).collect())
    }

    /// More than one unit, and of a budget that is one figure: worth a reservation.
    pub fn is_heavy(&self, key: &Key, figures: &Figures) -> bool {
        let sum = self.0.iter().fold(0_u64, |sum, (amount, _)| sum.saturating_add(amount.get()));
        sum > 1 && figures.pool(key).is_empty()
    }

    /// As a question to `budget::decide`.
    pub fn demands(&self, key: &Key) -> Vec<Demand> {
        let demand = |(amount, exclude): &(Amount, Vec<String>)| Demand {
            key: key.clone(),
            amount: *amount,
            release: Release::AgentStops,
            expiry: Expiry::Never,
            exclude: exclude.clone(),
        };
        self.0.iter().map(demand).collect()
    }
}
