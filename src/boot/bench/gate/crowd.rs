//! The jobs of the benchmarks and what a ledger would say of their budgets: it counts what is used and tells it as truths, one
//! version a commit. It decides nothing: only what the gate proposes is taken.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    boot::bench::{job_id, world::budget},
    budget::{
        Amount, Class, ClassId, Closure, Demand, Expiry, Key, Kind, Release, Rules, Scope, Subject, Truth,
    },
    gate::{Offer, Proposal},
    job::time::Timestamp,
};

/// Enough that it limits nothing.
pub const UNLIMITED: u64 = 1 << 40;

/// What each job asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Four budgets.
    Budgets,
    /// Four budgets behind the gates that every job of the pipeline must find open.
    BudgetsAndGates,
}

pub struct Crowd {
    pub rules: Arc<Rules>,
    classes: Vec<Arc<Class>>,
    index: HashMap<ClassId, usize>,
    used: HashMap<Key, u64>,
    version: i64,
    number: u64,
    pub now: Timestamp,
}

impl Crowd {
    /// Jobs for so many repositories under these limits: of all, and of one repository.
    pub fn new(repositories: usize, all: u64, each: u64, asks: Asks) -> anyhow::Result<Self> {
        let rules = Arc::new(rules(all, each));
        let classes: Vec<Arc<Class>> = (0..repositories)
            .map(|number| Ok(Arc::new(Class::new(demands(&rules, number, asks)?))))
            .collect::<anyhow::Result<_>>()?;
        let index = classes.iter().enumerate().map(|(place, class)| (class.id, place)).collect();
        let now = Timestamp(1_800_000_000_000);
        Ok(Self { rules, classes, index, used: HashMap::new(), version: 0, number: 0, now })
    }

    pub fn repositories(&self) -> usize {
        self.classes.len()
    }

    /// The next jobs, one repository after another, beginning with `first`.
    pub fn offers(&mut self, first: usize, among: usize, jobs: usize) -> Vec<Offer> {
        let mut offers = Vec::with_capacity(jobs);
        for n in 0..jobs {
            let Some(class) = self.classes.get(first + n % among.max(1)) else { break };
            self.number += 1;
            offers.push(Offer {
                job: job_id(self.now, self.number),
                class: Arc::clone(class),
                band: 5,
                flow: "bench".into(),
                weight: 1,
                order: self.number.cast_signed(),
                due_at: None,
            });
        }
        offers
    }

    /// The figures after these jobs took their holds.
    pub fn take(&mut self, proposals: &[Proposal]) -> Vec<Truth> {
        self.commit(proposals.iter().map(|proposal| proposal.class), u64::saturating_add)
    }

    /// The figures after jobs of these classes gave theirs back.
    pub fn give_back(&mut self, classes: &[ClassId]) -> Vec<Truth> {
        self.commit(classes.iter().copied(), u64::saturating_sub)
    }

    /// Somebody else holds one slot of each of these repositories.
    pub fn occupy(&mut self, first: usize, repositories: usize) -> Vec<Truth> {
        let classes: Vec<ClassId> =
            self.classes.iter().skip(first).take(repositories).map(|class| class.id).collect();
        self.commit(classes.into_iter(), u64::saturating_add)
    }

    fn commit(&mut self, classes: impl Iterator<Item = ClassId>, change: fn(u64, u64) -> u64) -> Vec<Truth> {
        let mut touched = BTreeSet::new();
        for class in classes.filter_map(|id| self.index.get(&id).and_then(|place| self.classes.get(*place))) {
            for demand in class.demands.iter().filter(|demand| demand.amount > Amount::ZERO) {
                let used = self.used.entry(demand.key.clone()).or_default();
                *used = change(*used, demand.amount.get());
                touched.insert(&demand.key);
            }
        }
        self.version += 1;
        let truth = |key: &Key| Truth {
            key: key.clone(),
            used: Amount::new(self.used.get(key).copied().unwrap_or(0)).unwrap_or(Amount::MAX),
            limit: self.rules.limit(key),
            closed: None::<Closure>,
            version: self.version,
        };
        touched.into_iter().map(truth).collect()
    }
}

fn rules(all: u64, each: u64) -> Rules {
    Rules {
        budgets: vec![
            budget("slots", Kind::Slots, Scope::Global, all),
            budget("slots", Kind::Slots, Scope::Template, UNLIMITED),
            budget("slots", Kind::Slots, Scope::Team, UNLIMITED),
            budget("slots", Kind::Slots, Scope::Repository, each),
        ],
        pools: std::collections::BTreeMap::new(),
        ..Rules::default()
    }
}

fn demands(rules: &Rules, number: usize, asks: Asks) -> anyhow::Result<Vec<Demand>> {
    let subject = Subject {
        repository: format!("bench/r{number}").parse()?,
        template: format!("template-{}", number % 20),
        team: format!("team-{}", number % 50),
        identity: "bench".to_owned(),
        model: "auto".to_owned(),
        request: "bench".to_owned(),
        requester: "bench".to_owned(),
        pool: None,
        estimate: Amount::ONE,
    };
    if asks == Asks::BudgetsAndGates {
        return Ok(rules.demands(&subject));
    }
    let slots = |scope| Demand {
        key: Key::scoped("slots", scope, subject.value(scope)),
        amount: Amount::ONE,
        release: Release::AgentStops,
        expiry: Expiry::Never,
        exclude: Vec::new(),
    };
    Ok([Scope::Global, Scope::Team, Scope::Template, Scope::Repository].map(slots).to_vec())
}
