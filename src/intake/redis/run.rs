//! The reading loop: what this worker left, what silent workers left, then what is new; one batch at a time, so that never more
//! than one is in memory. It ends at shutdown only; whatever Redis does, it comes back.

use std::{sync::Arc, time::Duration};

use crate::{
    intake::redis::{
        Intake,
        accept::{Fate, Keyed, accept},
        entry::Entry,
        group::Group,
        refusal::{Code, Refusal},
    },
    job::time::{Millis, Timestamp},
    redis_link::{FaultKind, RedisFault},
    telemetry::failpoint,
};

/// Between two tries at a Redis that cannot be reached.
const WAIT_FIRST: Duration = Duration::from_millis(200);
const WAIT_MAX: Duration = Duration::from_secs(10);
/// The first reading asks for so many; it grows while entries are small.
const COUNT_FIRST: usize = 32;
/// What one batch should hold at most. Redis counts entries and not bytes, so this follows what was seen.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Reads requests until shutdown.
pub async fn run(intake: Intake) {
    let shutdown = intake.context.shutdown.clone();
    let mut wait = WAIT_FIRST;
    loop {
        let mut reader = Reader {
            intake: &intake,
            count: COUNT_FIRST,
            worked: false,
            later: Vec::new(),
            last: "0".to_owned(),
        };
        let ended = reader.life().await;
        if reader.worked {
            wait = WAIT_FIRST;
        }
        match ended {
            Ok(()) => return,
            // The stream was emptied or removed: it is made anew at once.
            Err(fault) if fault.code.as_deref() == Some("NOGROUP") => {
                tracing::warn!("the stream of requests was removed; it is made again");
            }
            Err(fault) if fault.kind == FaultKind::Refused => {
                tracing::error!(%fault, "requests cannot be read from Redis; next try in {wait:?}");
            }
            Err(fault) => tracing::warn!(%fault, "requests cannot be read from Redis; next try in {wait:?}"),
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shutdown.cancelled() => return,
        }
        wait = wait.saturating_mul(2).min(WAIT_MAX);
    }
}

/// Entries in hand that wait for the provider; with so many nothing new is read.
const LATER_MAX: usize = 1_000;

/// An entry whose request waits for the provider.
struct Waiting {
    due: Timestamp,
    entry: Entry,
}

/// One connection's time.
struct Reader<'a> {
    intake: &'a Intake,
    count: usize,
    /// Something was answered: the next wait is a short one again.
    worked: bool,
    later: Vec<Waiting>,
    /// The newest entry that was read: everything up to it is settled, or in `later`.
    last: String,
}

