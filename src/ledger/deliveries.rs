//! Reading webhooks that came in, finding the jobs that they are about, and letting go of old ones.

use std::collections::BTreeSet;

use crate::{
    job::{
        id::{DeliveryId, JobId},
        time::Timestamp,
    },
    ledger::{
        Ledger, LedgerError,
        db::{Bind, Tx},
        desk::DESK_MAX,
        query::plain,
        rows::{DeliveryRow, DeliveryState, HeadRow, JobRow, PayloadRow},
        table,
    },
    policy::hook::Concern,
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
        let tail = "WHERE t.state IN ('unmapped', 'refused') ORDER BY t.settled_at DESC LIMIT $1";
        self.db.rows(&table::DELIVERIES, tail, &[Bind::Int(DESK_MAX)]).await
    }

    /// Jobs under review with one of the pull requests, and those that an agent works on or that are under review on the branch.
    /// A commit alone finds those under review that it is the newest of.
    pub async fn jobs_about(&self, concern: &Concern) -> Result<Vec<JobRow>, LedgerError> {
        let Concern { repository, pulls, branch, sha } = concern;
        let repository = Bind::Text(repository.full_name());
        let of_pull = |job: &JobRow| job.pull_number.is_some_and(|number| pulls.contains(&number));
        let alone = pulls.is_empty() && branch.is_none();
        let of_commit = |job: &JobRow| alone && sha.is_some() && job.pull().map(|pull| pull.head_sha) == *sha;
        let in_review = "WHERE t.state = 'in_review' AND t.repository = $1";
        let mut found: Vec<JobRow> = if pulls.is_empty() && !alone {
            Vec::new()
        } else {
            self.db.rows(&table::JOBS, in_review, std::slice::from_ref(&repository)).await?
        };
        found.retain(|job| of_pull(job) || of_commit(job));
        if let Some(branch) = branch {
            let tail = "WHERE t.repository = $1 AND t.id IN \
                (SELECT a.job_id FROM attempts a WHERE a.branch = $2 AND a.phase <> 'ended')";
            let rows: Vec<JobRow> =
                self.db.rows(&table::JOBS, tail, &[repository, Bind::Text(branch)]).await?;
            let known: BTreeSet<JobId> = found.iter().map(|job| job.id).collect();
            found.extend(rows.into_iter().filter(|row| !known.contains(&row.id)));
        }
        Ok(found)
    }

    /// How many have not been gone through, when the oldest of them came, and how many a person should look at.
    pub async fn delivery_figures(&self) -> Result<(u64, Option<Timestamp>, u64), LedgerError> {
        let waiting = "deliveries WHERE state = 'received'";
        let waiting = self.number("COUNT(*)", "MIN(received_at)", waiting, &[]).await?;
        let trouble = "deliveries WHERE state IN ('unmapped', 'refused')";
        let trouble = self.number("COUNT(*)", "NULL", trouble, &[]).await?;
        Ok((waiting.number, waiting.at, trouble.number))
    }

    /// Removes settled deliveries that came before a time, at most `limit`; gives their number.
    pub async fn prune_deliveries(&self, before: Timestamp, limit: i64) -> Result<usize, LedgerError> {
        // Ids sort by the time that they were made.
        let first = DeliveryId::new(before, 0).to_string();
        let mut tx = self.db.begin().await?;
        let lock = match tx {
            Tx::Sqlite(_) => "",
            Tx::Postgres(_) => "FOR UPDATE",
        };
        // As the writer does: nobody replays one of them meanwhile.
        let _: Vec<HeadRow> = tx.rows(&table::HEAD, lock, &[]).await?;
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
