//! What a job asks of the budgets, and the class of jobs that ask for the same.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    budget::{
        amount::Amount,
        key::Key,
        rules::{Period, Scope},
    },
    job::repository::Repository,
};

/// When a hold is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// The agent no longer works: it ended, or waits for a person.
    AgentStops,
    /// The change is merged, closed or given up.
    Change,
    /// The estimate is exchanged for the actual, which then counts until it expires.
    Settled,
    /// Only by the end of its period.
    Expiry,
}

impl Release {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AgentStops => "agent_stops",
            Self::Change => "change",
            Self::Settled => "settled",
            Self::Expiry => "expiry",
        }
    }
}

/// When a hold stops counting by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expiry {
    Never,
    Period(Period),
}

/// One demand. A gate is a demand of nothing: it only asks whether the gate is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    pub key: Key,
    pub amount: Amount,
    pub release: Release,
    pub expiry: Expiry,
    /// Of a pool: logins that must not be chosen (the requester).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

impl Demand {
    pub fn gate(key: Key) -> Self {
        Self {
            key,
            amount: Amount::ZERO,
            release: Release::Expiry,
            expiry: Expiry::Never,
            exclude: Vec::new(),
        }
    }
    /// True if the member of the pool must not be chosen.
    pub fn excludes(&self, login: &str) -> bool {
        self.exclude.iter().any(|other| other.eq_ignore_ascii_case(login))
    }
}

/// What budgets of models count a job as when no model was chosen.
pub const UNROUTED: &str = "auto";

/// What a job is about, as far as budgets care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub repository: Repository,
    pub template: String,
    pub team: String,
    pub identity: String,
    pub model: String,
    pub request: String,
    /// Login of the person who asked; never chosen from a pool.
    pub requester: String,
    /// Name of the reviewer pool; None: nobody reviews.
    pub pool: Option<String>,
    /// Estimated spend of one attempt in nano-credits.
    pub estimate: Amount,
}

impl Subject {
    pub fn value(&self, scope: Scope) -> &str {
        match scope {
            Scope::Global => "",
            Scope::Organisation => self.repository.owner(),
            Scope::Team => &self.team,
            Scope::Identity => &self.identity,
            Scope::Template => &self.template,
            Scope::Model => &self.model,
            Scope::Request => &self.request,
            Scope::Repository => self.repository.full_name(),
        }
    }

    /// The gates that it must find open: the kill switch, then one of each scope, coarse to fine.
    pub fn gates(&self) -> impl Iterator<Item = Key> + '_ {
        let scoped = Scope::ALL.into_iter().map(|scope| Key::gate(scope, self.value(scope)));
        std::iter::once(Key::kill_switch()).chain(scoped)
    }
}

/// Names a class: equal for equal demand lists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClassId(pub u64);

impl fmt::Debug for ClassId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Jobs that ask for the same things stand in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    pub id: ClassId,
    /// Coarse to fine.
    pub demands: Arc<[Demand]>,
}

impl Class {
    pub fn new(demands: Vec<Demand>) -> Self {
        Self { id: ClassId(hash(&demands)), demands: demands.into() }
    }
}

/// 64-bit FNV-1a (Fowler, Noll, Vo) of nothing yet.
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// With further bytes.
fn fnv1a(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |state, byte| (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// A short name for bytes that are written by ourselves: nobody who chooses them gains by two that are named alike.
pub fn digest(bytes: &[u8]) -> u64 {
    fnv1a(FNV_START, bytes)
}

/// Over keys, amounts and exclusions.
fn hash(demands: &[Demand]) -> u64 {
    let mut state = FNV_START;
    let mut feed = |bytes: &[u8]| state = fnv1a(fnv1a(state, bytes), &[0]);
    for demand in demands {
        feed(demand.key.as_str().as_bytes());
        feed(&demand.amount.get().to_le_bytes());
        for login in &demand.exclude {
            feed(login.as_bytes());
        }
    }
    state
}
