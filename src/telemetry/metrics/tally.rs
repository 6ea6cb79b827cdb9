//! How often each of a few words came. The words must come from closed sets: each is kept for ever.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Counts by one or several words.
#[derive(Debug)]
pub struct Tally<K>(Mutex<BTreeMap<K, u64>>);

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord + Clone> Tally<K> {
    fn counts(&self) -> MutexGuard<'_, BTreeMap<K, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn add(&self, word: K, times: u64) {
        let mut counts = self.counts();
        let count = counts.entry(word).or_default();
        *count = count.saturating_add(times);
    }
    pub fn read(&self) -> Vec<(K, u64)> {
        self.counts().iter().map(|(word, count)| (word.clone(), *count)).collect()
    }
}
