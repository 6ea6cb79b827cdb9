//! The stream of requests and its consumer group, as commands to Redis. It knows nothing of what a request is.

use std::time::Duration;

use redis::{Script, Value, aio::MultiplexedConnection, cmd};

use crate::{
    intake::redis::{
        IntakeOptions,
        entry::{Entry, FIELD},
        refusal::Refusal,
    },
    redis_link::{RedisConnection, RedisFault, RedisLink},
};

/// What the name of the group begins with.
const GROUP: &str = "sluicegate-";
/// A reading that finds nothing ends after this time, so that other duties get their turn.
const BLOCK: Duration = Duration::from_secs(5);
/// Consumers without anything pending are forgotten after this silence.
const FORGET_AFTER: Duration = Duration::from_hours(1);
/// Entries that are taken over at a time.
const CLAIMED_MAX: usize = 100;

/// Requests of silent workers, looked at and not taken yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silent {
    pub id: String,
    /// Deliveries so far.
    pub deliveries: u64,
}

/// This worker's place in the group. It ends with its connection.
pub struct Group {
    shared: RedisConnection,
    /// For the reading that waits. None: this worker is leaving.
    own: Option<MultiplexedConnection>,
    stream: String,
    name: String,
    options: IntakeOptions,
}

impl Group {
    /// Makes stream and group if they are missing; `life` names a new life of them.
    pub async fn open(link: &RedisLink, options: &IntakeOptions, life: u64) -> Result<Self, RedisFault> {
        let stream = options.names.requests();
        let mut shared = link.connection();
        let script = Script::new(include_str!("scripts/open_group.lua"));
        let mut call = script.key(&stream);
        call.arg(GROUP).arg(format!("{life:016x}"));
        let name: String = call.invoke_async(&mut shared).await?;
        let own = Some(link.blocking().await?);
        Ok(Self { shared, own, stream, name, options: options.clone() })
    }

    /// The idempotency key of a request that brings none: the same at every delivery, and another one after the stream was
    /// lost and its ids begin anew.
    pub fn key(&self, id: &str) -> String {
        let life = self.name.strip_prefix(GROUP).unwrap_or(&self.name);
        format!("{}/{life}/{id}", self.stream)
    }

    /// Entries that nobody has read yet; waits for the first one, `most` at most.
    pub async fn unread(&mut self, count: usize, most: Duration) -> Result<Vec<Entry>, RedisFault> {
        let Some(own) = &mut self.own else { return Ok(Vec::new()) };
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg(&self.name).arg(&self.options.consumer).arg("COUNT").arg(count);
        read.arg("BLOCK").arg(u64::try_from(most.min(BLOCK).as_millis()).unwrap_or(u64::MAX).max(1));
        read.arg("STREAMS").arg(&self.stream).arg(">");
        Ok(delivered(read.query_async(own).await?))
    }

    /// Ends a reading that was given up: nothing new is delivered to this worker any more.
    pub fn hang_up(&mut self) {
        self.own = None;
    }

    /// Entries that this consumer has read before and not settled, behind an id.
    pub async fn unsettled(&mut self, after: &str, count: usize) -> Result<Vec<Entry>, RedisFault> {
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg(&self.name).arg(&self.options.consumer).arg("COUNT").arg(count);
        read.arg("STREAMS").arg(&self.stream).arg(after);
        Ok(delivered(read.query_async(&mut self.shared).await?))
    }

    /// Entries that other consumers have read and not settled for too long.
    pub async fn silent(&mut self) -> Result<Vec<Silent>, RedisFault> {
        let mut ask = cmd("XPENDING");
        ask.arg(&self.stream).arg(&self.name).arg("IDLE").arg(self.claim_after_ms());
        ask.arg("-").arg("+").arg(CLAIMED_MAX);
        let pending: Vec<(String, String, u64, u64)> = ask.query_async(&mut self.shared).await?;
        let others = pending.into_iter().filter(|(_, consumer, ..)| *consumer != self.options.consumer);
        Ok(others.map(|(id, _, _, deliveries)| Silent { id, deliveries }).collect())
    }

