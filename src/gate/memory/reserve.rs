//! Room kept for a heavy job. A class that needs much of a budget would wait for ever while lighter ones take each
//! unit as it is freed. After `RESERVATION_AFTER` its first job gets one reservation: for `RESERVATION_LASTS` no
//! other class takes of that budget, until the job fits. Others go on with other budgets.

use crate::{
    budget::{Books, Class, ClassId, Decision, Key, MemberView, RefusalKind, View, decide},
    gate::{
        kept_room,
        memory::{line::Line, stand::Stand},
    },
    job::time::{Millis, Timestamp},
};

/// How long a class that needs more than one unit waits under one budget before room is kept for it.
pub const RESERVATION_AFTER: Millis = Millis::minutes(10);
/// How long room is kept at most; once per job.
pub const RESERVATION_LASTS: Millis = Millis::minutes(30);

/// One budget's room is kept for one class.
#[derive(Debug)]
pub(super) struct Reservation {
    pub class: ClassId,
    pub since: Timestamp,
    pub until: Timestamp,
}

/// The figures as one class may use them: room kept for another is closed to it.
struct SeenBy<'a> {
    line: &'a Line,
    class: ClassId,
    now: Timestamp,
}

impl Books for SeenBy<'_> {
    fn view(&self, key: &Key) -> View {
        let mut view = self.line.figures.view(key);
        let kept = self.line.reserved.get(key).filter(|kept| kept.class != self.class);
        // A closure whose time has passed is none.
        if let (None, Some(kept)) = (view.closed_at(self.now), kept) {
            view.closed = Some(kept_room(kept.since, kept.until));
        }
        view
    }
    fn members(&self, pool: &Key, now: Timestamp) -> Vec<MemberView> {
        self.line.figures.members(pool, now)
    }
}

impl Line {
    /// Whether the next job of the class fits now, by everything that is known.
    pub fn decide(&self, class: &Class, now: Timestamp) -> Decision {
        decide(&SeenBy { line: self, class: class.id, now }, &class.demands, now)
    }

    /// The budget's time has come: a gate opened, a member returned, a reservation starts or ends.
    pub fn ring(&mut self, key: &Key, now: Timestamp) {
        if self.reserved.get(key).is_some_and(|kept| kept.until <= now) {
            self.end_reservation(key);
        }
        self.reserve(key, now);
        self.lot.mark(key);
        self.arm(key, now);
    }

    /// When a reservation of the budget ends, or may start.
    pub fn next_reservation(&self, key: &Key) -> Option<Timestamp> {
        match self.reserved.get(key) {
            Some(kept) => Some(kept.until),
            None => self.lot.longest_heavy(key).map(|(since, _)| since.plus(RESERVATION_AFTER)),
        }
    }

    /// Keeps the budget for the class that has waited longest, if that is long enough.
    fn reserve(&mut self, key: &Key, now: Timestamp) {
        while !self.reserved.contains_key(key)
            && let Some((since, class)) = self.lot.longest_heavy(key)
            && since.plus(RESERVATION_AFTER) <= now
        {
            self.lot.forget_heavy(key, (since, class));
            if !self.would_help(key, class, now) {
                continue;
            }
            let Some(queue) = self.classes.get_mut(&class) else { continue };
            queue.reserves = Some(key.clone());
            if let Some(job) = queue.head.and_then(|head| self.jobs.get_mut(&head.job)) {
                job.reserved = true;
            }
            let until = now.plus(RESERVATION_LASTS);
            self.reserved.insert(key.clone(), Reservation { class, since: now, until });
        }
    }

    /// Only the lack of room holds it up here: not a closed gate, nor a limit that it is over anyway.
    fn would_help(&self, key: &Key, class: ClassId, now: Timestamp) -> bool {
        let Some(Stand::Parked(spot)) = self.classes.get(&class).map(|queue| &queue.stand) else {
            return false;
        };
        match decide(&self.figures, &spot.group.need.demands(key), now) {
            Decision::Refuse(refusal) => refusal.kind == RefusalKind::Full,
            Decision::Admit(_) => false,
        }
    }

    pub fn end_reservation(&mut self, key: &Key) {
        let Some(kept) = self.reserved.remove(key) else { return };
        if let Some(queue) = self.classes.get_mut(&kept.class) {
            queue.reserves = None;
        }
        self.lot.mark(key);
    }
}
