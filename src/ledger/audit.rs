//! Reading for auditors: the history checked, read in spans, checkpoints, attempts with what belongs to them, documents that may be moved to
//! files, and rows that hold a name.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    job::{
        id::{JobId, RequestId},
        time::Timestamp,
    },
    ledger::{
        Dialect, Ledger, LedgerError,
        db::Bind,
        eraser::Eraser,
        load_audit::{EVIDENCE, PROMPT},
        query::plain,
        rows::{ArchiveRow, AttemptRow, EntryRow, EvidenceRow, JobRow, PromptRow},
        signing::Checkpoint,
        table::{self, Table},
        verify::{Checker, Trust, Verified},
    },
    policy::request::sha256,
};

/// The kind of an entry that tells that a redaction is complete.
pub const REDACTION_ENDED: &str = crate::ledger::apply::REDACTION_ENDED;
const PAGE: i64 = 5_000;
/// Nothing follows for these jobs, nor for the requests that they are of.
const OVER: &str = "t.state IN ('succeeded', 'rejected', 'dead', 'cancelled') AND t.updated_at < $2 \
    AND (t.state <> 'dead' OR t.discarded_at IS NOT NULL OR EXISTS (SELECT 1 FROM jobs r WHERE r.replay_of = t.id)) \
    AND NOT EXISTS (SELECT 1 FROM jobs o WHERE o.request_id = t.request_id \
    AND o.state NOT IN ('succeeded', 'rejected', 'dead', 'cancelled'))";

/// A document that may be moved to a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = MovableDocument)]
pub struct Document {
    /// `prompt/JOB` or `evidence/ID`.
    pub id: String,
    pub job: JobId,
    /// SHA-256 of the text.
    pub digest: String,
    pub text: String,
}

impl Document {
    fn new(id: String, job: JobId, text: String) -> Self {
        Self { id, job, digest: sha256(text.as_bytes()), text }
    }
}

/// Which entries; times as in `since <= at < until`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub request: Option<RequestId>,
}

impl Ledger {
    /// Reads the whole history and checks every hash, and that the head is its end.
    pub async fn verify(&self) -> Result<Verified, LedgerError> {
        self.verify_with(&Trust::default()).await
    }

    /// The same, with what is known beside the history.
    pub async fn verify_with(&self, trust: &Trust) -> Result<Verified, LedgerError> {
        // More than the head knows may be written while this reads.
        let head = self.head().await?;
        let mut checker = Checker::new(trust);
        loop {
            let (at, hash) = checker.position();
            if at >= head.seq {
                let named = at == head.seq && hash == head.hash;
                let verified = checker.end();
                let broken = || (!named).then(|| "the head does not name the last entry".to_owned());
                return Ok(Verified { broken: verified.broken.clone().or_else(broken), ..verified });
            }
            let page = self.entries_after(at, PAGE.min(head.seq.saturating_sub(at))).await?;
            if page.is_empty() {
                let broken = format!("entries {} to {} are missing", at.saturating_add(1), head.seq);
                return Ok(checker.verified(Some(broken)));
            }
            for entry in &page {
                if let Err(found) = checker.take(entry) {
                    return Ok(checker.verified(Some(found.problem)));
                }
            }
        }
    }

    /// Entries of a span after a position, in order.
    pub async fn entries_in(
        &self,
        span: &Span,
        after: i64,
        limit: i64,
    ) -> Result<Vec<EntryRow>, LedgerError> {
        let (since, until) =
            (span.since.unwrap_or(Timestamp(i64::MIN)), span.until.unwrap_or(Timestamp(i64::MAX)));
        let times = "t.seq > $1 AND t.at >= $2 AND t.at < $3";
        let binds = [Bind::Int(after), Bind::Int(since.0), Bind::Int(until.0), Bind::Int(limit)];
        let Some(request) = span.request.map(|id| id.to_string()) else {
            return self
                .db
                .rows(&table::ENTRIES, &format!("WHERE {times} ORDER BY t.seq LIMIT $4"), &binds)
                .await;
        };
        let tail = format!(
            "WHERE {times} AND ((t.request_id = $5 AND t.job_id IS NULL) \
             OR t.job_id IN (SELECT id FROM jobs WHERE request_id = $5)) ORDER BY t.seq LIMIT $4"
        );
        let [a, b, c, d] = binds;
        self.db.rows(&table::ENTRIES, &tail, &[a, b, c, d, Bind::Text(&request)]).await
    }

