//! The ledger's figure of one budget, as told to the gate.

use crate::budget::{Amount, Closure, Key};

/// A lower or equal version than the one known is ignored, so these may come late, twice and out of order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    pub key: Key,
    pub used: Amount,
    pub limit: Option<Amount>,
    pub closed: Option<Closure>,
    /// The ledger's history position that this figure belongs to.
    pub version: i64,
}
