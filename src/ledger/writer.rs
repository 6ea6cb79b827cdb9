//! The one writer of a process. It drains the commands that are waiting, applies them together in one transaction that holds
//! the chain head, and answers each: a durable commit is paid once per batch.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use crate::{
    budget::{Books as _, Rules, Truth},
    clock::{Clock, Entropy},
    job::time::Millis,
    ledger::{
        LedgerError,
        apply::apply,
        command::{Command, Reply},
        db::{Db, Location, Tx},
        load::{self, RequestCache},
        rows::{AttemptRow, HeadRow, JobRow},
        table,
        working_set::WorkingSet,
    },
    telemetry::failpoint,
};

/// A clock may be this far behind the last entry before the ledger refuses to open.
const CLOCK_TOLERANCE: Millis = Millis::minutes(2);
/// Commands in one transaction.
const BATCH_MAX: usize = 512;

/// What a transaction changed, told to the rest of the process after the commit.
#[derive(Debug, Default)]
pub struct Committed {
    pub seq: i64,
    pub truths: Vec<Truth>,
    pub jobs: Vec<JobRow>,
    pub attempts: Vec<AttemptRow>,
    /// There may be something to deliver.
    pub notices: bool,
}

type Answer = oneshot::Sender<Result<(Reply, Arc<Committed>), LedgerError>>;

/// The ledger of this process. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    pub(super) db: Db,
    pub(super) rules: Arc<Rules>,
    pub(super) cache: Arc<RequestCache>,
    commands: mpsc::Sender<(Command, Answer)>,
    feed: Arc<Mutex<Option<mpsc::UnboundedSender<Arc<Committed>>>>>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("dialect", &self.db.dialect()).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Opens the ledger and starts its writer, which ends when the last clone is dropped.
    pub async fn open(
        location: &Location,
        rules: Arc<Rules>,
        clock: Arc<dyn Clock>,
        entropy: Arc<Entropy>,
    ) -> Result<Self, LedgerError> {
        let db = Db::open(location).await?;
        let heads: Vec<HeadRow> = db.rows(&table::HEAD, "", &[]).await?;
        let head =
            heads.into_iter().next().ok_or_else(|| LedgerError::Corrupt("the head row is missing".into()))?;
        let now = clock.now();
        if now.plus(CLOCK_TOLERANCE) < head.at {
            return Err(LedgerError::ClockBehind { now, last: head.at });
        }
        let (commands, waiting) = mpsc::channel(4_096);
        let feed = Arc::new(Mutex::new(None));
        let cache = Arc::new(RequestCache::default());
        let writer = Writer {
            db: db.clone(),
            rules: Arc::clone(&rules),
            clock,
            entropy,
            cache: Arc::clone(&cache),
            feed: Arc::clone(&feed),
        };
        tokio::spawn(writer.run(waiting));
        Ok(Self { db, rules, cache, commands, feed })
    }

    /// What each commit changes is sent here from now on. One receiver.
    pub fn feed(&self) -> mpsc::UnboundedReceiver<Arc<Committed>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.feed.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// Applies one command. After an error the write may have been committed: every command is safe to repeat.
    pub async fn write(&self, command: Command) -> Result<Reply, LedgerError> {
        Ok(self.queue(command).await?.0)
    }

    /// Applies several commands, each for itself; as a rule in one transaction. Also tells what was changed by it.
    pub async fn write_all(
        &self,
        commands: Vec<Command>,
    ) -> Vec<Result<(Reply, Arc<Committed>), LedgerError>> {
        futures::future::join_all(commands.into_iter().map(|command| self.queue(command))).await
    }

    async fn queue(&self, command: Command) -> Result<(Reply, Arc<Committed>), LedgerError> {
        let stopped = || LedgerError::Unavailable("the ledger's writer has stopped".into());
        let (answer, answered) = oneshot::channel();
        self.commands.send((command, answer)).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    pub async fn close(&self) {
        self.db.close().await;
    }
}

struct Writer {
    db: Db,
    rules: Arc<Rules>,
    clock: Arc<dyn Clock>,
    entropy: Arc<Entropy>,
    cache: Arc<RequestCache>,
    feed: Arc<Mutex<Option<mpsc::UnboundedSender<Arc<Committed>>>>>,
}

