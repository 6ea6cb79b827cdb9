//! Which parts of the history this process has written itself: what is left over was written by others. Plain data.

use std::collections::BTreeMap;

/// Parts by the position that each follows, with its last position; parts that touch are one.
#[derive(Debug, Default)]
pub struct Spans(BTreeMap<i64, i64>);

/// Parts kept at most. Forgetting an old one only means that own entries are read once more.
const KEPT_MAX: usize = 100_000;

impl Spans {
    pub fn add(&mut self, after: i64, last: i64) {
        if last <= after {
            return;
        }
        let mut begin = after;
        if let Some((&before, end)) = self.0.range_mut(..=after).next_back()
            && *end >= after
        {
            begin = before;
        }
        let last = self.0.remove(&last).map_or(last, |further| further.max(last));
        let end = self.0.entry(begin).or_insert(last);
        *end = last.max(*end);
        if self.0.len() > KEPT_MAX {
            self.0.pop_first();
        }
    }

    /// What lies between two positions and was not added, in order; what ends before the first is forgotten.
    pub fn gaps(&mut self, after: i64, upto: i64) -> Vec<(i64, i64)> {
        while self.0.first_key_value().is_some_and(|(_, last)| *last <= after) {
            self.0.pop_first();
        }
        let mut gaps = Vec::new();
        let mut at = after;
        for (&begin, &last) in self.0.range(..upto) {
            if begin > at {
                gaps.push((at, begin));
            }
            at = at.max(last);
        }
        if at < upto {
            gaps.push((at, upto));
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_added_is_left_over() {
        let mut spans = Spans::default();
        for (after, last) in [(2, 4), (4, 7), (10, 12), (9, 10), (20, 20)] {
            spans.add(after, last);
        }
        assert_eq!(spans.0.len(), 2, "{spans:?}");
        assert_eq!(spans.gaps(0, 15), [(0, 2), (7, 9), (12, 15)]);
        assert_eq!(spans.gaps(5, 8), [(7, 8)]);
        assert_eq!(spans.gaps(8, 8), []);
        assert_eq!(spans.gaps(11, 12), []);
        assert_eq!(spans.gaps(12, 14), [(12, 14)]);
        assert!(spans.0.is_empty(), "{spans:?}");
    }
}
