//! Reading the ledger: what the pipeline resumes from, and what people ask.

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    budget::{Key, Truth},
    job::{
        id::{AttemptId, JobId, NoticeId, RequestId, WorkerId},
        repository::Repository,
        state::State,
        time::Timestamp,
    },
    ledger::{
        Ledger, LedgerError,
        db::Bind,
        load::share,
        rows::{
            AttemptRow, BudgetRow, EntryRow, EvidenceRow, HeadRow, HoldRow, JobRow, LeaseRow, NoticeRow,
            Phase, PromptRow, RequestRow, WorkerRow,
        },
        table,
        working_set::Shared,
    },
    policy::template::PullRequestText,
};

/// That something happened to a job, or to nothing in particular.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Event {
    pub kind: String,
    pub job_id: Option<JobId>,
}

/// So many attempts of an identity that a worker drives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Driven {
    pub worker: WorkerId,
    pub phase: Phase,
    pub identity: String,
    pub attempts: u64,
}

/// So many jobs in a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StateCount {
    pub state: State,
    pub jobs: i64,
}

/// The text as a pattern that matches nothing but itself.
pub(super) fn plain(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

/// What an identity started with a template in a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Used {
    pub identity: String,
    pub repository: Repository,
    pub template: String,
    pub starts: u64,
    pub last: Timestamp,
}

impl Ledger {
    pub async fn job(&self, id: JobId) -> Result<Option<JobRow>, LedgerError> {
        self.first(&table::JOBS, "WHERE t.id = $1", &[Bind::Text(&id.to_string())]).await
    }

    /// Jobs whose id ends with the given characters; at most 20.
    pub async fn jobs_ending(&self, suffix: &str) -> Result<Vec<JobRow>, LedgerError> {
        let pattern = format!("%{}", plain(suffix));
        self.db
            .rows(
                &table::JOBS,
                "WHERE t.id LIKE $1 ESCAPE '!' ORDER BY t.position LIMIT 20",
                &[Bind::Text(&pattern)],
            )
            .await
    }

    /// Requests whose id ends with the given characters; at most 20.
    pub async fn requests_ending(&self, suffix: &str) -> Result<Vec<RequestRow>, LedgerError> {
        let pattern = format!("%{}", plain(suffix));
        self.db
            .rows(
                &table::REQUESTS,
                "WHERE t.id LIKE $1 ESCAPE '!' ORDER BY t.id LIMIT 20",
                &[Bind::Text(&pattern)],
            )
            .await
    }

    /// Jobs in one state, in order of acceptance, after a position.
    pub async fn jobs_in(&self, state: State, after: i64, limit: i64) -> Result<Vec<JobRow>, LedgerError> {
        let tail = "WHERE t.state = $1 AND t.position > $2 ORDER BY t.position LIMIT $3";
        self.db
            .rows(&table::JOBS, tail, &[Bind::Text(state.as_str()), Bind::Int(after), Bind::Int(limit)])
            .await
    }

    /// Jobs that wait past their deadline.
    pub async fn jobs_past_deadline(&self, now: Timestamp) -> Result<Vec<JobRow>, LedgerError> {
        let tail = "WHERE t.state IN ('held', 'queued') AND t.deadline_at IS NOT NULL AND t.deadline_at <= $1 LIMIT 1000";
        self.db.rows(&table::JOBS, tail, &[Bind::Int(now.0)]).await
    }

    pub async fn request(&self, id: RequestId) -> Result<Option<Arc<Shared>>, LedgerError> {
        if let Some(shared) = self.cache.get(id) {
            return Ok(Some(shared));
        }
        let row: Option<RequestRow> =
            self.first(&table::REQUESTS, "WHERE t.id = $1", &[Bind::Text(&id.to_string())]).await?;
        let Some(row) = row else { return Ok(None) };
        let shared = Arc::new(share(row)?);
        self.cache.put(id, Arc::clone(&shared));
        Ok(Some(shared))
    }