    /// Attempts of a span by when they were intended, after an id, in order.
    pub async fn attempts_in_span(
        &self,
        span: &Span,
        after: &str,
        limit: i64,
    ) -> Result<Vec<AttemptRow>, LedgerError> {
        let (since, until) =
            (span.since.unwrap_or(Timestamp(i64::MIN)), span.until.unwrap_or(Timestamp(i64::MAX)));
        let request = span.request.map(|id| id.to_string());
        let tail = "WHERE t.id > $1 AND t.intent_at >= $2 AND t.intent_at < $3 AND (CAST($4 AS TEXT) IS NULL \
            OR t.job_id IN (SELECT id FROM jobs WHERE request_id = $4)) ORDER BY t.id LIMIT $5";
        let binds = [
            Bind::Text(after),
            Bind::Int(since.0),
            Bind::Int(until.0),
            Bind::OptionText(request.as_deref()),
            Bind::Int(limit),
        ];
        self.db.rows(&table::ATTEMPTS, tail, &binds).await
    }

    /// Checkpoints after a position, in order.
    pub async fn checkpoints(&self, after: i64) -> Result<Vec<Checkpoint>, LedgerError> {
        let tail = "WHERE t.kind = 'history.checkpoint' AND t.seq > $1 ORDER BY t.seq LIMIT 1000";
        let entries: Vec<EntryRow> = self.db.rows(&table::ENTRIES, tail, &[Bind::Int(after)]).await?;
        let read = |entry: &EntryRow| serde_json::from_str(&entry.body_json).map_err(LedgerError::encoding);
        entries.iter().map(read).collect()
    }

    /// The newest checkpoint: its own position and time.
    pub async fn last_checkpoint(&self) -> Result<Option<(i64, Timestamp)>, LedgerError> {
        let tail = "WHERE t.kind = 'history.checkpoint' ORDER BY t.seq DESC LIMIT 1";
        let entries: Vec<EntryRow> = self.db.rows(&table::ENTRIES, tail, &[]).await?;
        Ok(entries.first().map(|entry| (entry.seq, entry.at)))
    }

    /// The documents of jobs of ended requests that nothing has happened to since a time, after a position: also the position to
    /// go on from, if there may be more.
    pub async fn movable(
        &self,
        before: Timestamp,
        after: i64,
        limit: i64,
    ) -> Result<(Vec<Document>, Option<i64>), LedgerError> {
        let has = "(EXISTS (SELECT 1 FROM prompts p WHERE p.job_id = t.id) \
            OR EXISTS (SELECT 1 FROM evidence e WHERE e.job_id = t.id))";
        let tail = format!("WHERE t.position > $1 AND {OVER} AND {has} ORDER BY t.position LIMIT $3");
        let binds = [Bind::Int(after), Bind::Int(before.0), Bind::Int(limit)];
        let jobs: Vec<JobRow> = self.db.rows(&table::JOBS, &tail, &binds).await?;
        let ids = serde_json::to_string(&jobs.iter().map(|job| job.id).collect::<Vec<_>>())
            .map_err(LedgerError::encoding)?;
        let of_jobs = "WHERE t.job_id IN {list}";
        let prompts: Vec<PromptRow> = self.db.rows(&table::PROMPTS, of_jobs, &[Bind::Text(&ids)]).await?;
        let evidence: Vec<EvidenceRow> = self.db.rows(&table::EVIDENCE, of_jobs, &[Bind::Text(&ids)]).await?;
        let prompts = prompts
            .into_iter()
            .map(|row| Document::new(format!("{PROMPT}{}", row.job_id), row.job_id, row.prompt));
        let evidence = evidence
            .into_iter()
            .map(|row| Document::new(format!("{EVIDENCE}{}", row.id), row.job_id, row.body_json));
        let full = i64::try_from(jobs.len()).is_ok_and(|found| found >= limit);
        let next = jobs.last().filter(|_| full).map(|job| job.position);
        Ok((prompts.chain(evidence).collect(), next))
    }

