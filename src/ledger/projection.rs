//! What projections of the ledger read: dead letters that are open, notices by what makes them single, and a bell that rings
//! after each commit. Reading only.

use tokio::sync::watch;

use crate::{
    job::{
        id::{JobId, NoticeId},
        time::Timestamp,
    },
    ledger::{
        Ledger, LedgerError,
        db::Bind,
        rows::{EntryRow, JobRow, NoticeRow},
        table,
    },
};

/// How an entry tells that its job became a dead letter.
const DIES: &str = "%\"to\":\"dead\"%";

impl Ledger {
    /// The position of the newest commit of this process; changes after each.
    pub fn committed(&self) -> watch::Receiver<i64> {
        self.shared().position.subscribe()
    }

    /// The entries by which dead letters came that nobody has retried or discarded: after one position up to another, in
    /// order.
    pub async fn open_letters(
        &self,
        (after, until): (i64, i64),
        limit: i64,
    ) -> Result<Vec<EntryRow>, LedgerError> {
        let tail = "WHERE t.seq > $1 AND t.seq <= $2 AND t.body_json LIKE $3 AND t.job_id IN (SELECT j.id FROM jobs j \
            WHERE j.state = 'dead' AND j.discarded_at IS NULL \
            AND NOT EXISTS (SELECT 1 FROM jobs r WHERE r.replay_of = j.id)) ORDER BY t.seq LIMIT $4";
        let binds = [Bind::Int(after), Bind::Int(until), Bind::Text(DIES), Bind::Int(limit)];
        self.db.rows(&table::ENTRIES, tail, &binds).await
    }

    /// The entry by which a job became a dead letter.
    pub async fn death_of(&self, job: JobId) -> Result<Option<EntryRow>, LedgerError> {
        let tail = "WHERE t.job_id = $1 AND t.body_json LIKE $2 ORDER BY t.seq DESC LIMIT 1";
        let binds = [Bind::Text(&job.to_string()), Bind::Text(DIES)];
        Ok(self.db.rows(&table::ENTRIES, tail, &binds).await?.into_iter().next())
    }

    pub async fn jobs_of(&self, ids: &[JobId]) -> Result<Vec<JobRow>, LedgerError> {
        self.among(&table::JOBS, "id", ids).await
    }

    pub async fn notices_by_dedup(&self, dedups: &[String]) -> Result<Vec<NoticeRow>, LedgerError> {
        self.among(&table::OUTBOX, "dedup", dedups).await
    }

    pub async fn notices_by_id(&self, ids: &[NoticeId]) -> Result<Vec<NoticeRow>, LedgerError> {
        self.among(&table::OUTBOX, "id", ids).await
    }

    /// Notices made in a span of time, its ends included, that are neither delivered nor given up; oldest first.
    pub async fn notices_open(
        &self,
        (from, until): (Timestamp, Timestamp),
    ) -> Result<Vec<NoticeRow>, LedgerError> {
        let tail = "WHERE t.next_at IS NOT NULL AND t.created_at >= $1 AND t.created_at <= $2 ORDER BY t.created_at, t.id";
        self.db.rows(&table::OUTBOX, tail, &[Bind::Int(from.0), Bind::Int(until.0)]).await
    }

    pub(super) async fn among<T: serde::de::DeserializeOwned, K: ToString>(
        &self,
        table: &table::Table,
        column: &str,
        keys: &[K],
    ) -> Result<Vec<T>, LedgerError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        let list = serde_json::to_string(&keys).map_err(LedgerError::encoding)?;
        self.db.rows(table, &format!("WHERE t.{column} IN {{list}}"), &[Bind::Text(&list)]).await
    }
}
