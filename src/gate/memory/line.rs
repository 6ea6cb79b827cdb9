//! Who is in line. Jobs come, leave, and return when the ledger did not take them. Nothing here chooses who is next.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    budget::{Class, ClassId, Decision, Key, Refusal, Rules, Take, Truth},
    gate::{
        Offer, PROPOSAL_LAPSES, Verdict,
        memory::{
            figures::Figures,
            flows::Flows,
            lot::Lot,
            reserve::Reservation,
            roll::Rank,
            stand::{Queue, Stand},
            turns::Work,
        },
    },
    job::{
        id::JobId,
        time::{Millis, Timestamp},
    },
};

/// The ledger refused what the gate's figures allow, and told nothing newer: ask again after this time, not at once.
pub const STAND_OFF: Millis = Millis::seconds(1);

/// Everything that the gate knows.
#[derive(Debug)]
pub(super) struct Line {
    pub figures: Figures,
    pub flows: Flows,
    pub jobs: HashMap<JobId, Job>,
    /// Classes with at least one job whose turn can come.
    pub classes: HashMap<ClassId, Queue>,
    /// Classes to be tested, by the turn of their first job.
    pub ready: BTreeMap<Rank, ClassId>,
    pub lot: Lot,
    /// Jobs that are not in their class yet.
    pub due: BTreeSet<(Timestamp, JobId)>,
    pub standing_off: BTreeSet<(Timestamp, ClassId)>,
    /// Jobs with an open proposal, by when that lapses.
    pub lapses: BTreeSet<(Timestamp, JobId)>,
    pub reserved: HashMap<Key, Reservation>,
    /// The last fencing token given.
    pub token: u64,
    pub work: Work,
    #[cfg(feature = "failpoints")]
    pub mutant: Option<crate::gate::memory::mutant::Mutant>,
}

/// One job.
#[derive(Debug)]
pub(super) struct Job {
    pub class: Arc<Class>,
    pub rank: Rank,
    pub flow: Arc<str>,
    pub offered_at: Timestamp,
    pub stage: Stage,
    /// It has had its reservation.
    pub reserved: bool,
    /// Offered once more while it was proposed: perhaps the ledger took it and has it back already.
    again: Option<Box<Offer>>,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// In the roll of its class.
    Waiting,
    Timed(Timestamp),
    Proposed {
        token: u64,
        takes: Vec<Take>,
        since: Timestamp,
    },
}

impl Line {
    pub fn new(rules: Arc<Rules>) -> Self {
        Self {
            figures: Figures::new(rules),
            flows: Flows::default(),
            jobs: HashMap::new(),
            classes: HashMap::new(),
            ready: BTreeMap::new(),
            lot: Lot::default(),
            due: BTreeSet::new(),
            standing_off: BTreeSet::new(),
            lapses: BTreeSet::new(),
            reserved: HashMap::new(),
            token: 0,
            work: Work::default(),
            #[cfg(feature = "failpoints")]
            mutant: None,
        }
    }

    /// In order of acceptance, whatever the order of the list.
    pub fn offer(&mut self, mut offers: Vec<Offer>, now: Timestamp) -> usize {
        offers.sort_by_key(|offer| offer.order);
        offers.into_iter().filter(|offer| self.offer_one(offer, now)).count()
    }

    fn offer_one(&mut self, offer: &Offer, now: Timestamp) -> bool {
        if let Some(known) = self.jobs.get_mut(&offer.job) {
            if matches!(known.stage, Stage::Proposed { .. }) {
                known.again = Some(Box::new(offer.clone()));
            }
            return false;
        }
        let tag = self.flows.enter(offer.band, &offer.flow, offer.weight);
        let rank = Rank { band: offer.band, tag, order: offer.order, job: offer.job };
        let due_at = offer.due_at.filter(|at| *at > now);
        let job = Job {
            class: Arc::clone(&offer.class),
            rank,
            flow: Arc::clone(&offer.flow),
            offered_at: now,
            stage: due_at.map_or(Stage::Waiting, Stage::Timed),
            reserved: false,
            again: None,
        };
        self.jobs.insert(offer.job, job);
        match due_at {
            Some(at) => {
                self.due.insert((at, offer.job));
            }
            None => self.enter_class(offer.job),
        }
        true
    }

    pub fn withdraw(&mut self, ids: &[JobId]) {
        for id in ids {
            let Some(job) = self.jobs.get_mut(id) else { continue };
            let (class, rank) = (job.class.id, job.rank);
            match std::mem::replace(&mut job.stage, Stage::Waiting) {
                Stage::Waiting => self.edit(class, |roll| roll.remove(&rank)),
                Stage::Timed(at) => {
                    self.due.remove(&(at, *id));
                }
                Stage::Proposed { takes, since, .. } => self.discharge(*id, &takes, since),
            }
            self.forget(*id);
        }
    }