    /// Takes entries over from silent consumers; those that another worker was faster with are left out.
    pub async fn claim(&mut self, ids: &[String]) -> Result<Vec<Entry>, RedisFault> {
        let mut claim = cmd("XCLAIM");
        claim.arg(&self.stream).arg(&self.name).arg(&self.options.consumer).arg(self.claim_after_ms());
        claim.arg(ids);
        Ok(entries(claim.query_async(&mut self.shared).await?))
    }

    /// Says that this worker still has entries in hand: nobody takes them over. It counts as no delivery.
    pub async fn hold(&mut self, ids: &[String]) -> Result<(), RedisFault> {
        for ids in ids.chunks(CLAIMED_MAX) {
            let mut claim = cmd("XCLAIM");
            claim.arg(&self.stream).arg(&self.name).arg(&self.options.consumer).arg(0).arg(ids).arg("JUSTID");
            let _: Value = claim.query_async(&mut self.shared).await?;
        }
        Ok(())
    }

    fn claim_after_ms(&self) -> u64 {
        u64::try_from(self.options.claim_after.as_millis()).unwrap_or(u64::MAX)
    }

    /// Puts entries among the rejected, with their original bytes. It is safe to repeat, and then they are there twice.
    pub async fn reject(&mut self, refused: &[(&Entry, Refusal)], at: &str) -> Result<(), RedisFault> {
        let mut all = redis::pipe();
        for (entry, refusal) in refused {
            let body = entry.body();
            let kept = body.get(..self.options.request_bytes_max).unwrap_or(body);
            let add = all.cmd("XADD").arg(self.options.names.rejected());
            add.arg("MAXLEN").arg("~").arg(self.options.rejected_max).arg("*");
            add.arg("entry").arg(&entry.id).arg("at").arg(at).arg("reason").arg(refusal.document());
            add.arg("bytes").arg(body.len()).arg(FIELD).arg(kept).ignore();
        }
        Ok(all.query_async(&mut self.shared).await?)
    }

    /// The end of entries: they leave the group and the stream together.
    pub async fn settle(&mut self, ids: &[&str]) -> Result<(), RedisFault> {
        let mut both = redis::pipe();
        both.atomic();
        both.cmd("XACK").arg(&self.stream).arg(&self.name).arg(ids).ignore();
        both.cmd("XDEL").arg(&self.stream).arg(ids).ignore();
        Ok(both.query_async(&mut self.shared).await?)
    }

    /// Forgets workers that are long gone, and this one if it `leaves`. Whoever has something pending stays.
    pub async fn tidy(&mut self, leaves: bool) -> Result<u64, RedisFault> {
        let script = Script::new(include_str!("scripts/drop_consumers.lua"));
        let mut call = script.key(&self.stream);
        call.arg(&self.name).arg(if leaves { self.options.consumer.as_str() } else { "" });
        call.arg(u64::try_from(FORGET_AFTER.as_millis()).unwrap_or(u64::MAX));
        Ok(call.invoke_async(&mut self.shared).await?)
    }
}

/// The entries in an answer of XREADGROUP about one stream.
fn delivered(answer: Value) -> Vec<Entry> {
    let streams = match answer {
        Value::Array(streams) => streams,
        // RESP3.
        Value::Map(pairs) => return pairs.into_iter().flat_map(|(_, found)| entries(found)).collect(),
        _ => return Vec::new(),
    };
    let of = |stream| match stream {
        Value::Array(mut pair) => pair.pop().map(entries).unwrap_or_default(),
        _ => Vec::new(),
    };
    streams.into_iter().flat_map(of).collect()
}

fn entries(list: Value) -> Vec<Entry> {
    let Value::Array(list) = list else { return Vec::new() };
    list.into_iter().filter_map(entry).collect()
}

fn entry(value: Value) -> Option<Entry> {
    let Value::Array(parts) = value else { return None };
    let mut parts = parts.into_iter();
    let id = String::from_utf8(bytes(parts.next()?)?).ok()?;
    let fields = match parts.next() {
        Some(Value::Array(flat)) => {
            let mut flat = flat.into_iter().filter_map(bytes);
            Some(std::iter::from_fn(|| Some((flat.next()?, flat.next()?))).collect())
        }
        _ => None,
    };
    Some(Entry { id, fields })
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}
