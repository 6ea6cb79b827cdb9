//! A point in time written as RFC 3339 text.

use serde::de::{Deserialize, Deserializer, Error};

use crate::simulator::clock;

/// Milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instant(pub i64);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Instant, D::Error> {
        let text = String::deserialize(deserializer)?;
        clock::parse(&text)
            .map(Instant)
            .ok_or_else(|| D::Error::custom("not a time such as \"2026-01-31T12:00:00Z\""))
    }
}