impl Writer {
    async fn run(self, mut waiting: mpsc::Receiver<(Command, Answer)>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
            // Others that are about to write get the chance to share this commit.
            tokio::task::yield_now().await;
            while batch.len() < BATCH_MAX {
                match waiting.try_recv() {
                    Ok(more) => batch.push(more),
                    Err(_) => break,
                }
            }
            self.commit(std::mem::take(&mut batch)).await;
        }
    }

    async fn commit(&self, batch: Vec<(Command, Answer)>) {
        let (commands, answers): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        match self.transact(commands).await {
            Ok((replies, committed)) => {
                let committed = Arc::new(committed);
                failpoint::hit("ledger.after_commit");
                self.tell(&committed);
                for (answer, reply) in answers.into_iter().zip(replies) {
                    // Whoever asked may have gone; the write stands.
                    drop(answer.send(Ok((reply, Arc::clone(&committed)))));
                }
            }
            Err(error) => {
                tracing::warn!(error = %error, commands = answers.len(), "the ledger could not be written");
                for answer in answers {
                    drop(answer.send(Err(error.clone())));
                }
            }
        }
    }

    fn tell(&self, committed: &Arc<Committed>) {
        if let Some(feed) = self.feed.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            drop(feed.send(Arc::clone(committed)));
        }
    }

    async fn transact(&self, commands: Vec<Command>) -> Result<(Vec<Reply>, Committed), LedgerError> {
        let mut tx = self.db.begin().await?;
        let lock = match tx {
            Tx::Sqlite(_) => "",
            Tx::Postgres(_) => "FOR UPDATE",
        };
        let heads: Vec<HeadRow> = tx.rows(&table::HEAD, lock, &[]).await?;
        let head =
            heads.into_iter().next().ok_or_else(|| LedgerError::Corrupt("the head row is missing".into()))?;
        let mut set = WorkingSet::new(self.clock.now(), Arc::clone(&self.rules), head);
        load::load(&mut tx, &mut set, &self.cache, &commands).await?;
        set.drawn = (0..commands.len().saturating_mul(2)).map(|_| self.entropy.draw_wide()).collect();
        let replies: Vec<Reply> = commands.into_iter().map(|command| apply(&mut set, command)).collect();
        if !set.has_changes() {
            tx.rollback().await?;
            return Ok((replies, Committed { truths: truths(&set), ..Committed::default() }));
        }
        stamp(&mut set);
        flush(&mut tx, &set).await?;
        failpoint::hit("ledger.before_commit");
        tx.commit().await?;
        for request in &set.new_requests {
            if let Some(shared) = set.requests.get(&request.id) {
                self.cache.put(request.id, Arc::clone(shared));
            }
        }
        let committed = Committed {
            seq: set.head.seq,
            truths: truths(&set),
            jobs: set.jobs.changed_rows(),
            attempts: set.attempts.changed_rows(),
            notices: !set.notices.changed.is_empty(),
        };
        Ok((replies, committed))
    }
}

/// The changed budgets belong to this position of the history.
fn stamp(set: &mut WorkingSet) {
    let seq = set.head.seq;
    for key in set.budgets.changed.clone() {
        if let Some(row) = set.budgets.map.get_mut(&key) {
            row.version = seq;
        }
    }
}

/// Figures of every budget that was looked at: also those that refused, so that the gate learns the truth.
fn truths(set: &WorkingSet) -> Vec<Truth> {
    let truth = |(key, row): (&crate::budget::Key, &crate::ledger::rows::BudgetRow)| {
        let view = set.view(key);
        Truth {
            key: key.clone(),
            used: view.used,
            limit: view.limit,
            closed: view.closed,
            version: row.version,
        }
    };
    set.budgets.map.iter().map(truth).collect()
}

async fn flush(tx: &mut Tx, set: &WorkingSet) -> Result<(), LedgerError> {
    tx.put(&table::HEAD, std::slice::from_ref(&set.head)).await?;
    tx.add(&table::ENTRIES, &set.entries).await?;
    tx.put(&table::TEMPLATES, &set.templates.changed_rows()).await?;
    tx.add(&table::REQUESTS, &set.new_requests).await?;
    tx.put(&table::JOBS, &set.jobs.changed_rows()).await?;
    tx.add(&table::PROMPTS, &set.new_prompts).await?;
    tx.put(&table::ATTEMPTS, &set.attempts.changed_rows()).await?;
    tx.put(&table::HOLDS, &set.holds.changed_rows()).await?;
    tx.put(&table::BUDGETS, &set.budgets.changed_rows()).await?;
    tx.put(&table::EVIDENCE, &set.new_evidence).await?;
    tx.put(&table::OUTBOX, &set.notices.changed_rows()).await?;
    tx.put(&table::WORKERS, &set.workers.changed_rows()).await
}
