//! Calls of scripts: each in the epoch that this process believes in, repeated once if that has ended, and every refusal
//! in words for people. It knows no job and no budget.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use redis::Script;

use crate::{
    gate::{
        GateClosed, Standing,
        redis::{
            EVICTION_POLICY,
            epoch::{Belief, Epoch, FIELDS},
            keys::Keys,
            packed::{Unreadable, Value},
            scripts::Scripts,
        },
    },
    job::time::Timestamp,
    redis_link::{FaultKind, RedisConnection, RedisFault, RedisLink},
};

/// Asked anew when the epoch ended meanwhile; it cannot end so often in good order.
const TRIES_MAX: usize = 3;

#[derive(Debug)]
pub(super) struct Desk {
    pub link: RedisLink,
    pub keys: Keys,
    pub scripts: Arc<Scripts>,
    /// Digest of the rules that this process works by.
    pub rules: String,
    belief: Mutex<Belief>,
}

/// What a script said.
enum Said {
    Answer(Value),
    /// Another epoch has begun.
    Elsewhere,
    Unusable(&'static str),
}

impl From<RedisFault> for GateClosed {
    fn from(fault: RedisFault) -> Self {
        Self(fault.message)
    }
}
impl From<Unreadable> for GateClosed {
    fn from(error: Unreadable) -> Self {
        Self(format!("redis: {error}"))
    }
}

impl Desk {
    pub fn new(link: RedisLink, keys: Keys, scripts: Arc<Scripts>, rules: String) -> Arc<Self> {
        Arc::new(Self { link, keys, scripts, rules, belief: Mutex::default() })
    }

    pub fn connection(&self) -> RedisConnection {
        self.link.connection()
    }

    /// Never held across a wait, and whole after each change.
    pub fn belief(&self) -> MutexGuard<'_, Belief> {
        self.belief.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What Redis holds, and whether it may be used as it is set up.
    pub async fn standing(&self, now: Timestamp) -> Result<Standing, GateClosed> {
        let mut connection = self.connection();
        let seen = self.belief().epoch.clone();
        let mut pipeline = redis::pipe();
        pipeline.cmd("INFO").arg("memory").cmd("HMGET").arg(&self.keys.meta).arg(&FIELDS);
        let answer: (String, Vec<Option<String>>) =
            pipeline.query_async(&mut connection).await.map_err(RedisFault::from)?;
        let (memory, fields) = answer;
        let policy = memory.lines().find_map(|line| line.strip_prefix("maxmemory_policy:")).map(str::trim);
        let unfit = policy.filter(|policy| *policy != EVICTION_POLICY).map(|policy| {
            format!("redis evicts keys (maxmemory-policy {policy}); it must be {EVICTION_POLICY}")
        });
        self.belief().unfit.clone_from(&unfit);
        if let Some(why) = unfit {
            return Err(GateClosed(why));
        }
        let named = FIELDS.iter().zip(fields).filter_map(|(name, field)| Some(((*name).to_owned(), field?)));
        let held: HashMap<String, String> = named.collect();
        Ok(self.belief().judge(&held, &self.rules, now, seen.as_ref()))
    }

    /// The epoch to work with, asked for if none is known.
    async fn epoch(&self, now: Timestamp) -> Result<Epoch, GateClosed> {
        let known = {
            let belief = self.belief();
            if let Some(why) = &belief.unfit {
                return Err(GateClosed(why.clone()));
            }
            if let Some(why) = &belief.lost {
                return Err(GateClosed(format!("it must be rebuilt: {why}")));
            }
            belief.epoch.clone()
        };
        match known {
            Some(epoch) => Ok(epoch),
            None => self.look_again(now).await,
        }
    }

    async fn look_again(&self, now: Timestamp) -> Result<Epoch, GateClosed> {
        if let Standing::Lost(why) = self.standing(now).await? {
            return Err(GateClosed(format!("it must be rebuilt: {why}")));
        }
        self.belief().epoch.clone().ok_or_else(|| GateClosed("its epoch is not known".to_owned()))
    }

    /// Calls a script.
    pub async fn call(&self, script: &Script, now: Timestamp, asked: &[u8]) -> Result<Value, GateClosed> {
        let mut epoch = self.epoch(now).await?;
        for _ in 0..TRIES_MAX {
            match self.ask(script, &epoch, now, asked).await? {
                Said::Answer(value) => return Ok(value),
                Said::Elsewhere => epoch = self.look_again(now).await?,
                Said::Unusable(why) => return Err(GateClosed(why.to_owned())),
            }
        }
        Err(GateClosed("its epochs follow each other too fast".to_owned()))
    }

    async fn ask(
        &self,
        script: &Script,
        epoch: &Epoch,
        now: Timestamp,
        asked: &[u8],
    ) -> Result<Said, GateClosed> {
        let mut call = script.key(&self.keys.meta);
        let call = call.arg(&epoch.name).arg(epoch.ops).arg(now.0).arg(asked);
        let reply: Result<Vec<redis::Value>, _> = call.invoke_async(&mut self.connection()).await;
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => return Err(self.failed(epoch, error.into()).await),
        };
        let word = match reply.first() {
            Some(redis::Value::BulkString(word)) => word.as_slice(),
            _ => b"",
        };
        match (word, reply.as_slice()) {
            (b"ok", [_, redis::Value::Int(ops), redis::Value::BulkString(answer)]) => {
                self.belief().saw(&epoch.name, ops.cast_unsigned());
                Ok(Said::Answer(Value::read(answer)?))
            }
            (b"epoch", _) => Ok(Said::Elsewhere),
            (b"building", _) => Ok(Said::Unusable("it is being rebuilt")),
            (b"missing", _) => Ok(Said::Unusable("it must be rebuilt: redis was emptied")),
            (b"back", _) => {
                let why = "redis went back in time: it has fewer changes than were seen";
                self.give_up(epoch, why.to_owned()).await;
                Ok(Said::Unusable("it must be rebuilt: redis went back in time"))
            }
            (b"broken", _) => Ok(Said::Unusable("it must be rebuilt: a change of it broke off half-way")),
            _ => Err(Unreadable("an unknown word").into()),
        }
    }

    /// A script that fails for a reason of its own has stopped half-way: nobody may go on with what it left.
    async fn failed(&self, epoch: &Epoch, fault: RedisFault) -> GateClosed {
        if fault.kind != FaultKind::Unexpected {
            return fault.into();
        }
        let why = format!("a change of it broke off: {}", fault.message);
        self.give_up(epoch, why.clone()).await;
        GateClosed(format!("it must be rebuilt: {why}"))
    }

    /// Nobody may use the epoch any more. If Redis cannot be told, at least this process does not.
    async fn give_up(&self, epoch: &Epoch, why: String) {
        tracing::error!(epoch = epoch.name, why, "the gate is given up and has to be rebuilt");
        let mut call = self.scripts.break_off.key(&self.keys.meta);
        let call = call.arg(&epoch.name).arg(&why);
        let told: Result<i64, _> = call.invoke_async(&mut self.connection()).await;
        if let Err(error) = told {
            tracing::warn!(%error, "the other workers could not be told");
        }
        self.belief().lose(&epoch.name, why);
    }
}
