//! Messages to people and systems: the port to a receiver, the receivers, and the decision when to try again. The
//! outbox is the ledger's; nothing here remembers anything.

pub mod backoff;
pub mod email;
pub mod guard;
pub mod log;
pub mod message;
pub mod post;
pub mod render;
mod sinks;
mod slack;
mod webhook;

use async_trait::async_trait;
pub use backoff::{DeliveryRule, Next};
pub use email::{Email, EmailSink};
pub use log::LogSink;
pub use post::{BadTarget, Target};
use serde_json::Value;
pub use sinks::Sinks;
pub use slack::SlackSink;
pub use webhook::WebhookSink;

use crate::job::{repository::Repository, time::Timestamp};

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
    /// The pull request of the job, if there is one.
    pub pull: Option<(Repository, u64)>,
}

/// What a receiver knows a delivered message by, so that it can be edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle(pub String);

/// What a receiver already has of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub handle: Handle,
    /// It says the same.
    pub same: bool,
}

/// What a failed delivery means for the next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkErrorKind {
    /// Later may go well; the receiver may also have taken it.
    Transient,
    /// The receiver does not want it, now or later.
    Permanent,
}

/// Why a delivery failed, for machines; a token never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkReason {
    /// The receiver is in a network that is not public, and not allowed. Nothing was sent.
    PrivateAddress,
    /// No connection, or it broke before there was an answer.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The receiver could not prove who it is, or does not speak TLS where nothing may travel without.
    Tls,
    /// The receiver does not take our secret, token or password, or it may not do this.
    Unauthorised,
    /// The receiver asks to wait.
    RateLimited,
    /// Who or what it is for is not there, or is not taken.
    UnknownRecipient,
    /// The receiver read it and does not take it.
    Rejected,
    /// The receiver is in trouble.
    ServerError,
    /// The message cannot be built.
    BadMessage,
    /// The receiver cannot edit what it was given.
    CannotEdit,
}

impl SinkReason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PrivateAddress => "private-address",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Unauthorised => "unauthorised",
            Self::RateLimited => "rate-limited",
            Self::UnknownRecipient => "unknown-recipient",
            Self::Rejected => "rejected",
            Self::ServerError => "server-error",
            Self::BadMessage => "bad-message",
            Self::CannotEdit => "cannot-edit",
        }
    }
}

/// A notice was not delivered, as far as is known. The message names notice and receiver, never a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SinkError {
    pub kind: SinkErrorKind,
    pub reason: SinkReason,
    pub message: String,
}

/// A receiver of notices. A notice may be delivered more than once, each time with the same id.
#[async_trait]
pub trait Sink: Send + Sync + 'static {
    /// Of the configuration.
    fn name(&self) -> &str;
    /// What it is, e.g. `webhook`.
    fn kind(&self) -> &'static str;
    /// The answer is what `update` wants; None of receivers that cannot edit.
    async fn deliver(&self, notice: &Outgoing) -> Result<Option<Handle>, SinkError>;
    /// What the receiver has of it already, as after an answer that was lost. Only reads.
    async fn find(&self, _notice: &Outgoing) -> Result<Option<Found>, SinkError> {
        Ok(None)
    }
    /// Delivers after `find` has found nothing.
    async fn add(&self, notice: &Outgoing) -> Result<Option<Handle>, SinkError> {
        self.deliver(notice).await
    }
    /// Looks whether the receiver is there, as far as that can be told without a message; in words.
    async fn examine(&self) -> Result<String, SinkError> {
        Ok("nothing to look at".to_owned())
    }
    /// Whether a delivered message can be edited.
    fn edits(&self) -> bool {
        false
    }
    /// Puts this in the place of what was delivered. False: that is gone.
    async fn update(&self, _handle: &Handle, notice: &Outgoing) -> Result<bool, SinkError> {
        Err(SinkError {
            kind: SinkErrorKind::Permanent,
            reason: SinkReason::CannotEdit,
            message: format!("edit notice {} at {}: {} cannot edit", notice.id, self.name(), self.kind()),
        })
    }
}
