//! Random histories, played on a gate and on the model, compared after every step. A difference is an answer, not a
//! panic, so that the mutants can be shown to be caught. The seed names the history.

use std::{collections::BTreeMap, sync::Arc};

use sluicegate::{
    budget::{
        Amount, Books, Class, Closure, Decision, Demand, Key, MemberView, RefusalKind, Rules, Scope, Take,
        Truth, View, decide,
    },
    clock::Entropy,
    gate::{Gate, Offer, Proposal, Verdict, WaitReason},
    job::{
        id::JobId,
        time::{Millis, Timestamp},
    },
};

use super::{
    START, ask, ask_pool, class, closure, member,
    model::{Model, Stage},
    rule, slots, with_pool,
};

pub const STEPS: usize = 200;
/// More jobs than this are not offered, to keep the looks at everything cheap.
const JOBS_MAX: usize = 14;

/// How fast time passes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Too slow for reservations: gate and model must agree in everything.
    Seconds,
    /// Reservations happen. The model keeps none, so the order may differ, but only they excuse a wait.
    Minutes,
}

/// The budgets of all histories: two slots, one per repository, six credits, two reviewers of whom one is away a while.
pub fn rules() -> Rules {
    let mut rules = slots(3);
    rules.budgets.push(rule("slots", Scope::Repository, 1));
    rules.budgets.push(rule("credits", Scope::Team, 6));
    with_pool(rules, vec![member("ana", 1, &[(20, 45)]), member("bob", 2, &[(30, 60), (300, 400)])])
}

pub const KEYS: [&str; 8] = [
    "gate/global",
    "gate/model/x",
    "slots/global",
    "slots/repository/a/x",
    "slots/repository/a/y",
    "credits/team/t",
    "pool/reviewers/ana",
    "pool/reviewers/bob",
];

pub fn classes() -> Vec<Arc<Class>> {
    let gate = || Demand::gate(Key::new("gate/global"));
    vec![
        class(&[gate(), ask("slots/global", 1)]),
        class(&[gate(), ask("slots/global", 1), ask("slots/repository/a/x", 1)]),
        class(&[gate(), ask("slots/global", 1), ask("slots/repository/a/y", 1)]),
        class(&[ask("slots/global", 1), ask("slots/repository/a/x", 1), ask_pool("kim")]),
        class(&[ask("slots/global", 1), ask("slots/repository/a/y", 1), ask_pool("kim")]),
        class(&[ask("slots/global", 1), ask_pool("Ana")]),
        class(&[Demand::gate(Key::new("gate/model/x")), ask("credits/team/t", 4), ask("slots/global", 1)]),
        class(&[ask("credits/team/t", 1), ask("slots/global", 2)]),
        class(&[ask("credits/team/t", 2)]),
        class(&[ask_pool("bob")]),
    ]
}

/// The ledger: what is true, apart from what the gate has been told.
pub struct Ledger {
    rules: Rules,
    truths: BTreeMap<Key, Truth>,
    pub running: Vec<Vec<Take>>,
    version: i64,
    /// Everything ever said, to be said again.
    pub said: Vec<Truth>,
}

impl Books for Ledger {
    fn view(&self, key: &Key) -> View {
        match self.truths.get(key) {
            Some(truth) => View { used: truth.used, limit: truth.limit, closed: truth.closed.clone() },
            None => View { limit: self.rules.limit(key), ..View::default() },
        }
    }
    fn members(&self, pool: &Key, now: Timestamp) -> Vec<MemberView> {
        let Some(pool) = self.rules.pool(pool) else { return Vec::new() };
        let members = pool.members.iter().map(|member| {
            let key = Key::member(&pool.name, &member.login);
            let view = self.view(&key);
            MemberView { login: member.login.clone(), key, view, away_until: member.away_until(now) }
        });
        members.collect()
    }
}

