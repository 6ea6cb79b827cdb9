//! Reading how far waves are, which approvals were given, and which breakers are open.

use crate::{
    budget::Key,
    job::id::{AttemptId, RequestId},
    ledger::{
        Ledger, LedgerError,
        db::Bind,
        rows::{ApprovalRow, BreakerRow, BudgetRow, JobRow, WavesRow},
        table,
    },
};

impl Ledger {
    /// How far the waves of a request are; None: it has none.
    pub async fn waves_of(&self, request: RequestId) -> Result<Option<WavesRow>, LedgerError> {
        let tail = "WHERE t.request_id = $1";
        let rows = self.db.rows(&table::WAVES, tail, &[Bind::Text(&request.to_string())]).await?;
        Ok(rows.into_iter().next())
    }

    /// Waves that may have to be opened, longest untouched first.
    pub async fn waves_at_work(&self) -> Result<Vec<WavesRow>, LedgerError> {
        self.db.rows(&table::WAVES, "WHERE t.state = 'open' ORDER BY t.since", &[]).await
    }

    /// Every word that was given about a request, its jobs and its waves, in order.
    pub async fn approvals_of(&self, request: RequestId) -> Result<Vec<ApprovalRow>, LedgerError> {
        let tail = "WHERE t.request_id = $1 ORDER BY t.given_at, t.id";
        self.db.rows(&table::APPROVALS, tail, &[Bind::Text(&request.to_string())]).await
    }

    /// Every job of a request.
    pub async fn jobs_of_request(&self, request: RequestId) -> Result<Vec<JobRow>, LedgerError> {
        let tail = "WHERE t.request_id = $1 ORDER BY t.position";
        self.db.rows(&table::JOBS, tail, &[Bind::Text(&request.to_string())]).await
    }

    /// Every breaker that has counted something, those that stop something first.
    pub async fn breakers(&self) -> Result<Vec<BreakerRow>, LedgerError> {
        let tail = "ORDER BY CASE WHEN t.state = 'closed' THEN 1 ELSE 0 END, t.since DESC, t.id";
        self.db.rows(&table::BREAKERS, tail, &[]).await
    }

    /// Breakers that stop something, longest first.
    pub async fn breakers_open(&self) -> Result<Vec<BreakerRow>, LedgerError> {
        self.db.rows(&table::BREAKERS, "WHERE t.state <> 'closed' ORDER BY t.since LIMIT 1000", &[]).await
    }

    /// Breakers whose canary this attempt is.
    pub async fn breakers_trying(&self, attempt: AttemptId) -> Result<Vec<BreakerRow>, LedgerError> {
        let tail = "WHERE t.canary_attempt = $1";
        self.db.rows(&table::BREAKERS, tail, &[Bind::Text(&attempt.to_string())]).await
    }

    /// One budget, if it was ever used, closed or overridden.
    pub async fn budget(&self, key: &Key) -> Result<Option<BudgetRow>, LedgerError> {
        let rows = self.db.rows(&table::BUDGETS, "WHERE t.id = $1", &[Bind::Text(key.as_str())]).await?;
        Ok(rows.into_iter().next())
    }
}
