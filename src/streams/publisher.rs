//! Keeps the streams in step with the ledger. Every worker has one; whoever holds the lock writes. Two at once do no harm: a stream
//! moves only from the position that its writer knows. What Redis lost is written again.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{
    job::id::NoticeId,
    ledger::{Ledger, LedgerError, audit::REDACTION_ENDED, rows::EntryRow},
    redis_link::{RedisFault, RedisLink},
    streams::{
        Names,
        entry::{Meaning, meaning},
        letter,
        redis::{Batch, Board, NOWHERE},
    },
};

/// Entries of the history read at a time.
const PAGE: i64 = 500;
/// Commits that come within this time are published together.
const LINGER: Duration = Duration::from_millis(10);
/// Without any commit the streams are looked at this often: Redis may have lost them.
const SWEEP: Duration = Duration::from_secs(10);
/// After another publisher was met: it may have died with the lock.
const MEET_AGAIN: Duration = Duration::from_secs(1);
const WAIT_FIRST: Duration = Duration::from_millis(200);
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Why the streams could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Redis(#[from] RedisFault),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// One of the three streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Events,
    Dead,
    Notices,
}

const STREAMS: [Stream; 3] = [Stream::Events, Stream::Dead, Stream::Notices];

/// Writes the streams of one ledger.
pub struct Publisher {
    ledger: Ledger,
    board: Board,
    names: Names,
    /// Among the publishers; two that run at once must differ.
    name: String,
    /// Events kept, about, and entries that are published one by one after a loss.
    events_max: i64,
}

/// How far each stream is, in the order of `STREAMS`.
type Positions = [i64; 3];

/// How an attempt to bring the streams up to date ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Done,
    /// Another publisher holds the lock, and will see what is new.
    Elsewhere,
}

impl Publisher {
    /// `name` tells this publisher from others; `events_max` at least 1.
    pub fn new(ledger: Ledger, link: &RedisLink, names: Names, name: String, events_max: i64) -> Self {
        Self { ledger, board: Board::new(link), names, name, events_max: events_max.max(1) }
    }

