//! Durations in fixed buckets. To note one costs three additions.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Upper ends in seconds, for calls of a store or a server.
pub const QUICK: &[f64] =
    &[0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0];
/// Upper ends in seconds, for what takes agents and people: a second to two weeks.
pub const SLOW: &[f64] = &[
    1.0,
    5.0,
    15.0,
    60.0,
    300.0,
    900.0,
    1_800.0,
    3_600.0,
    7_200.0,
    21_600.0,
    43_200.0,
    86_400.0,
    259_200.0,
    604_800.0,
    1_209_600.0,
];

/// How often which duration was seen.
#[derive(Debug)]
pub struct Histogram {
    ends: &'static [f64],
    /// One more than ends: the last has no end.
    counts: Box<[AtomicU64]>,
    microseconds: AtomicU64,
}

impl Histogram {
    /// `ends` must rise.
    pub fn new(ends: &'static [f64]) -> Self {
        let counts = (0..=ends.len()).map(|_| AtomicU64::new(0)).collect();
        Self { ends, counts, microseconds: AtomicU64::new(0) }
    }

    pub fn note(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = self.ends.partition_point(|end| *end < seconds);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    /// Each bucket's end with what is in it alone, and the sum in seconds.
    pub fn read(&self) -> (Vec<(f64, u64)>, f64) {
        let ends = self.ends.iter().copied().chain([f64::INFINITY]);
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        (
            ends.zip(counts).collect(),
            Duration::from_micros(self.microseconds.load(Ordering::Relaxed)).as_secs_f64(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_whose_end_it_does_not_exceed() {
        let histogram = Histogram::new(&[0.1, 1.0]);
        for ms in [100, 101, 1_000, 5_000] {
            histogram.note(Duration::from_millis(ms));
        }
        let (buckets, sum) = histogram.read();
        assert_eq!(buckets, [(0.1, 1), (1.0, 2), (f64::INFINITY, 1)]);
        assert!((sum - 6.201).abs() < 1e-9, "{sum}");
    }
}
