//! The one table of what may happen to a job: (state, event) gives the next state and the effects,
//! or the pair is illegal. `docs/lifecycle.md` is printed from here.

use serde::{Deserialize, Serialize};

use crate::job::state::State;

/// What happened to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A person approved it, or its wave opened.
    Approved,
    /// A person refused the approval.
    Refused,
    /// The ledger took every hold and wrote the intent.
    Admitted,
    /// The provider named the task, at once or found later by marker.
    Started,
    /// The start was sent and nobody knows whether it took effect.
    StartLost,
    /// It is proven that no task was started; another try is allowed.
    NotStarted,
    /// It is proven that no task was started, and trying again cannot help.
    StartRejected,
    /// The task waits for a person.
    NeedsUser,
    /// The task works again after waiting or after it said it was done.
    Resumed,
    /// The task says it is done.
    Completed,
    /// The attempt failed in a way that another may not.
    Retried,
    /// No further attempt.
    GaveUp,
    /// The result is in scope and a reviewer has it.
    ReviewRequested,
    /// The result is in scope and no pull request was asked for.
    Accepted,
    /// The result is out of scope or came from a task that is not ours to use.
    Quarantined,
    /// A person looked at the quarantined result and lets it go to review.
    Released,
    /// A person threw the quarantined result away.
    Discarded,
    /// The pull request was merged.
    Merged,
    /// The pull request was closed unmerged.
    Closed,
    /// Its deadline passed before it started.
    Expired,
    /// An operator or the requester withdrew it.
    Cancelled,
}

impl Event {
    pub const ALL: [Self; 21] = [
        Self::Approved,
        Self::Refused,
        Self::Admitted,
        Self::Started,
        Self::StartLost,
        Self::NotStarted,
        Self::StartRejected,
        Self::NeedsUser,
        Self::Resumed,
        Self::Completed,
        Self::Retried,
        Self::GaveUp,
        Self::ReviewRequested,
        Self::Accepted,
        Self::Quarantined,
        Self::Released,
        Self::Discarded,
        Self::Merged,
        Self::Closed,
        Self::Expired,
        Self::Cancelled,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::Admitted => "admitted",
            Self::Started => "started",
            Self::StartLost => "start_lost",
            Self::NotStarted => "not_started",
            Self::StartRejected => "start_rejected",
            Self::NeedsUser => "needs_user",
            Self::Resumed => "resumed",
            Self::Completed => "completed",
            Self::Retried => "retried",
            Self::GaveUp => "gave_up",
            Self::ReviewRequested => "review_requested",
            Self::Accepted => "accepted",
            Self::Quarantined => "quarantined",
            Self::Released => "released",
            Self::Discarded => "discarded",
            Self::Merged => "merged",
            Self::Closed => "closed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What must be done in the same ledger transaction as the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Put it in line at the gate.
    Offer,
    /// Take it out of the line.
    Withdraw,
    /// Give back what is held while the agent works (concurrency).
    ReleaseSlots,
    /// Take the concurrency back, above the limit if need be: an overdraft.
    RetakeSlots,
    /// Give back what is held until the change is proven or gone (reviewer, blast radius).
    ReleaseChange,
    /// Exchange the spend estimate for what was used.
    SettleSpend,
    /// Give back everything, rates and spend included: nothing was started.
    Refund,
    /// Tell the job's owner that the agent waits for a person.
    NoticeNeedsUser,
    /// Tell the job's owner that it is on the dead-letter queue.
    NoticeDead,
    /// Tell the job's owner that its result is quarantined.
    NoticeQuarantined,
}

impl Effect {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offer => "offer to the gate",
            Self::Withdraw => "withdraw from the gate",
            Self::ReleaseSlots => "release slots",
            Self::RetakeSlots => "retake slots (overdraft if need be)",
            Self::ReleaseChange => "release reviewer and blast radius",
            Self::SettleSpend => "settle spend",
            Self::Refund => "refund every hold",
            Self::NoticeNeedsUser => "notice: needs a person",
            Self::NoticeDead => "notice: dead letter",
            Self::NoticeQuarantined => "notice: quarantined",
        }
    }
}

/// The decided move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub next: State,
    pub effects: &'static [Effect],
}

/// An event that cannot happen to a job in this state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {state} cannot take the event {}", event.as_str())]
pub struct IllegalEvent {
    pub state: State,
    pub event: Event,
}

/// Decides what follows. Total: every pair has an answer.
///
/// ```
/// use sluicegate::job::{Event, State, lifecycle::apply};
/// assert_eq!(apply(State::Queued, Event::Admitted).unwrap().next, State::Starting);
/// assert!(apply(State::Dead, Event::Started).is_err());
/// ```
pub fn apply(state: State, event: Event) -> Result<Step, IllegalEvent> {
    let step = match state {
        State::Held => held(event),
        State::Queued => queued(event),
        State::Starting | State::StartUnknown => starting(state, event),
        State::Running | State::WaitingForUser => running(state, event),
        State::Verifying => verifying(event),
        State::InReview => in_review(event),
        State::Quarantined => quarantined(event),
        State::Succeeded | State::Rejected | State::Dead | State::Cancelled => None,
    };
    step.map(|(next, effects)| Step { next, effects }).ok_or(IllegalEvent { state, event })
}

