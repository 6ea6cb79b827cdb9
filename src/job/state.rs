//! The states of a job.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Where a job stands. The words are those of the ledger, the API and the docs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobState)]
pub enum State {
    /// Awaits an approval or an earlier wave.
    Held,
    /// Waits for budgets, or for a retry's time.
    Queued,
    /// Budgets are held, the start is on its way.
    Starting,
    /// The start was sent and its answer is lost: looked for by marker, never sent again while unsure.
    StartUnknown,
    /// The remote task runs.
    Running,
    /// The remote task makes no progress until a person acts.
    WaitingForUser,
    /// The task says it is done; what it left is being checked.
    Verifying,
    /// The pull request is with its reviewer.
    InReview,
    /// The result must not be used until a person has looked.
    Quarantined,
    /// Merged, or done where no pull request was wanted.
    Succeeded,
    /// A person closed it.
    Rejected,
    /// Given up; on the dead-letter queue with its reason.
    Dead,
    /// Withdrawn by an operator or its requester.
    Cancelled,
}

impl State {
    pub const ALL: [Self; 13] = [
        Self::Held,
        Self::Queued,
        Self::Starting,
        Self::StartUnknown,
        Self::Running,
        Self::WaitingForUser,
        Self::Verifying,
        Self::InReview,
        Self::Quarantined,
        Self::Succeeded,
        Self::Rejected,
        Self::Dead,
        Self::Cancelled,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::StartUnknown => "start_unknown",
            Self::Running => "running",
            Self::WaitingForUser => "waiting_for_user",
            Self::Verifying => "verifying",
            Self::InReview => "in_review",
            Self::Quarantined => "quarantined",
            Self::Succeeded => "succeeded",
            Self::Rejected => "rejected",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    /// Nothing follows.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Rejected | Self::Dead | Self::Cancelled)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is no state.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a job state: write one of {words}", words = State::ALL.map(State::as_str).join(", "))]
pub struct UnknownState(pub String);

impl FromStr for State {
    type Err = UnknownState;
    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownState(text.to_owned()))
    }
}
