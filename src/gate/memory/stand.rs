//! Where each class stands: ready to be tested, parked under the budget that refused it, or standing off for a
//! moment. A class is in exactly one of these, under the rank of its first job.
//!
//! A budget that wakes a class gives it the baton of its group. The baton is handed back, and the budget looked at
//! again, when the class has been admitted or moved, so that the wake-up reaches the next waiter. If the class is then
//! held up by a budget that its whole group asks for, it keeps the baton there: waking the others would only move
//! them all, one by one, from one full budget to the other and back.

use std::sync::Arc;

use crate::{
    budget::{Class, ClassId, Key, Refusal, RefusalKind},
    gate::memory::{
        figures::Figures,
        line::{Line, STAND_OFF},
        lot::Spot,
        need::{Group, Need, Shape, is_shared},
        roll::{Rank, Roll},
    },
    job::time::Timestamp,
};

/// The waiting jobs that ask for the same.
#[derive(Debug)]
pub(super) struct Queue {
    pub class: Arc<Class>,
    shape: Shape,
    pub roll: Roll,
    pub stand: Stand,
    /// The rank under which it stands; None only while it is being moved.
    pub head: Option<Rank>,
    batons: Vec<(Key, Group)>,
    /// The budget it was last parked under, and since when, while its first job has not got through.
    pub held_up: Option<(Key, Timestamp)>,
    /// The budget of which room is kept for it.
    pub reserves: Option<Key>,
}

impl Queue {
    pub fn new(class: Arc<Class>, figures: &Figures) -> Self {
        Self {
            shape: Shape::of(&class.demands, figures),
            class,
            roll: Roll::default(),
            stand: Stand::Ready,
            head: None,
            batons: Vec::new(),
            held_up: None,
            reserves: None,
        }
    }
}

#[derive(Debug)]
pub(super) enum Stand {
    Ready,
    Parked(Spot),
    /// The ledger refused and the figures do not show why.
    Off {
        refusal: Refusal,
        since: Timestamp,
        until: Timestamp,
    },
}

impl Line {
    /// Changes the roll of a class. If that changes its first job, the class moves to the new rank; a parked one is
    /// tested anew, since it may now go before the one that carries the baton of its group. A class without jobs is
    /// forgotten.
    pub fn edit(&mut self, id: ClassId, edit: impl FnOnce(&mut Roll)) {
        let Some(queue) = self.classes.get_mut(&id) else { return };
        edit(&mut queue.roll);
        if queue.head.is_some() && queue.head == queue.roll.first() {
            return;
        }
        self.hand_back(id, |_| false);
        match self.lift(id) {
            Some(Stand::Ready | Stand::Parked(_)) => self.place(id, Stand::Ready),
            Some(off @ Stand::Off { .. }) => self.place(id, off),
            None => {}
        }
    }

    /// Takes a class from where it stands.
    fn lift(&mut self, id: ClassId) -> Option<Stand> {
        let queue = self.classes.get_mut(&id)?;
        let stand = std::mem::replace(&mut queue.stand, Stand::Ready);
        if let Some(head) = queue.head.take() {
            match &stand {
                Stand::Ready => {
                    self.ready.remove(&head);
                }
                Stand::Parked(spot) => self.lot.unpark(spot, &head, id),
                Stand::Off { until, .. } => {
                    self.standing_off.remove(&(*until, id));
                }
            }
        }
        Some(stand)
    }

    /// Puts a lifted class somewhere.
    fn place(&mut self, id: ClassId, stand: Stand) {
        let Some(queue) = self.classes.get_mut(&id) else { return };
        let Some(head) = queue.roll.first() else {
            let reserves = queue.reserves.take();
            self.classes.remove(&id);
            if let Some(key) = reserves {
                self.end_reservation(&key);
            }
            return;
        };
        queue.head = Some(head);
        match &stand {
            Stand::Ready => {
                self.ready.insert(head, id);
            }
            Stand::Parked(spot) => {
                self.lot.park(spot, head, id);
                if spot.heavy && self.jobs.get(&head.job).is_some_and(|job| !job.reserved) {
                    self.lot.note_heavy(spot, id);
                }
            }
            Stand::Off { until, .. } => {
                self.standing_off.insert((*until, id));
            }
        }
        queue.stand = stand;
    }

