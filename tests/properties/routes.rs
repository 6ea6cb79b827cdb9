//! Routing: every sighting has an answer that the job can take, and what is not known is not acted on.

use proptest::prelude::*;
use sluicegate::job::{
    Event, Millis, RemoteState, State,
    cadence::CadenceRule,
    failure::{self, FailureClass},
    lifecycle::apply,
    retry::RetryRule,
    routing::{Route, Sighting, route},
};

fn remote() -> impl Strategy<Value = RemoteState> {
    prop_oneof![
        Just(RemoteState::Queued),
        Just(RemoteState::InProgress),
        Just(RemoteState::Completed),
        Just(RemoteState::Failed),
        Just(RemoteState::Idle),
        Just(RemoteState::WaitingForUser),
        Just(RemoteState::TimedOut),
        Just(RemoteState::Cancelled),
        "[a-z_]{0,16}".prop_map(RemoteState::from),
    ]
}

fn sighting<'a>(state: State, remote: &'a RemoteState, error: Option<&'a str>) -> Sighting<'a> {
    Sighting {
        state,
        remote,
        error,
        attempts: 1,
        in_state: Millis(0),
        drawn: 0,
        left_result: false,
        smaller_scope: false,
    }
}

proptest! {
    #[test]
    fn every_route_is_a_move_that_the_job_can_take(
        state in prop::sample::select(&State::ALL), remote in remote(), error in prop::option::of(".{0,200}"),
        attempts in 1_u32..6, in_state: u64, drawn: u64, left_result: bool, smaller_scope: bool,
    ) {
        let sighting = Sighting { state, remote: &remote, error: error.as_deref(), attempts, in_state: Millis(in_state), drawn, left_result, smaller_scope };
        let (retry, cadence) = (RetryRule::default(), CadenceRule::default());
        let decided = route(&sighting, &retry, &cadence);
        let event = match &decided {
            Route::Stay => None,
            Route::Move(event) => Some(*event),
            Route::Retry { after, .. } => {
                prop_assert!(after.0 <= retry.max_ms && attempts < retry.max_attempts && !left_result);
                Some(Event::Retried)
            }
            Route::DeadLetter { failure, advice } => {
                prop_assert!(!advice.is_empty() && failure.message.chars().count() <= 500);
                Some(Event::GaveUp)
            }
        };
        if let Some(event) = event {
            let step = apply(state, event);
            prop_assert!(step.is_ok(), "{state} saw {remote}: {decided:?}");
            prop_assert!(!state.is_terminal());
            // The same sighting again, after the move, asks for nothing more.
            let then = Sighting { state: step.unwrap().next, ..sighting };
            prop_assert_eq!(route(&then, &retry, &cadence), Route::Stay, "{} saw {} twice", state, remote);
        }
    }

    #[test]
    fn a_word_that_nobody_knows_counts_as_running(
        word in "[a-z]{1,4}_[a-z]{9,12}", state in prop::sample::select(&State::ALL), age: u64,
    ) {
        let unknown = RemoteState::from(word.clone());
        prop_assert_eq!(&unknown, &RemoteState::Unknown(word.clone()));
        prop_assert!(!unknown.is_terminal());
        prop_assert_eq!(String::from(unknown.clone()), word);
        let (retry, cadence) = (RetryRule::default(), CadenceRule::default());
        let of = |remote: &RemoteState| {
            let seen = Sighting { in_state: Millis(age), ..sighting(state, remote, None) };
            route(&seen, &retry, &cadence)
        };
        prop_assert_eq!(of(&unknown), of(&RemoteState::InProgress));
    }

    #[test]
    fn only_failures_of_a_retryable_class_are_tried_again(message in ".{0,200}") {
        let seen = sighting(State::Running, &RemoteState::Failed, Some(&message));
        let rule = RetryRule::default();
        match route(&seen, &rule, &CadenceRule::default()) {
            Route::Retry { failure, .. } => prop_assert!(rule.on.contains(&failure.class)),
            Route::DeadLetter { failure, .. } => prop_assert!(!rule.on.contains(&failure.class)),
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn a_fingerprint_is_short_and_blind_to_numbers(words in prop::collection::vec("[a-zA-Z]{1,9}", 0..40), one: u32, two: u32) {
        let message = |number: u32| format!("{} {number}", words.join(" "));
        let of = |number| failure::fingerprint(FailureClass::Work, &message(number));
        prop_assert_eq!(of(one), of(two));
        prop_assert!(of(one).chars().count() <= 120 + "work: ".len());
    }
}

#[test]
fn idling_is_no_failure_and_reaches_a_person_only_after_the_grace_time() {
    let cadence = CadenceRule::default();
    for (in_state, expected) in
        [(cadence.idle_grace_ms - 1, Route::Stay), (cadence.idle_grace_ms, Route::Move(Event::NeedsUser))]
    {
        let seen =
            Sighting { in_state: Millis(in_state), ..sighting(State::Running, &RemoteState::Idle, None) };
        assert_eq!(route(&seen, &RetryRule::default(), &cadence), expected);
    }
}
