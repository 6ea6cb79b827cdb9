//! The streams and the publisher's lock, as commands to Redis. It knows positions, ids and words, and not what they mean.

use std::time::Duration;

use redis::{Script, cmd};

use crate::{
    ledger::meaning::Words,
    redis_link::{RedisConnection, RedisFault, RedisLink},
};

/// A publisher that dies gives the lock back after this time.
pub const LOCK_FOR: Duration = Duration::from_secs(5);
/// The position of a stream that is not there.
pub const NOWHERE: i64 = -1;

/// What is added to one stream in one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Id and words of each entry, in ascending order.
    pub entries: Vec<(String, Words)>,
    pub removed: Vec<String>,
    /// Entries kept, about; 0: all.
    pub kept: i64,
}

/// The way to the streams.
#[derive(Clone)]
pub struct Board {
    connection: RedisConnection,
    publish: Script,
    release: Script,
}

impl Board {
    pub fn new(link: &RedisLink) -> Self {
        Self {
            connection: link.connection(),
            publish: Script::new(include_str!("scripts/publish.lua")),
            release: Script::new(include_str!("scripts/release_lock.lua")),
        }
    }

    /// The position up to which a stream is complete; `NOWHERE` if it is not there.
    pub async fn position(&mut self, stream: &str) -> Result<i64, RedisFault> {
        let mut call = self.publish.key(stream);
        let (_, position): (u8, i64) = call.arg("").invoke_async(&mut self.connection).await?;
        Ok(position)
    }

    /// Moves a stream from one position to another with what happened between. The answer is where it is now: if that is not
    /// `to`, another publisher or a loss was faster, and nothing was done.
    pub async fn publish(
        &mut self,
        stream: &str,
        (from, to): (i64, i64),
        batch: &Batch,
    ) -> Result<i64, RedisFault> {
        let mut call = self.publish.key(stream);
        call.arg(from).arg(to).arg(batch.kept).arg(batch.removed.len()).arg(&batch.removed);
        for (id, words) in &batch.entries {
            call.arg(id).arg(words.len().saturating_mul(2));
            for (name, value) in words {
                call.arg(*name).arg(value);
            }
        }
        let (_, position): (u8, i64) = call.invoke_async(&mut self.connection).await?;
        Ok(position)
    }

    /// Removes a stream that tells of another history.
    pub async fn remove(&mut self, stream: &str) -> Result<(), RedisFault> {
        Ok(cmd("DEL").arg(stream).query_async(&mut self.connection).await?)
    }

    /// The oldest entries of a stream beyond `kept`, at most `most`: their ids with the value of one field.
    pub async fn oldest(
        &mut self,
        stream: &str,
        field: &str,
        (kept, most): (i64, i64),
    ) -> Result<Vec<(String, String)>, RedisFault> {
        let length: i64 = cmd("XLEN").arg(stream).query_async(&mut self.connection).await?;
        let over = length.saturating_sub(kept).min(most);
        if over <= 0 {
            return Ok(Vec::new());
        }
        let mut range = cmd("XRANGE");
        range.arg(stream).arg("-").arg("+").arg("COUNT").arg(over);
        let found: Vec<(String, Vec<(String, String)>)> = range.query_async(&mut self.connection).await?;
        let value = |words: Vec<(String, String)>| words.into_iter().find(|(name, _)| name == field);
        Ok(found.into_iter().filter_map(|(id, words)| Some((id, value(words)?.1))).collect())
    }

    pub async fn drop_entries(&mut self, stream: &str, ids: &[String]) -> Result<(), RedisFault> {
        if ids.is_empty() {
            return Ok(());
        }
        Ok(cmd("XDEL").arg(stream).arg(ids).query_async(&mut self.connection).await?)
    }

    /// True if the lock was free and is held by `name` now.
    pub async fn lock(&mut self, lock: &str, name: &str) -> Result<bool, RedisFault> {
        let mut set = cmd("SET");
        set.arg(lock).arg(name).arg("NX");
        set.arg("PX").arg(u64::try_from(LOCK_FOR.as_millis()).unwrap_or(u64::MAX));
        let done: Option<String> = set.query_async(&mut self.connection).await?;
        Ok(done.is_some())
    }

    pub async fn release(&mut self, lock: &str, name: &str) -> Result<(), RedisFault> {
        let mut call = self.release.key(lock);
        Ok(call.arg(name).invoke_async(&mut self.connection).await?)
    }
}
