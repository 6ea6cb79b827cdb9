//! A number, or a range to draw from: `run_ms = 600` or `run_ms = [600, 2500]`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use crate::simulator::draw::Draw;

/// Lowest and highest value, both possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub low: u64,
    pub high: u64,
}

impl Range {
    /// Always the same value.
    pub(crate) const fn exactly(value: u64) -> Range {
        Range { low: value, high: value }
    }

    /// One value of the range.
    pub(crate) fn draw(self, draw: &mut Draw) -> i64 {
        i64::try_from(draw.between(self.low, self.high)).unwrap_or(i64::MAX)
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Range, D::Error> {
        deserializer.deserialize_any(RangeVisitor)
    }
}

struct RangeVisitor;

impl<'de> Visitor<'de> for RangeVisitor {
    type Value = Range;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number of at least 0, or [lowest, highest]")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Range, E> {
        Ok(Range::exactly(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Range, E> {
        u64::try_from(value).map(Range::exactly).map_err(|_| E::custom("the number must be at least 0"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Range, A::Error> {
        let low: u64 = items.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        let high: u64 = items.next_element()?.ok_or_else(|| A::Error::invalid_length(1, &self))?;
        if items.next_element::<u64>()?.is_some() {
            return Err(A::Error::invalid_length(3, &self));
        }
        if low > high {
            return Err(A::Error::custom("the lowest value is above the highest"));
        }
        Ok(Range { low, high })
    }
}
