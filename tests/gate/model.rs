//! The gate as plainly as it can be written: lists, and a look at everything for every question. It knows no parking,
//! no waking and no order but the rank, so it cannot share the real gates' mistakes. It keeps no reservations.

use std::collections::{BTreeMap, HashMap};

use sluicegate::{
    budget::{Amount, Books, ClassId, Decision, Key, MemberView, Refusal, Rules, Take, Truth, View, decide},
    gate::{Offer, PROPOSAL_LAPSES, Proposal, Verdict, WaitReason, memory::STAND_OFF},
    job::{id::JobId, time::Timestamp},
};

/// Virtual time: the step of weight 1, and the least that passes with a proposal.
const SCALE: u64 = 1 << 20;
const DRIFT: u64 = 1 << 10;

#[derive(Clone, Debug)]
pub enum Stage {
    Waiting,
    Timed(Timestamp),
    Proposed { token: u64, takes: Vec<Take>, since: Timestamp },
}

#[derive(Clone, Debug)]
pub struct Job {
    pub offer: Offer,
    pub stage: Stage,
    tag: u64,
    /// Offered once more while it was proposed.
    again: Option<Offer>,
}

type Rank = (u8, u64, i64, JobId);

impl Job {
    fn rank(&self) -> Rank {
        (self.offer.band, self.tag, self.offer.order, self.offer.job)
    }
    fn waits_at(&self, now: Timestamp) -> bool {
        match self.stage {
            Stage::Waiting => true,
            Stage::Timed(at) => at <= now,
            Stage::Proposed { since, .. } => since.plus(PROPOSAL_LAPSES) <= now,
        }
    }
}

pub struct Model {
    rules: Rules,
    pub jobs: Vec<Job>,
    truths: HashMap<Key, Truth>,
    /// By budget, or pool of the member: the last token given before the ledger spoke of it.
    heard: HashMap<Key, u64>,
    virtual_time: HashMap<u8, u64>,
    finish: HashMap<(u8, String), u64>,
    /// Classes that stand off, until when, with the ledger's words.
    off: HashMap<ClassId, (Timestamp, Refusal)>,
    last_token: u64,
}

impl Books for Model {
    fn view(&self, key: &Key) -> View {
        let mut view = match self.truths.get(key) {
            Some(truth) => View { used: truth.used, limit: truth.limit, closed: truth.closed.clone() },
            None => View { limit: self.rules.limit(key), ..View::default() },
        };
        for job in &self.jobs {
            if let Stage::Proposed { takes, .. } = &job.stage {
                for take in takes.iter().filter(|take| take.key == *key) {
                    view.used = view.used.plus(take.amount).unwrap_or(Amount::MAX);
                }
            }
        }
        view
    }
    fn members(&self, pool: &Key, now: Timestamp) -> Vec<MemberView> {
        let Some(pool) = self.rules.pool(pool) else { return Vec::new() };
        let view = |login: &str| {
            let key = Key::member(&pool.name, login);
            (key.clone(), self.view(&key))
        };
        let members = pool.members.iter().map(|member| {
            let (key, view) = view(&member.login);
            MemberView { login: member.login.clone(), key, view, away_until: member.away_until(now) }
        });
        members.collect()
    }
}