impl Reader<'_> {
    /// Reads until shutdown; Err: Redis was lost, and what was read and not settled is read again.
    async fn life(&mut self) -> Result<(), RedisFault> {
        let context = &self.intake.context;
        let mut group = Group::open(&self.intake.link, &self.intake.options, context.entropy.draw()).await?;
        self.worked = true;
        self.take_unsettled(&mut group).await?;
        let mut claim_at = Timestamp(i64::MIN);
        while !context.shutdown.is_cancelled() {
            if context.now() >= claim_at {
                self.hold(&mut group).await?;
                self.take_over(&mut group).await?;
                group.tidy(false).await?;
                claim_at = context.now().plus(self.claim_every());
            }
            self.take_due(&mut group).await?;
            if self.later.len() >= LATER_MAX {
                self.pause().await;
                continue;
            }
            let entries = tokio::select! {
                entries = group.unread(self.count, self.patience()) => entries?,
                () = context.shutdown.cancelled() => break,
            };
            self.last = entries.last().map_or_else(|| self.last.clone(), |entry| entry.id.clone());
            self.count = next_count(self.count, &entries, self.intake.options.batch_max);
            self.take(&mut group, entries).await?;
        }
        // The last reading was given up, and may have been answered.
        group.hang_up();
        self.take_unsettled(&mut group).await?;
        group.tidy(true).await?;
        Ok(())
    }

    fn claim_every(&self) -> Millis {
        let quarter = self.intake.options.claim_after / 4;
        Millis(u64::try_from(quarter.as_millis()).unwrap_or(u64::MAX).clamp(50, 15_000))
    }

    async fn take_unsettled(&mut self, group: &mut Group) -> Result<(), RedisFault> {
        // What waits for the provider stays unsettled: each is looked at once, since a look counts as a delivery.
        loop {
            let mut entries = group.unsettled(&self.last, self.count).await?;
            let Some(last) = entries.last() else { return Ok(()) };
            self.last.clone_from(&last.id);
            entries.retain(|entry| !self.later.iter().any(|waiting| waiting.entry.id == entry.id));
            if !self.take(group, entries).await? {
                return Ok(());
            }
        }
    }

    /// Looks again at what waits for the provider, when its time has come.
    async fn take_due(&mut self, group: &mut Group) -> Result<(), RedisFault> {
        let now = self.intake.context.now();
        let (due, rest): (Vec<Waiting>, _) =
            std::mem::take(&mut self.later).into_iter().partition(|waiting| waiting.due <= now);
        self.later = rest;
        self.take(group, due.into_iter().map(|waiting| waiting.entry).collect()).await.map(drop)
    }

    /// Keeps what waits for the provider from being taken over.
    async fn hold(&mut self, group: &mut Group) -> Result<(), RedisFault> {
        let ids: Vec<String> = self.later.iter().map(|waiting| waiting.entry.id.clone()).collect();
        group.hold(&ids).await
    }

    /// How long a reading may wait: what is in hand must be said to be so in time.
    fn patience(&self) -> Duration {
        if self.later.is_empty() { Duration::MAX } else { Duration::from_millis(self.claim_every().0) }
    }

    /// Until the next duty.
    async fn pause(&self) {
        let wait = Duration::from_millis(self.claim_every().0.min(1_000));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.intake.context.shutdown.cancelled() => {}
        }
    }

    /// Takes over what silent workers have read. What was delivered more than once goes alone: if it is what ends workers, it
    /// takes nothing else with it.
    async fn take_over(&mut self, group: &mut Group) -> Result<(), RedisFault> {
        let silent = group.silent().await?;
        let (once, often): (Vec<_>, Vec<_>) = silent.into_iter().partition(|silent| silent.deliveries < 2);
        let ids: Vec<String> = once.into_iter().map(|silent| silent.id).collect();
        for ids in ids.chunks(COUNT_FIRST) {
            let entries = group.claim(ids).await?;
            tracing::info!(requests = entries.len(), "taken over from a worker that is silent");
            self.take(group, entries).await?;
        }
        for silent in often {
            let entries = group.claim(&[silent.id]).await?;
            if silent.deliveries >= self.intake.options.deliveries_max {
                self.give_up(group, entries, silent.deliveries).await?;
            } else {
                self.take(group, entries).await?;
            }
        }
        Ok(())
    }

    /// Accepts what can be accepted, rejects the rest, settles both. False: told to stop before the ledger had them.
    async fn take(&mut self, group: &mut Group, entries: Vec<Entry>) -> Result<bool, RedisFault> {
        if entries.is_empty() {
            return Ok(true);
        }
        failpoint::hit("intake.read");
        let keyed = |entry: Entry| Keyed { key: group.key(&entry.id), entry: Arc::new(entry) };
        let batch: Vec<Keyed> = entries.into_iter().map(keyed).collect();
        let bytes_max = self.intake.options.request_bytes_max;
        let Some(fates) = accept(&self.intake.context, &batch, bytes_max).await else { return Ok(false) };
        failpoint::hit("intake.recorded");
        let mut all: Vec<&Entry> = Vec::with_capacity(batch.len());
        let mut refused: Vec<(&Entry, Refusal)> = Vec::new();
        for (keyed, fate) in batch.iter().zip(fates) {
            match fate {
                Fate::Accepted => {}
                Fate::Refused(refusal) => refused.push((keyed.entry.as_ref(), refusal)),
                Fate::Later(due) => {
                    self.later.push(Waiting { due, entry: keyed.entry.as_ref().clone() });
                    continue;
                }
            }
            all.push(&keyed.entry);
        }
        if all.is_empty() {
            return Ok(true);
        }
        self.end(group, &all, &refused).await?;
        Ok(true)
    }

    /// The rejected stand in their stream before anything leaves this one.
    async fn end(
        &self,
        group: &mut Group,
        all: &[&Entry],
        refused: &[(&Entry, Refusal)],
    ) -> Result<(), RedisFault> {
        if !refused.is_empty() {
            group.reject(refused, &self.intake.context.now().to_string()).await?;
            failpoint::hit("intake.rejected");
            tracing::info!(requests = refused.len(), "requests from Redis were rejected");
        }
        let ids: Vec<&str> = all.iter().map(|entry| entry.id.as_str()).collect();
        group.settle(&ids).await
    }

    /// Rejects what was delivered too often, unless the ledger has it: then only its acknowledgement was lost.
    async fn give_up(
        &mut self,
        group: &mut Group,
        entries: Vec<Entry>,
        deliveries: u64,
    ) -> Result<(), RedisFault> {
        for entry in entries {
            let key = group.key(&entry.id);
            let known = match self.intake.context.ledger.request_by_idempotency_key(&key).await {
                Ok(known) => known.is_some(),
                Err(error) => {
                    tracing::warn!(%error, "a request that was read too often waits for the ledger");
                    continue;
                }
            };
            let detail = format!(
                "read {deliveries} times without an end; with an idempotency key of its own it may have been accepted: \
                 submit it again with the same key to find out"
            );
            let refused =
                if known { Vec::new() } else { vec![(&entry, Refusal::new(Code::GivenUp, detail))] };
            self.end(group, &[&entry], &refused).await?;
        }
        Ok(())
    }
}

/// How many entries the next reading asks for: twice as many while batches are full and small, fewer when they are large.
fn next_count(count: usize, entries: &[Entry], most: usize) -> usize {
    let bytes: usize = entries.iter().map(Entry::size).sum();
    let average = bytes.checked_div(entries.len()).unwrap_or(0).max(1);
    let fitting = BATCH_BYTES.checked_div(average).unwrap_or(1);
    let grown = if entries.len() >= count { count.saturating_mul(2) } else { count };
    grown.min(fitting).clamp(1, most.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(number: usize, size: usize) -> Vec<Entry> {
        let entry = Entry { id: "1-0".to_owned(), fields: Some(vec![(Vec::new(), vec![0; size])]) };
        vec![entry; number]
    }

    #[test]
    fn a_batch_grows_while_entries_are_small_and_shrinks_when_they_are_large() {
        assert_eq!(next_count(32, &entries(32, 500), 500), 64);
        assert_eq!(next_count(32, &entries(7, 500), 500), 32);
        assert_eq!(next_count(400, &entries(400, 500), 500), 500);
        assert_eq!(next_count(32, &[], 500), 32);
        assert_eq!(next_count(8, &entries(8, 4 * 1024 * 1024), 500), 2);
        assert_eq!(next_count(2, &entries(2, 64 * 1024 * 1024), 500), 1);
    }
}