    /// Publishes until shutdown.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut committed = self.ledger.committed();
        let mut wait = WAIT_FIRST;
        loop {
            committed.mark_unchanged();
            let rest = match self.turn().await {
                Ok(Turn::Done) => SWEEP,
                Ok(Turn::Elsewhere) => MEET_AGAIN,
                Err(error) => {
                    tracing::warn!(%error, "the streams are not up to date; next try in {wait:?}");
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = shutdown.cancelled() => return,
                    }
                    wait = wait.saturating_mul(2).min(WAIT_MAX);
                    continue;
                }
            };
            wait = WAIT_FIRST;
            tokio::select! {
                changed = committed.changed() => match changed {
                    Ok(()) => tokio::time::sleep(LINGER).await,
                    Err(_) => return,
                },
                () = tokio::time::sleep(rest) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Brings the streams up to date under the lock. Whoever commits and finds the lock held may go: its holder looks at the
    /// ledger once more after it has given the lock back.
    async fn turn(&mut self) -> Result<Turn, PublishError> {
        let lock = self.names.publisher();
        loop {
            if !self.board.lock(&lock, &self.name).await? {
                return Ok(Turn::Elsewhere);
            }
            let reached = self.catch_up().await;
            let released = self.board.release(&lock, &self.name).await;
            let reached = reached?;
            released?;
            if self.ledger.head().await?.seq <= reached {
                return Ok(Turn::Done);
            }
        }
    }

    /// Publishes everything up to the ledger's head; the answer is the position reached.
    pub async fn catch_up(&mut self) -> Result<i64, PublishError> {
        let mut at = self.positions().await?;
        // What was written before this call may hold a name that has left the ledger since.
        let mut old = at.map(|at| at != NOWHERE);
        loop {
            let head = self.ledger.head().await?.seq;
            self.forget_other_history(&mut at, head).await?;
            self.refill(&mut at, head).await?;
            let from = at.into_iter().min().unwrap_or_default().max(0);
            let page = self.ledger.entries_after(from, PAGE).await?;
            let Some(last) = page.last() else {
                // Also a stream of nothing has to be there to tell how far it is.
                if at.contains(&NOWHERE) {
                    self.publish_page(&mut at, &[], 0).await?;
                }
                self.trim_notices().await?;
                return Ok(from);
            };
            let redacted = page.iter().rev().find(|entry| entry.kind == REDACTION_ENDED);
            if let Some(entry) = redacted.filter(|_| old.contains(&true)) {
                self.write_anew(&mut at, &mut old, entry.seq).await?;
                continue;
            }
            self.publish_page(&mut at, &page, last.seq).await?;
        }
    }

    /// Streams that were written before a redaction are removed: what comes into their place is read from the ledger as it is now.
    async fn write_anew(
        &mut self,
        at: &mut Positions,
        old: &mut [bool; 3],
        redaction: i64,
    ) -> Result<(), RedisFault> {
        for ((stream, at), old) in STREAMS.into_iter().zip(at).zip(old) {
            if std::mem::take(old) && *at < redaction {
                let name = self.stream(stream);
                tracing::info!(stream = name, "a name was redacted; the stream is written anew");
                self.board.remove(&name).await?;
                *at = NOWHERE;
            }
        }
        Ok(())
    }

    fn stream(&self, stream: Stream) -> String {
        match stream {
            Stream::Events => self.names.events(),
            Stream::Dead => self.names.dead(),
            Stream::Notices => self.names.notices(),
        }
    }

    async fn positions(&mut self) -> Result<Positions, RedisFault> {
        let mut at = [NOWHERE; 3];
        for (stream, at) in STREAMS.into_iter().zip(&mut at) {
            *at = self.board.position(&self.stream(stream)).await?;
        }
        Ok(at)
    }

    /// A stream ahead of the ledger tells of a history that the ledger does not have: the ledger is right.
    async fn forget_other_history(&mut self, at: &mut Positions, head: i64) -> Result<(), RedisFault> {
        for (stream, at) in STREAMS.into_iter().zip(at) {
            if *at > head {
                let name = self.stream(stream);
                tracing::warn!(
                    stream = name,
                    position = *at,
                    head,
                    "the stream tells of another history; it is written anew"
                );
                self.board.remove(&name).await?;
                *at = NOWHERE;
            }
        }
        Ok(())
    }

    /// Brings streams that are far behind to where the newest `events_max` entries begin. Older events are left out, as if
    /// trimmed; older dead letters and notices that are not done with are not.
    async fn refill(&mut self, at: &mut Positions, head: i64) -> Result<(), PublishError> {
        let floor = head.saturating_sub(self.events_max);
        for (stream, at) in STREAMS.into_iter().zip(at) {
            while *at < floor {
                let (to, batch) = match stream {
                    Stream::Events => (floor, Batch { kept: self.events_max, ..Batch::default() }),
                    Stream::Dead => self.old_letters(*at, floor).await?,
                    Stream::Notices => (floor, self.old_notices(*at, floor).await?),
                };
                *at = self.board.publish(&self.stream(stream), (*at, to), &batch).await?;
            }
        }
        Ok(())
    }

    async fn old_letters(&self, at: i64, floor: i64) -> Result<(i64, Batch), LedgerError> {
        let deaths = self.ledger.open_letters((at.max(0), floor), PAGE).await?;
        let full = i64::try_from(deaths.len()).is_ok_and(|found| found >= PAGE);
        let to = deaths.last().filter(|_| full).map_or(floor, |last| last.seq);
        let mut batch = Batch::default();
        for death in &deaths {
            self.add_letter(&mut batch, death).await?;
        }
        Ok((to, batch))
    }

    /// All at one position, since the entries that brought them are not looked for: consumers know a notice by its id.
    async fn old_notices(&self, at: i64, floor: i64) -> Result<Batch, LedgerError> {
        let time = async |position: i64| {
            let found = self.ledger.entries_after(position.saturating_sub(1), 1).await?;
            Ok::<_, LedgerError>(found.first().map(|entry| entry.at))
        };
        let (Some(from), Some(until)) = (time(at.max(1)).await?, time(floor).await?) else {
            return Ok(Batch::default());
        };
        let rows = self.ledger.notices_open((from, until)).await?;
        let entries = rows.iter().zip(1_u64..).map(|(row, n)| (format!("{floor}-{n}"), letter::notice(row)));
        Ok(Batch { entries: entries.collect(), ..Batch::default() })
    }

    async fn publish_page(
        &mut self,
        at: &mut Positions,
        page: &[EntryRow],
        to: i64,
    ) -> Result<(), PublishError> {
        let meanings: Vec<Meaning> = page.iter().map(meaning).collect();
        for (stream, at) in STREAMS.into_iter().zip(at) {
            if *at >= to && *at != NOWHERE {
                continue;
            }
            let news = || meanings.iter().filter(|meaning| meaning.position > *at);
            let batch = match stream {
                Stream::Events => {
                    let entry = |found: &Meaning| Some((id(found.position), found.event.clone()?));
                    Batch {
                        entries: news().filter_map(entry).collect(),
                        kept: self.events_max,
                        ..Batch::default()
                    }
                }
                Stream::Dead => self.letters(news(), page).await?,
                Stream::Notices => self.notices(news()).await?,
            };
            *at = self.board.publish(&self.stream(stream), (*at, to), &batch).await?;
        }
        Ok(())
    }

    async fn letters<'a>(
        &self,
        news: impl Iterator<Item = &'a Meaning>,
        page: &[EntryRow],
    ) -> Result<Batch, LedgerError> {
        let mut batch = Batch::default();
        for found in news {
            if found.dead.is_some()
                && let Some(entry) = page.iter().find(|entry| entry.seq == found.position)
            {
                self.add_letter(&mut batch, entry).await?;
            }
            if let Some(job) = found.done_with
                && let Some(death) = self.ledger.death_of(job).await?
            {
                batch.removed.push(id(death.seq));
            }
        }
        Ok(batch)
    }

