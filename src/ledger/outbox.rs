//! Reading the outbox: what waits for a route, what waits for a receiver, and how it went.

use serde::Deserialize;

use crate::{
    job::{
        id::{JobId, NoticeId, RequestId},
        time::Timestamp,
    },
    ledger::{
        Ledger, LedgerError,
        db::Bind,
        figures::object,
        query::plain,
        rows::{JobRow, MailingRow, NoticeRow, SummaryRow},
        table,
    },
};

/// How it went with a notice, as a whole or at one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeState {
    /// It is yet to be delivered.
    Waiting,
    Delivered,
    /// Not all receivers have it, and it is tried no more.
    GivenUp,
    /// A route says that nobody is told.
    Dropped,
}

impl NoticeState {
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Delivered, Self::GivenUp, Self::Dropped];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::GivenUp => "given-up",
            Self::Dropped => "dropped",
        }
    }

    /// From the three times that say it.
    pub fn of(
        next_at: Option<Timestamp>,
        delivered_at: Option<Timestamp>,
        dead_at: Option<Timestamp>,
    ) -> Self {
        match (next_at, delivered_at, dead_at) {
            (Some(_), ..) => Self::Waiting,
            (None, Some(_), _) => Self::Delivered,
            (None, None, Some(_)) => Self::GivenUp,
            (None, None, None) => Self::Dropped,
        }
    }
}

/// Which notices a list has.
#[derive(Clone, Debug, Default)]
pub struct NoticeFilter {
    /// At the receiver, if one is named.
    pub state: Option<NoticeState>,
    pub sink: Option<String>,
    /// `*` stands for any run of characters.
    pub kind: Option<String>,
    pub job: Option<JobId>,
    pub request: Option<RequestId>,
}

/// What waits for one receiver.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Waiting {
    pub sink: String,
    pub number: u64,
    /// When the first of it was or is to be tried first, and is to be tried next.
    pub due_at: Timestamp,
    pub next_at: Timestamp,
}

impl Ledger {
    /// Notices that nobody has looked at, oldest first.
    pub async fn notices_unrouted(&self, limit: i64) -> Result<Vec<NoticeRow>, LedgerError> {
        let tail = "WHERE t.next_at IS NOT NULL AND t.route IS NULL ORDER BY t.created_at LIMIT $1";
        self.db.rows(&table::OUTBOX, tail, &[Bind::Int(limit)]).await
    }

    /// Notices whose id ends with the given characters; at most 20.
    pub async fn notices_ending(&self, suffix: &str) -> Result<Vec<NoticeRow>, LedgerError> {
        let pattern = format!("%{}", plain(suffix));
        let tail = "WHERE t.id LIKE $1 ESCAPE '!' ORDER BY t.id LIMIT 20";
        self.db.rows(&table::OUTBOX, tail, &[Bind::Text(&pattern)]).await
    }

    /// What waits, by receiver.
    pub async fn mailings_waiting(&self) -> Result<Vec<Waiting>, LedgerError> {
        let (object, text) = object(self.db.dialect());
        let sql = format!(
            "SELECT {object}('sink', sink, 'number', COUNT(*), 'due_at', MIN(due_at), 'next_at', MIN(next_at)){text} \
             FROM mailings WHERE next_at IS NOT NULL GROUP BY sink ORDER BY sink"
        );
        self.db.json(&sql, &[]).await
    }

