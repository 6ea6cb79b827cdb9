//! When an undelivered notice is tried again, and when it is given up. Pure: `now` and the drawn number are handed
//! in.

use serde::{Deserialize, Serialize};

use crate::{
    job::{
        retry::backoff,
        time::{Millis, Timestamp},
    },
    notify::SinkErrorKind,
};

/// How persistently notices are delivered. With the defaults a receiver may be away for about a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliveryRule {
    /// Tries of one notice, the first included.
    pub max_attempts: u32,
    /// Wait before the second try, in milliseconds; doubles with each further one.
    pub base_ms: u64,
    /// The longest wait, in milliseconds.
    pub max_ms: u64,
}

impl Default for DeliveryRule {
    fn default() -> Self {
        Self { max_attempts: 20, base_ms: 5_000, max_ms: 3 * 3_600_000 }
    }
}

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    At(Timestamp),
    /// To the dead letters.
    GiveUp,
}

/// Decides after the `failures`-th try failed, counted from 1; `drawn` is any number, for the jitter.
///
/// ```
/// use sluicegate::job::time::Timestamp;
/// use sluicegate::notify::{DeliveryRule, Next, SinkErrorKind, backoff::next};
/// let rule = DeliveryRule { base_ms: 1_000, ..DeliveryRule::default() };
/// assert_eq!(next(&rule, SinkErrorKind::Transient, 1, Timestamp(50), 0), Next::At(Timestamp(550)));
/// assert_eq!(next(&rule, SinkErrorKind::Permanent, 1, Timestamp(50), 0), Next::GiveUp);
/// ```
pub fn next(rule: &DeliveryRule, kind: SinkErrorKind, failures: u32, now: Timestamp, drawn: u64) -> Next {
    if kind == SinkErrorKind::Permanent || failures >= rule.max_attempts {
        return Next::GiveUp;
    }
    Next::At(now.plus(backoff(Millis(rule.base_ms), Millis(rule.max_ms), failures, drawn)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_may_be_away_for_about_a_day_and_is_then_given_up() {
        let rule = DeliveryRule::default();
        for (drawn, hours) in [(0, 12), (u64::MAX, 24)] {
            let (mut now, mut failures) = (Timestamp(0), 1);
            while let Next::At(at) = next(&rule, SinkErrorKind::Transient, failures, now, drawn) {
                assert!(at > now && at <= now.plus(Millis(rule.max_ms)));
                (now, failures) = (at, failures + 1);
            }
            assert_eq!(failures, 20);
            assert!(now >= Timestamp(0).plus(Millis::hours(hours)), "given up after {now}");
        }
    }
}
