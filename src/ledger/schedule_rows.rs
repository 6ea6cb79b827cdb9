//! The row of a schedule, and what became of its times.

use serde::{Deserialize, Serialize};

use crate::job::{id::RequestId, time::Timestamp};

/// How far a schedule has been considered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleRow {
    pub name: String,
    /// The line of cron and the zone that it was last read with; empty while it is switched off.
    pub times: String,
    /// No nominal time up to this one is looked at again.
    pub considered_at: Timestamp,
    pub paused_at: Option<Timestamp>,
    pub paused_by: Option<String>,
    pub paused_reason: Option<String>,
    /// The newest one that was handed in.
    pub last_request: Option<RequestId>,
    pub history_json: String,
}

/// What became of a nominal time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    /// A request.
    Taken,
    /// A request by a person, whatever the time was.
    Run,
    /// Nothing: nobody was there, or it was too late.
    Missed,
    /// Nothing: the request before had not ended.
    Skipped,
    /// Nothing: the request was not acceptable.
    Refused,
}

impl Became {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Run => "run",
            Self::Missed => "missed",
            Self::Skipped => "skipped",
            Self::Refused => "refused",
        }
    }
}

/// One nominal time with what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleTurn {
    pub nominal: Timestamp,
    pub at: Timestamp,
    pub became: Became,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Times held in the row.
const TURNS_MAX: usize = 30;

impl ScheduleRow {
    pub fn new(name: &str, now: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            times: String::new(),
            considered_at: now,
            paused_at: None,
            paused_by: None,
            paused_reason: None,
            last_request: None,
            history_json: "[]".to_owned(),
        }
    }
    /// The latest times, oldest first.
    pub fn history(&self) -> Vec<ScheduleTurn> {
        serde_json::from_str(&self.history_json).unwrap_or_default()
    }
    pub(super) fn note(&mut self, turn: ScheduleTurn) {
        let mut turns = self.history();
        turns.push(turn);
        let over = turns.len().saturating_sub(TURNS_MAX);
        turns.drain(..over);
        self.history_json = serde_json::to_string(&turns).unwrap_or_default();
    }
}
