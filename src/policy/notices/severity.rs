//! How bad it is what a notice tells: one table of every kind.

use std::fmt;

use serde::{Deserialize, Serialize};

/// From what is good to know to what must not wait.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
#[schema(as = NoticeSeverity)]
pub enum Severity {
    #[default]
    Info,
    /// Somebody has to act, today rather than tonight.
    Warning,
    /// Something is wrong, and waiting makes it worse.
    Urgent,
}

/// Every kind, how bad it is, and what it tells. A kind that is not here is a warning.
pub const KINDS: &[(&str, Severity, &str)] = &[
    ("breaker.opened", Severity::Urgent, "a template fails so often that it was stopped"),
    ("certificate.expiring", Severity::Warning, "the TLS certificate of this interface ends"),
    (
        "desk.escalated",
        Severity::Urgent,
        "nobody acted on something that needs a person, and somebody else is told",
    ),
    ("desk.reminder", Severity::Warning, "something has needed a person for too long"),
    ("identity.expiring", Severity::Warning, "the token of an identity ends"),
    ("identity.refused", Severity::Urgent, "GitHub does not take the token of an identity"),
    ("job.dead", Severity::Warning, "a job is a dead letter"),
    ("job.duplicate_tasks", Severity::Urgent, "several tasks carry the marker of one attempt"),
    ("job.late_result", Severity::Warning, "a cancelled job left a result"),
    ("job.needs_user", Severity::Warning, "the agent waits for a person"),
    ("job.overdue", Severity::Warning, "a task takes suspiciously long"),
    ("job.quarantined", Severity::Urgent, "a result must not be used until a person has looked"),
    ("job.reviewer_refused", Severity::Warning, "GitHub does not ask the reviewer of a pull request"),
    ("model.differs", Severity::Info, "another model worked than was asked for"),
    ("notices.test", Severity::Info, "somebody tries a receiver"),
    ("schedule.refused", Severity::Warning, "a request of a schedule was refused"),
    ("token.expiring", Severity::Warning, "a token of this interface ends"),
    ("wave.paused", Severity::Warning, "a wave does not go on by itself"),
];

impl Severity {
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Urgent];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Urgent => "urgent",
        }
    }

    /// Of a kind of notice.
    pub fn of(kind: &str) -> Self {
        let known = KINDS.iter().find(|(name, ..)| *name == kind);
        known.map_or(Self::Warning, |(_, severity, _)| *severity)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Severity {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|severity| severity.as_str() == text);
        known.ok_or_else(|| format!("`{text}` is not a severity: write info, warning or urgent"))
    }
}