    /// Parks a class under the budget that refused it.
    pub fn park(&mut self, id: ClassId, refusal: &Refusal, now: Timestamp) {
        let Some(queue) = self.classes.get_mut(&id) else { return };
        let key = refusal.key.clone();
        #[cfg(feature = "failpoints")]
        let key = match queue.class.demands.last() {
            Some(last) if self.mutant == Some(crate::gate::memory::mutant::Mutant::WrongBudget) => {
                last.key.clone()
            }
            _ => key,
        };
        let since = match &queue.held_up {
            Some((held, since)) if *held == key => *since,
            _ => now,
        };
        queue.held_up = Some((key.clone(), since));
        let need = Need::of(&queue.class.demands, &key, &self.figures);
        let heavy = refusal.kind == RefusalKind::Full && need.is_heavy(&key, &self.figures);
        let group = Group { need, shape: queue.shape };
        let shared = is_shared(&key);
        #[cfg(feature = "failpoints")]
        let shared = shared || self.is(crate::gate::memory::mutant::Mutant::KeptBaton);
        self.lift(id);
        self.place(id, Stand::Parked(Spot { key: key.clone(), group, since, heavy }));
        self.hand_back(id, |from| shared && *from != key);
        self.arm(&key, now);
    }

    pub fn stand_off(&mut self, id: ClassId, refusal: Refusal, now: Timestamp) {
        self.lift(id);
        let until = now.plus(STAND_OFF);
        self.place(id, Stand::Off { refusal, since: now, until });
        self.hand_back(id, |_| false);
    }

    /// A class that stood off is to be tested.
    pub fn make_ready(&mut self, id: ClassId) {
        self.lift(id);
        self.place(id, Stand::Ready);
    }

    /// A class parked under the budget is to be tested, with the baton of its group.
    pub fn wake(&mut self, id: ClassId) {
        if let Some(Stand::Parked(Spot { key, group, .. })) = self.lift(id) {
            self.lot.set_represented(&key, &group, true);
            if let Some(queue) = self.classes.get_mut(&id) {
                queue.batons.push((key, group));
            }
        }
        self.place(id, Stand::Ready);
    }

    /// Hands back the batons that are not to be kept. Of a kept one the budget is looked at again for other groups.
    fn hand_back(&mut self, id: ClassId, keep: impl Fn(&Key) -> bool) {
        let Some(queue) = self.classes.get_mut(&id) else { return };
        let batons = std::mem::take(&mut queue.batons);
        #[cfg(feature = "failpoints")]
        if self.mutant == Some(crate::gate::memory::mutant::Mutant::DroppedBaton) {
            return;
        }
        for (key, group) in batons {
            self.lot.mark(&key);
            if keep(&key) {
                queue.batons.push((key, group));
            } else {
                self.lot.set_represented(&key, &group, false);
            }
        }
    }

    /// A budget, and the pool if it is a member's, may have room.
    pub fn mark(&mut self, key: &Key, now: Timestamp) {
        self.lot.mark(key);
        self.arm(key, now);
        if let Some(pool) = key.pool_of_member() {
            self.lot.mark(&pool);
            self.arm(&pool, now);
        }
    }

    /// Sets when time alone makes it worth to look at the budget again. Called whenever that may have changed and
    /// whenever a look found nobody to wake.
    pub fn arm(&mut self, key: &Key, now: Timestamp) {
        if !self.lot.has_waiters(key) {
            return;
        }
        let at = self.figures.next_change(key, now).into_iter().chain(self.next_reservation(key)).min();
        #[cfg(feature = "failpoints")]
        let at = at.filter(|_| !self.is(crate::gate::memory::mutant::Mutant::NoAlarm));
        self.lot.set_alarm(key, at);
    }
}
