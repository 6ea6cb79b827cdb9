//! What happened: the SQL record of everything, and the authority for every start. Each write is a command; commands that
//! arrive together share one transaction; each appends to a hash-chained history.

mod apply;
pub mod audit;
mod batch;
mod books;
mod cache;
mod cells;
pub mod chain;
pub mod command;
mod db;
pub mod decided;
pub mod deliveries;
mod delivery_rows;
pub mod desk;
pub mod eraser;
pub mod facts;
#[cfg(feature = "failpoints")]
mod fault;
pub mod figures;
pub mod freezes;
mod handle;
pub mod invariants;
mod load;
mod load_audit;
pub mod mail;
pub mod meaning;
pub mod meters;
mod needs;
mod open;
pub mod outbox;
pub mod pages;
pub mod past;
mod projection;
mod prompts;
pub mod query;
pub mod rows;
mod schedule_rows;
mod schedules;
pub mod signing;
mod spans;
mod standing;
mod standing_rows;
pub mod table;
mod terms;
pub mod tokens;
pub mod verify;
pub mod waves;
mod working_set;
mod writer;

use std::sync::Arc;

pub use command::{
    BudgetChange, By, Command, DeliveryChange, Fence, FreezeChange, NewJob, OURSELVES, Reply, ScheduleChange,
    Seen, TokenChange, Warrant,
};
pub use db::Dialect;
pub use handle::Ledger;
pub use open::Location;
pub use working_set::Shared;
pub use writer::Committed;

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
    /// The store read what was to be written and would not take it. Nothing was written; repeating cannot help.
    #[error("the ledger's store refused a write: {0}")]
    Refused(Arc<str>),
    /// The store failed; a write may or may not have been committed.
    #[error("the ledger does not answer: {0}")]
    Unavailable(Arc<str>),
    #[error("the ledger holds something unreadable: {0}")]
    Corrupt(Arc<str>),
}

impl LedgerError {
    /// What to do; None: the message says it.
    pub const fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Unreadable(_) => {
                Some("check where it is and who may read it; if it is damaged, restore a backup")
            }
            Self::Unavailable(_) => Some("see that the store runs and can be reached, then try again"),
            Self::Refused(_) | Self::Corrupt(_) => Some("keep a copy of the ledger, and report this"),
            Self::Location(_) | Self::Newer { .. } | Self::ClockBehind { .. } | Self::Locked(_) => None,
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
    fn encoding(error: serde_json::Error) -> Self {
        Self::Corrupt(error.to_string().into())
    }
}

impl From<sqlx::Error> for LedgerError {
    fn from(error: sqlx::Error) -> Self {
        let text = error.to_string().into();
        match error.as_database_error() {
            Some(error) if is_about_content(error) => Self::Refused(text),
            _ => Self::Unavailable(text),
        }
    }
}

/// True if the store objects to what is written, not to when.
fn is_about_content(error: &dyn sqlx::error::DatabaseError) -> bool {
    use sqlx::error::ErrorKind;
    let kinds = [
        ErrorKind::UniqueViolation,
        ErrorKind::ForeignKeyViolation,
        ErrorKind::NotNullViolation,
        ErrorKind::CheckViolation,
    ];
    let code = error.code().unwrap_or_default();
    // PostgreSQL: data exception, limit exceeded, raised by a trigger. SQLite: raised by a trigger, too big, mismatch.
    kinds.contains(&error.kind())
        || code.starts_with("22")
        || code.starts_with("54")
        || ["P0001", "1811", "18", "20"].contains(&code.as_ref())
}