impl Ledger {
    pub fn new(rules: Rules) -> Self {
        Self { rules, truths: BTreeMap::new(), running: Vec::new(), version: 0, said: Vec::new() }
    }
    pub fn change(&mut self, key: &Key, change: impl FnOnce(&mut View)) -> Truth {
        let mut view = self.view(key);
        change(&mut view);
        self.version += 1;
        let View { used, limit, closed } = view;
        let truth = Truth { key: key.clone(), used, limit, closed, version: self.version };
        self.truths.insert(key.clone(), truth.clone());
        self.said.push(truth.clone());
        truth
    }
    pub fn take(&mut self, takes: Vec<Take>) -> Vec<Truth> {
        let charge = |take: &Take| {
            let amount = take.amount;
            self.change(&take.key, |view| view.used = view.used.plus(amount).unwrap())
        };
        let truths = takes.iter().map(charge).collect();
        self.running.push(takes);
        truths
    }
    pub fn release(&mut self, at: usize) -> Vec<Truth> {
        let takes = self.running.swap_remove(at);
        let free = |take: &Take| self.change(&take.key, |view| view.used = view.used.minus(take.amount));
        takes.iter().map(free).collect()
    }
    /// The figure of a refused demand; of a pool, those of its members.
    pub fn figures(&self, key: &Key) -> Vec<Truth> {
        let of = |truth: &&Truth| truth.key == *key || truth.key.pool_of_member().as_ref() == Some(key);
        self.truths.values().filter(of).cloned().collect()
    }
}

struct History {
    gate: Arc<dyn Gate>,
    model: Model,
    ledger: Ledger,
    classes: Vec<Arc<Class>>,
    open: Vec<Proposal>,
    /// Settled or withdrawn: their tokens are stale.
    closed: Vec<Proposal>,
    /// Said by the ledger and not delivered yet.
    late: Vec<Truth>,
    now: Timestamp,
    entropy: Entropy,
    order: u32,
    pace: Pace,
}

/// Plays one history; Err tells the first difference.
pub async fn play(gate: Arc<dyn Gate>, seed: u64, pace: Pace) -> Result<(), String> {
    let mut history = History {
        gate,
        model: Model::new(rules()),
        ledger: Ledger::new(rules()),
        classes: classes(),
        open: Vec::new(),
        closed: Vec::new(),
        late: Vec::new(),
        now: START,
        entropy: Entropy::from_seed(seed),
        order: 0,
        pace,
    };
    for step in 0..STEPS {
        let played = history.step().await;
        let what = played.map_err(|difference| format!("seed {seed}, step {step}: {difference}"))?;
        let same = history.compare().await;
        same.map_err(|difference| format!("seed {seed}, step {step} ({what}): {difference}"))?;
    }
    Ok(())
}

/// The room is kept for another.
fn is_kept(reason: &WaitReason) -> bool {
    match reason {
        WaitReason::Budget(refusal) => {
            refusal.kind == RefusalKind::Closed
                && refusal.reason.as_deref().is_some_and(|reason| reason.contains("kept"))
        }
        _ => false,
    }
}

impl History {
    /// Below `n`.
    fn draw(&self, n: usize) -> usize {
        usize::try_from(self.entropy.draw() % n as u64).unwrap()
    }
    fn one_in(&self, n: usize) -> bool {
        self.draw(n) == 0
    }

    fn demands(&self, proposal: &Proposal) -> Arc<[Demand]> {
        let class = self.classes.iter().find(|class| class.id == proposal.class).unwrap();
        Arc::clone(&class.demands)
    }

