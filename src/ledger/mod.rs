//! What happened: the SQL record of everything, and the authority for every start. Each write is a command; commands that
//! arrive together share one transaction; each appends to a hash-chained history.

mod apply;
pub mod chain;
pub mod command;
mod db;
pub mod invariants;
mod load;
pub mod query;
pub mod rows;
pub mod table;
mod working_set;
mod writer;

use std::sync::Arc;

pub use command::{BudgetChange, By, Command, Fence, NewJob, Reply, Seen};
pub use db::{Dialect, Location};
pub use writer::{Committed, Ledger};

/// The ledger could not do it. Nothing was written, unless said otherwise.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("the ledger's url must start with sqlite: or postgres://, not `{0}:`")]
    Location(String),
    #[error("the ledger cannot be opened: {0}")]
    Unreadable(String),
    #[error(
        "the ledger was written by a newer Sluicegate (its migration {version} is unknown here): upgrade this program, or restore a backup from before the upgrade"
    )]
    Newer { version: i64 },
    #[error(
        "this machine's clock ({now}) is behind the ledger's last entry ({last}): set the clock right, then start again"
    )]
    ClockBehind { now: crate::job::Timestamp, last: crate::job::Timestamp },
    #[error("another process is using the ledger {0}: stop it first, or give this one a ledger of its own")]
    Locked(String),
    /// The store failed; a write may or may not have been committed.
    #[error("the ledger does not answer: {0}")]
    Unavailable(Arc<str>),
    #[error("the ledger holds something unreadable: {0}")]
    Corrupt(Arc<str>),
}

impl LedgerError {
    #[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
    fn encoding(error: serde_json::Error) -> Self {
        Self::Corrupt(error.to_string().into())
    }
}

impl From<sqlx::Error> for LedgerError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error.to_string().into())
    }
}
