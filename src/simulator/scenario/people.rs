//! Users and tokens of a scenario: who calls, and what the credential may do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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

/// An organisation; those that no scenario declares let the agent work everywhere.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Organisation {
    pub login: String,
    /// Where the agent may work.
    #[serde(default)]
    pub agent: AgentPolicy,
}

/// An organisation's policy for the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AgentPolicy {
    #[default]
    All,
    /// In repositories whose `agent_enabled` is true.
    Selected,
    None,
}

/// A model that tasks may ask for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Model {
    pub name: String,
    /// From when on, and until when; always when absent.
    pub from: Option<Instant>,
    pub until: Option<Instant>,
}

impl Model {
    pub(crate) fn is_there(&self, now_ms: i64) -> bool {
        self.from.is_none_or(|from| from.0 <= now_ms) && self.until.is_none_or(|until| now_ms < until.0)
    }
}

/// What the control interface changes of a token while the simulator runs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenChange {
    /// The old secret is refused from then on.
    pub secret: Option<String>,
    pub permissions: Option<BTreeMap<Permission, Access>>,
    pub default_access: Option<Access>,
    pub repositories: Option<Vec<Pattern>>,
    pub expires: Option<Instant>,
    pub revoked: Option<bool>,
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

    /// The token after a change.
    pub(crate) fn changed(&self, change: TokenChange) -> Token {
        Token {
            name: self.name.clone(),
            user: self.user.clone(),
            secret: change.secret.unwrap_or_else(|| self.secret.clone()),
            permissions: change.permissions.unwrap_or_else(|| self.permissions.clone()),
            default_access: change.default_access.unwrap_or(self.default_access),
            repositories: change.repositories.or_else(|| self.repositories.clone()),
            expires: change.expires.or(self.expires),
            revoked: change.revoked.unwrap_or(self.revoked),
        }
    }

    /// Can the token see the repository `owner/name`?
    pub(crate) fn sees(&self, repository: &str) -> bool {
        self.repositories
            .as_ref()
            .is_none_or(|patterns| patterns.iter().any(|pattern| pattern.covers(repository)))
    }
}
