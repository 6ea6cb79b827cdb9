//! Points in time and spans, in whole milliseconds. Nothing here can ask for the present: `now` is
//! always handed in.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A span in milliseconds, never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    pub const fn seconds(n: u64) -> Self {
        Self(n.saturating_mul(1_000))
    }
    pub const fn minutes(n: u64) -> Self {
        Self(n.saturating_mul(60_000))
    }
    pub const fn hours(n: u64) -> Self {
        Self(n.saturating_mul(3_600_000))
    }
    pub const fn duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }
}

impl fmt::Display for Millis {
    /// Two units at most: `850 ms`, `12 s`, `3 min 20 s`, `2 h 5 min`, `4 d 1 h`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pair = |f: &mut fmt::Formatter<'_>, total: u64, size: u64, big: &str, small: &str| {
            let (whole, rest) = (total / size, total % size);
            if rest == 0 { write!(f, "{whole} {big}") } else { write!(f, "{whole} {big} {rest} {small}") }
        };
        match self.0 {
            0..1_000 => write!(f, "{} ms", self.0),
            1_000..60_000 => write!(f, "{} s", self.0 / 1_000),
            60_000..3_600_000 => pair(f, self.0 / 1_000, 60, "min", "s"),
            3_600_000..86_400_000 => pair(f, self.0 / 60_000, 60, "h", "min"),
            _ => pair(f, self.0 / 3_600_000, 24, "d", "h"),
        }
    }
}

/// Milliseconds since the Unix epoch, UTC.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    #[must_use]
    pub const fn plus(self, span: Millis) -> Self {
        Self(self.0.saturating_add_unsigned(span.0))
    }
    #[must_use]
    pub const fn minus(self, span: Millis) -> Self {
        Self(self.0.saturating_sub_unsigned(span.0))
    }
    /// How long after `earlier` this is; zero when it is not after.
    pub const fn since(self, earlier: Self) -> Millis {
        let span = self.0.saturating_sub(earlier.0);
        Millis(if span > 0 { span.unsigned_abs() } else { 0 })
    }
    /// Reads RFC 3339, e.g. `2026-11-20T10:00:00Z`.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|at| Self(at.as_millisecond()))
    }
    /// The first instant of the next UTC day.
    #[must_use]
    pub fn next_day(self) -> Self {
        const DAY: i64 = 86_400_000;
        Self(self.0.div_euclid(DAY).saturating_add(1).saturating_mul(DAY))
    }
    /// The first instant of the next UTC month.
    #[must_use]
    pub fn next_month(self) -> Self {
        let Ok(at) = jiff::Timestamp::from_millisecond(self.0) else { return self };
        let day = at.to_zoned(jiff::tz::TimeZone::UTC).date();
        day.first_of_month()
            .checked_add(jiff::Span::new().months(1))
            .ok()
            .and_then(|first| first.to_zoned(jiff::tz::TimeZone::UTC).ok())
            .map_or(self, |zoned| Self(zoned.timestamp().as_millisecond()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_like_a_person_says_them() {
        let said: Vec<_> =
            [850, 12_000, 200_000, 7_500_000, 349_200_000].map(|ms| Millis(ms).to_string()).into();
        assert_eq!(said, ["850 ms", "12 s", "3 min 20 s", "2 h 5 min", "4 d 1 h"]);
    }

    #[test]
    fn calendar_periods_end_at_utc_boundaries() {
        let at = Timestamp::parse("2026-12-31T23:59:59.999Z").unwrap();
        assert_eq!(at.next_day().to_string(), "2027-01-01T00:00:00.000Z");
        assert_eq!(at.next_month().to_string(), "2027-01-01T00:00:00.000Z");
        assert_eq!(at.next_day().next_month().to_string(), "2027-02-01T00:00:00.000Z");
    }

    #[test]
    fn a_clock_that_steps_back_gives_a_zero_span_not_a_negative_one() {
        assert_eq!(Timestamp(5).since(Timestamp(9)), Millis(0));
    }
}
