//! The gate in Redis against the gate in memory: the same random history on both, and the same answers after every step.
//! A difference is an answer, not a panic, so that the mutants can be shown to be caught. The seed names the history.

use std::sync::Arc;

use futures::future::join_all;
use sluicegate::{
    budget::{Amount, Class, Decision, Key, Truth, decide},
    clock::Entropy,
    gate::{Gate, Offer, Proposals, Verdict, memory::MemoryGate, redis::RedisGate},
    job::{
        id::JobId,
        time::{Millis, Timestamp},
    },
};

use super::{
    START, closure,
    history::{KEYS, Ledger, classes, rules},
};

pub const STEPS: usize = 300;
/// After so many steps every job in line is compared, and not only one.
const LOOK_AT_ALL: usize = 10;
const JOBS_MAX: usize = 40;

/// One job, proposed by both.
#[derive(Clone)]
struct Open {
    job: JobId,
    class: usize,
    tokens: [u64; 2],
}

struct Pair<'a> {
    memory: MemoryGate,
    redis: &'a RedisGate,
    ledger: Ledger,
    classes: Vec<Arc<Class>>,
    /// Everything offered that may still be in line.
    offered: Vec<Offer>,
    open: Vec<Open>,
    /// Their tokens are stale.
    closed: Vec<Open>,
    late: Vec<Truth>,
    now: Timestamp,
    entropy: Entropy,
    order: u32,
    /// Time passes by minutes, so that reservations happen.
    is_slow: bool,
}

/// Plays one history on a gate that is empty; Err tells the first difference.
pub async fn play(redis: &RedisGate, seed: u64) -> Result<(), String> {
    let mut pair = Pair {
        memory: MemoryGate::new(Arc::new(rules())),
        redis,
        ledger: Ledger::new(rules()),
        classes: classes(),
        offered: Vec::new(),
        open: Vec::new(),
        closed: Vec::new(),
        late: Vec::new(),
        now: START,
        entropy: Entropy::from_seed(seed),
        order: 0,
        is_slow: seed % 3 == 2,
    };
    for step in 0..STEPS {
        let played = pair.step().await;
        let what = played.map_err(|difference| format!("seed {seed}, step {step}: {difference}"))?;
        let is_last = step + 1 == STEPS;
        let same = pair.compare(is_last || step % LOOK_AT_ALL == 0).await;
        same.map_err(|difference| format!("seed {seed}, step {step} ({what}): {difference}"))?;
    }
    Ok(())
}

/// The first difference between what both say of something.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, memory: &T, redis: &T) -> Result<(), String> {
    if memory == redis {
        return Ok(());
    }
    Err(format!("{what}: memory says {memory:?}, redis {redis:?}"))
}

fn closed(error: impl std::fmt::Display) -> String {
    format!("a gate is closed: {error}")
}