    pub fn settle(&mut self, verdicts: Vec<(JobId, u64, Verdict)>, truths: &[Truth], now: Timestamp) {
        // Figures and charges first, places after: no job is judged by half of the news.
        self.observe(truths, now);
        let closed: Vec<_> =
            verdicts.into_iter().filter(|(id, token, _)| self.close_proposal(*id, *token)).collect();
        for (id, token, verdict) in closed {
            match verdict {
                Verdict::Admitted | Verdict::Gone => {
                    if let Some(again) = self.forget(id) {
                        self.offer_one(&again, now);
                    }
                }
                Verdict::Unanswered => self.enter_class(id),
                Verdict::Refused(refusal) => self.take_back(id, token, refusal, now),
            }
        }
    }

    pub fn observe(&mut self, truths: &[Truth], now: Timestamp) {
        for truth in truths {
            if self.figures.hear(truth, self.token) {
                #[cfg(feature = "failpoints")]
                if self.is(crate::gate::memory::mutant::Mutant::LostTruthMark) {
                    continue;
                }
                // Whether there is more room is judged when the mark is looked at. Judging by the change of the
                // figure would miss room that came and went while other figures stood in the way.
                self.mark(&truth.key, now);
            }
        }
    }

    /// The job's turn can come.
    pub fn enter_class(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.stage = Stage::Waiting;
        job.again = None;
        let (class, rank) = (Arc::clone(&job.class), job.rank);
        let class_id = class.id;
        let figures = &self.figures;
        self.classes.entry(class_id).or_insert_with(|| Queue::new(class, figures));
        self.edit(class_id, |roll| roll.insert(rank));
    }

    /// False for a token that is not the job's: nothing changes.
    fn close_proposal(&mut self, id: JobId, given: u64) -> bool {
        let Some(job) = self.jobs.get_mut(&id) else { return false };
        let Stage::Proposed { token, takes, since } = &mut job.stage else { return false };
        let fenced = *token != given;
        #[cfg(feature = "failpoints")]
        let fenced = fenced && self.mutant != Some(crate::gate::memory::mutant::Mutant::UnfencedSettle);
        if fenced {
            return false;
        }
        let (takes, since) = (std::mem::take(takes), *since);
        job.stage = Stage::Waiting;
        self.discharge(id, &takes, since);
        true
    }

    /// Nobody has answered to the job's proposal in time.
    pub fn lapse(&mut self, id: JobId) {
        let Some(Job { stage: Stage::Proposed { token, .. }, .. }) = self.jobs.get(&id) else { return };
        let token = *token;
        if self.close_proposal(id, token) {
            self.enter_class(id);
        }
    }

    /// A proposal is closed: what it charged is given back.
    fn discharge(&mut self, id: JobId, takes: &[Take], since: Timestamp) {
        self.lapses.remove(&(since.plus(PROPOSAL_LAPSES), id));
        self.figures.discharge(takes);
        #[cfg(feature = "failpoints")]
        if self.is(crate::gate::memory::mutant::Mutant::LostReleaseMark) {
            return;
        }
        for take in takes {
            self.lot.mark(&take.key);
            if let Some(pool) = take.key.pool_of_member() {
                self.lot.mark(&pool);
            }
        }
    }

    /// The ledger refused the job: it waits on, at the head of its class.
    fn take_back(&mut self, id: JobId, token: u64, refusal: Refusal, now: Timestamp) {
        #[cfg(feature = "failpoints")]
        if self.is(crate::gate::memory::mutant::Mutant::RefusedToTheBack)
            && let Some(job) = self.jobs.get_mut(&id)
        {
            job.rank.tag = u64::MAX;
        }
        self.enter_class(id);
        let Some(class) = self.jobs.get(&id).map(|job| Arc::clone(&job.class)) else { return };
        let is_ready = self.classes.get(&class.id).is_some_and(|queue| matches!(queue.stand, Stand::Ready));
        match self.decide(&class, now) {
            // Parked by the gate's own figures, which are as new as the ledger's or newer. A class that is parked
            // already stays there.
            Decision::Refuse(fresh) if is_ready => self.park(class.id, &fresh, now),
            Decision::Refuse(_) => {}
            Decision::Admit(_) if self.figures.heard_since(&refusal.key, token) => {}
            Decision::Admit(_) => self.stand_off(class.id, refusal, now),
        }
    }

    /// The job leaves the gate; if it was offered once more, that offer is the answer.
    fn forget(&mut self, id: JobId) -> Option<Box<Offer>> {
        let job = self.jobs.remove(&id)?;
        self.flows.leave(job.rank.band, &job.flow);
        job.again
    }

    #[cfg(feature = "failpoints")]
    pub fn is(&self, mutant: crate::gate::memory::mutant::Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}
