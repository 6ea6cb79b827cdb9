//! What became of notices, for people; and trying again, trying out, and asking where one would go.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    job::{
        id::{JobId, NoticeId, RequestId},
        time::Timestamp,
    },
    ledger::{
        Command, LedgerError,
        mail::NoticeAct,
        outbox::{NoticeFilter as Filter, NoticeState as State},
        rows::{MailingRow, NoticeRow},
    },
    notify::{Outgoing, SinkErrorKind, message::TEST},
    pipeline::{By, Context, OperateError, operate::done},
    policy::{hint, notices::Severity},
};

/// Which notices, as the callers of the pipeline ask for them.
pub type NoticeFilter = Filter;
/// How it went, as the callers of the pipeline hear it.
pub type NoticeState = State;

/// Why a test is not sent.
const HELD_BACK: &str = "the kill switch is on, and nothing is written at GitHub: try again when it is off";

/// A notice for lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NoticeView {
    pub id: NoticeId,
    pub kind: String,
    pub severity: Severity,
    pub job: Option<JobId>,
    pub request: Option<RequestId>,
    pub created_at: Timestamp,
    pub state: NoticeState,
    /// The routes that fitted, by name; none: it is yet to be taken up, or was done with before there were routes.
    pub route: Option<String>,
    /// Every receiver has it.
    pub delivered_at: Option<Timestamp>,
    /// It is done with, and a receiver does not have it.
    pub dead_at: Option<Timestamp>,
    /// At every receiver together.
    pub tries: u32,
    /// By receiver.
    pub deliveries: Vec<MailingView>,
}

/// A notice at one receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MailingView {
    pub sink: String,
    pub state: NoticeState,
    /// The message in which it goes with others.
    pub digest: Option<NoticeId>,
    /// When it is or was tried first.
    pub due_at: Timestamp,
    pub next_at: Option<Timestamp>,
    pub delivered_at: Option<Timestamp>,
    pub dead_at: Option<Timestamp>,
    pub tries: u32,
    /// Of the last try that failed.
    pub error: Option<String>,
}

/// A notice with what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NoticeDetail {
    pub notice: NoticeView,
    pub data: Value,
}