    /// What of a job was moved to files.
    pub async fn archived(&self, job: JobId) -> Result<Vec<ArchiveRow>, LedgerError> {
        let tail = "WHERE t.job_id = $1 ORDER BY t.id";
        self.db.rows(&table::ARCHIVE, tail, &[Bind::Text(&job.to_string())]).await
    }

    /// How many documents were moved to files.
    pub async fn archived_count(&self) -> Result<u64, LedgerError> {
        let counts = self.db.json("SELECT CAST(COUNT(*) AS TEXT) FROM archive", &[]).await?;
        Ok(counts.first().copied().unwrap_or(0))
    }

    /// Jobs that have not ended and that, or whose requests, hold a name; 5 at most.
    pub async fn at_work_with(&self, eraser: &Eraser) -> Result<Vec<JobRow>, LedgerError> {
        let (job, request) = (
            as_text(self.db.dialect(), &table::JOBS, "t"),
            as_text(self.db.dialect(), &table::REQUESTS, "r"),
        );
        let tail = format!(
            "JOIN requests r ON r.id = t.request_id WHERE t.state NOT IN ('succeeded', 'rejected', 'dead', 'cancelled') \
             AND (LOWER({job}) LIKE $1 ESCAPE '!' OR LOWER({request}) LIKE $1 ESCAPE '!') ORDER BY t.position"
        );
        let pattern = format!("%{}%", plain(&eraser.needle()));
        let rows: Vec<JobRow> = self.db.rows(&table::JOBS, &tail, &[Bind::Text(&pattern)]).await?;
        let mut named = Vec::new();
        for row in rows {
            let request =
                self.request(row.request_id).await?.map(|shared| serde_json::to_string(&shared.row));
            let texts = [serde_json::to_string(&row), request.unwrap_or_else(|| Ok(String::new()))];
            if texts.into_iter().flatten().any(|text| eraser.text(&text).is_some()) {
                named.push(row);
            }
        }
        named.truncate(5);
        Ok(named)
    }

    /// Keys of rows of a table that hold a name, after a key, in order.
    pub async fn holding(
        &self,
        table: &'static Table,
        eraser: &Eraser,
        after: &str,
        limit: i64,
    ) -> Result<Vec<(String, Map<String, Value>)>, LedgerError> {
        let row = as_text(self.db.dialect(), table, "t");
        let (key, pattern) = (table.key, format!("%{}%", plain(&eraser.needle())));
        let numbers = table.name == table::ENTRIES.name || table.name == table::HEAD.name;
        let from = if numbers { Bind::Int(after.parse().unwrap_or(-1)) } else { Bind::Text(after) };
        let tail =
            format!("WHERE t.{key} > $1 AND LOWER({row}) LIKE $2 ESCAPE '!' ORDER BY t.{key} LIMIT $3");
        let binds = [from, Bind::Text(&pattern), Bind::Int(limit)];
        let rows: Vec<Map<String, Value>> = self.db.rows(table, &tail, &binds).await?;
        let key = |row: &Map<String, Value>| match row.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        Ok(rows.into_iter().map(|row| (key(&row), row)).collect())
    }

    /// Requests are read anew: some have lost a name.
    pub fn forget_requests(&self) {
        self.cache.clear();
    }
}

/// A row as one text.
fn as_text(dialect: Dialect, table: &Table, name: &str) -> String {
    match dialect {
        Dialect::Sqlite => {
            let columns: Vec<String> =
                table.columns.iter().map(|column| format!("COALESCE({name}.{column}, '')")).collect();
            columns.join(" || ' ' || ")
        }
        Dialect::Postgres => format!("row_to_json({name})::text"),
    }
}
