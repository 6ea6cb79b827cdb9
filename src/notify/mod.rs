//! Messages to people and systems: the port to a receiver, one that posts signed webhooks, one that only logs, and
//! the decision when to try again. The outbox is the ledger's; nothing here remembers anything.

pub mod backoff;
pub mod log;
pub mod webhook;

use async_trait::async_trait;
pub use backoff::{DeliveryRule, Next};
pub use log::LogSink;
use serde_json::Value;
pub use webhook::WebhookSink;

use crate::job::time::Timestamp;

/// A notice on its way out.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// The same at each try: the receiver knows a repetition by it.
    pub id: String,
    /// What it is about, e.g. `job.needs_user`.
    pub kind: String,
    /// When that happened, not when it is sent.
    pub occurred_at: Timestamp,
    /// The job.
    pub subject: String,
    pub data: Value,
}

/// What a failed delivery means for the next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkErrorKind {
    /// Later may go well; the receiver may also have taken it.
    Transient,
    /// The receiver does not want it, now or later.
    Permanent,
}

/// A notice was not delivered, as far as is known. The message names notice and receiver, never a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SinkError {
    pub kind: SinkErrorKind,
    pub message: String,
}

/// A receiver of notices. A notice may be delivered more than once, each time with the same id.
#[async_trait]
pub trait Sink: Send + Sync + 'static {
    /// For records and logs, e.g. `webhook`.
    fn name(&self) -> &str;
    async fn deliver(&self, notice: &Outgoing) -> Result<(), SinkError>;
}
