//! Where a remote state takes the job: on, to a person, to another attempt, or to the dead letters.

use crate::job::{
    cadence::CadenceRule,
    failure::{self, FailureClass},
    lifecycle::Event,
    remote::RemoteState,
    retry::{self, Retry, RetryRule},
    state::State,
    time::Millis,
};

/// What was seen of a task, and what the job's history says.
#[derive(Clone, Debug)]
pub struct Sighting<'a> {
    pub state: State,
    pub remote: &'a RemoteState,
    /// The newest error message, if the provider gave one.
    pub error: Option<&'a str>,
    /// Counted attempts so far, this one included.
    pub attempts: u32,
    /// How long the task has been in this remote state.
    pub in_state: Millis,
    /// For the jitter of a retry.
    pub drawn: u64,
    /// The attempt has left a pull request.
    pub left_result: bool,
    /// A smaller scope is there for a task that runs out of time, and was not tried yet.
    pub smaller_scope: bool,
}

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Nothing changes.
    Stay,
    /// Take this event; nothing else to say.
    Move(Event),
    /// Try again after the wait.
    Retry { after: Millis, failure: Failure },
    /// To the dead letters, with a word of advice.
    DeadLetter { failure: Failure, advice: &'static str },
}

/// A classified failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub class: FailureClass,
    pub fingerprint: String,
    pub message: String,
}

impl Failure {
    pub fn new(class: FailureClass, message: &str) -> Self {
        let message: String = message.chars().take(500).collect();
        Self { class, fingerprint: failure::fingerprint(class, &message), message }
    }
}

/// Decides what a sighting means. Total over remote states, known and unknown.
pub fn route(sighting: &Sighting<'_>, retry: &RetryRule, cadence: &CadenceRule) -> Route {
    match sighting.remote {
        RemoteState::Queued | RemoteState::InProgress | RemoteState::Unknown(_) => resumed(sighting.state),
        RemoteState::WaitingForUser => needs_user(sighting.state),
        RemoteState::Idle if sighting.in_state.0 >= cadence.idle_grace_ms => needs_user(sighting.state),
        RemoteState::Idle => Route::Stay,
        RemoteState::Completed => match sighting.state {
            State::Running | State::WaitingForUser => Route::Move(Event::Completed),
            _ => Route::Stay,
        },
        RemoteState::Failed => {
            let message = sighting.error.unwrap_or("the agent gave no reason");
            ended(sighting, retry, Failure::new(failure::classify(message), message))
        }
        RemoteState::TimedOut => {
            let message = sighting.error.unwrap_or("the session ran out of time");
            ended(sighting, retry, Failure::new(FailureClass::TimedOut, message))
        }
        RemoteState::Cancelled => {
            let message = sighting.error.unwrap_or("the task was stopped at the provider");
            ended(sighting, retry, Failure::new(FailureClass::Stopped, message))
        }
    }
}

fn resumed(state: State) -> Route {
    match state {
        State::WaitingForUser | State::Verifying | State::InReview => Route::Move(Event::Resumed),
        _ => Route::Stay,
    }
}

fn needs_user(state: State) -> Route {
    match state {
        State::Running | State::Verifying | State::InReview => Route::Move(Event::NeedsUser),
        _ => Route::Stay,
    }
}

/// A failed attempt of a job that still runs; a failure after review began changes nothing, since
/// what is under review is judged by its reviewer.
pub fn ended(sighting: &Sighting<'_>, rule: &RetryRule, failure: Failure) -> Route {
    if !matches!(sighting.state, State::Running | State::WaitingForUser | State::Verifying) {
        return Route::Stay;
    }
    // Once with less to do is another task, whatever classes the template retries.
    let smaller = failure.class == FailureClass::TimedOut && sighting.smaller_scope;
    let wider = smaller.then(|| RetryRule { on: vec![failure.class], ..rule.clone() });
    match retry::next(wider.as_ref().unwrap_or(rule), failure.class, sighting.attempts, sighting.drawn) {
        Retry::After(_) if sighting.left_result => Route::DeadLetter {
            failure,
            advice: "the attempt left a pull request: use it, or close it and then `sluice dead retry`",
        },
        Retry::After(after) => Route::Retry { after, failure },
        Retry::Exhausted => Route::DeadLetter {
            failure,
            advice: "every allowed attempt was used: find the cause, then `sluice dead retry`",
        },
        Retry::NotRetryable => {
            let advice = advice(failure.class);
            Route::DeadLetter { failure, advice }
        }
    }
}

/// What to do about a dead letter of this class.
pub const fn advice(class: FailureClass) -> &'static str {
    match class {
        FailureClass::TimedOut => {
            "the scope is too big for one session: split the request or narrow the template's scope"
        }
        FailureClass::Stopped => "someone stopped the task: ask why before you run `sluice dead retry`",
        FailureClass::ModelUnavailable => "choose another model in the template, then `sluice dead retry`",
        FailureClass::NoResult => {
            "the agent left nothing to review: read its session, sharpen the prompt, then `sluice dead retry`"
        }
        FailureClass::Infrastructure | FailureClass::RateLimited => {
            "the provider had trouble: `sluice dead retry` when it is well"
        }
        FailureClass::Refused => {
            "read the provider's message, mend the token, the repository's settings or the template, then `sluice dead retry`"
        }
        FailureClass::Work | FailureClass::Unknown => {
            "read the agent's session, mend the cause, then `sluice dead retry`"
        }
    }
}
