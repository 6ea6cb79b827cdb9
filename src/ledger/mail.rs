//! A notice's way to each of its receivers, and the messages that are kept up to date: rows, and what is written of them.

use serde::{Deserialize, Serialize};

use crate::{
    job::{
        id::{NoticeId, RequestId},
        time::Timestamp,
    },
    ledger::working_set::Rows,
    policy::notices::Decision,
};

/// A notice at one receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailingRow {
    /// `NOTICE/SINK`.
    pub id: String,
    pub notice_id: NoticeId,
    pub sink: String,
    /// When it is tried first.
    pub due_at: Timestamp,
    /// 1: in one message with others.
    pub bundled: u8,
    /// That message, once it is put together.
    pub digest_id: Option<NoticeId>,
    pub tries: u32,
    /// None: delivered or given up.
    pub next_at: Option<Timestamp>,
    pub delivered_at: Option<Timestamp>,
    pub dead_at: Option<Timestamp>,
    pub last_error: Option<String>,
}

impl MailingRow {
    pub fn key(notice: NoticeId, sink: &str) -> String {
        format!("{notice}/{sink}")
    }
}

/// What a request comes to, at one receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryRow {
    /// `REQUEST/SINK`.
    pub id: String,
    pub request_id: RequestId,
    pub sink: String,
    /// Position of the history up to which it is known whether there is something to tell.
    pub seq: i64,
    /// By which the receiver knows its message.
    pub handle: Option<String>,
    /// Of what the receiver has.
    pub digest: Option<String>,
    /// When it was last told, or found to say the same.
    pub sent_at: Option<Timestamp>,
    pub tries: u32,
    /// None: there is nothing to tell, or it was given up.
    pub next_at: Option<Timestamp>,
    pub dead_at: Option<Timestamp>,
    pub last_error: Option<String>,
}

/// What becomes of notices on their way out. Those named together go in one message.
#[derive(Clone, Debug)]
pub enum Mail {
    /// It was decided where it goes.
    Routed {
        notice: NoticeId,
        decision: Decision,
    },
    /// Put into one message, which has a name of its own from now on.
    Bundled {
        notices: Vec<NoticeId>,
        sink: String,
    },
    Delivered {
        notices: Vec<NoticeId>,
        sink: String,
    },
    /// `next_at` None: given up.
    Failed {
        notices: Vec<NoticeId>,
        sink: String,
        error: String,
        next_at: Option<Timestamp>,
    },
    Summaries {
        rows: Vec<SummaryRow>,
    },
}

impl Mail {
    pub fn notices(&self) -> &[NoticeId] {
        match self {
            Self::Routed { notice, .. } => std::slice::from_ref(notice),
            Self::Bundled { notices, .. }
            | Self::Delivered { notices, .. }
            | Self::Failed { notices, .. } => notices,
            Self::Summaries { .. } => &[],
        }
    }
}

/// What a person does about the way of notices.
#[derive(Clone, Debug)]
pub enum NoticeAct {
    /// What was given up is tried again: at one receiver, or at each.
    Retry { notice: NoticeId, sink: Option<String> },
    /// A receiver was tried out, with what came of it.
    Test { sink: String, outcome: String },
}

/// What a batch reads and changes of it.
#[derive(Debug)]
pub struct Post {
    pub mailings: Rows<String, MailingRow>,
    pub summaries: Vec<SummaryRow>,
}

impl Default for Post {
    fn default() -> Self {
        Self { mailings: Rows::new(), summaries: Vec::new() }
    }
}

impl Post {
    /// True if nothing of it is to be written.
    pub fn is_empty(&self) -> bool {
        self.mailings.changed.is_empty() && self.summaries.is_empty()
    }
}