    /// What waits for a receiver and is due, the longest due first.
    pub async fn mailings_due(
        &self,
        sink: &str,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<MailingRow>, LedgerError> {
        let tail =
            "WHERE t.sink = $1 AND t.next_at IS NOT NULL AND t.next_at <= $2 ORDER BY t.next_at LIMIT $3";
        self.db.rows(&table::MAILINGS, tail, &[Bind::Text(sink), Bind::Int(now.0), Bind::Int(limit)]).await
    }

    /// When something is to be tried next at a receiver.
    pub async fn next_delivery(&self, sink: &str) -> Result<Option<Timestamp>, LedgerError> {
        let tail = "WHERE t.sink = $1 AND t.next_at IS NOT NULL ORDER BY t.next_at LIMIT 1";
        let first: Option<MailingRow> = self.first(&table::MAILINGS, tail, &[Bind::Text(sink)]).await?;
        Ok(first.and_then(|row| row.next_at))
    }

    /// What goes in one message, as far as it waits.
    pub async fn bundle(&self, digest: NoticeId) -> Result<Vec<MailingRow>, LedgerError> {
        let tail = "WHERE t.digest_id = $1 AND t.next_at IS NOT NULL ORDER BY t.notice_id";
        self.db.rows(&table::MAILINGS, tail, &[Bind::Text(&digest.to_string())]).await
    }

    /// How it went with these, by receiver.
    pub async fn mailings_of(&self, notices: &[NoticeId]) -> Result<Vec<MailingRow>, LedgerError> {
        self.among(&table::MAILINGS, "notice_id", notices).await
    }

    /// Newest first, those that follow after one of them; None: there is none of that id.
    pub async fn notices_like(
        &self,
        filter: &NoticeFilter,
        after: Option<NoticeId>,
        limit: i64,
    ) -> Result<Option<Vec<NoticeRow>>, LedgerError> {
        let cursor = match after {
            None => None,
            Some(after) => match self.notice(after).await? {
                Some(row) => Some((row.created_at, after.to_string())),
                None => return Ok(None),
            },
        };
        let of = if filter.sink.is_some() { "d" } else { "t" };
        let state = match filter.state {
            None => "1 = 1".to_owned(),
            Some(NoticeState::Waiting) => format!("{of}.next_at IS NOT NULL"),
            Some(NoticeState::Delivered) => format!("{of}.delivered_at IS NOT NULL"),
            Some(NoticeState::GivenUp) => format!("{of}.dead_at IS NOT NULL"),
            Some(NoticeState::Dropped) => {
                format!("COALESCE({of}.next_at, {of}.delivered_at, {of}.dead_at) IS NULL")
            }
        };
        let there = match filter.sink {
            Some(_) => format!(
                "EXISTS (SELECT 1 FROM mailings d WHERE d.notice_id = t.id AND d.sink = $1 AND {state})"
            ),
            None => format!("CAST($1 AS TEXT) IS NULL AND {state}"),
        };
        let tail = format!(
            "WHERE {there} AND (CAST($2 AS TEXT) IS NULL OR t.kind LIKE $2 ESCAPE '!') \
             AND (CAST($3 AS TEXT) IS NULL OR t.job_id = $3) AND (CAST($4 AS TEXT) IS NULL OR t.request_id = $4) \
             AND (CAST($5 AS TEXT) IS NULL OR (t.created_at, t.id) < ($6, $5)) \
             ORDER BY t.created_at DESC, t.id DESC LIMIT $7"
        );
        let kind = filter.kind.as_ref().map(|kind| plain(kind).replace('*', "%"));
        let (job, request) = (filter.job.map(|id| id.to_string()), filter.request.map(|id| id.to_string()));
        let binds = [
            Bind::OptionText(filter.sink.as_deref()),
            Bind::OptionText(kind.as_deref()),
            Bind::OptionText(job.as_deref()),
            Bind::OptionText(request.as_deref()),
            Bind::OptionText(cursor.as_ref().map(|(_, id)| id.as_str())),
            Bind::Int(cursor.as_ref().map_or(0, |(at, _)| at.0)),
            Bind::Int(limit),
        ];
        self.db.rows(&table::OUTBOX, &tail, &binds).await.map(Some)
    }

    /// Summaries of these requests.
    pub async fn summaries_of(&self, requests: &[RequestId]) -> Result<Vec<SummaryRow>, LedgerError> {
        self.among(&table::SUMMARIES, "request_id", requests).await
    }

    /// Summaries that wait to be told, the longest due first.
    pub async fn summaries_waiting(&self, limit: i64) -> Result<Vec<SummaryRow>, LedgerError> {
        let tail = "WHERE t.next_at IS NOT NULL ORDER BY t.next_at LIMIT $1";
        self.db.rows(&table::SUMMARIES, tail, &[Bind::Int(limit)]).await
    }

    /// The position up to which it is known what is to be summed up; None: nothing ever was.
    pub async fn summed_up(&self) -> Result<Option<i64>, LedgerError> {
        let last: Option<SummaryRow> =
            self.first(&table::SUMMARIES, "ORDER BY t.seq DESC LIMIT 1", &[]).await?;
        Ok(last.map(|row| row.seq))
    }

    /// Requests of which the history tells something after a position and up to another.
    pub async fn requests_touched(&self, after: i64, upto: i64) -> Result<Vec<RequestId>, LedgerError> {
        let (object, text) = object(self.db.dialect());
        let sql = format!(
            "SELECT {object}('id', request_id){text} FROM entries \
             WHERE seq > $1 AND seq <= $2 AND request_id IS NOT NULL GROUP BY request_id"
        );
        self.ids(&sql, &[Bind::Int(after), Bind::Int(upto)]).await
    }

    /// Requests with a job that has not come to its end.
    pub async fn requests_at_work(&self) -> Result<Vec<RequestId>, LedgerError> {
        let (object, text) = object(self.db.dialect());
        let sql = format!(
            "SELECT {object}('id', request_id){text} FROM jobs \
             WHERE state NOT IN ('succeeded', 'rejected', 'dead', 'cancelled') GROUP BY request_id"
        );
        self.ids(&sql, &[]).await
    }

    /// Of these requests, those with a job that has not come to its end, and those that were made or changed since then.
    pub async fn requests_alive(
        &self,
        requests: &[RequestId],
        since: Timestamp,
    ) -> Result<Vec<RequestId>, LedgerError> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let (object, text) = object(self.db.dialect());
        let among = self.db.dialect().list();
        let sql = format!(
            "SELECT {object}('id', r.id){text} FROM requests r WHERE r.id IN {among} AND (r.created_at >= $2 \
             OR EXISTS (SELECT 1 FROM jobs j WHERE j.request_id = r.id AND (j.updated_at >= $2 \
             OR j.state NOT IN ('succeeded', 'rejected', 'dead', 'cancelled'))))"
        );
        let list = serde_json::to_string(requests).map_err(LedgerError::encoding)?;
        self.ids(&sql, &[Bind::Text(&list), Bind::Int(since.0)]).await
    }

