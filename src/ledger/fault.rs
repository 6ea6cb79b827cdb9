//! A fault to try: a transaction that was committed and is reported as failed. Only in builds with the feature `failpoints`,
//! never in a released one.

use std::sync::atomic::{AtomicU64, Ordering};

/// Which commits lose their answer.
#[derive(Debug, Default)]
pub struct LostAnswers {
    every: AtomicU64,
    commits: AtomicU64,
}

impl LostAnswers {
    /// Every n-th from now on; 0: none.
    pub fn every(&self, n: u64) {
        self.commits.store(0, Ordering::SeqCst);
        self.every.store(n, Ordering::SeqCst);
    }

    /// To be asked once after each commit.
    pub fn is_lost(&self) -> bool {
        let commit = self.commits.fetch_add(1, Ordering::SeqCst).wrapping_add(1);
        let every = self.every.load(Ordering::SeqCst);
        every > 0 && commit.is_multiple_of(every)
    }
}
