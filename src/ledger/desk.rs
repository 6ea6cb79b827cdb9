//! Reading what needs a person. Each question is answered from an index, so that it costs what is found, not what there is.

use serde::{Deserialize, Serialize};

use crate::{
    job::{id::RequestId, time::Timestamp},
    ledger::{
        Dialect, Ledger, LedgerError,
        db::Bind,
        rows::{DeskRow, JobRow, WavesRow},
        table,
    },
};

/// Of one kind at most.
pub const DESK_MAX: i64 = 1_000;

/// Held jobs of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unapproved {
    pub request: RequestId,
    pub jobs: i64,
    pub since: Timestamp,
}

impl Ledger {
    /// Jobs that wait for a person, whose result is suspect, or whose start is lost since before a time.
    pub async fn desk_jobs(&self, lost_before: Timestamp) -> Result<Vec<JobRow>, LedgerError> {
        let tail = "WHERE t.state IN ('waiting_for_user', 'quarantined', 'start_unknown') \
            AND (t.state <> 'start_unknown' OR t.state_since <= $1) ORDER BY t.position LIMIT $2";
        self.db.rows(&table::JOBS, tail, &[Bind::Int(lost_before.0), Bind::Int(DESK_MAX)]).await
    }

    /// Requests with jobs that somebody must approve.
    pub async fn desk_approvals(&self) -> Result<Vec<Unapproved>, LedgerError> {
        let (object, text) = match self.db.dialect() {
            Dialect::Sqlite => ("json_object", ""),
            Dialect::Postgres => ("json_build_object", "::text"),
        };
        let sql = format!(
            "SELECT {object}('request', request_id, 'jobs', COUNT(*), 'since', MIN(state_since)){text} FROM jobs \
             WHERE state = 'held' AND (wave <= 1 OR findings_json IS NOT NULL) GROUP BY request_id \
             ORDER BY request_id LIMIT $1"
        );
        self.db.json(&sql, &[Bind::Int(DESK_MAX)]).await
    }

    /// Waves that only a person can let go on.
    pub async fn desk_waves(&self) -> Result<Vec<WavesRow>, LedgerError> {
        let tail = "WHERE t.state IN ('doubtful', 'paused') ORDER BY t.since LIMIT $1";
        self.db.rows(&table::WAVES, tail, &[Bind::Int(DESK_MAX)]).await
    }

    /// What was said of these things.
    pub async fn desk_among(&self, ids: &[String]) -> Result<Vec<DeskRow>, LedgerError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let list = serde_json::to_string(ids).map_err(LedgerError::encoding)?;
        self.db.rows(&table::DESK, "WHERE t.id IN {list}", &[Bind::Text(&list)]).await
    }
}
