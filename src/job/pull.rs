//! A pull request and its checks as last seen at the forge.

use serde::{Deserialize, Serialize};

use crate::job::time::Timestamp;

/// A pull request as seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull {
    pub number: u64,
    pub database_id: i64,
    pub node_id: Option<String>,
    pub html_url: Option<String>,
    pub title: String,
    pub open: bool,
    pub draft: bool,
    pub merged: bool,
    pub head_ref: String,
    pub head_sha: String,
    pub base_ref: String,
    pub labels: Vec<String>,
    pub requested_reviewers: Vec<String>,
    /// Who merged it, if merged and told.
    pub merged_by: Option<String>,
    /// Login of the author.
    pub author: Option<String>,
    pub updated_at: Option<Timestamp>,
    pub changed_files: Option<u64>,
    /// Lines added and removed together.
    #[serde(default)]
    pub changed_lines: Option<u64>,
}

/// The checks of one commit, and since when they are as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChecksSeen {
    pub head_sha: String,
    pub checks: Checks,
    pub since: Timestamp,
}

/// Checks of a commit: check runs and legacy statuses together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checks {
    /// No check has reported.
    None,
    Pending,
    Green,
    Red,
    /// Waits for a person's click; not green.
    ActionRequired,
}
