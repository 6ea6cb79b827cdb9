//! The order behind a `DueQueue`: which key waits until when, which is given out, what is kept back for it. Plain
//! data; it neither waits nor asks for the time.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

use crate::job::time::Timestamp;

/// A place in line: time, then order of arrival.
type Place = (Timestamp, u64);

pub(super) struct Line<K, T> {
    order: BTreeMap<Place, K>,
    waiting: HashMap<K, (Place, T)>,
    /// Keys given out and not finished, each with what was pushed meanwhile.
    flying: HashMap<K, Option<(Timestamp, T)>>,
    /// How many of those were pushed meanwhile.
    kept: usize,
    arrivals: u64,
    closed: bool,
}

impl<K, T> Default for Line<K, T> {
    fn default() -> Self {
        Self {
            order: BTreeMap::new(),
            waiting: HashMap::new(),
            flying: HashMap::new(),
            kept: 0,
            arrivals: 0,
            closed: false,
        }
    }
}

pub(super) enum Look<K, T> {
    Due(K, T),
    At(Timestamp),
    Empty,
    Closed,
}

impl<K: Clone + Eq + Hash, T> Line<K, T> {
    /// True when the earliest time moved ahead.
    pub(super) fn push(&mut self, key: K, at: Timestamp, item: T) -> bool {
        if self.closed {
            return false;
        }
        if let Some(kept) = self.flying.get_mut(&key) {
            let at = kept.as_ref().map_or(at, |(earlier, _)| at.min(*earlier));
            if kept.replace((at, item)).is_none() {
                self.kept = self.kept.saturating_add(1);
            }
            return false;
        }
        if let Some((place, waiting)) = self.waiting.get_mut(&key) {
            *waiting = item;
            if place.0 <= at {
                return false;
            }
            self.order.remove(place);
            // Keeps its arrival: moved ahead, it stands before what came later for the same time.
            place.0 = at;
            let place = *place;
            self.order.insert(place, key);
            return self.is_first(place);
        }
        let place = (at, self.arrivals);
        self.arrivals = self.arrivals.wrapping_add(1);
        self.order.insert(place, key.clone());
        self.waiting.insert(key, (place, item));
        self.is_first(place)
    }

    fn is_first(&self, place: Place) -> bool {
        self.order.first_key_value().is_some_and(|(first, _)| *first == place)
    }

    pub(super) fn look(&mut self, now: Timestamp) -> Look<K, T> {
        if self.closed {
            return Look::Closed;
        }
        let Some(first) = self.order.first_entry() else { return Look::Empty };
        let at = first.key().0;
        if at > now {
            return Look::At(at);
        }
        let key = first.remove();
        // Both maps always hold the same keys; a missing one would only be passed over.
        let Some((_, item)) = self.waiting.remove(&key) else { return Look::At(now) };
        self.flying.insert(key.clone(), None);
        Look::Due(key, item)
    }

    pub(super) fn finish(&mut self, key: K) -> bool {
        match self.flying.remove(&key) {
            Some(Some((at, item))) => {
                self.kept = self.kept.saturating_sub(1);
                self.push(key, at, item)
            }
            Some(None) | None => false,
        }
    }

    /// Takes out whichever key stands first, due or not.
    pub(super) fn pop(&mut self) -> Option<(K, T)> {
        let (_, key) = self.order.pop_first()?;
        let (_, item) = self.waiting.remove(&key)?;
        Some((key, item))
    }

    /// True while a key waits or is worked on.
    pub(super) fn knows(&self, key: &K) -> bool {
        self.waiting.contains_key(key) || self.flying.contains_key(key)
    }

    /// Waiting and kept back.
    pub(super) fn len(&self) -> usize {
        self.waiting.len().saturating_add(self.kept)
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<T> {
        if let Some((place, item)) = self.waiting.remove(key) {
            self.order.remove(&place);
            return Some(item);
        }
        let (_, item) = self.flying.get_mut(key)?.take()?;
        self.kept = self.kept.saturating_sub(1);
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_keys_come_out_in_order() {
        let mut line: Line<i64, ()> = Line::default();
        // 611,953 has no factor in common with a million, so this walks through all of them in a jumble.
        for n in 0..1_000_000 {
            let key = n * 611_953 % 1_000_000;
            line.push(key, Timestamp(key), ());
        }
        assert_eq!(line.len(), 1_000_000);
        for expected in 0..1_000_000 {
            assert!(matches!(line.look(Timestamp(expected)), Look::Due(key, ()) if key == expected));
        }
        assert!(matches!(line.look(Timestamp(i64::MAX)), Look::Empty));
    }
}
