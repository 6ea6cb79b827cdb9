//! Reading what freezes need: those that people made, exceptions, and which jobs wait.

use serde::Deserialize;

use crate::{
    job::{
        id::{JobId, RequestId},
        repository::Repository,
        time::Timestamp,
    },
    ledger::{
        Dialect, Ledger, LedgerError,
        db::Bind,
        rows::{ExemptionRow, FreezeRow},
        table,
    },
};

/// A waiting job in short.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct WaitingJob {
    pub id: JobId,
    pub repository: Repository,
    pub request_id: RequestId,
}

impl Ledger {
    /// Freezes that people made and nobody has lifted.
    pub async fn freezes(&self) -> Result<Vec<FreezeRow>, LedgerError> {
        self.db.rows(&table::FREEZES, "WHERE t.lifted_at IS NULL ORDER BY t.name", &[]).await
    }

    /// Exceptions that end after a time.
    pub async fn exemptions(&self, now: Timestamp) -> Result<Vec<ExemptionRow>, LedgerError> {
        let tail = "WHERE t.until > $1 ORDER BY t.created_at, t.id";
        self.db.rows(&table::EXEMPTIONS, tail, &[Bind::Int(now.0)]).await
    }

    /// Which jobs wait, as far as a freeze may concern them.
    pub async fn waiting(&self) -> Result<Vec<WaitingJob>, LedgerError> {
        let row = match self.db.dialect() {
            Dialect::Sqlite => "json_object('id', id, 'repository', repository, 'request_id', request_id)",
            Dialect::Postgres => {
                "json_build_object('id', id, 'repository', repository, 'request_id', request_id)::text"
            }
        };
        self.db.json(&format!("SELECT {row} FROM jobs WHERE state = 'queued'"), &[]).await
    }
}
