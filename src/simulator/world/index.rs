//! Finds tasks for lists without looking at all of them: one ordered set per state, by the time of
//! the last listed change. The cost of a list follows what it returns, not what ever existed.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

use super::TaskKey;
use super::state::TaskState;

type Entry = (i64, TaskKey);

/// Tasks in lists, of one repository or of one creator.
#[derive(Debug, Default)]
pub(crate) struct ListIndex {
    by_state: BTreeMap<TaskState, BTreeSet<Entry>>,
    archived: BTreeMap<TaskState, BTreeSet<Entry>>,
    active_count: usize,
    archived_count: usize,
}

/// What a list asks the index for.
#[derive(Debug, Clone)]
pub(crate) struct IndexQuery {
    /// Any state when empty.
    pub states: Vec<TaskState>,
    pub archived: bool,
    /// Changed at or after this time.
    pub since_ms: Option<i64>,
    /// By creation instead of by change.
    pub by_creation: bool,
    pub ascending: bool,
}

impl ListIndex {
    /// Adds a task under its state and time.
    pub(crate) fn insert(&mut self, state: &TaskState, archived: bool, updated_ms: i64, task: TaskKey) {
        *self.count(archived) += 1;
        let side = if archived { &mut self.archived } else { &mut self.by_state };
        side.entry(state.clone()).or_default().insert((updated_ms, task));
    }

    /// Takes a task out again; the arguments are those of its insertion.
    pub(crate) fn remove(&mut self, state: &TaskState, archived: bool, updated_ms: i64, task: TaskKey) {
        let side = if archived { &mut self.archived } else { &mut self.by_state };
        let removed = side.get_mut(state).is_some_and(|set| set.remove(&(updated_ms, task)));
        if removed {
            let count = self.count(archived);
            *count = count.saturating_sub(1);
        }
    }

    /// Tasks that are not archived, and tasks that are.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.active_count, self.archived_count)
    }

    /// Up to `take` tasks after the first `skip`, of those that `keep` accepts.
    pub(crate) fn find(
        &self,
        query: &IndexQuery,
        keep: impl Fn(TaskKey) -> bool,
        skip: usize,
        take: usize,
    ) -> Vec<TaskKey> {
        let low = (query.since_ms.unwrap_or(i64::MIN), TaskKey::default());
        let side = if query.archived { &self.archived } else { &self.by_state };
        let sets = side.iter().filter(|(state, _)| query.states.is_empty() || query.states.contains(state));
        let ranges = sets.map(|(_, set)| set.range(low..).copied());
        if query.by_creation {
            let mut tasks: Vec<TaskKey> =
                ranges.flatten().map(|(_, task)| task).filter(|task| keep(*task)).collect();
            tasks.sort_unstable();
            if !query.ascending {
                tasks.reverse();
            }
            return tasks.into_iter().skip(skip).take(take).collect();
        }
        let merged: Box<dyn Iterator<Item = TaskKey>> = if query.ascending {
            Box::new(Merged { parts: ranges.map(Iterator::peekable).collect(), ascending: true })
        } else {
            Box::new(Merged { parts: ranges.map(|range| range.rev().peekable()).collect(), ascending: false })
        };
        merged.filter(|task| keep(*task)).skip(skip).take(take).collect()
    }

    fn count(&mut self, archived: bool) -> &mut usize {
        if archived { &mut self.archived_count } else { &mut self.active_count }
    }
}

/// Joins sorted parts into one sorted sequence.
struct Merged<I: Iterator<Item = Entry>> {
    parts: Vec<Peekable<I>>,
    ascending: bool,
}

impl<I: Iterator<Item = Entry>> Iterator for Merged<I> {
    type Item = TaskKey;

    fn next(&mut self) -> Option<TaskKey> {
        let heads =
            self.parts.iter_mut().enumerate().filter_map(|(at, part)| part.peek().map(|entry| (*entry, at)));
        let (_, at) = if self.ascending { heads.min() } else { heads.max() }?;
        self.parts.get_mut(at)?.next().map(|(_, task)| task)
    }
}
