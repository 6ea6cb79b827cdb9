//! What the tests of a gate share: rules, classes, and a hall in which a gate of any kind can be tried. The suite
//! never sees which gate it is.

pub mod differential;
pub mod history;
pub mod model;
pub mod order;
pub mod reasons;
pub mod redis;
pub mod reservations;
pub mod rooms;
pub mod verdicts;

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;
use sluicegate::{
    budget::{
        Amount, BudgetRule, Class, Closure, Demand, Expiry, Key, Kind, Member, Period, Pool, Release, Rules,
        Scope, Truth,
    },
    gate::{Gate, Offer, Place, Proposal, Proposals, Verdict},
    job::{
        id::JobId,
        time::{Millis, Timestamp},
    },
};

/// Makes an empty gate over the rules.
pub type Build = fn(Rules) -> BoxFuture<'static, Arc<dyn Gate>>;

/// Where time starts.
pub const START: Timestamp = Timestamp(1_700_000_000_000);

pub fn rule(name: &str, per: Scope, limit: u32) -> BudgetRule {
    BudgetRule {
        name: name.to_owned(),
        kind: Kind::Slots,
        per,
        matching: None,
        limit: Amount::from(limit),
        period: Period::Lifetime,
    }
}

/// `limit` slots in all and nothing else.
pub fn slots(limit: u32) -> Rules {
    Rules { budgets: vec![rule("slots", Scope::Global, limit)], pools: BTreeMap::new(), ..Rules::default() }
}

pub fn member(login: &str, limit: u32, away: &[(i64, i64)]) -> Member {
    let away = away.iter().map(|(from, to)| (at(*from), at(*to))).collect();
    Member { login: login.to_owned(), limit: Amount::from(limit), away }
}

pub fn with_pool(mut rules: Rules, members: Vec<Member>) -> Rules {
    rules.pools.insert("reviewers".to_owned(), Pool { name: "reviewers".to_owned(), members });
    rules
}

/// So many seconds after the start.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp(START.0 + seconds * 1_000)
}

pub fn ask(key: &str, amount: u32) -> Demand {
    Demand {
        key: Key::new(key),
        amount: Amount::from(amount),
        release: Release::AgentStops,
        expiry: Expiry::Never,
        exclude: Vec::new(),
    }
}

pub fn ask_pool(requester: &str) -> Demand {
    Demand { exclude: vec![requester.to_owned()], ..ask("pool/reviewers", 1) }
}

pub fn class(demands: &[Demand]) -> Arc<Class> {
    Arc::new(Class::new(demands.to_vec()))
}

pub fn closure(opens_at: Option<Timestamp>) -> Closure {
    Closure { reason: "release freeze".to_owned(), actor: "ops".to_owned(), since: START, opens_at }
}

pub fn offer(job: JobId, class: &Arc<Class>, order: i64) -> Offer {
    Offer { job, class: Arc::clone(class), band: 5, flow: "f".into(), weight: 1, order, due_at: None }
}

/// The jobs of proposals, in order.
pub fn jobs(proposals: &[Proposal]) -> Vec<JobId> {
    proposals.iter().map(|proposal| proposal.job).collect()
}

/// A gate, a time, and the ledger's counters.
pub struct Hall {
    pub gate: Arc<dyn Gate>,
    pub now: Timestamp,
    made: u32,
    version: i64,
}

impl Hall {
    pub async fn new(build: Build, rules: Rules) -> Self {
        Self { gate: build(rules).await, now: START, made: 0, version: 0 }
    }

    pub fn pass(&mut self, span: Millis) {
        self.now = self.now.plus(span);
    }

    pub fn id(&mut self) -> JobId {
        self.made += 1;
        // The low bits of a drawn number are replaced by the version of the id.
        JobId::new(START, u128::from(self.made) << 32)
    }

    /// Offers `count` jobs of a class in a flow, in order of acceptance.
    pub async fn offer(&mut self, class: &Arc<Class>, flow: &str, count: usize) -> Vec<JobId> {
        let offers: Vec<Offer> = (0..count)
            .map(|_| {
                let job = self.id();
                Offer { flow: flow.into(), ..offer(job, class, i64::from(self.made)) }
            })
            .collect();
        let ids = offers.iter().map(|offer| offer.job).collect();
        assert_eq!(self.gate.offer(offers, self.now).await.unwrap(), count);
        ids
    }

    /// Offers one job after a change to its offer.
    pub async fn offer_with(&mut self, class: &Arc<Class>, change: impl FnOnce(&mut Offer)) -> JobId {
        let job = self.id();
        let mut offer = offer(job, class, i64::from(self.made));
        change(&mut offer);
        assert_eq!(self.gate.offer(vec![offer], self.now).await.unwrap(), 1);
        job
    }

    /// Up to `max` proposals, asking again while the gate says that there is more.
    pub async fn propose(&self, max: usize) -> Vec<Proposal> {
        let mut list = Vec::new();
        for _ in 0..10_000 {
            let Proposals { list: new, more } = self.gate.propose(max - list.len(), self.now).await.unwrap();
            list.extend(new);
            if list.len() >= max || !more {
                return list;
            }
        }
        panic!("the gate says for ever that there is more");
    }

    /// The next figure of the ledger.
    pub fn truth(&mut self, key: &str, used: u32, limit: Option<u32>) -> Truth {
        self.version += 1;
        Truth {
            key: Key::new(key),
            used: Amount::from(used),
            limit: limit.map(Amount::from),
            closed: None,
            version: self.version,
        }
    }

    pub async fn observe(&mut self, key: &str, used: u32, limit: Option<u32>) {
        let truth = self.truth(key, used, limit);
        self.gate.observe(&[truth], self.now).await.unwrap();
    }

    /// The ledger's answer to one proposal.
    pub async fn settle(&self, proposal: &Proposal, verdict: Verdict, truths: &[Truth]) {
        self.gate.settle(vec![(proposal.job, proposal.token, verdict)], truths, self.now).await.unwrap();
    }

    pub async fn explain(&self, job: JobId) -> Place {
        self.gate.explain(job, self.now).await.unwrap().expect("the job is in line")
    }
}
