//! The gate in Redis (or Valkey), for any number of worker processes. Every change is one script, so each is whole; time
//! is passed in. It authorises nothing, holds no payload and no policy, and may be lost at any time.
//!
//! - `scripts`: the texts under `scripts/`; they do step by step what the gate in memory does.
//! - `asked`, `told`: the words of the port to the scripts and back. `packed`: the bytes of both.
//! - `desk`: calls in the right epoch. `epoch`: what this process believes, and whether Redis can be trusted.
//! - `keys`: every name. `wake`: waiting for wake-ups. `remains`: removing what earlier epochs left.

mod asked;
mod desk;
mod epoch;
mod keys;
#[cfg(feature = "failpoints")]
mod mutant;
mod packed;
mod remains;
mod scripts;
mod told;
mod wake;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use redis::Script;

use crate::{
    budget::{Rules, Truth},
    clock::Entropy,
    gate::{Counts, Gate, GateClosed, Offer, Place, Proposals, REBUILD_LAPSES, Standing, Verdict},
    job::{id::JobId, time::Timestamp},
    policy::request::sha256,
    redis_link::{RedisFault, RedisLink},
};

use desk::Desk;
use epoch::Epoch;
use keys::Keys;
#[cfg(feature = "failpoints")]
pub use mutant::Mutant;
use packed::{Packer, Value};
use scripts::Scripts;
use wake::Wake;

/// The only `maxmemory-policy` under which a gate can be used: any other may drop a part of it.
pub const EVICTION_POLICY: &str = "noeviction";

/// Jobs that one call puts in line or takes out of it.
const OFFERS_MAX: usize = 500;
/// Proposals of one call of the script.
const PROPOSALS_MAX: usize = 128;
/// Pages of 1,000 classes that are read to say what holds jobs up.
const HELD_UP_PAGES_MAX: usize = 100;
/// Verdicts of one call.
const VERDICTS_MAX: usize = 512;

/// One process's way to the gate of a fleet.
#[derive(Debug)]
pub struct RedisGate {
    desk: Arc<Desk>,
    wake: Wake,
    rules: Arc<Rules>,
    entropy: Entropy,
    /// This process, where only one may do something.
    own_name: String,
}

impl RedisGate {
    /// `fleet` names the workers that share the line; every process of it must work by the same rules. Connects when it
    /// is first used. Must be called on a tokio runtime.
    pub fn new(link: RedisLink, fleet: &str, rules: Arc<Rules>) -> Self {
        Self::with_scripts(link, fleet, rules, Scripts::plain())
    }

    /// A gate with a known fault, to show that the comparison with the gate in memory catches it.
    #[cfg(feature = "failpoints")]
    pub fn with_mutant(link: RedisLink, fleet: &str, rules: Arc<Rules>, mutant: Mutant) -> Self {
        Self::with_scripts(link, fleet, rules, Arc::new(Scripts::new(|text| mutant.apply(&text))))
    }

    fn with_scripts(link: RedisLink, fleet: &str, rules: Arc<Rules>, scripts: Arc<Scripts>) -> Self {
        let entropy = Entropy::from_system();
        let keys = Keys::new(fleet);
        Self {
            wake: Wake::new(link.clone(), keys.wake.clone()),
            own_name: format!("{:016x}", entropy.draw()),
            entropy,
            desk: Desk::new(link, keys, scripts, rules_digest(&rules)),
            rules,
        }
    }

    async fn propose_some(&self, max: usize, now: Timestamp) -> Result<Proposals, GateClosed> {
        let asked = Packer::default().number(i64::try_from(max).unwrap_or_default()).into_bytes();
        Ok(told::proposals(&self.call(&self.desk.scripts.propose, now, &asked).await?)?)
    }

    async fn call(&self, script: &Script, now: Timestamp, asked: &[u8]) -> Result<Value, GateClosed> {
        self.desk.call(script, now, asked).await
    }
}

/// How the scripts write their records; grows with every change of that. What another version of them wrote is rebuilt.
const FORMAT: u32 = 3;

/// Equal for equal rules and records.
fn rules_digest(rules: &Rules) -> String {
    format!("{:.32}", sha256(format!("{FORMAT} {rules:?}").as_bytes()))
}

/// Where a script needs no time.
const ANY_TIME: Timestamp = Timestamp(0);

#[async_trait]
impl Gate for RedisGate {
    async fn offer(&self, mut offers: Vec<Offer>, now: Timestamp) -> Result<usize, GateClosed> {
        offers.sort_by_key(|offer| offer.order);
        let mut ready = offers.chunks(OFFERS_MAX).map(|some| asked::offers(some, &self.rules));
        let (mut count, mut next) = (0, ready.next());
        while let Some(asked) = next {
            let call = self.call(&self.desk.scripts.offer, now, &asked);
            // While Redis takes these, the next are made ready.
            let (new, after) = tokio::join!(biased; call, async { ready.next() });
            count += usize::try_from(new?.number()?).unwrap_or_default();
            next = after;
        }
        Ok(count)
    }

    async fn withdraw(&self, jobs: &[JobId]) -> Result<(), GateClosed> {
        for some in jobs.chunks(OFFERS_MAX) {
            self.call(&self.desk.scripts.withdraw, ANY_TIME, &asked::jobs(some)).await?;
        }
        Ok(())
    }

    async fn propose(&self, max: usize, now: Timestamp) -> Result<Proposals, GateClosed> {
        let mut all = Proposals::default();
        loop {
            let asked = max.saturating_sub(all.list.len()).min(PROPOSALS_MAX);
            let some = match self.propose_some(asked, now).await {
                // What is proposed already is not lost to it: the next call meets the same.
                Err(_) if !all.list.is_empty() => return Ok(all),
                some => some?,
            };
            let is_full = some.list.len() == asked;
            all.more = some.more;
            all.list.extend(some.list);
            if !is_full || !all.more || all.list.len() >= max {
                return Ok(all);
            }
        }
    }

