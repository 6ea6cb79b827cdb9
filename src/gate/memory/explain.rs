//! Questions to the line: why a job waits, what is in it, when to come back. Nothing changes here. Reasons are
//! decided anew from the figures of the moment, so the one shown is true even if the class was parked by older ones.

use std::collections::BTreeMap;

use crate::{
    budget::Decision,
    gate::{
        Counts, Place, WaitReason,
        memory::{
            line::{Job, Line, Stage},
            stand::Stand,
        },
    },
    job::{id::JobId, time::Timestamp},
};

impl Line {
    pub fn explain(&self, id: JobId, now: Timestamp) -> Option<Place> {
        let job = self.jobs.get(&id)?;
        let place = match &job.stage {
            Stage::Proposed { since, .. } => Place { reason: WaitReason::Proposed, since: *since, ahead: 0 },
            Stage::Timed(at) if *at > now => {
                Place { reason: WaitReason::Time(*at), since: job.offered_at, ahead: 0 }
            }
            Stage::Timed(_) | Stage::Waiting => self.place_in_class(job, now),
        };
        Some(place)
    }

    fn place_in_class(&self, job: &Job, now: Timestamp) -> Place {
        let queue = self.classes.get(&job.class.id);
        let ahead = queue.map_or(0, |queue| queue.roll.ahead_of(&job.rank));
        let stand = queue.map(|queue| &queue.stand);
        let since = match stand {
            Some(Stand::Parked(spot)) => spot.since.max(job.offered_at),
            Some(Stand::Off { since, .. }) => (*since).max(job.offered_at),
            Some(Stand::Ready) | None => job.offered_at,
        };
        let reason = match (self.decide(&job.class, now), stand) {
            (Decision::Refuse(refusal), _) => WaitReason::Budget(refusal),
            (Decision::Admit(_), Some(Stand::Off { refusal, until, .. })) if *until > now => {
                WaitReason::Budget(refusal.clone())
            }
            (Decision::Admit(_), _) => WaitReason::Turn,
        };
        Place { reason, since, ahead }
    }

    /// May be too early, never too late.
    pub fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        if self.has_work(now) {
            return Some(now);
        }
        let due = self.due.first().map(|(at, _)| *at);
        let stand_off = self.standing_off.first().map(|(at, _)| *at);
        let lapse = self.lapses.first().map(|(at, _)| *at);
        [due, stand_off, lapse, self.lot.next_alarm()].into_iter().flatten().min()
    }

    pub fn counts(&self) -> Counts {
        Counts {
            waiting: self.jobs.len().saturating_sub(self.lapses.len() + self.due.len()) as u64,
            proposed: self.lapses.len() as u64,
            classes: self.classes.len() as u64,
            ready_classes: self.ready.len() as u64,
            parked_classes: self.classes.len().saturating_sub(self.ready.len()) as u64,
            timed_jobs: self.due.len() as u64,
            dirty_budgets: self.lot.dirty_count() as u64,
        }
    }

    /// Costs a step for each class.
    pub fn held_up(&self) -> BTreeMap<String, u64> {
        let mut held_up: BTreeMap<String, u64> = BTreeMap::new();
        for queue in self.classes.values() {
            let key = match &queue.stand {
                Stand::Ready => continue,
                Stand::Parked(spot) => &spot.key,
                Stand::Off { refusal, .. } => &refusal.key,
            };
            let jobs = queue.roll.len();
            match held_up.get_mut(key.name()) {
                Some(sum) => *sum = sum.saturating_add(jobs),
                None => drop(held_up.insert(key.name().to_owned(), jobs)),
            }
        }
        held_up
    }

    pub fn jobs(&self) -> Vec<JobId> {
        self.jobs.keys().copied().collect()
    }
}
