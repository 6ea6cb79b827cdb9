//! When to look at a remote task again. One sweep serves all tasks of an identity, so these are
//! the times by which a task wants to have been swept.

use serde::{Deserialize, Serialize};

use crate::job::{remote::RemoteState, time::Millis};

/// How fresh we want to be, per kind of state. All in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CadenceRule {
    /// A task that is queued or runs.
    pub running_ms: u64,
    /// A task that waits for a person, or idles: somebody else must act first.
    pub waiting_ms: u64,
    /// After this long without a terminal state the operator is told.
    pub give_up_ms: u64,
    /// How long a task may idle before its job goes to the desk.
    pub idle_grace_ms: u64,
    /// How often an open pull request is looked at.
    pub review_ms: u64,
    /// How often every live task is looked for, changed or not.
    pub full_sweep_ms: u64,
    /// How far each sweep looks back beyond the last one, since lists lag and clocks differ.
    pub overlap_ms: u64,
}

impl Default for CadenceRule {
    fn default() -> Self {
        Self {
            running_ms: 10_000,
            waiting_ms: 30_000,
            give_up_ms: 6 * 3_600_000,
            idle_grace_ms: 120_000,
            review_ms: 60_000,
            full_sweep_ms: 300_000,
            overlap_ms: 60_000,
        }
    }
}

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    After(Millis),
    /// Still looked at, and the operator is told that it takes suspiciously long.
    Overdue(Millis),
    /// Nothing more will happen by itself.
    Never,
}

/// `age` is the time since the task was started.
pub fn plan(rule: &CadenceRule, state: &RemoteState, age: Millis) -> Look {
    let after = match state {
        RemoteState::Queued | RemoteState::InProgress | RemoteState::Unknown(_) => Millis(rule.running_ms),
        RemoteState::WaitingForUser | RemoteState::Idle => Millis(rule.waiting_ms),
        RemoteState::Completed | RemoteState::Failed | RemoteState::TimedOut | RemoteState::Cancelled => {
            return Look::Never;
        }
    };
    let waits = matches!(state, RemoteState::WaitingForUser | RemoteState::Idle);
    if !waits && age.0 >= rule.give_up_ms { Look::Overdue(after) } else { Look::After(after) }
}
