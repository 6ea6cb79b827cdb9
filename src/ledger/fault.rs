//! A fault to try: a transaction that was committed and is reported as failed. Only in builds with the feature `failpoints`,
//! never in a released one.
//!
//! `SLUICE_LOST_ANSWERS=3` loses the answer to three commits in a hundred of a process, `SLUICE_LOST_ANSWERS=3:17` to others:
//! the second number is the seed.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use rand::{Rng, SeedableRng, rngs::SmallRng};

/// Which commits lose their answer.
#[derive(Debug, Default)]
pub struct LostAnswers {
    every: AtomicU64,
    commits: AtomicU64,
}

/// A part of all commits, drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Share {
    percent: u32,
    seed: u64,
}

impl LostAnswers {
    /// Every n-th from now on; 0: none but those that the environment asks for.
    pub fn every(&self, n: u64) {
        self.commits.store(0, Ordering::SeqCst);
        self.every.store(n, Ordering::SeqCst);
    }

    /// To be asked once after each commit.
    pub fn is_lost(&self) -> bool {
        let commit = self.commits.fetch_add(1, Ordering::SeqCst).wrapping_add(1);
        let every = self.every.load(Ordering::SeqCst);
        every > 0 && commit.is_multiple_of(every) || share().is_some_and(|share| share.takes(commit))
    }
}

impl Share {
    fn takes(self, commit: u64) -> bool {
        let mut draw = SmallRng::seed_from_u64(self.seed.wrapping_add(commit));
        draw.random_range(0..100) < self.percent
    }
}

fn share() -> Option<Share> {
    static SHARE: OnceLock<Option<Share>> = OnceLock::new();
    *SHARE.get_or_init(from_environment)
}

#[expect(clippy::disallowed_methods, reason = "a test facility; the released build has no such code")]
fn from_environment() -> Option<Share> {
    let text = std::env::var("SLUICE_LOST_ANSWERS").ok()?;
    let share = parse(&text);
    if share.is_none() {
        tracing::error!(text, "not a share of commits (`percent` or `percent:seed`); none is lost");
    }
    share
}

fn parse(text: &str) -> Option<Share> {
    let (percent, seed) = text.split_once(':').unwrap_or((text, "0"));
    let percent = percent.parse().ok().filter(|percent| (1..=100).contains(percent))?;
    Some(Share { percent, seed: seed.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_named_with_or_without_a_seed() {
        assert_eq!(parse("3"), Some(Share { percent: 3, seed: 0 }));
        assert_eq!(parse("100:17"), Some(Share { percent: 100, seed: 17 }));
        for wrong in ["", "0", "101", "x", "3:", "3:x", ":1"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_share_takes_about_its_part_and_the_same_for_the_same_seed() {
        let taken = |seed| (1..=10_000).filter(|commit| Share { percent: 3, seed }.takes(*commit)).count();
        assert!((200..400).contains(&taken(5)), "{}", taken(5));
        assert_eq!(taken(5), taken(5));
    }
}
