//! The figures of a replay.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::policy::replay::{Aspect, Compared, Verdict};

/// How many decisions are the same, differ, or cannot be told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub requests: u64,
    pub decisions: u64,
    pub same: u64,
    pub differs: u64,
    pub unknown: u64,
    /// Differences by what differs; a decision may be in several.
    pub aspects: BTreeMap<Aspect, u64>,
    /// Other outcomes, as `allow -> deny`.
    pub outcomes: BTreeMap<String, u64>,
    /// Decisions by what is to be said of them.
    pub notes: BTreeMap<String, u64>,
}

impl Tally {
    /// Takes in the decisions of one request.
    pub fn add<'a>(&mut self, request: impl IntoIterator<Item = &'a Compared>) {
        increment(&mut self.requests);
        for one in request {
            increment(&mut self.decisions);
            increment(match one.verdict {
                Verdict::Same => &mut self.same,
                Verdict::Differs => &mut self.differs,
                Verdict::Unknown => &mut self.unknown,
            });
            for aspect in &one.changed {
                increment(self.aspects.entry(*aspect).or_default());
            }
            if let Some(is) = one.is.as_ref().filter(|_| one.changed.contains(&Aspect::Outcome)) {
                let turn = format!("{} -> {}", one.was.outcome.as_str(), is.outcome.as_str());
                increment(self.outcomes.entry(turn).or_default());
            }
            for note in &one.notes {
                increment(self.notes.entry(note.clone()).or_default());
            }
        }
    }
}

fn increment(count: &mut u64) {
    *count = count.saturating_add(1);
}