    async fn step(&mut self) -> Result<&'static str, String> {
        match self.draw(16) {
            0..3 => self.offer().await,
            3..7 => return self.propose().await.map(|()| "propose"),
            7..11 => self.settle().await,
            11 => self.release().await,
            12 => self.change_budget().await,
            13 => self.say_again().await,
            14 => self.pass_time(),
            _ => self.withdraw().await,
        }
        Ok("another")
    }

    async fn offer(&mut self) {
        let mut offers = Vec::new();
        for _ in 0..=self.draw(3) {
            if self.model.jobs.len() + offers.len() >= JOBS_MAX {
                break;
            }
            self.order += 1;
            let job = JobId::new(START, u128::from(self.order) << 32);
            let class = Arc::clone(&self.classes[self.draw(self.classes.len())]);
            let due = Timestamp(self.now.0 + 500 * i64::try_from(self.draw(8)).unwrap());
            offers.push(Offer {
                job,
                class,
                band: if self.one_in(6) { 1 } else { 5 },
                flow: ["f", "g", "h"][self.draw(3)].into(),
                weight: [1, 1, 2, 3][self.draw(4)],
                order: i64::from(self.order),
                due_at: self.one_in(4).then_some(due),
            });
        }
        if !self.model.jobs.is_empty() && self.one_in(3) {
            offers.push(self.model.jobs[self.draw(self.model.jobs.len())].offer.clone());
        }
        if self.one_in(2) {
            offers.reverse();
        }
        self.gate.offer(offers.clone(), self.now).await.unwrap();
        self.model.offer(offers, self.now);
    }

    async fn propose(&mut self) -> Result<(), String> {
        let max = 1 + self.draw(4);
        self.model.pass_time(self.now);
        for _ in 0..100 {
            let proposals = self.gate.propose(max, self.now).await.unwrap();
            if proposals.list.len() > max {
                return Err(format!("{} proposals, asked for {max}", proposals.list.len()));
            }
            let full = proposals.list.len() == max;
            for proposal in proposals.list {
                self.check(&proposal)?;
                self.open.push(proposal);
            }
            if !proposals.more {
                return self.check_quiet().await;
            }
            if full {
                return Ok(());
            }
        }
        Err("more is said for ever".to_owned())
    }

    /// The model must propose the same job now.
    fn check(&mut self, proposal: &Proposal) -> Result<(), String> {
        let mut admissible = self.model.admissible(self.now);
        match self.pace {
            Pace::Seconds => admissible.truncate(1),
            // Where the model stands off, a gate may have parked the class because of a reservation, and wake it.
            Pace::Minutes => {
                let fitting = self.model.fitting(self.now).into_iter();
                admissible = fitting.map(|(_, job, takes)| (job, takes)).collect();
            }
        }
        let Some((_, takes)) = admissible.iter().find(|(job, _)| *job == proposal.job) else {
            return Err(format!("{} proposed; the model allows {admissible:?}", proposal.job));
        };
        if self.open.iter().chain(&self.closed).any(|other| other.token >= proposal.token) {
            return Err(format!("token {} does not grow", proposal.token));
        }
        let takes = takes.clone();
        self.model.propose(proposal, takes.clone(), self.now);
        for take in takes {
            let view = self.model.view(&take.key);
            if view.limit.is_some_and(|limit| view.used > limit) {
                return Err(format!("{} of {:?} in use of {}", view.used, view.limit, take.key));
            }
        }
        Ok(())
    }

    /// The gate has nothing more: nor has the model, and nothing is missed by sleeping until the gate's next wake.
    async fn check_quiet(&self) -> Result<(), String> {
        if let Some(missed) = self.missed(self.now).await {
            return Err(format!("{missed} and is not proposed"));
        }
        let wake = self.gate.next_wake(self.now).await.unwrap();
        if wake.is_some_and(|at| at <= self.now) {
            return Err(format!("{wake:?} is the next wake, and it is {:?}", self.now));
        }
        for at in self.model.times(self.now).into_iter().take_while(|at| wake.is_none_or(|wake| *at < wake)) {
            if let Some(missed) = self.missed(at).await {
                return Err(format!("{wake:?} is the next wake, but at {at:?} {missed}"));
            }
        }
        Ok(())
    }

    /// A job that fits at `at` by the model, and that no reservation holds up in the gate.
    async fn missed(&self, at: Timestamp) -> Option<String> {
        for (job, _) in self.model.admissible(at) {
            let place = self.gate.explain(job, at).await.unwrap();
            let kept = place.as_ref().is_some_and(|place| is_kept(&place.reason));
            if self.pace == Pace::Seconds || !kept {
                return Some(format!("{job} fits (the gate says {place:?})"));
            }
        }
        None
    }

    async fn settle(&mut self) {
        let mut verdicts = Vec::new();
        let mut truths = Vec::new();
        for _ in 0..=self.draw(3) {
            if self.open.is_empty() {
                break;
            }
            let proposal = self.open.swap_remove(self.draw(self.open.len()));
            let verdict = match self.draw(10) {
                0 => Verdict::Gone,
                1 => Verdict::Unanswered,
                _ => match decide(&self.ledger, &self.demands(&proposal), self.now) {
                    Decision::Admit(takes) => {
                        truths.extend(self.ledger.take(takes));
                        Verdict::Admitted
                    }
                    Decision::Refuse(refusal) => {
                        truths.extend(self.ledger.figures(&refusal.key));
                        Verdict::Refused(refusal)
                    }
                },
            };
            verdicts.push((proposal.job, proposal.token, verdict));
            self.closed.push(proposal);
        }
        if self.one_in(3) && !self.closed.is_empty() {
            let stale = &self.closed[self.draw(self.closed.len())];
            let verdict = [Verdict::Gone, Verdict::Unanswered, Verdict::Admitted][self.draw(3)].clone();
            verdicts.push((stale.job, stale.token, verdict));
        }
        if self.one_in(8) {
            self.late.append(&mut truths);
        }
        self.gate.settle(verdicts.clone(), &truths, self.now).await.unwrap();
        self.model.settle(verdicts, &truths, self.now);
    }

    async fn tell(&mut self, truths: Vec<Truth>) {
        if self.one_in(8) {
            self.late.extend(truths);
            return;
        }
        self.gate.observe(&truths, self.now).await.unwrap();
        self.model.observe(&truths);
    }

    async fn release(&mut self) {
        if !self.ledger.running.is_empty() {
            let truths = self.ledger.release(self.draw(self.ledger.running.len()));
            self.tell(truths).await;
        }
    }

    async fn change_budget(&mut self) {
        let key = Key::new(KEYS[self.draw(KEYS.len())]);
        let limit = (!key.is_gate()).then(|| Amount::from(u32::try_from(self.draw(8)).unwrap()));
        let opens = self.now.plus(Millis(500 * self.draw(8) as u64));
        let closed: Option<Closure> = match self.draw(4) {
            0 => Some(closure(None)),
            1 => Some(closure(Some(opens))),
            _ => None,
        };
        let truth = self.ledger.change(&key, |view| (view.limit, view.closed) = (limit, closed));
        self.tell(vec![truth]).await;
    }

    /// What was late comes now, and something old comes again.
    async fn say_again(&mut self) {
        let mut truths = std::mem::take(&mut self.late);
        if !self.ledger.said.is_empty() {
            truths.push(self.ledger.said[self.draw(self.ledger.said.len())].clone());
        }
        self.gate.observe(&truths, self.now).await.unwrap();
        self.model.observe(&truths);
    }

    fn pass_time(&mut self) {
        let span = match self.pace {
            Pace::Seconds => Millis(250 * self.draw(20) as u64),
            Pace::Minutes => Millis::minutes(self.draw(8) as u64),
        };
        // A clock may also be set back a little, if only not to before somebody left: who was away is there again
        // then, and no gate looks for that.
        let back = self.now.minus(Millis(700));
        let members = self.ledger.rules.pools.values().flat_map(|pool| &pool.members);
        let mut left = members.flat_map(|member| member.away.iter().map(|(from, _)| *from));
        let unleft = left.any(|from| back < from && from <= self.now);
        self.now = if self.one_in(10) && !unleft { back } else { self.now.plus(span) };
    }

    async fn withdraw(&mut self) {
        if self.model.jobs.is_empty() {
            return;
        }
        let job = self.model.jobs[self.draw(self.model.jobs.len())].offer.job;
        self.gate.withdraw(&[job]).await.unwrap();
        self.model.withdraw(job);
        let (gone, open) = std::mem::take(&mut self.open).into_iter().partition(|open| open.job == job);
        self.open = open;
        self.closed.extend::<Vec<_>>(gone);
    }

    /// The same jobs, the same counts, and for one of them the same reason.
    async fn compare(&self) -> Result<(), String> {
        let mut known = self.gate.jobs().await.unwrap();
        let mut expected: Vec<JobId> = self.model.jobs.iter().map(|job| job.offer.job).collect();
        known.sort_unstable();
        expected.sort_unstable();
        if known != expected {
            return Err(format!("the gate has {known:?}, the model {expected:?}"));
        }
        let counts = self.gate.counts().await.unwrap();
        let of = |wanted: fn(&Stage) -> bool| {
            self.model.jobs.iter().filter(|job| wanted(&job.stage)).count() as u64
        };
        let expected = (
            of(|stage| matches!(stage, Stage::Waiting)),
            of(|stage| matches!(stage, Stage::Proposed { .. })),
            of(|stage| matches!(stage, Stage::Timed(_))),
        );
        if (counts.waiting, counts.proposed, counts.timed_jobs) != expected {
            return Err(format!("the gate counts {counts:?}, the model {expected:?}"));
        }
        if self.model.jobs.is_empty() {
            return Ok(());
        }
        let job = self.model.jobs[self.draw(self.model.jobs.len())].offer.job;
        let said = self.gate.explain(job, self.now).await.unwrap();
        let said = said.map(|place| (place.reason, place.ahead));
        let expected = self.model.explain(job, self.now);
        if self.pace == Pace::Seconds && said != expected {
            return Err(format!("{job}: the gate says {said:?}, the model {expected:?}"));
        }
        Ok(())
    }
}