/// What came of trying a receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = NoticeTried)]
pub struct Tried {
    pub sink: String,
    /// Webhook, e-mail and so on.
    pub kind: String,
    /// Under which the receiver saw it.
    pub id: NoticeId,
    pub delivered: bool,
    /// A stable word; none: it was delivered.
    pub reason: Option<String>,
    pub error: Option<String>,
    /// The receiver would take it later, perhaps.
    pub may_pass: bool,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum NoticeError {
    #[error("there is no notice {0}: `sluice notify list` shows them")]
    Unknown(NoticeId),
    #[error("there is no receiver `{name}`: {hint}")]
    NoSink { name: String, hint: String },
    #[error(transparent)]
    Operate(#[from] OperateError),
}

impl From<LedgerError> for NoticeError {
    fn from(error: LedgerError) -> Self {
        Self::Operate(error.into())
    }
}

impl Context {
    /// Newest first, after one of them if it is named; None: there is none of that id. A receiver that is no more keeps what it
    /// had; one that had nothing was misspelt.
    pub async fn list_notices(
        &self,
        filter: &NoticeFilter,
        after: Option<NoticeId>,
        limit: u32,
    ) -> Result<Option<Vec<NoticeView>>, NoticeError> {
        let Some(rows) = self.ledger.notices_like(filter, after, i64::from(limit)).await? else {
            return Ok(None);
        };
        let sink = filter.sink.as_deref().filter(|_| rows.is_empty() && after.is_none());
        if let Some(name) = sink.filter(|name| self.sinks.get(name).is_none()) {
            return Err(self.no_sink(name));
        }
        Ok(Some(self.notice_views(rows).await?))
    }

    fn no_sink(&self, name: &str) -> NoticeError {
        let names: Vec<&str> = self.sinks.names().collect();
        NoticeError::NoSink { name: name.to_owned(), hint: hint::did_you_mean(name, &names) }
    }

    pub async fn notice(&self, id: NoticeId) -> Result<NoticeDetail, NoticeError> {
        let row = self.ledger.notice(id).await?.ok_or(NoticeError::Unknown(id))?;
        let data = serde_json::from_str(&row.body_json).unwrap_or_default();
        let notice = self.notice_views(vec![row]).await?.pop().ok_or(NoticeError::Unknown(id))?;
        Ok(NoticeDetail { notice, data })
    }

    async fn notice_views(&self, rows: Vec<NoticeRow>) -> Result<Vec<NoticeView>, LedgerError> {
        let ids: Vec<NoticeId> = rows.iter().map(|row| row.id).collect();
        let mut deliveries: HashMap<NoticeId, Vec<MailingView>> = HashMap::new();
        for row in self.ledger.mailings_of(&ids).await? {
            deliveries.entry(row.notice_id).or_default().push(delivery(row));
        }
        let view = |row: NoticeRow| {
            let mut deliveries = deliveries.remove(&row.id).unwrap_or_default();
            deliveries.sort_by(|one, other| one.sink.cmp(&other.sink));
            NoticeView {
                id: row.id,
                severity: Severity::of(&row.kind),
                kind: row.kind,
                job: row.job_id,
                request: row.request_id,
                created_at: row.created_at,
                state: State::of(row.next_at, row.delivered_at, row.dead_at),
                route: row.route,
                delivered_at: row.delivered_at,
                dead_at: row.dead_at,
                tries: row.tries,
                deliveries,
            }
        };
        Ok(rows.into_iter().map(view).collect())
    }

    /// Tries again what was given up, at one receiver or at each.
    pub async fn retry_notice(
        &self,
        notice: NoticeId,
        sink: Option<String>,
        by: By,
    ) -> Result<NoticeDetail, NoticeError> {
        if self.ledger.notice(notice).await?.is_none() {
            return Err(NoticeError::Unknown(notice));
        }
        done(self.ledger.write(Command::NoticeAct { act: NoticeAct::Retry { notice, sink }, by }).await?)?;
        super::outbox::take_up(self).await?;
        self.notice(notice).await
    }

    /// Sends a message that says it is a test, at once and past the outbox.
    pub async fn try_sink(&self, name: &str, by: By) -> Result<Tried, NoticeError> {
        let sink = self.sinks.get(name).ok_or_else(|| self.no_sink(name))?;
        let id = NoticeId::new(self.now(), self.entropy.draw_wide());
        let outgoing = Outgoing {
            id: id.to_string(),
            kind: TEST.to_owned(),
            occurred_at: self.now(),
            subject: String::new(),
            data: json!({ "test": true, "by": by.actor, "reason": by.reason, "what_to_do": "nothing: this is a test" }),
            pull: None,
        };
        let error = match self.hand_over(sink.as_ref(), outgoing, None).await {
            Some(tried) => tried.err(),
            None => return Err(OperateError::Conflict(HELD_BACK.to_owned()).into()),
        };
        let outcome = error.as_ref().map_or("delivered", |error| error.reason.as_str()).to_owned();
        let act = NoticeAct::Test { sink: name.to_owned(), outcome };
        done(self.ledger.write(Command::NoticeAct { act, by }).await?)?;
        Ok(Tried {
            sink: name.to_owned(),
            kind: sink.kind().to_owned(),
            id,
            delivered: error.is_none(),
            reason: error.as_ref().map(|error| error.reason.as_str().to_owned()),
            may_pass: error.as_ref().is_some_and(|error| error.kind == SinkErrorKind::Transient),
            error: error.map(|error| error.message),
        })
    }
}

fn delivery(row: MailingRow) -> MailingView {
    MailingView {
        sink: row.sink,
        state: State::of(row.next_at, row.delivered_at, row.dead_at),
        digest: row.digest_id,
        due_at: row.due_at,
        next_at: row.next_at,
        delivered_at: row.delivered_at,
        dead_at: row.dead_at,
        tries: row.tries,
        error: row.last_error,
    }
}
