//! Reading what plans are held against: past jobs of a template, and which templates were used as what.

use serde::{Deserialize, Serialize};

use crate::{
    budget::{Key, Truth},
    job::{repository::Repository, time::Timestamp},
    ledger::{
        Dialect, Ledger, LedgerError,
        db::Bind,
        rows::{BudgetRow, TemplateRow},
        table,
    },
};

/// Newest requests of a template that are looked at.
const REQUESTS_MAX: i64 = 20;
/// Jobs of them.
const JOBS_MAX: i64 = 2_000;

/// What a job has cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastJob {
    pub repository: Repository,
    /// As asked for.
    pub model: Option<String>,
    /// Of all its attempts.
    pub nano_credits: u64,
    pub intent_at: Timestamp,
    /// None: it has not ended.
    pub ended_at: Option<Timestamp>,
    /// When its reviewer was asked.
    pub review_at: Option<Timestamp>,
}

impl Ledger {
    /// Some of the latest jobs of a template whose cost is known.
    pub async fn past_jobs(&self, template: &str) -> Result<Vec<PastJob>, LedgerError> {
        let fields = "'repository', c.repository, 'model', c.model, 'nano_credits', c.nano, 'intent_at', c.intent_at, \
            'ended_at', CASE WHEN c.state IN ('succeeded', 'rejected', 'dead') THEN c.state_since END, \
            'review_at', (SELECT MAX(at) FROM entries e WHERE e.job_id = c.id AND e.kind = 'job.review_requested')";
        let row = match self.db.dialect() {
            Dialect::Sqlite => format!("json_object({fields})"),
            Dialect::Postgres => format!("json_build_object({fields})::text"),
        };
        let sql = format!(
            "SELECT {row} FROM (SELECT j.*, (SELECT CAST(SUM(a.nano_credits) AS BIGINT) FROM attempts a WHERE a.job_id = j.id) \
             AS nano, (SELECT MIN(a.intent_at) FROM attempts a WHERE a.job_id = j.id) AS intent_at FROM jobs j JOIN \
             (SELECT id FROM requests WHERE template = $1 ORDER BY created_at DESC LIMIT $2) r ON r.id = j.request_id \
             WHERE j.state IN ('succeeded', 'rejected', 'dead', 'in_review') LIMIT $3) c \
             WHERE c.nano IS NOT NULL AND c.intent_at IS NOT NULL"
        );
        self.db.json(&sql, &[Bind::Text(template), Bind::Int(REQUESTS_MAX), Bind::Int(JOBS_MAX)]).await
    }

    /// Every version of a template that was ever used, with the digest of its first use.
    pub async fn templates_used(&self) -> Result<Vec<TemplateRow>, LedgerError> {
        self.db.rows(&table::TEMPLATES, "ORDER BY t.id", &[]).await
    }

    /// The figures of some budgets; those that were never used are left out.
    pub async fn truths_of(&self, keys: &[Key]) -> Result<Vec<Truth>, LedgerError> {
        let list = serde_json::to_string(keys).map_err(LedgerError::encoding)?;
        let rows: Vec<BudgetRow> =
            self.db.rows(&table::BUDGETS, "WHERE t.id IN {list}", &[Bind::Text(&list)]).await?;
        Ok(rows.into_iter().map(|row| self.truth(row)).collect())
    }
}