impl Pair<'_> {
    /// Below `n`.
    fn draw(&self, n: usize) -> usize {
        usize::try_from(self.entropy.draw() % n as u64).unwrap()
    }
    fn one_in(&self, n: usize) -> bool {
        self.draw(n) == 0
    }

    async fn step(&mut self) -> Result<&'static str, String> {
        let what = match self.draw(18) {
            0..3 => ("offer", self.offer().await?),
            3..7 => ("propose", self.propose().await?),
            7..11 => ("settle", self.settle().await?),
            11 => ("release", self.release().await?),
            12 => ("raise, lower", self.change_limit().await?),
            13 => ("pause, resume", self.change_closure().await?),
            14 => ("say again", self.say_again().await?),
            15 | 16 => ("time", self.pass_time()),
            _ => ("withdraw", self.withdraw().await?),
        };
        Ok(what.0)
    }

    async fn offer(&mut self) -> Result<(), String> {
        let mut offers = Vec::new();
        for _ in 0..=self.draw(4) {
            if self.offered.len() + offers.len() >= JOBS_MAX {
                break;
            }
            self.order += 1;
            let due = Timestamp(self.now.0 + 500 * i64::try_from(self.draw(8)).unwrap());
            offers.push(Offer {
                job: JobId::new(START, u128::from(self.order) << 32),
                class: Arc::clone(&self.classes[self.draw(self.classes.len())]),
                band: if self.one_in(6) { 1 } else { 5 },
                flow: ["f", "g", "h"][self.draw(3)].into(),
                weight: [1, 1, 2, 3][self.draw(4)],
                order: i64::from(self.order) - if self.one_in(5) { 40 } else { 0 },
                due_at: self.one_in(4).then_some(due),
            });
        }
        if !self.offered.is_empty() && self.one_in(3) {
            offers.push(self.offered[self.draw(self.offered.len())].clone());
        }
        let memory = self.memory.offer(offers.clone(), self.now).await.map_err(closed)?;
        let redis = self.redis.offer(offers.clone(), self.now).await.map_err(closed)?;
        self.offered.extend(offers);
        same("new jobs", &memory, &redis)
    }

    async fn propose(&mut self) -> Result<(), String> {
        let max = 1 + self.draw(6);
        let memory = self.memory.propose(max, self.now).await.map_err(closed)?;
        let redis = self.redis.propose(max, self.now).await.map_err(closed)?;
        let told = |proposals: &Proposals| -> Vec<_> {
            proposals.list.iter().map(|proposal| (proposal.job, proposal.class)).collect()
        };
        same("proposals", &told(&memory), &told(&redis))?;
        same("more", &memory.more, &redis.more)?;
        for (one, other) in memory.list.iter().zip(&redis.list) {
            let class = self.classes.iter().position(|class| class.id == one.class).unwrap();
            self.open.push(Open { job: one.job, class, tokens: [one.token, other.token] });
        }
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), String> {
        let (mut verdicts, mut truths) = (Vec::new(), Vec::new());
        for _ in 0..=self.draw(4) {
            if self.open.is_empty() {
                break;
            }
            let open = self.open.swap_remove(self.draw(self.open.len()));
            let demands = &self.classes[open.class].demands;
            let verdict = match self.draw(10) {
                0 => Verdict::Gone,
                1 => Verdict::Unanswered,
                _ => match decide(&self.ledger, demands, self.now) {
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
            verdicts.push((open.clone(), verdict));
            self.closed.push(open);
        }
        if self.one_in(3) && !self.closed.is_empty() {
            let stale = self.closed[self.draw(self.closed.len())].clone();
            let verdict = [Verdict::Gone, Verdict::Unanswered, Verdict::Admitted][self.draw(3)].clone();
            verdicts.push((stale, verdict));
        }
        if self.one_in(6) {
            self.late.append(&mut truths);
        }
        let of = |gate: usize| {
            let told = verdicts.iter().map(|(open, verdict)| (open.job, open.tokens[gate], verdict.clone()));
            told.collect::<Vec<_>>()
        };
        self.memory.settle(of(0), &truths, self.now).await.map_err(closed)?;
        self.redis.settle(of(1), &truths, self.now).await.map_err(closed)
    }

    async fn tell(&mut self, truths: Vec<Truth>) -> Result<(), String> {
        if self.one_in(8) {
            self.late.extend(truths);
            return Ok(());
        }
        self.memory.observe(&truths, self.now).await.map_err(closed)?;
        self.redis.observe(&truths, self.now).await.map_err(closed)
    }

    async fn release(&mut self) -> Result<(), String> {
        if self.ledger.running.is_empty() {
            return Ok(());
        }
        let truths = self.ledger.release(self.draw(self.ledger.running.len()));
        self.tell(truths).await
    }

    async fn change_limit(&mut self) -> Result<(), String> {
        let key = Key::new(KEYS[2 + self.draw(KEYS.len() - 2)]);
        let limit = (!self.one_in(8)).then(|| Amount::from(u32::try_from(self.draw(8)).unwrap()));
        let truth = self.ledger.change(&key, |view| view.limit = limit);
        self.tell(vec![truth]).await
    }

    async fn change_closure(&mut self) -> Result<(), String> {
        let key = Key::new(KEYS[self.draw(KEYS.len())]);
        let opens = self.now.plus(Millis(500 * self.draw(8) as u64));
        let closed = match self.draw(4) {
            0 => Some(closure(None)),
            1 => Some(closure(Some(opens))),
            _ => None,
        };
        let truth = self.ledger.change(&key, |view| view.closed = closed);
        self.tell(vec![truth]).await
    }

    /// What was late comes now, and something old comes again.
    async fn say_again(&mut self) -> Result<(), String> {
        let mut truths = std::mem::take(&mut self.late);
        if !self.ledger.said.is_empty() {
            truths.push(self.ledger.said[self.draw(self.ledger.said.len())].clone());
        }
        self.memory.observe(&truths, self.now).await.map_err(closed)?;
        self.redis.observe(&truths, self.now).await.map_err(closed)
    }

    /// Members leave and return, gates open, jobs become due, proposals lapse; sometimes the clock is set back.
    fn pass_time(&mut self) {
        let span = if self.is_slow && self.one_in(2) {
            Millis::minutes(self.draw(8) as u64)
        } else {
            Millis(250 * self.draw(40) as u64)
        };
        self.now = if self.one_in(10) { self.now.minus(Millis(700)) } else { self.now.plus(span) };
    }

    async fn withdraw(&mut self) -> Result<(), String> {
        let mut jobs = Vec::new();
        for _ in 0..=self.draw(2) {
            if self.offered.is_empty() {
                break;
            }
            jobs.push(self.offered.swap_remove(self.draw(self.offered.len())).job);
        }
        self.memory.withdraw(&jobs).await.map_err(closed)?;
        self.redis.withdraw(&jobs).await.map_err(closed)
    }

    async fn compare(&mut self, all: bool) -> Result<(), String> {
        let drawn = self.draw(self.offered.len().max(1));
        let looked_at = if all {
            &self.offered[..]
        } else {
            self.offered.get(drawn).map_or(&[][..], std::slice::from_ref)
        };
        let looked_at: Vec<JobId> = looked_at.iter().map(|offer| offer.job).collect();
        let places = join_all(looked_at.iter().map(|job| self.redis.explain(*job, self.now)));
        let (wake, counts, places) =
            futures::join!(self.redis.next_wake(self.now), self.redis.counts(), places);
        same("counts", &self.memory.counts().await.map_err(closed)?, &counts.map_err(closed)?)?;
        same("next wake", &self.memory.next_wake(self.now).await.map_err(closed)?, &wake.map_err(closed)?)?;
        for (job, place) in looked_at.iter().zip(places) {
            let expected = self.memory.explain(*job, self.now).await.map_err(closed)?;
            same(&job.to_string(), &expected, &place.map_err(closed)?)?;
        }
        if all {
            let mut memory = self.memory.jobs().await.map_err(closed)?;
            let mut redis = self.redis.jobs().await.map_err(closed)?;
            memory.sort_unstable();
            redis.sort_unstable();
            self.offered.retain(|offer| memory.binary_search(&offer.job).is_ok());
            same("jobs", &memory, &redis)?;
        }
        Ok(())
    }
}
