//! Reading what was decided, oldest first and in pages: for a replay of policy. It changes nothing.

use serde::{Deserialize, Serialize};

use crate::{
    job::{id::RequestId, repository::Repository, time::Timestamp},
    ledger::{
        Dialect, Ledger, LedgerError, db::Bind, load::share, rows::RequestRow, table, working_set::Shared,
    },
};

/// What was decided of one repository that got a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedJob {
    pub request_id: RequestId,
    pub repository: Repository,
    pub identity: String,
    pub model: Option<String>,
    pub wave: u32,
    pub findings_json: Option<String>,
    pub adopts_json: Option<String>,
}

/// From which request on: those of this time with a greater id, and everything later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub at: Timestamp,
    /// Empty: before all of them.
    pub id: String,
}

impl Ledger {
    /// Requests behind the mark and accepted before `until`, oldest first.
    pub async fn requests_after(
        &self,
        mark: &Mark,
        until: Timestamp,
        limit: i64,
    ) -> Result<Vec<Shared>, LedgerError> {
        let tail = "WHERE (t.created_at > $1 OR (t.created_at = $1 AND t.id > $2)) AND t.created_at >= $1 \
            AND t.created_at < $3 ORDER BY t.created_at, t.id LIMIT $4";
        let binds = [Bind::Int(mark.at.0), Bind::Text(&mark.id), Bind::Int(until.0), Bind::Int(limit)];
        let rows: Vec<RequestRow> = self.db.rows(&table::REQUESTS, tail, &binds).await?;
        rows.into_iter().map(share).collect()
    }

    /// What was decided of the repositories of some requests, in the order of acceptance. Dead letters that were tried again
    /// were decided once.
    pub async fn decided_jobs(&self, requests: &[RequestId]) -> Result<Vec<DecidedJob>, LedgerError> {
        let fields = "'request_id', j.request_id, 'repository', j.repository, 'identity', j.identity, 'model', j.model, \
            'wave', j.wave, 'findings_json', j.findings_json, 'adopts_json', j.adopts_json";
        let row = match self.db.dialect() {
            Dialect::Sqlite => format!("json_object({fields})"),
            Dialect::Postgres => format!("json_build_object({fields})::text"),
        };
        let list = self.db.dialect().list();
        let sql = format!(
            "SELECT {row} FROM jobs j WHERE j.request_id IN {list} AND j.replay_of IS NULL ORDER BY j.position"
        );
        let requests = serde_json::to_string(requests).map_err(LedgerError::encoding)?;
        self.db.json(&sql, &[Bind::Text(&requests)]).await
    }
}
