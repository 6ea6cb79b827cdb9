//! Users and tokens of a scenario: who calls, and what the credential may do.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::instant::Instant;
use super::pattern::Pattern;

/// A person or bot with a fixed id; users that are only mentioned get an id drawn from their name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    pub login: String,
    pub id: Option<i64>,
    pub name: Option<String>,
}

/// How far a permission reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Access {
    None,
    Read,
    Write,
}

/// What a token can be allowed to do; the names are those of fine-grained tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Permission {
    Metadata,
    AgentTasks,
    PullRequests,
    Issues,
    Contents,
    Actions,
    Checks,
    Statuses,
    Administration,
}

impl Permission {
    /// GitHub's word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Permission::Metadata => "metadata",
            Permission::AgentTasks => "agent_tasks",
            Permission::PullRequests => "pull_requests",
            Permission::Issues => "issues",
            Permission::Contents => "contents",
            Permission::Actions => "actions",
            Permission::Checks => "checks",
            Permission::Statuses => "statuses",
            Permission::Administration => "administration",
        }
    }
}

/// A credential.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Token {
    /// Name shown by the control interface; never the secret.
    pub name: String,
    pub secret: String,
    /// Login of the person it belongs to.
    pub user: String,
    /// Permissions that differ from `default_access`.
    #[serde(default)]
    pub permissions: BTreeMap<Permission, Access>,
    /// Every permission that is not named.
    #[serde(default = "write")]
    pub default_access: Access,
    /// Repositories it can see; all when absent.
    pub repositories: Option<Vec<Pattern>>,
    /// End of its life; also printed in a response header.
    pub expires: Option<Instant>,
    #[serde(default)]
    pub revoked: bool,
}

fn write() -> Access {
    Access::Write
}

impl Token {
    /// How far the token reaches for one permission.
    pub(crate) fn access(&self, permission: Permission) -> Access {
        if permission == Permission::Metadata {
            return Access::Read;
        }
        self.permissions.get(&permission).copied().unwrap_or(self.default_access)
    }

    /// Can the token see the repository `owner/name`?
    pub(crate) fn sees(&self, repository: &str) -> bool {
        self.repositories
            .as_ref()
            .is_none_or(|patterns| patterns.iter().any(|pattern| pattern.covers(repository)))
    }
}
