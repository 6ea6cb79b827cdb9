//! How many requests were made, by endpoint and result. Bounded: both words come from closed sets.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<BTreeMap<(&'static str, &'static str), u64>>);

impl Counters {
    pub(super) fn count(&self, endpoint: &'static str, result: &'static str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry((endpoint, result)).or_default();
        *count = count.saturating_add(1);
    }
    pub(super) fn read(&self) -> Vec<(String, String, u64)> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|((e, r), n)| ((*e).to_owned(), (*r).to_owned(), *n)).collect()
    }
}