    async fn settle(
        &self,
        verdicts: Vec<(JobId, u64, Verdict)>,
        truths: &[Truth],
        now: Timestamp,
    ) -> Result<(), GateClosed> {
        let mut truths = truths;
        let mut rest = verdicts.as_slice();
        loop {
            let (some, others) = rest.split_at(rest.len().min(VERDICTS_MAX));
            self.call(&self.desk.scripts.settle, now, &asked::verdicts(some, truths)).await?;
            // The figures are told once, with the first.
            (rest, truths) = (others, &[]);
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    async fn observe(&self, truths: &[Truth], now: Timestamp) -> Result<(), GateClosed> {
        for some in truths.chunks(VERDICTS_MAX) {
            self.call(&self.desk.scripts.observe, now, &asked::truths(some).into_bytes()).await?;
        }
        Ok(())
    }

    async fn explain(&self, job: JobId, now: Timestamp) -> Result<Option<Place>, GateClosed> {
        let asked = Packer::default().bytes(job.as_bytes()).into_bytes();
        Ok(told::place(&self.call(&self.desk.scripts.explain, now, &asked).await?, now)?)
    }

    async fn next_wake(&self, now: Timestamp) -> Result<Option<Timestamp>, GateClosed> {
        let asked = Packer::default().number(0).into_bytes();
        let at = self.call(&self.desk.scripts.next_wake, now, &asked).await?;
        Ok(at.number_or_none()?.map(Timestamp))
    }

    async fn counts(&self) -> Result<Counts, GateClosed> {
        let asked = Packer::default().number(0).into_bytes();
        Ok(told::counts(&self.call(&self.desk.scripts.counts, ANY_TIME, &asked).await?)?)
    }

    async fn held_up(&self) -> Result<BTreeMap<String, u64>, GateClosed> {
        let mut held_up = BTreeMap::new();
        let mut cursor = Vec::new();
        for _ in 0..HELD_UP_PAGES_MAX {
            let asked = Packer::default().bytes(&cursor).into_bytes();
            let answer = self.call(&self.desk.scripts.held_up, ANY_TIME, &asked).await?;
            let [next, page] = answer.fields()?;
            for (name, jobs) in told::held_up(page)? {
                let sum: &mut u64 = held_up.entry(name).or_default();
                *sum = sum.saturating_add(jobs);
            }
            cursor = next.bytes()?.to_vec();
            if cursor.is_empty() {
                break;
            }
        }
        Ok(held_up)
    }

    async fn jobs(&self) -> Result<Vec<JobId>, GateClosed> {
        let mut jobs = HashSet::new();
        let mut cursor = Vec::new();
        loop {
            let asked = Packer::default().bytes(&cursor).into_bytes();
            let answer = self.call(&self.desk.scripts.list_jobs, ANY_TIME, &asked).await?;
            let [next, page] = answer.fields()?;
            for job in page.list()? {
                jobs.insert(told::job(job)?);
            }
            cursor = next.bytes()?.to_vec();
            if cursor.is_empty() {
                return Ok(jobs.into_iter().collect());
            }
        }
    }

    async fn standing(&self, now: Timestamp) -> Result<Standing, GateClosed> {
        self.desk.standing(now).await
    }

    async fn rebuild(&self, now: Timestamp) -> Result<bool, GateClosed> {
        // Also says no to a Redis that may not be used as it is set up.
        if self.desk.standing(now).await? == Standing::Open {
            // Another process has rebuilt it meanwhile.
            return Ok(false);
        }
        let known = self.desk.belief().epoch.clone();
        let mut call = self.desk.scripts.claim.key(&self.desk.keys.meta);
        let call = call
            .arg(known.as_ref().map_or("", |epoch| epoch.name.as_str()))
            .arg(&self.own_name)
            .arg(now.0)
            .arg(REBUILD_LAPSES.0)
            .arg(format!("{:016x}", self.entropy.draw()))
            .arg(&self.desk.rules)
            .arg(known.as_ref().map_or(0, |epoch| epoch.began))
            .arg(asked::pools(&self.rules));
        let reply: Vec<redis::Value> =
            call.invoke_async(&mut self.desk.connection()).await.map_err(RedisFault::from)?;
        let mut texts = reply.into_iter().skip(1).map(|value| match value {
            redis::Value::BulkString(bytes) => String::from_utf8(bytes).unwrap_or_default(),
            _ => String::new(),
        });
        let (Some(name), Some(began), Some(before)) = (texts.next(), texts.next(), texts.next()) else {
            return Ok(false);
        };
        if known.as_ref().is_none_or(|known| known.name != name) {
            tracing::info!(epoch = name, before, "the gate is being rebuilt");
            let began = began.parse().unwrap_or_default();
            self.desk.belief().adopt(Epoch { name: name.clone(), began, ops: 0 });
            tokio::spawn(remains::remove(Arc::clone(&self.desk), name));
        }
        Ok(true)
    }

    async fn open(&self, _now: Timestamp) -> Result<bool, GateClosed> {
        let Some(epoch) = self.desk.belief().epoch.clone() else { return Ok(false) };
        let mut call = self.desk.scripts.open.key(&self.desk.keys.meta);
        let call = call.arg(&epoch.name).arg(&self.own_name);
        let opened: i64 = call.invoke_async(&mut self.desk.connection()).await.map_err(RedisFault::from)?;
        Ok(opened == 1)
    }

    async fn woken(&self) {
        self.wake.woken().await;
    }
}