impl Model {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            jobs: Vec::new(),
            truths: HashMap::new(),
            heard: HashMap::new(),
            virtual_time: HashMap::new(),
            finish: HashMap::new(),
            off: HashMap::new(),
            last_token: 0,
        }
    }

    pub fn offer(&mut self, mut offers: Vec<Offer>, now: Timestamp) -> usize {
        offers.sort_by_key(|offer| offer.order);
        offers.into_iter().filter(|offer| self.offer_one(offer.clone(), now)).count()
    }

    fn offer_one(&mut self, offer: Offer, now: Timestamp) -> bool {
        if let Some(known) = self.jobs.iter_mut().find(|job| job.offer.job == offer.job) {
            if matches!(known.stage, Stage::Proposed { .. }) {
                known.again = Some(offer);
            }
            return false;
        }
        let finish = self.finish.entry((offer.band, offer.flow.to_string())).or_default();
        let tag = (*finish).max(self.virtual_time.get(&offer.band).copied().unwrap_or_default());
        *finish = tag + SCALE / u64::from(offer.weight);
        let stage = offer.due_at.filter(|at| *at > now).map_or(Stage::Waiting, Stage::Timed);
        self.jobs.push(Job { offer, stage, tag, again: None });
        true
    }

    pub fn withdraw(&mut self, id: JobId) {
        self.jobs.retain(|job| job.offer.job != id);
        self.forget_empty();
    }

    pub fn observe(&mut self, truths: &[Truth]) {
        for truth in truths {
            if self.truths.get(&truth.key).is_none_or(|known| known.version < truth.version) {
                self.truths.insert(truth.key.clone(), truth.clone());
                let pool = truth.key.pool_of_member();
                for key in [Some(truth.key.clone()), pool].into_iter().flatten() {
                    self.heard.insert(key, self.last_token);
                }
            }
        }
    }

    pub fn settle(&mut self, verdicts: Vec<(JobId, u64, Verdict)>, truths: &[Truth], now: Timestamp) {
        self.observe(truths);
        let mut valid = Vec::new();
        for (id, given, verdict) in verdicts {
            for job in self.jobs.iter_mut().filter(|job| job.offer.job == id) {
                if matches!(job.stage, Stage::Proposed { token, .. } if token == given) {
                    // Out of the way of the others until all charges are gone.
                    job.stage = Stage::Timed(Timestamp(i64::MAX));
                    valid.push((id, given, verdict.clone()));
                }
            }
        }
        for (id, token, verdict) in valid {
            let Some(at) = self.jobs.iter().position(|job| job.offer.job == id) else { continue };
            match verdict {
                Verdict::Admitted | Verdict::Gone => {
                    let job = self.jobs.remove(at);
                    if let Some(again) = job.again {
                        self.offer_one(again, now);
                    }
                }
                Verdict::Unanswered => self.back(at),
                Verdict::Refused(refusal) => {
                    self.back(at);
                    let class = self.jobs[at].offer.class.clone();
                    let fits = matches!(decide(self, &class.demands, now), Decision::Admit(_));
                    if fits && self.heard.get(&refusal.key).is_none_or(|heard| *heard < token) {
                        self.off.insert(class.id, (now.plus(STAND_OFF), refusal));
                    }
                }
            }
        }
        self.forget_empty();
    }

    fn back(&mut self, at: usize) {
        self.jobs[at].stage = Stage::Waiting;
        self.jobs[at].again = None;
    }

    /// A class without a waiting job does not stand off.
    fn forget_empty(&mut self) {
        let jobs = &self.jobs;
        let waits = |class: &ClassId| {
            jobs.iter().any(|job| job.offer.class.id == *class && matches!(job.stage, Stage::Waiting))
        };
        self.off.retain(|class, _| waits(class));
    }

    /// What time alone does before proposals are made.
    pub fn pass_time(&mut self, now: Timestamp) {
        for job in self.jobs.iter_mut().filter(|job| job.waits_at(now)) {
            job.stage = Stage::Waiting;
            job.again = None;
        }
        self.off.retain(|_, (until, _)| *until > now);
    }

    /// The first job of each class that waits at `now`.
    fn heads(&self, now: Timestamp) -> Vec<&Job> {
        let mut heads: BTreeMap<ClassId, &Job> = BTreeMap::new();
        for job in self.jobs.iter().filter(|job| job.waits_at(now)) {
            let head = heads.entry(job.offer.class.id).or_insert(job);
            if job.rank() < head.rank() {
                *head = job;
            }
        }
        heads.into_values().collect()
    }

    /// Every job that may be proposed, in order, with what it takes.
    pub fn admissible(&self, now: Timestamp) -> Vec<(JobId, Vec<Take>)> {
        let is_off = |class: &ClassId| self.off.get(class).is_some_and(|(until, _)| *until > now);
        let fitting = self.fitting(now).into_iter();
        fitting.filter(|(class, ..)| !is_off(class)).map(|(_, job, takes)| (job, takes)).collect()
    }

    /// Every first job of a class that fits, in order, also if its class stands off.
    pub fn fitting(&self, now: Timestamp) -> Vec<(ClassId, JobId, Vec<Take>)> {
        let mut heads = self.heads(now);
        heads.sort_by_key(|job| job.rank());
        let fitting = heads.into_iter().filter_map(|job| match decide(self, &job.offer.class.demands, now) {
            Decision::Admit(takes) => Some((job.offer.class.id, job.offer.job, takes)),
            Decision::Refuse(_) => None,
        });
        fitting.collect()
    }

    pub fn propose(&mut self, proposal: &Proposal, takes: Vec<Take>, now: Timestamp) {
        self.last_token = proposal.token;
        for job in self.jobs.iter_mut().filter(|job| job.offer.job == proposal.job) {
            let time = self.virtual_time.entry(job.offer.band).or_default();
            *time = (*time + DRIFT).max(job.tag);
            job.stage = Stage::Proposed { token: proposal.token, takes: takes.clone(), since: now };
        }
        self.forget_empty();
    }

    /// The reason and the number of jobs ahead.
    pub fn explain(&self, id: JobId, now: Timestamp) -> Option<(WaitReason, u64)> {
        let job = self.jobs.iter().find(|job| job.offer.job == id)?;
        let class = &job.offer.class;
        match job.stage {
            Stage::Proposed { .. } => return Some((WaitReason::Proposed, 0)),
            Stage::Timed(at) if at > now => return Some((WaitReason::Time(at), 0)),
            Stage::Timed(_) | Stage::Waiting => {}
        }
        let ahead = self.jobs.iter().filter(|other| {
            other.offer.class.id == class.id
                && matches!(other.stage, Stage::Waiting)
                && other.rank() < job.rank()
        });
        let off = self.off.get(&class.id).filter(|(until, _)| *until > now);
        let reason = match (decide(self, &class.demands, now), off) {
            (Decision::Refuse(refusal), _) => WaitReason::Budget(refusal),
            (Decision::Admit(_), Some((_, refusal))) => WaitReason::Budget(refusal.clone()),
            (Decision::Admit(_), None) => WaitReason::Turn,
        };
        Some((reason, ahead.count() as u64))
    }

    /// Every time after `now` at which something may change by itself.
    pub fn times(&self, now: Timestamp) -> Vec<Timestamp> {
        let due = self.jobs.iter().filter_map(|job| match job.stage {
            Stage::Timed(at) => Some(at),
            Stage::Proposed { since, .. } => Some(since.plus(PROPOSAL_LAPSES)),
            Stage::Waiting => None,
        });
        let off = self.off.values().map(|(until, _)| *until);
        let opens = self.truths.values().filter_map(|truth| truth.closed.as_ref()?.opens_at);
        let members = self.rules.pools.values().flat_map(|pool| &pool.members);
        let back = members.flat_map(|member| member.away.iter().map(|(_, to)| *to));
        let mut times: Vec<_> = due.chain(off).chain(opens).chain(back).filter(|at| *at > now).collect();
        times.sort_unstable();
        times.dedup();
        times
    }
}