type Move = Option<(State, &'static [Effect])>;

const END: &[Effect] = &[Effect::ReleaseSlots, Effect::SettleSpend, Effect::ReleaseChange];
const END_DEAD: &[Effect] =
    &[Effect::ReleaseSlots, Effect::SettleSpend, Effect::ReleaseChange, Effect::NoticeDead];
const AGAIN: &[Effect] = &[Effect::ReleaseSlots, Effect::SettleSpend, Effect::ReleaseChange, Effect::Offer];
const SUSPECT: &[Effect] = &[Effect::ReleaseSlots, Effect::SettleSpend, Effect::NoticeQuarantined];
const WAIT: &[Effect] = &[Effect::ReleaseSlots, Effect::NoticeNeedsUser];
const DONE: &[Effect] = &[Effect::ReleaseSlots, Effect::SettleSpend];

#[expect(clippy::wildcard_enum_match_arm, reason = "every pair not named is illegal; a test prints them all")]
const fn held(event: Event) -> Move {
    match event {
        Event::Approved => Some((State::Queued, &[Effect::Offer])),
        Event::Refused => Some((State::Rejected, &[])),
        Event::Expired => Some((State::Dead, &[Effect::NoticeDead])),
        Event::Cancelled => Some((State::Cancelled, &[])),
        _ => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every pair not named is illegal; a test prints them all")]
const fn queued(event: Event) -> Move {
    match event {
        Event::Admitted => Some((State::Starting, &[])),
        Event::Expired => Some((State::Dead, &[Effect::Withdraw, Effect::NoticeDead])),
        Event::Cancelled => Some((State::Cancelled, &[Effect::Withdraw])),
        _ => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every pair not named is illegal; a test prints them all")]
fn starting(state: State, event: Event) -> Move {
    match event {
        Event::Started => Some((State::Running, &[])),
        Event::StartLost if state == State::Starting => Some((State::StartUnknown, &[])),
        Event::NotStarted => Some((State::Queued, &[Effect::Refund, Effect::Offer])),
        Event::StartRejected => Some((State::Dead, &[Effect::Refund, Effect::NoticeDead])),
        // The task may exist: its slot stays charged until the remote end is seen.
        Event::Cancelled => Some((State::Cancelled, &[])),
        _ => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every pair not named is illegal; a test prints them all")]
fn running(state: State, event: Event) -> Move {
    match event {
        Event::NeedsUser if state == State::Running => Some((State::WaitingForUser, WAIT)),
        Event::Resumed if state == State::WaitingForUser => Some((State::Running, &[Effect::RetakeSlots])),
        Event::Completed => Some((State::Verifying, DONE)),
        Event::Retried => Some((State::Queued, AGAIN)),
        Event::GaveUp => Some((State::Dead, END_DEAD)),
        Event::Quarantined => Some((State::Quarantined, SUSPECT)),
        // The API has no cancel: the task may run on, and keeps its slot until it ends.
        Event::Cancelled => Some((State::Cancelled, &[])),
        _ => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every pair not named is illegal; a test prints them all")]
const fn verifying(event: Event) -> Move {
    match event {
        Event::ReviewRequested => Some((State::InReview, &[])),
        Event::Accepted | Event::Merged => Some((State::Succeeded, END)),
        Event::Closed => Some((State::Rejected, END)),
        Event::Quarantined => Some((State::Quarantined, SUSPECT)),
        Event::Retried => Some((State::Queued, AGAIN)),
        Event::GaveUp => Some((State::Dead, END_DEAD)),
        Event::Resumed => Some((State::Running, &[Effect::RetakeSlots])),
        Event::NeedsUser => Some((State::WaitingForUser, WAIT)),
        Event::Cancelled => Some((State::Cancelled, END)),
        _ => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every pair not named is illegal; a test prints them all")]
const fn in_review(event: Event) -> Move {
    match event {
        Event::Merged => Some((State::Succeeded, END)),
        Event::Closed => Some((State::Rejected, END)),
        Event::Resumed => Some((State::Running, &[Effect::RetakeSlots])),
        Event::NeedsUser => Some((State::WaitingForUser, WAIT)),
        Event::Quarantined => Some((State::Quarantined, SUSPECT)),
        Event::Cancelled => Some((State::Cancelled, END)),
        _ => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every pair not named is illegal; a test prints them all")]
const fn quarantined(event: Event) -> Move {
    match event {
        // Whoever looked let it pass; it is still to be handed to its reviewer.
        Event::Released => Some((State::Verifying, &[])),
        Event::Discarded => Some((State::Dead, END)),
        Event::Merged => Some((State::Succeeded, END)),
        Event::Closed => Some((State::Rejected, END)),
        Event::Cancelled => Some((State::Cancelled, END)),
        _ => None,
    }
}
