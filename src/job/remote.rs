//! What the agent's provider says of a task, in our words. Every field that the provider may leave
//! out is optional; a state we do not know is kept as it came.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::job::{marker::Marker, time::Timestamp};

/// The provider's id of a task; opaque.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub String);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// State of a task or session at the provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum RemoteState {
    Queued,
    InProgress,
    Completed,
    Failed,
    Idle,
    WaitingForUser,
    TimedOut,
    Cancelled,
    /// A word we do not know: treated as running, counted, told to the operator.
    Unknown(String),
}

impl RemoteState {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Idle => "idle",
            Self::WaitingForUser => "waiting_for_user",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Unknown(word) => word,
        }
    }
    /// The provider does nothing more by itself (a completed task may still reopen).
    pub const fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::TimedOut | Self::Cancelled)
    }
}

impl From<String> for RemoteState {
    fn from(word: String) -> Self {
        match word.as_str() {
            "queued" => Self::Queued,
            "in_progress" => Self::InProgress,
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            "idle" => Self::Idle,
            "waiting_for_user" => Self::WaitingForUser,
            "timed_out" => Self::TimedOut,
            "cancelled" => Self::Cancelled,
            _ => Self::Unknown(word),
        }
    }
}
impl From<RemoteState> for String {
    fn from(state: RemoteState) -> Self {
        state.as_str().to_owned()
    }
}
impl fmt::Display for RemoteState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a task left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Artifact {
    /// `database_id` is the pull request's database id, not its number.
    Pull {
        database_id: i64,
        node_id: Option<String>,
    },
    Branch {
        head_ref: String,
        base_ref: String,
    },
}

/// What a session cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "amount", rename_all = "snake_case")]
pub enum Usage {
    /// Nano-credits: 1,000,000,000 are one AI credit (0.01 USD).
    AiNanoCredits(u64),
    /// Thousandths of a premium request (sessions from before June 2026).
    MilliPremiumRequests(u64),
}

/// One run of the agent inside a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub id: String,
    pub state: RemoteState,
    pub prompt: Option<String>,
    pub model: Option<String>,
    pub head_ref: Option<String>,
    pub base_ref: Option<String>,
    pub usage: Option<Usage>,
    pub error: Option<String>,
}

/// A remote task as last seen. Lists carry no sessions; looking at one task does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    pub id: TaskId,
    pub state: RemoteState,
    pub name: Option<String>,
    pub html_url: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Option<Timestamp>,
    pub session_count: Option<u32>,
    pub artifacts: Vec<Artifact>,
    /// None: this came from a list.
    pub sessions: Option<Vec<Session>>,
}

impl Task {
    /// True if a session's prompt carries the marker.
    pub fn carries(&self, marker: &Marker) -> bool {
        self.sessions.iter().flatten().filter_map(|s| s.prompt.as_deref()).any(|prompt| marker.is_in(prompt))
    }
    /// AI credits of all sessions in nano-credits; None when no session says.
    pub fn nano_credits(&self) -> Option<u64> {
        let mut total = None;
        for session in self.sessions.iter().flatten() {
            if let Some(Usage::AiNanoCredits(amount)) = session.usage {
                total = Some(total.unwrap_or(0_u64).saturating_add(amount));
            }
        }
        total
    }
    /// The newest error message that a session carries.
    pub fn error(&self) -> Option<&str> {
        self.sessions.iter().flatten().rev().find_map(|session| session.error.as_deref())
    }
    /// The branch that the agent pushes to, if it is known yet.
    pub fn branch(&self) -> Option<&str> {
        let artifact = self.artifacts.iter().find_map(|artifact| match artifact {
            Artifact::Branch { head_ref, .. } => Some(head_ref.as_str()),
            Artifact::Pull { .. } => None,
        });
        artifact.or_else(|| self.sessions.iter().flatten().rev().find_map(|s| s.head_ref.as_deref()))
    }
    /// The pull request's database id, if one is named yet.
    pub fn pull_database_id(&self) -> Option<i64> {
        self.artifacts.iter().find_map(|artifact| match artifact {
            Artifact::Pull { database_id, .. } => Some(*database_id),
            Artifact::Branch { .. } => None,
        })
    }
}
