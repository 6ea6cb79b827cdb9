//! Reading webhooks that came in, finding the jobs that they are about, and letting go of old ones.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    job::{id::DeliveryId, repository::Repository, time::Timestamp},
    ledger::{
        Ledger, LedgerError,
        db::Bind,
        desk::DESK_MAX,
        query::plain,
        rows::{DeliveryRow, DeliveryState, JobRow, PayloadRow},
        table,
    },
};

/// The kind of an entry that tells that a delivery is about a job.
pub const CONCERNS: &str = crate::ledger::apply::CONCERNS;

/// Which deliveries.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    pub hook: Option<String>,
    pub state: Option<DeliveryState>,
    /// Only older ones.
    pub before: Option<DeliveryId>,
    pub limit: u32,
}

fn list(values: impl Serialize) -> Result<String, LedgerError> {
    serde_json::to_string(&values).map_err(LedgerError::encoding)
}

impl Ledger {
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryRow>, LedgerError> {
        self.first(&table::DELIVERIES, "WHERE t.id = $1", &[Bind::Text(&id.to_string())]).await
    }

    /// What it says.
    pub async fn payload(&self, id: DeliveryId) -> Result<Option<PayloadRow>, LedgerError> {
        self.first(&table::PAYLOADS, "WHERE t.delivery_id = $1", &[Bind::Text(&id.to_string())]).await
    }

    /// Deliveries whose id ends with the given characters; at most 20.
    pub async fn deliveries_ending(&self, suffix: &str) -> Result<Vec<DeliveryRow>, LedgerError> {
        let pattern = format!("%{}", plain(suffix));
        let tail = "WHERE t.id LIKE $1 ESCAPE '!' ORDER BY t.id LIMIT 20";
        self.db.rows(&table::DELIVERIES, tail, &[Bind::Text(&pattern)]).await
    }

    /// Newest first.
    pub async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<DeliveryRow>, LedgerError> {
        let tail = "WHERE (CAST($1 AS TEXT) IS NULL OR t.hook = $1) AND (CAST($2 AS TEXT) IS NULL OR t.state = $2) \
            AND (CAST($3 AS TEXT) IS NULL OR t.id < $3) ORDER BY t.id DESC LIMIT $4";
        let before = filter.before.map(|id| id.to_string());
        let binds = [
            Bind::OptionText(filter.hook.as_deref()),
            Bind::OptionText(filter.state.map(DeliveryState::as_str)),
            Bind::OptionText(before.as_deref()),
            Bind::Int(i64::from(filter.limit)),
        ];
        self.db.rows(&table::DELIVERIES, tail, &binds).await
    }

    /// Those that nobody has gone on with in time, the longest waiting first.
    pub async fn deliveries_lying(
        &self,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<DeliveryRow>, LedgerError> {
        let tail = "WHERE t.state = 'received' AND t.due_at <= $1 ORDER BY t.due_at LIMIT $2";
        self.db.rows(&table::DELIVERIES, tail, &[Bind::Int(now.0), Bind::Int(limit)]).await
    }

    /// Those that a person should look at.
    pub async fn desk_deliveries(&self) -> Result<Vec<DeliveryRow>, LedgerError> {
        let tail = "WHERE t.state IN ('unmapped', 'refused') ORDER BY t.settled_at LIMIT $1";
        self.db.rows(&table::DELIVERIES, tail, &[Bind::Int(DESK_MAX)]).await
    }

    /// Jobs under review with one of these pull requests, and those that an agent works on or that are under review on the branch.
    pub async fn jobs_about(
        &self,
        repository: &Repository,
        pulls: &BTreeSet<u64>,
        branch: Option<&str>,
    ) -> Result<Vec<JobRow>, LedgerError> {
        let mut found = BTreeMap::new();
        if !pulls.is_empty() {
            let numbers = list(pulls.iter().map(u64::to_string).collect::<Vec<_>>())?;
            let tail = "WHERE t.state = 'in_review' AND t.repository = $2 \
                AND CAST(t.pull_number AS TEXT) IN {list}";
            let binds = [Bind::Text(&numbers), Bind::Text(repository.full_name())];
            let rows: Vec<JobRow> = self.db.rows(&table::JOBS, tail, &binds).await?;
            found.extend(rows.into_iter().map(|row| (row.id, row)));
        }
        if let Some(branch) = branch {
            let tail = "WHERE t.repository = $1 AND t.id IN \
                (SELECT a.job_id FROM attempts a WHERE a.branch = $2 AND a.phase <> 'ended')";
            let binds = [Bind::Text(repository.full_name()), Bind::Text(branch)];
            let rows: Vec<JobRow> = self.db.rows(&table::JOBS, tail, &binds).await?;
            found.extend(rows.into_iter().map(|row| (row.id, row)));
        }
        Ok(found.into_values().collect())
    }

    /// Removes settled deliveries that came before a time, at most `limit`; gives their number.
    pub async fn prune_deliveries(&self, before: Timestamp, limit: i64) -> Result<usize, LedgerError> {
        // Ids sort by the time that they were made.
        let first = DeliveryId::new(before, 0).to_string();
        let mut tx = self.db.begin().await?;
        let tail = "WHERE t.id < $1 AND t.state <> 'received' ORDER BY t.id LIMIT $2";
        let rows: Vec<DeliveryRow> =
            tx.rows(&table::DELIVERIES, tail, &[Bind::Text(&first), Bind::Int(limit)]).await?;
        let ids: Vec<String> = rows.iter().map(|row| row.id.to_string()).collect();
        if ids.is_empty() {
            tx.rollback().await?;
            return Ok(0);
        }
        tx.remove(&table::PAYLOADS, &ids).await?;
        tx.remove(&table::DELIVERIES, &ids).await?;
        tx.commit().await?;
        Ok(ids.len())
    }
}