    async fn add_letter(&self, batch: &mut Batch, death: &EntryRow) -> Result<(), LedgerError> {
        let Some(job) = death.job_id else { return Ok(()) };
        let Some(row) = self.ledger.job(job).await? else { return Ok(()) };
        if let Some(request) = self.ledger.request(row.request_id).await? {
            batch.entries.push((id(death.seq), letter::letter(death.at, &row, &request.row)));
        }
        Ok(())
    }

    async fn notices<'a>(&self, news: impl Iterator<Item = &'a Meaning>) -> Result<Batch, LedgerError> {
        let named: Vec<(i64, &String)> =
            news.flat_map(|found| found.notices.iter().map(|dedup| (found.position, dedup))).collect();
        let dedups: Vec<String> = named.iter().map(|(_, dedup)| (*dedup).clone()).collect();
        let rows = self.ledger.notices_by_dedup(&dedups).await?;
        let mut entries: Vec<_> = Vec::new();
        for ((position, dedup), n) in named.into_iter().zip(0_u64..) {
            if let Some(row) = rows.iter().find(|row| row.dedup == *dedup) {
                entries.push((format!("{position}-{n}"), letter::notice(row)));
            }
        }
        Ok(Batch { entries, ..Batch::default() })
    }

    /// Notices beyond the bound leave their stream when they are done with, the oldest first.
    async fn trim_notices(&mut self) -> Result<(), PublishError> {
        let stream = self.names.notices();
        let oldest = self.board.oldest(&stream, "notice", (self.events_max, PAGE)).await?;
        let ids: Vec<NoticeId> = oldest.iter().filter_map(|(_, notice)| notice.parse().ok()).collect();
        let rows = self.ledger.notices_by_id(&ids).await?;
        let open =
            |notice: &str| rows.iter().any(|row| row.next_at.is_some() && row.id.to_string() == notice);
        let done: Vec<String> =
            oldest.into_iter().filter(|(_, notice)| !open(notice)).map(|(id, _)| id).collect();
        Ok(self.board.drop_entries(&stream, &done).await?)
    }
}

/// The id of what one entry of the history brings.
fn id(position: i64) -> String {
    format!("{position}-0")
}
