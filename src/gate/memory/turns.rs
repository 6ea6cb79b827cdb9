//! Proposing: the lowest class whose demands fit gives its first job. One step looks at one thing, and the number of
//! steps of a call is bounded, so no call depends on how many jobs or classes wait.

use std::sync::Arc;

use crate::{
    budget::{ClassId, Decision, Key, Take, decide},
    gate::{
        PROPOSAL_LAPSES, Proposal, Proposals,
        memory::{
            line::{Line, Stage},
            need::Group,
            stand::Stand,
        },
    },
    job::time::Timestamp,
};

/// Steps of a call beyond those that its proposals need.
const SPARE_STEPS: usize = 64;
/// A proposal takes up to this many: its job becomes due, its class is woken, tested, and hands the wake-up on.
const STEPS_PER_PROPOSAL: usize = 4;

/// What has been looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    pub steps: u64,
    /// Classes whose demands were tested.
    pub tests: u64,
    /// Groups of equal need under a dirty budget.
    pub looks: u64,
}

impl Line {
    pub fn propose(&mut self, max: usize, now: Timestamp) -> Proposals {
        let mut list = Vec::new();
        for _ in 0..max.saturating_mul(STEPS_PER_PROPOSAL).saturating_add(SPARE_STEPS) {
            if list.len() >= max || !self.has_work(now) {
                break;
            }
            list.extend(self.step(now));
        }
        Proposals { list, more: self.has_work(now) }
    }

    /// True if a step would look at something.
    pub fn has_work(&self, now: Timestamp) -> bool {
        let passed = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        !self.ready.is_empty()
            || self.lot.dirty_count() > 0
            || passed(self.lapses.first().map(|(at, _)| *at))
            || passed(self.due.first().map(|(at, _)| *at))
            || passed(self.standing_off.first().map(|(at, _)| *at))
            || passed(self.lot.next_alarm())
    }

    /// Tests a class only when nobody is left to be woken, so that the lowest rank of all that fit goes first.
    fn step(&mut self, now: Timestamp) -> Option<Proposal> {
        self.work.steps += 1;
        if let Some(key) = self.lot.take_alarm(now) {
            self.ring(&key, now);
        } else if let Some((at, job)) = self.lapses.first().copied()
            && at <= now
        {
            self.lapse(job);
        } else if let Some((at, job)) = self.due.first().copied()
            && at <= now
        {
            self.due.remove(&(at, job));
            self.enter_class(job);
        } else if let Some((until, class)) = self.standing_off.first().copied()
            && until <= now
        {
            self.make_ready(class);
        } else if let Some(key) = self.lot.take_dirty() {
            match self.first_fitting(&key, now) {
                Some(class) => self.wake(class),
                None => self.arm(&key, now),
            }
        } else if let Some((_, class)) = self.ready.first_key_value() {
            return self.test(*class, now);
        }
        None
    }

    /// The first class in order, of those parked under the budget, that fits it now.
    fn first_fitting(&mut self, key: &Key, now: Timestamp) -> Option<ClassId> {
        let fits = |group: &Group| {
            matches!(decide(&self.figures, &group.need.demands(key), now), Decision::Admit(_))
        };
        if let Some(kept) = self.reserved.get(key).filter(|kept| kept.until > now) {
            self.work.looks += 1;
            let holder = self.classes.get(&kept.class)?;
            return match &holder.stand {
                Stand::Parked(spot) if spot.key == *key && fits(&spot.group) => Some(kept.class),
                _ => None,
            };
        }
        let fronts: Vec<_> = self.lot.fronts(key).collect();
        self.work.looks += fronts.len() as u64;
        let fitting = fronts.into_iter().filter(|(group, ..)| fits(group));
        fitting.min_by_key(|(_, rank, _)| *rank).map(|(.., class)| class)
    }

    /// Tests the demands of a ready class, coarse to fine: its first job is proposed, or the class parks.
    fn test(&mut self, id: ClassId, now: Timestamp) -> Option<Proposal> {
        self.work.tests += 1;
        let queue = self.classes.get(&id)?;
        let (class, reserves) = (Arc::clone(&queue.class), queue.reserves.clone());
        match self.decide(&class, now) {
            Decision::Admit(takes) => {
                let proposal = self.pop(id, takes, now);
                if let Some(key) = reserves {
                    self.end_reservation(&key);
                }
                proposal
            }
            Decision::Refuse(refusal) => {
                if let Some(key) = reserves.filter(|key| *key != refusal.key) {
                    self.end_reservation(&key);
                }
                self.park(id, &refusal, now);
                None
            }
        }
    }

    fn pop(&mut self, id: ClassId, takes: Vec<Take>, now: Timestamp) -> Option<Proposal> {
        let queue = self.classes.get_mut(&id)?;
        let rank = queue.roll.first()?;
        queue.held_up = None;
        #[cfg(feature = "failpoints")]
        let (charged, popped) = {
            use crate::gate::memory::mutant::Mutant;
            (!self.is(Mutant::UnchargedProposals), !self.is(Mutant::DoublePop))
        };
        #[cfg(not(feature = "failpoints"))]
        let (charged, popped) = (true, true);
        if popped {
            self.edit(id, |roll| roll.remove(&rank));
        }
        if charged {
            self.figures.charge(&takes);
        }
        self.flows.pass(rank.band, rank.tag);
        self.token += 1;
        self.lapses.insert((now.plus(PROPOSAL_LAPSES), rank.job));
        let job = self.jobs.get_mut(&rank.job)?;
        job.stage = Stage::Proposed { token: self.token, takes, since: now };
        Some(Proposal { job: rank.job, token: self.token, class: id })
    }
}
