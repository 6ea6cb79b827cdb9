//! The parking lot: classes that wait under the budget that refused them, which budgets are dirty, and when time
//! alone makes it worth to look at one again. It decides nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    budget::{ClassId, Key},
    gate::memory::{need::Group, roll::Rank},
    job::time::Timestamp,
};

/// Where and since when a class is parked.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub key: Key,
    pub group: Group,
    pub since: Timestamp,
    /// May get a reservation when it has waited long enough.
    pub heavy: bool,
}

#[derive(Debug, Default)]
pub(super) struct Lot {
    budgets: HashMap<Key, Waiters>,
    /// Budgets with waiters of which one may fit now.
    dirty: BTreeSet<Key>,
    alarms: BTreeSet<(Timestamp, Key)>,
    #[cfg(feature = "failpoints")]
    pub stubborn: bool,
}

/// The classes under one budget.
#[derive(Debug, Default)]
struct Waiters {
    groups: BTreeMap<Group, Members>,
    /// Those that may get a reservation, by the start of their wait.
    heavy: BTreeSet<(Timestamp, ClassId)>,
    alarm: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Members {
    line: BTreeMap<Rank, ClassId>,
    /// One of them was woken and carries the baton; the others are not woken until it is handed back.
    represented: bool,
}

impl Lot {
    /// Whoever parks has just been tested. That makes the group worth a look when the budget has room again, even if
    /// one of them is away: two that were each waiting for the other's return would wait for ever.
    pub fn park(&mut self, spot: &Spot, rank: Rank, class: ClassId) {
        let waiters = self.budgets.entry(spot.key.clone()).or_default();
        let members = waiters.groups.entry(spot.group.clone()).or_default();
        members.line.insert(rank, class);
        #[cfg(feature = "failpoints")]
        if self.stubborn {
            return;
        }
        members.represented = false;
    }

    pub fn unpark(&mut self, spot: &Spot, rank: &Rank, class: ClassId) {
        let Some(waiters) = self.budgets.get_mut(&spot.key) else { return };
        waiters.heavy.remove(&(spot.since, class));
        if let Some(members) = waiters.groups.get_mut(&spot.group) {
            members.line.remove(rank);
            if members.line.is_empty() {
                waiters.groups.remove(&spot.group);
            }
        }
        if waiters.groups.is_empty() {
            self.set_alarm(&spot.key, None);
            self.budgets.remove(&spot.key);
            self.dirty.remove(&spot.key);
        }
    }

    /// The budget may have more room than before. Without waiters there is nothing to remember.
    pub fn mark(&mut self, key: &Key) {
        if self.budgets.contains_key(key) {
            self.dirty.insert(key.clone());
        }
    }
    pub fn take_dirty(&mut self) -> Option<Key> {
        self.dirty.pop_first()
    }
    pub fn dirty_count(&self) -> usize {
        self.dirty.len()
    }
    pub fn has_waiters(&self, key: &Key) -> bool {
        self.budgets.contains_key(key)
    }

    /// The first class of each group under the budget, without the groups whose baton is out.
    pub fn fronts(&self, key: &Key) -> impl Iterator<Item = (&Group, Rank, ClassId)> {
        let groups = self.budgets.get(key).into_iter().flat_map(|waiters| &waiters.groups);
        let present = groups.filter(|(_, members)| !members.represented);
        present.filter_map(|(group, members)| {
            members.line.first_key_value().map(|(rank, class)| (group, *rank, *class))
        })
    }
    pub fn set_represented(&mut self, key: &Key, group: &Group, represented: bool) {
        let waiters = self.budgets.get_mut(key);
        if let Some(members) = waiters.and_then(|waiters| waiters.groups.get_mut(group)) {
            members.represented = represented;
        }
    }

    pub fn set_alarm(&mut self, key: &Key, at: Option<Timestamp>) {
        let Some(waiters) = self.budgets.get_mut(key) else { return };
        if let Some(old) = std::mem::replace(&mut waiters.alarm, at) {
            self.alarms.remove(&(old, key.clone()));
        }
        if let Some(at) = at {
            self.alarms.insert((at, key.clone()));
        }
    }
    /// A budget whose time has come, and which is then without alarm.
    pub fn take_alarm(&mut self, now: Timestamp) -> Option<Key> {
        let (at, _) = self.alarms.first()?;
        if *at > now {
            return None;
        }
        let (_, key) = self.alarms.pop_first()?;
        if let Some(waiters) = self.budgets.get_mut(&key) {
            waiters.alarm = None;
        }
        Some(key)
    }
    pub fn next_alarm(&self) -> Option<Timestamp> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// The class may get a reservation when it has waited long enough.
    pub fn note_heavy(&mut self, spot: &Spot, class: ClassId) {
        if let Some(waiters) = self.budgets.get_mut(&spot.key) {
            waiters.heavy.insert((spot.since, class));
        }
    }
    pub fn longest_heavy(&self, key: &Key) -> Option<(Timestamp, ClassId)> {
        self.budgets.get(key)?.heavy.first().copied()
    }
    pub fn forget_heavy(&mut self, key: &Key, entry: (Timestamp, ClassId)) {
        if let Some(waiters) = self.budgets.get_mut(key) {
            waiters.heavy.remove(&entry);
        }
    }
}
