//! The simulator's time: the system's, or a number that a test moves by hand.
//! It is the only file of the simulator that may read the real clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Where the simulator takes "now" from, in milliseconds since the epoch.
#[derive(Debug, Clone, Default)]
pub enum SimClock {
    /// The system's clock.
    #[default]
    Real,
    /// A number that only its owner (or `POST /_control/clock`) moves.
    Manual(Arc<AtomicI64>),
}

impl SimClock {
    /// A manual clock that stands at `start_ms` milliseconds since the epoch.
    pub fn manual(start_ms: i64) -> SimClock {
        SimClock::Manual(Arc::new(AtomicI64::new(start_ms)))
    }

    /// Milliseconds since the epoch.
    pub fn now_ms(&self) -> i64 {
        match self {
            SimClock::Real => system_ms(),
            SimClock::Manual(now) => now.load(Ordering::SeqCst),
        }
    }

    /// Moves a manual clock forward and returns the new time; a real clock cannot be moved.
    pub fn advance(&self, by_ms: i64) -> Option<i64> {
        match self {
            SimClock::Real => None,
            SimClock::Manual(now) => Some(now.fetch_add(by_ms, Ordering::SeqCst).saturating_add(by_ms)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the simulator's one reading of the real clock")]
fn system_ms() -> i64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since_epoch.map_or(0, |elapsed| i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
}

/// `2026-01-01T00:00:00Z`: whole seconds, as GitHub prints times.
pub(crate) fn seconds(at_ms: i64) -> String {
    jiff::Timestamp::from_second(at_ms.div_euclid(1000)).unwrap_or_default().to_string()
}

/// `2026-01-01T00:00:00.000Z`: the control interface prints milliseconds.
pub(crate) fn milliseconds(at_ms: i64) -> String {
    let instant = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
    format!("{instant:.3}")
}

/// Reads an RFC 3339 time; `None` if it is not one.
pub(crate) fn parse(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}
