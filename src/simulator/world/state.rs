//! The states of tasks and sessions, with room for a state nobody knows yet.

use std::sync::Arc;

/// State of a task or of a session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TaskState {
    Queued,
    InProgress,
    Completed,
    Failed,
    Idle,
    WaitingForUser,
    TimedOut,
    Cancelled,
    /// A string that the published list of states does not have.
    Unknown(Arc<str>),
}

impl TaskState {
    /// Reads a published state; an unpublished one is `None`.
    pub(crate) fn published(word: &str) -> Option<TaskState> {
        let state = match word {
            "queued" => TaskState::Queued,
            "in_progress" => TaskState::InProgress,
            "completed" => TaskState::Completed,
            "failed" => TaskState::Failed,
            "idle" => TaskState::Idle,
            "waiting_for_user" => TaskState::WaitingForUser,
            "timed_out" => TaskState::TimedOut,
            "cancelled" => TaskState::Cancelled,
            _ => return None,
        };
        Some(state)
    }

    /// The word on the wire.
    pub(crate) fn word(&self) -> &str {
        match self {
            TaskState::Queued => "queued",
            TaskState::InProgress => "in_progress",
            TaskState::Completed => "completed",
            TaskState::Failed => "failed",
            TaskState::Idle => "idle",
            TaskState::WaitingForUser => "waiting_for_user",
            TaskState::TimedOut => "timed_out",
            TaskState::Cancelled => "cancelled",
            TaskState::Unknown(word) => word,
        }
    }

    /// Has the session ended?
    pub(crate) fn is_ended(&self) -> bool {
        matches!(self, TaskState::Completed | TaskState::Failed | TaskState::TimedOut | TaskState::Cancelled)
    }
}