    /// Those of these requests that exist.
    pub async fn requests_among(&self, ids: &[RequestId]) -> Result<Vec<Shared>, LedgerError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let list = serde_json::to_string(ids).map_err(LedgerError::encoding)?;
        let rows: Vec<RequestRow> =
            self.db.rows(&table::REQUESTS, "WHERE t.id IN {list}", &[Bind::Text(&list)]).await?;
        rows.into_iter().map(share).collect()
    }

    /// Newest first.
    pub async fn requests(&self, limit: i64) -> Result<Vec<RequestRow>, LedgerError> {
        self.db
            .rows(&table::REQUESTS, "ORDER BY t.created_at DESC, t.id DESC LIMIT $1", &[Bind::Int(limit)])
            .await
    }

    pub async fn request_by_idempotency_key(&self, key: &str) -> Result<Option<RequestRow>, LedgerError> {
        self.first(&table::REQUESTS, "WHERE t.idempotency_key = $1", &[Bind::Text(key)]).await
    }

    pub async fn prompt(&self, job: JobId) -> Result<Option<String>, LedgerError> {
        Ok(self.prompt_row(job).await?.map(|row| row.prompt))
    }

    async fn prompt_row(&self, job: JobId) -> Result<Option<PromptRow>, LedgerError> {
        self.first(&table::PROMPTS, "WHERE t.job_id = $1", &[Bind::Text(&job.to_string())]).await
    }

    /// Title and description that the job's pull request is given; None: the agent's own.
    pub async fn pull_text(&self, job: JobId) -> Result<Option<PullRequestText>, LedgerError> {
        let text = self.prompt_row(job).await?.and_then(|row| row.pull_text_json);
        text.map(|text| serde_json::from_str(&text).map_err(LedgerError::encoding)).transpose()
    }

    pub async fn attempt(&self, id: AttemptId) -> Result<Option<AttemptRow>, LedgerError> {
        self.first(&table::ATTEMPTS, "WHERE t.id = $1", &[Bind::Text(&id.to_string())]).await
    }

    pub async fn attempts_of(&self, job: JobId) -> Result<Vec<AttemptRow>, LedgerError> {
        let tail = "WHERE t.job_id = $1 ORDER BY t.number";
        self.db.rows(&table::ATTEMPTS, tail, &[Bind::Text(&job.to_string())]).await
    }

    /// Every attempt that still needs somebody.
    pub async fn attempts_in(&self, phase: Phase) -> Result<Vec<AttemptRow>, LedgerError> {
        let word = match phase {
            Phase::Intent => "intent",
            Phase::Unknown => "unknown",
            Phase::Live => "live",
            Phase::Done => "done",
            Phase::Ended => "ended",
        };
        self.db.rows(&table::ATTEMPTS, "WHERE t.phase = $1 AND t.phase <> 'ended'", &[Bind::Text(word)]).await
    }

    pub async fn holds_of(&self, job: JobId) -> Result<Vec<HoldRow>, LedgerError> {
        let tail = "WHERE t.job_id = $1 ORDER BY t.taken_at, t.id";
        self.db.rows(&table::HOLDS, tail, &[Bind::Text(&job.to_string())]).await
    }

    /// Who holds a budget, oldest first.
    pub async fn holders(&self, key: &Key, limit: i64) -> Result<Vec<HoldRow>, LedgerError> {
        let tail = "WHERE t.budget_id = $1 AND t.released_at IS NULL ORDER BY t.taken_at LIMIT $2";
        self.db.rows(&table::HOLDS, tail, &[Bind::Text(key.as_str()), Bind::Int(limit)]).await
    }

    /// Who holds any member of a pool, oldest first.
    pub async fn pool_holders(&self, pool: &Key, limit: i64) -> Result<Vec<HoldRow>, LedgerError> {
        let tail =
            "WHERE t.budget_id LIKE $1 ESCAPE '!' AND t.released_at IS NULL ORDER BY t.taken_at LIMIT $2";
        let pattern = format!("{}/%", plain(pool.as_str()));
        self.db.rows(&table::HOLDS, tail, &[Bind::Text(&pattern), Bind::Int(limit)]).await
    }

    pub async fn entries_of(&self, job: JobId) -> Result<Vec<EntryRow>, LedgerError> {
        let tail = "WHERE t.job_id = $1 ORDER BY t.seq";
        self.db.rows(&table::ENTRIES, tail, &[Bind::Text(&job.to_string())]).await
    }

    pub async fn entries_of_request(&self, request: RequestId) -> Result<Vec<EntryRow>, LedgerError> {
        let tail = "WHERE (t.request_id = $1 AND t.job_id IS NULL) OR t.job_id IN (SELECT id FROM jobs WHERE request_id = $1) \
            ORDER BY t.seq LIMIT 20000";
        self.db.rows(&table::ENTRIES, tail, &[Bind::Text(&request.to_string())]).await
    }

    pub async fn entries_after(&self, seq: i64, limit: i64) -> Result<Vec<EntryRow>, LedgerError> {
        self.db
            .rows(
                &table::ENTRIES,
                "WHERE t.seq > $1 ORDER BY t.seq LIMIT $2",
                &[Bind::Int(seq), Bind::Int(limit)],
            )
            .await
    }

    pub async fn evidence_of(&self, job: JobId) -> Result<Vec<EvidenceRow>, LedgerError> {
        self.db
            .rows(&table::EVIDENCE, "WHERE t.job_id = $1 ORDER BY t.at", &[Bind::Text(&job.to_string())])
            .await
    }

    pub async fn notices_of(&self, job: JobId) -> Result<Vec<NoticeRow>, LedgerError> {
        let tail = "WHERE t.job_id = $1 ORDER BY t.created_at";
        self.db.rows(&table::OUTBOX, tail, &[Bind::Text(&job.to_string())]).await
    }

    /// Every notice, oldest first; for the invariants and the demo's report.
    pub async fn notices(&self) -> Result<Vec<NoticeRow>, LedgerError> {
        self.db.rows(&table::OUTBOX, "ORDER BY t.created_at", &[]).await
    }

    pub async fn notice(&self, id: NoticeId) -> Result<Option<NoticeRow>, LedgerError> {
        self.first(&table::OUTBOX, "WHERE t.id = $1", &[Bind::Text(&id.to_string())]).await
    }

    pub async fn budgets(&self) -> Result<Vec<BudgetRow>, LedgerError> {
        self.db.rows(&table::BUDGETS, "ORDER BY t.id", &[]).await
    }

    /// The figures of every budget that was ever used, closed or overridden.
    pub async fn truths(&self) -> Result<Vec<Truth>, LedgerError> {
        let rows = self.budgets().await?;
        Ok(rows.into_iter().map(|row| self.truth(row)).collect())
    }

    pub(super) fn truth(&self, row: BudgetRow) -> Truth {
        let limit = row.limit_override.or_else(|| self.rules.limit(&row.id));
        Truth { closed: row.closure(), key: row.id, used: row.used, limit, version: row.version }
    }

    /// What others than this process have written to the history after one position and up to another, in order.
    pub async fn events_of_others(&self, after: i64, upto: i64) -> Result<Vec<Event>, LedgerError> {
        let row = match self.db.dialect() {
            crate::ledger::Dialect::Sqlite => "json_object('kind', kind, 'job_id', job_id)",
            crate::ledger::Dialect::Postgres => "json_build_object('kind', kind, 'job_id', job_id)::text",
        };
        let sql = format!("SELECT {row} FROM entries WHERE seq > $1 AND seq <= $2 ORDER BY seq");
        let mut events = Vec::new();
        for (after, upto) in self.foreign(after, upto) {
            events.extend(self.db.json::<Event>(&sql, &[Bind::Int(after), Bind::Int(upto)]).await?);
        }
        Ok(events)
    }

    /// Those of the jobs that the ledger knows, in no order.
    pub async fn jobs_among(&self, ids: &[JobId]) -> Result<Vec<JobRow>, LedgerError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let list = serde_json::to_string(ids).map_err(LedgerError::encoding)?;
        self.db.rows(&table::JOBS, "WHERE t.id IN {list}", &[Bind::Text(&list)]).await
    }

    /// Jobs with the attempts that they go by; those without one are left out.
    pub async fn with_attempts(&self, jobs: &[JobId]) -> Result<Vec<(JobRow, AttemptRow)>, LedgerError> {
        let jobs = self.jobs_among(jobs).await?;
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<AttemptId> = jobs.iter().filter_map(|job| job.attempt_id).collect();
        let list = serde_json::to_string(&ids).map_err(LedgerError::encoding)?;
        let rows: Vec<AttemptRow> =
            self.db.rows(&table::ATTEMPTS, "WHERE t.id IN {list}", &[Bind::Text(&list)]).await?;
        let mut rows: HashMap<AttemptId, AttemptRow> = rows.into_iter().map(|row| (row.id, row)).collect();
        let pair = |job: JobRow| job.attempt_id.and_then(|id| rows.remove(&id)).map(|row| (job, row));
        Ok(jobs.into_iter().filter_map(pair).collect())
    }

    /// Attempts that need somebody and whose worker is none of these.
    pub async fn orphans(&self, living: &[WorkerId]) -> Result<Vec<AttemptRow>, LedgerError> {
        let list = serde_json::to_string(living).map_err(LedgerError::encoding)?;
        let tail = "WHERE t.phase <> 'ended' AND t.worker_id NOT IN {list}";
        self.db.rows(&table::ATTEMPTS, tail, &[Bind::Text(&list)]).await
    }

    /// Attempts with a task of an identity that another worker drives.
    pub async fn strays(&self, identity: &str, worker: WorkerId) -> Result<Vec<AttemptRow>, LedgerError> {
        let tail = "WHERE t.phase IN ('live', 'done') AND t.identity = $1 AND t.worker_id <> $2";
        self.db.rows(&table::ATTEMPTS, tail, &[Bind::Text(identity), Bind::Text(&worker.to_string())]).await
    }

    /// Attempts that a worker drives, by phase.
    pub async fn driven(&self) -> Result<Vec<Driven>, LedgerError> {
        let row = match self.db.dialect() {
            crate::ledger::Dialect::Sqlite => {
                "json_object('worker', worker_id, 'phase', phase, 'identity', identity, 'attempts', COUNT(*))"
            }
            crate::ledger::Dialect::Postgres => {
                "json_build_object('worker', worker_id, 'phase', phase, 'identity', identity, 'attempts', COUNT(*))::text"
            }
        };
        let sql = format!(
            "SELECT {row} FROM attempts WHERE phase <> 'ended' GROUP BY worker_id, phase, identity ORDER BY identity"
        );
        self.db.json(&sql, &[]).await
    }

    /// The gates that were ever closed, as they are now.
    pub async fn gates(&self) -> Result<Vec<Truth>, LedgerError> {
        let rows = self.db.rows(&table::BUDGETS, "WHERE t.id LIKE 'gate/%'", &[]).await?;
        Ok(rows.into_iter().map(|row| self.truth(row)).collect())
    }

    /// The budgets that somebody closed; their times may have come meanwhile.
    pub async fn closed_gates(&self) -> Result<Vec<BudgetRow>, LedgerError> {
        let tail = "WHERE t.id LIKE 'gate/%' AND t.closed_json IS NOT NULL ORDER BY t.id";
        self.db.rows(&table::BUDGETS, tail, &[]).await
    }

    /// Every task that was started in a span (its end left out), by identity, repository and template.
    pub async fn used(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Used>, LedgerError> {
        let (object, text) = match self.db.dialect() {
            crate::ledger::Dialect::Sqlite => ("json_object", ""),
            crate::ledger::Dialect::Postgres => ("json_build_object", "::text"),
        };
        let sql = format!(
            "SELECT {object}('identity', a.identity, 'repository', j.repository, 'template', r.template, \
             'starts', COUNT(*), 'last', MAX(a.started_at)){text} \
             FROM attempts a JOIN jobs j ON j.id = a.job_id JOIN requests r ON r.id = j.request_id \
             WHERE a.started_at >= $1 AND a.started_at < $2 AND a.task_id IS NOT NULL \
             GROUP BY a.identity, j.repository, r.template ORDER BY a.identity, j.repository, r.template"
        );
        self.db.json(&sql, &[Bind::Int(from.0), Bind::Int(to.0)]).await
    }

    pub async fn leases(&self) -> Result<Vec<LeaseRow>, LedgerError> {
        self.db.rows(&table::LEASES, "ORDER BY t.name", &[]).await
    }

    /// Workers whose life has not ended, whether they are silent or not.
    pub async fn workers_at_work(&self) -> Result<Vec<WorkerRow>, LedgerError> {
        self.db.rows(&table::WORKERS, "WHERE t.stopped_at IS NULL ORDER BY t.token", &[]).await
    }

    pub async fn worker(&self, id: WorkerId) -> Result<Option<WorkerRow>, LedgerError> {
        self.first(&table::WORKERS, "WHERE t.id = $1", &[Bind::Text(&id.to_string())]).await
    }

    pub async fn workers(&self) -> Result<Vec<WorkerRow>, LedgerError> {
        self.db.rows(&table::WORKERS, "ORDER BY t.token", &[]).await
    }

    pub async fn head(&self) -> Result<HeadRow, LedgerError> {
        let head = self.first(&table::HEAD, "", &[]).await?;
        head.ok_or_else(|| LedgerError::Corrupt("the head row is missing".into()))
    }

    /// When the next hold expires.
    pub async fn next_expiry(&self) -> Result<Option<Timestamp>, LedgerError> {
        let tail = "WHERE t.released_at IS NULL AND t.expires_at IS NOT NULL ORDER BY t.expires_at LIMIT 1";
        let hold: Option<HoldRow> = self.first(&table::HOLDS, tail, &[]).await?;
        Ok(hold.and_then(|hold| hold.expires_at))
    }

    pub async fn counts(&self, request: Option<RequestId>) -> Result<Vec<StateCount>, LedgerError> {
        let Some(request) = request.map(|id| id.to_string()) else {
            return self.db.json(&Self::jobs_by_state(self.db.dialect()), &[]).await;
        };
        let pairs = match self.db.dialect() {
            crate::ledger::Dialect::Sqlite => "json_object('state', state, 'jobs', COUNT(*))",
            crate::ledger::Dialect::Postgres => "json_build_object('state', state, 'jobs', COUNT(*))::text",
        };
        let sql = format!("SELECT {pairs} FROM jobs WHERE request_id = $1 GROUP BY state ORDER BY state");
        self.db.json(&sql, &[Bind::Text(&request)]).await
    }

    pub(super) async fn first<T: serde::de::DeserializeOwned>(
        &self,
        table: &table::Table,
        tail: &str,
        binds: &[Bind<'_>],
    ) -> Result<Option<T>, LedgerError> {
        let rows: Vec<T> = self.db.rows(table, tail, binds).await?;
        Ok(rows.into_iter().next())
    }
}
