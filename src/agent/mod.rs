//! Who does the work. The port to an agent provider and to the forge where its results appear; one
//! implementation speaks to GitHub.

mod atlas;
mod comments;
pub mod github;

pub use atlas::{Atlas, Reached};
pub use comments::{Comment, Comments};
use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::job::{
    marker::Marker,
    pull::{Checks, Pull},
    remote::{Task, TaskId},
    repository::Repository,
    time::Timestamp,
};
use crate::policy::template::PullRequestText;
use crate::telemetry::metrics::Page;

/// What a provider can do; the pipeline asks instead of assuming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// A start may be repeated with the same key without a second task.
    pub idempotent_start: bool,
    /// A task can be stopped.
    pub cancel: bool,
    /// A waiting task can be answered.
    pub answer: bool,
    /// The provider tells of changes by itself.
    pub push: bool,
}

/// One start, ready to be sent.
#[derive(Clone, Debug)]
pub struct StartOrder {
    pub repository: Repository,
    /// As it is sent, marker included.
    pub prompt: String,
    /// None: not routed, the provider chooses.
    pub model: Option<String>,
    pub create_pull_request: bool,
    pub base_ref: Option<String>,
    /// Branch of an open pull request to go on with; None: a new branch.
    pub head_ref: Option<String>,
    pub custom_agent: Option<String>,
    /// A start that could not be sent before this is not sent at all.
    pub send_before: Timestamp,
}

/// How a call failed, as far as the caller's next step depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailKind {
    /// Told to wait until a time: nothing took effect.
    RateLimited { until: Timestamp },
    /// 401: the token is missing, expired or revoked.
    Unauthorised,
    /// 403 without a limit: the token may not.
    Forbidden,
    /// 404 or 410: not there, or hidden.
    NotFound,
    /// 400, 409, 422: the provider read it and will not take it as it is.
    Invalid,
    /// The request never left: nothing took effect.
    Unreachable,
    /// Its turn came too late, so it was not sent: nothing took effect.
    Late,
    /// 5xx, time-out, cut connection, unreadable answer: a write may have taken effect.
    Ambiguous,
}

/// A failed call.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct AgentError {
    pub kind: FailKind,
    /// What was attempted and what came back; no secret.
    pub message: String,
}

/// How the provider was last met by this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// When it last answered anything at all; None: never yet.
    pub answered_at: Option<Timestamp>,
    /// Since when every exchange has failed on the way; None: the last one did not.
    pub silent_since: Option<Timestamp>,
}

/// What a token turned out to be; for `sluice doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    pub login: String,
    pub user_id: i64,
    pub expires_at: Option<Timestamp>,
    pub requests_left: Option<u64>,
    pub limit_resets_at: Option<Timestamp>,
    /// The provider's clock, if its answer carried a date.
    pub remote_now: Option<Timestamp>,
}

/// The agent's side. `identity` names a configured credential.
#[async_trait]
pub trait Agent: Send + Sync + 'static {
    fn capabilities(&self) -> Capabilities;
    /// Sends one start. Never retried in here.
    async fn start(&self, identity: &str, order: &StartOrder) -> Result<Task, AgentError>;
    /// Every task in the repository whose prompt carries the marker, oldest first, among those updated since.
    /// A task without a readable prompt yet makes the answer inconclusive: see `Found`.
    async fn find(
        &self,
        identity: &str,
        repository: &Repository,
        marker: &Marker,
        since: Timestamp,
    ) -> Result<Found, AgentError>;
    /// Tasks of the identity updated since (all of them when None), with no sessions. `active`: only those not terminal.
    async fn list_changed(
        &self,
        identity: &str,
        since: Option<Timestamp>,
        active: bool,
    ) -> Result<Vec<Task>, AgentError>;
    /// One task with its sessions.
    async fn observe(&self, identity: &str, task: &TaskId) -> Result<Task, AgentError>;
    /// When the identity's token ends, as last told; None: not told yet, or it does not end.
    fn token_expires_at(&self, _identity: &str) -> Option<Timestamp> {
        None
    }
    /// Takes new tokens into use, where they were changed.
    fn renew_tokens(&self) {}
    /// How the provider was last met.
    fn contact(&self) -> Contact {
        Contact::default()
    }
    /// What was asked of the provider and what it allows, on a page of metrics.
    fn meters(&self, page: &mut Page, now: Timestamp) {
        let _ = (page, now);
    }
}

/// The answer to a search by marker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub tasks: Vec<Task>,
    /// Candidates whose prompt cannot be read yet (no session): the search proves nothing until they can.
    pub unreadable: usize,
}

/// The forge's side: pull requests and what hangs on them.
#[async_trait]
pub trait Forge: Send + Sync + 'static {
    /// By head branch, the database id deciding between several.
    async fn find_pull(
        &self,
        identity: &str,
        repository: &Repository,
        branch: &str,
        database_id: Option<i64>,
    ) -> Result<Option<Pull>, AgentError>;
    async fn pull(&self, identity: &str, repository: &Repository, number: u64) -> Result<Pull, AgentError>;
    /// Changed paths, both names of a renamed file.
    async fn changed_paths(
        &self,
        identity: &str,
        repository: &Repository,
        number: u64,
    ) -> Result<Vec<String>, AgentError>;
    async fn checks(&self, identity: &str, repository: &Repository, sha: &str) -> Result<Checks, AgentError>;
    /// Each check of a commit by its name; of several with one name the one that weighs more.
    async fn named_checks(
        &self,
        identity: &str,
        repository: &Repository,
        sha: &str,
    ) -> Result<BTreeMap<String, Checks>, AgentError>;
    /// Gives the pull request this title, and has its description begin so; what is there already is left as it is.
    async fn describe(
        &self,
        identity: &str,
        repository: &Repository,
        number: u64,
        text: &PullRequestText,
    ) -> Result<(), AgentError>;
    async fn add_labels(
        &self,
        identity: &str,
        repository: &Repository,
        number: u64,
        labels: &[String],
    ) -> Result<(), AgentError>;
    async fn request_review(
        &self,
        identity: &str,
        repository: &Repository,
        number: u64,
        login: &str,
    ) -> Result<(), AgentError>;
    async fn probe(&self, identity: &str) -> Result<Probe, AgentError>;
}
