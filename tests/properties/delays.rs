//! Waits: bounded, growing, and spread no wider than they say.

use proptest::prelude::*;
use sluicegate::job::{
    Millis, RemoteState,
    cadence::{CadenceRule, Look, plan},
    failure::FailureClass,
    retry::{Retry, RetryRule, backoff, next},
};

const CLASSES: [FailureClass; 4] =
    [FailureClass::Infrastructure, FailureClass::RateLimited, FailureClass::Work, FailureClass::Unknown];

proptest! {
    #[test]
    fn a_backoff_lies_between_half_and_whole_of_the_capped_doubling(
        base: u64, max: u64, failures: u32, drawn: u64,
    ) {
        let waited = backoff(Millis(base), Millis(max), failures, drawn).0;
        let exact = u128::from(base) << failures.saturating_sub(1).min(32);
        let whole = u64::try_from(exact.min(u128::from(max))).unwrap();
        prop_assert!((whole / 2..=whole).contains(&waited), "{waited} of {whole}");
        prop_assert!(waited <= max);
    }

    #[test]
    fn a_backoff_does_not_shrink_with_more_failures_or_a_larger_draw(
        base in 0_u64..10_000_000, max in 0_u64..1_000_000_000, failures in 1_u32..50, drawn: u64, more: u64,
    ) {
        let of = |failures, drawn| backoff(Millis(base), Millis(max), failures, drawn);
        prop_assert!(of(failures, drawn) <= of(failures + 1, drawn));
        prop_assert!(of(failures, drawn.min(more)) <= of(failures, drawn.max(more)));
        let whole = of(failures, u64::MAX);
        prop_assert_eq!(of(failures, 0), Millis(whole.0 / 2));
    }

    #[test]
    fn a_retry_is_given_only_to_a_listed_class_with_attempts_left(
        max_attempts in 1_u32..12, base_ms: u64, max_ms: u64, attempts in 1_u32..20, drawn: u64,
        on in prop::collection::vec(prop::sample::select(&CLASSES), 0..4), class in prop::sample::select(&CLASSES),
    ) {
        let rule = RetryRule { max_attempts, base_ms, max_ms, on };
        match next(&rule, class, attempts, drawn) {
            Retry::After(wait) => {
                prop_assert!(rule.on.contains(&class) && attempts < max_attempts && wait.0 <= max_ms);
            }
            Retry::Exhausted => prop_assert!(rule.on.contains(&class) && attempts >= max_attempts),
            Retry::NotRetryable => prop_assert!(!rule.on.contains(&class)),
        }
    }

    #[test]
    fn a_task_is_looked_at_by_cadence_until_it_is_terminal(
        word in "[a-z_]{0,20}", age: u64, running_ms: u64, waiting_ms: u64, give_up_ms: u64,
    ) {
        let rule = CadenceRule { running_ms, waiting_ms, give_up_ms, ..CadenceRule::default() };
        let words = ["queued", "in_progress", "completed", "failed", "idle", "waiting_for_user", "timed_out", "cancelled"];
        for word in words.into_iter().map(str::to_owned).chain([word]) {
            let state = RemoteState::from(word);
            let waits = matches!(state, RemoteState::Idle | RemoteState::WaitingForUser);
            let expected = if state.is_terminal() {
                Look::Never
            } else if waits {
                Look::After(Millis(waiting_ms))
            } else if age >= give_up_ms {
                Look::Overdue(Millis(running_ms))
            } else {
                Look::After(Millis(running_ms))
            };
            prop_assert_eq!(plan(&rule, &state, Millis(age)), expected, "{}", state);
        }
    }
}
