//! The provider's side of what is known of repositories.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    agent::AgentError,
    job::repository::Repository,
    policy::{RepositoryFacts, Wanted},
};

/// A repository that an identity reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reached {
    pub repository: Repository,
    pub archived: bool,
    pub can_push: bool,
    pub private: bool,
}

/// Tells of repositories. It only reads.
#[async_trait]
pub trait Atlas: Send + Sync + 'static {
    /// What is wanted of a repository. That it cannot be seen, or a part not be read, is an answer; Err: the provider could
    /// not be asked, and nothing is known.
    async fn survey(
        &self,
        identity: &str,
        repository: &Repository,
        wanted: &Wanted,
    ) -> Result<RepositoryFacts, AgentError>;
    /// Every repository that the identity reaches.
    async fn reach(&self, identity: &str) -> Result<Vec<Reached>, AgentError>;
}
