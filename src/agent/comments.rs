//! The port to conversations at the forge: the comments of issues and pull requests, which share their numbers.

use async_trait::async_trait;

use crate::{
    agent::AgentError,
    job::{repository::Repository, time::Timestamp},
};

/// A comment of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    pub id: u64,
    pub body: String,
}

/// `identity` names a configured credential.
#[async_trait]
pub trait Comments: Send + Sync + 'static {
    /// The oldest comment that the identity itself has written and that ends with this line, among those that were changed
    /// since; somebody else's is none, whatever it says.
    async fn find_comment(
        &self,
        identity: &str,
        at: (&Repository, u64),
        last_line: &str,
        since: Timestamp,
    ) -> Result<Option<Comment>, AgentError>;
    /// Sent once: after an unclear answer it is to be looked for.
    async fn add_comment(
        &self,
        identity: &str,
        at: (&Repository, u64),
        body: &str,
    ) -> Result<Comment, AgentError>;
    async fn edit_comment(
        &self,
        identity: &str,
        repository: &Repository,
        id: u64,
        body: &str,
    ) -> Result<(), AgentError>;
}
