//! Whether and when a failed attempt is followed by another.

use serde::{Deserialize, Serialize};

use crate::job::{failure::FailureClass, time::Millis};

/// A template's retry rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryRule {
    /// Counted attempts of a job, the first included; 1 to 10.
    pub max_attempts: u32,
    /// Wait before the second attempt, in milliseconds; doubles with each further one.
    pub base_ms: u64,
    /// The longest wait, in milliseconds.
    pub max_ms: u64,
    /// Failure classes that are tried again.
    pub on: Vec<FailureClass>,
}

impl Default for RetryRule {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            base_ms: 30_000,
            max_ms: 3_600_000,
            on: vec![FailureClass::Infrastructure, FailureClass::RateLimited],
        }
    }
}

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    After(Millis),
    /// This class is not tried again.
    NotRetryable,
    /// Every allowed attempt was used.
    Exhausted,
}

/// Decides after the `attempts`-th counted attempt failed with `class`. The wait is drawn from
/// [half, whole] of the doubled base ("equal jitter"); `drawn` is any number.
///
/// ```
/// use sluicegate::job::{failure::FailureClass, retry::{Retry, RetryRule, next}, time::Millis};
/// let rule = RetryRule { base_ms: 1_000, ..RetryRule::default() };
/// assert_eq!(next(&rule, FailureClass::Infrastructure, 1, u64::MAX), Retry::After(Millis(1_000)));
/// assert_eq!(next(&rule, FailureClass::Work, 1, 0), Retry::NotRetryable);
/// assert_eq!(next(&rule, FailureClass::Infrastructure, 3, 0), Retry::Exhausted);
/// ```
pub fn next(rule: &RetryRule, class: FailureClass, attempts: u32, drawn: u64) -> Retry {
    if !rule.on.contains(&class) {
        return Retry::NotRetryable;
    }
    if attempts >= rule.max_attempts {
        return Retry::Exhausted;
    }
    Retry::After(backoff(Millis(rule.base_ms), Millis(rule.max_ms), attempts, drawn))
}

/// The wait after the `failures`-th failure (from 1): base doubled each time, capped, equal jitter.
pub fn backoff(base: Millis, max: Millis, failures: u32, drawn: u64) -> Millis {
    let doublings = failures.saturating_sub(1).min(32);
    let whole = base.0.saturating_mul(1_u64 << doublings).min(max.0);
    let half = whole / 2;
    let spread = whole.saturating_sub(half);
    // drawn / 2^64 of the spread, without floating point.
    let part = (u128::from(drawn).saturating_mul(u128::from(spread).saturating_add(1))) >> 64;
    Millis(half.saturating_add(u64::try_from(part).unwrap_or(spread)))
}
