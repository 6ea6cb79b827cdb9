//! The ledger as the rest of the process sees it: open, write, be told, close.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use crate::{
    budget::Rules,
    clock::{Clock, Entropy},
    job::time::Millis,
    ledger::{
        LedgerError,
        cache::RequestCache,
        chain::Salts,
        command::{Command, Reply},
        db::Db,
        meters::Meters,
        open::{self, Location, Use},
        prompts::Crowd,
        spans::Spans,
        writer::{Answer, Answered, Committed, Feed, Group, Writer},
    },
};

/// A clock may be this far behind the last entry before the ledger refuses to open.
const CLOCK_TOLERANCE: Millis = Millis::minutes(2);
/// Groups that wait for the writer at most; whoever brings more waits.
const WAITING_MAX: usize = 4_096;
/// Commands that come to the writer together.
const GROUP_MAX: usize = 512;

fn stopped() -> LedgerError {
    LedgerError::Unavailable("the ledger's writer has stopped".into())
}

fn with_answer(command: Command) -> ((Command, Answer), Answered) {
    let (answer, answered) = oneshot::channel();
    ((command, answer), answered)
}

/// The ledger of this process. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    pub(super) db: Db,
    pub(super) rules: Arc<Rules>,
    pub(super) cache: Arc<RequestCache>,
    /// None: opened for reading only.
    commands: Option<mpsc::Sender<Group>>,
    shared: Arc<Shared>,
}

/// What a ledger shares with its writer.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub feed: Feed,
    pub meters: Meters,
    pub fenced: std::sync::atomic::AtomicU64,
    own: Mutex<Spans>,
    pub crowd: Crowd,
    /// Of the newest commit.
    pub position: tokio::sync::watch::Sender<i64>,
    #[cfg(feature = "failpoints")]
    pub lost_answers: crate::ledger::fault::LostAnswers,
}

impl Shared {
    pub fn written(&self, committed: &Committed) {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.add(committed.after, committed.seq);
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("dialect", &self.db.dialect()).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Opens the ledger and starts its writer, which ends when the last clone is dropped. A SQLite ledger belongs to one
    /// process at a time: it stays locked until it is closed or dropped.
    pub async fn open(
        location: &Location,
        rules: Arc<Rules>,
        clock: Arc<dyn Clock>,
        entropy: Arc<Entropy>,
    ) -> Result<Self, LedgerError> {
        Self::start(open::for_writing(location, Use::Alone).await?, rules, clock, entropy).await
    }

    /// As `open`, for a ledger that several processes write: a SQLite file is shared with others of this machine that
    /// open it in the same way.
    pub async fn open_shared(
        location: &Location,
        rules: Arc<Rules>,
        clock: Arc<dyn Clock>,
        entropy: Arc<Entropy>,
    ) -> Result<Self, LedgerError> {
        Self::start(open::for_writing(location, Use::Shared).await?, rules, clock, entropy).await
    }

    async fn start(
        db: Db,
        rules: Arc<Rules>,
        clock: Arc<dyn Clock>,
        entropy: Arc<Entropy>,
    ) -> Result<Self, LedgerError> {
        let mut ledger = Self::of(db, rules);
        let head = ledger.head().await?;
        let now = clock.now();
        if now.plus(CLOCK_TOLERANCE) < head.at {
            ledger.close().await;
            return Err(LedgerError::ClockBehind { now, last: head.at });
        }
        let (commands, waiting) = mpsc::channel(WAITING_MAX);
        ledger.commands = Some(commands);
        let mut secret = [0; 32];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut secret)
            .map_err(|_| LedgerError::Unreadable("this machine gives no random numbers".to_owned()))?;
        let writer = Writer::new(&ledger, clock, entropy, Salts::new(secret));
        writer.start(waiting).map_err(|error| {
            LedgerError::Unreadable(format!("no thread for the ledger's writer: {error}"))
        })?;
        Ok(ledger)
    }

    /// Opens a ledger that must exist for reading only, also while a daemon is using it. It changes nothing, not even
    /// the tables of an older version: those it refuses.
    pub async fn open_read_only(location: &Location, rules: Arc<Rules>) -> Result<Self, LedgerError> {
        Ok(Self::of(open::for_reading(location).await?, rules))
    }

    fn of(db: Db, rules: Arc<Rules>) -> Self {
        Self { db, rules, cache: Arc::default(), commands: None, shared: Arc::default() }
    }

    pub(super) fn own_meters(&self) -> &Meters {
        &self.shared.meters
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// What each commit changes is sent here from now on. One receiver.
    pub fn feed(&self) -> mpsc::UnboundedReceiver<Arc<Committed>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.shared.feed.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// Ends the feed: its receiver gets what was committed before, and then nothing more.
    pub fn end_feed(&self) {
        *self.shared.feed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Applies one command. After `Unavailable` the write may have been committed: every command is safe to repeat.
    pub async fn write(&self, command: Command) -> Result<Reply, LedgerError> {
        let mut answers = self.write_all(vec![command]).await;
        answers.pop().unwrap_or_else(|| Err(stopped())).map(|(reply, _)| reply)
    }

    /// Applies several commands, each for itself; up to `GROUP_MAX` of them as a rule in one transaction. Also tells what was
    /// changed by it.
    pub async fn write_all(
        &self,
        commands: Vec<Command>,
    ) -> Vec<Result<(Reply, Arc<Committed>), LedgerError>> {
        let (mut commands, mut waiting) = (commands.into_iter(), Vec::new());
        loop {
            let (group, answered): (Group, Vec<_>) =
                commands.by_ref().take(GROUP_MAX).map(with_answer).unzip();
            if group.is_empty() {
                break;
            }
            let queued = self.queue(group).await;
            waiting.extend(answered.into_iter().map(|answered| (answered, queued.clone())));
        }
        let mut answers = Vec::with_capacity(waiting.len());
        for (answered, queued) in waiting {
            answers.push(match queued {
                Ok(()) => answered.await.unwrap_or_else(|_| Err(stopped())),
                Err(error) => Err(error),
            });
        }
        answers
    }

    async fn queue(&self, group: Group) -> Result<(), LedgerError> {
        let Some(commands) = &self.commands else {
            return Err(LedgerError::Unavailable("the ledger was opened for reading only".into()));
        };
        commands.send(group).await.map_err(|_| stopped())
    }

    /// The parts of the history from `after` to `upto` that this process has not written: each follows the position named first.
    pub(super) fn foreign(&self, after: i64, upto: i64) -> Vec<(i64, i64)> {
        self.shared.own.lock().unwrap_or_else(PoisonError::into_inner).gaps(after, upto)
    }

    /// Writes refused since the start because their fencing token was an old one.
    pub fn fenced_writes(&self) -> u64 {
        self.shared.fenced.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Every n-th commit from now on is reported as failed although it stands; 0 ends it.
    #[cfg(feature = "failpoints")]
    pub fn lose_every_nth_answer(&self, n: u64) {
        self.shared.lost_answers.every(n);
    }

    /// Waits for the transaction under way, closes every connection, and gives a SQLite ledger free for the next process.
    pub async fn close(&self) {
        self.db.close().await;
    }
}