    /// The first jobs of a request that need somebody; at most 20.
    pub async fn jobs_for_somebody(&self, request: RequestId) -> Result<Vec<JobRow>, LedgerError> {
        let tail = "WHERE t.request_id = $1 AND t.state IN ('waiting_for_user', 'quarantined', 'in_review') \
                    ORDER BY t.position LIMIT 20";
        self.db.rows(&table::JOBS, tail, &[Bind::Text(&request.to_string())]).await
    }

    /// What the attempts of a request have cost so far, in nano-credits.
    pub async fn spent_by(&self, request: RequestId) -> Result<u64, LedgerError> {
        let spent = "CAST(COALESCE(SUM(nano_credits), 0) AS BIGINT)";
        let of = "attempts WHERE job_id IN (SELECT id FROM jobs WHERE request_id = $1)";
        Ok(self.number(spent, "NULL", of, &[Bind::Text(&request.to_string())]).await?.number)
    }

    /// Of the newest wave in which agents have something to do: how many jobs they are through with, and when its first task was
    /// started; None: none was. Between waves people decide, and that says nothing of agents.
    pub async fn through_with(&self, request: RequestId) -> Result<(u64, Option<Timestamp>), LedgerError> {
        let through = "COUNT(DISTINCT CASE WHEN j.state IN ('in_review', 'quarantined', 'succeeded', 'rejected', 'dead') \
            THEN j.id END)";
        let of = "jobs j JOIN attempts a ON a.job_id = j.id \
            WHERE j.request_id = $1 AND a.started_at IS NOT NULL AND j.wave = (SELECT MAX(wave) \
            FROM jobs WHERE request_id = $1 AND state IN ('queued', 'starting', 'start_unknown', 'running', 'verifying'))";
        let found =
            self.number(through, "MIN(a.started_at)", of, &[Bind::Text(&request.to_string())]).await?;
        Ok((found.number, found.at))
    }

    async fn ids(&self, sql: &str, binds: &[Bind<'_>]) -> Result<Vec<RequestId>, LedgerError> {
        #[derive(Deserialize)]
        struct Named {
            id: RequestId,
        }
        let found: Vec<Named> = self.db.json(sql, binds).await?;
        Ok(found.into_iter().map(|found| found.id).collect())
    }
}
