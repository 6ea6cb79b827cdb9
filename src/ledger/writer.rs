//! The one writer of a process. It drains the commands that are waiting, applies them together in one transaction that holds
//! the chain head, and answers each: a durable commit is paid once per batch.

use std::sync::{Arc, Mutex, PoisonError, atomic::Ordering};

use tokio::sync::{mpsc, oneshot};

use crate::{
    budget::{Books as _, Rules, Truth},
    clock::{Clock, Entropy},
    job::id::{AttemptId, JobId},
    ledger::{
        Ledger, LedgerError,
        apply::apply,
        batch,
        cache::RequestCache,
        chain::Salts,
        command::{Command, Reply},
        db::{Bind, Db, Tx},
        handle::Shared,
        load, load_audit,
        meters::Happened,
        rows::{AttemptRow, EntryRow, HeadRow, JobRow},
        table,
        working_set::{Rows, WorkingSet},
    },
    telemetry::failpoint,
};

/// Commands in one transaction, but for the rest of a group. A commit waits for the disk: the more of them share it, the fewer
/// pages are written.
const BATCH_MAX: usize = 2_048;
/// Commands that are applied between two writes to the history: about as long as one of these takes.
const APPLIED: usize = 64;

/// What a transaction changed, told to the rest of the process after the commit.
#[derive(Debug, Default)]
pub struct Committed {
    /// Position of the history before it.
    pub after: i64,
    pub seq: i64,
    pub truths: Vec<Truth>,
    /// By their ids.
    pub jobs: Vec<JobRow>,
    /// By their ids.
    pub attempts: Vec<AttemptRow>,
    /// There are notices that nobody has looked at.
    pub notices: bool,
    pub happened: Happened,
}

impl Committed {
    /// A job that it changed.
    pub fn job(&self, id: JobId) -> Option<&JobRow> {
        let at = self.jobs.binary_search_by_key(&id, |job| job.id).ok()?;
        self.jobs.get(at)
    }
    /// An attempt that it changed.
    pub fn attempt(&self, id: AttemptId) -> Option<&AttemptRow> {
        let at = self.attempts.binary_search_by_key(&id, |attempt| attempt.id).ok()?;
        self.attempts.get(at)
    }
}

pub type Answer = oneshot::Sender<Result<(Reply, Arc<Committed>), LedgerError>>;
pub type Answered = oneshot::Receiver<Result<(Reply, Arc<Committed>), LedgerError>>;
/// Commands that came together.
pub type Group = Vec<(Command, Answer)>;
pub type Feed = Mutex<Option<mpsc::UnboundedSender<Arc<Committed>>>>;

pub struct Writer {
    db: Db,
    rules: Arc<Rules>,
    clock: Arc<dyn Clock>,
    entropy: Arc<Entropy>,
    cache: Arc<RequestCache>,
    shared: Arc<Shared>,
    salts: Salts,
    doubts: Vec<Doubt>,
    /// What the last transaction knew, as long as it is sure that it stands.
    kept: Option<WorkingSet>,
}

/// A transaction whose commit was not answered: it stands if the history has its last entry.
struct Doubt {
    hash: String,
    committed: Committed,
}

impl Writer {
    pub fn new(ledger: &Ledger, clock: Arc<dyn Clock>, entropy: Arc<Entropy>, salts: Salts) -> Self {
        Self {
            salts,
            db: ledger.db.clone(),
            rules: Arc::clone(&ledger.rules),
            clock,
            entropy,
            cache: Arc::clone(&ledger.cache),
            shared: ledger.shared(),
            doubts: Vec::new(),
            kept: None,
        }
    }

    /// Has it write what comes, until nothing can come any more. It works in a thread of its own: each answer wakes a task, and
    /// among those tasks it would wait its turn at every statement.
    pub fn start(self, waiting: mpsc::Receiver<Group>) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = move || runtime.block_on(self.run(waiting));
        std::thread::Builder::new().name("ledger".to_owned()).spawn(work)?;
        Ok(())
    }

    async fn run(mut self, mut waiting: mpsc::Receiver<Group>) {
        while let Some(mut batch) = waiting.recv().await {
            while batch.len() < BATCH_MAX {
                match waiting.try_recv() {
                    Ok(more) => batch.extend(more),
                    Err(_) => break,
                }
            }
            let (commands, answers): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            let (mut commands, mut answers) = (commands.as_slice(), answers.into_iter());
            for length in batch::runs(commands.iter()) {
                let (run, rest) = commands.split_at(length.min(commands.len()));
                commands = rest;
                self.commit(run, answers.by_ref().take(length).collect()).await;
            }
        }
    }

    async fn commit(&mut self, commands: &[Command], answers: Vec<Answer>) {
        match self.transact(commands).await {
            Ok((replies, committed)) => {
                let committed = self.tell(committed);
                for (answer, reply) in answers.into_iter().zip(replies) {
                    // Whoever asked may have gone; the write stands.
                    drop(answer.send(Ok((reply, Arc::clone(&committed)))));
                }
            }
            Err(error) if commands.len() > 1 && !matches!(error, LedgerError::Unavailable(_)) => {
                // One of them cannot be written; the others must not suffer for it.
                for (command, answer) in commands.iter().zip(answers) {
                    let outcome = self.transact(std::slice::from_ref(command)).await;
                    drop(answer.send(outcome.map(|(replies, committed)| {
                        (replies.into_iter().next().unwrap_or(Reply::Done), self.tell(committed))
                    })));
                }
            }
            Err(error) => {
                self.shared.meters.failed();
                tracing::warn!(%error, commands = commands.len(), "the ledger could not be written");
                for answer in answers {
                    drop(answer.send(Err(error.clone())));
                }
            }
        }
    }

    fn tell(&self, committed: Committed) -> Arc<Committed> {
        let committed = Arc::new(committed);
        self.shared.meters.stands(&committed.happened);
        failpoint::hit("ledger.after_commit");
        self.shared.written(&committed);
        self.shared.position.send_if_modified(|known| {
            let moved = *known != committed.seq;
            *known = committed.seq;
            moved
        });
        if let Some(feed) = self.shared.feed.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            drop(feed.send(Arc::clone(&committed)));
        }
        committed
    }

    async fn transact(&mut self, commands: &[Command]) -> Result<(Vec<Reply>, Committed), LedgerError> {
        let began = tokio::time::Instant::now();
        let mut tx = self.db.begin().await?;
        let lock = match tx {
            Tx::Sqlite(_) => "",
            Tx::Postgres(_) => "FOR UPDATE",
        };
        let heads: Vec<HeadRow> = tx.rows(&table::HEAD, lock, &[]).await?;
        let head =
            heads.into_iter().next().ok_or_else(|| LedgerError::Corrupt("the head row is missing".into()))?;
        self.settle_doubts(&mut tx).await?;
        let now = self.clock.now();
        let kept = self.kept.take().and_then(|kept| kept.again(now, &head));
        let after = head.seq;
        let mut set =
            kept.unwrap_or_else(|| WorkingSet::new(now, Arc::clone(&self.rules), head, self.salts.clone()));
        load::load(&mut tx, &mut set, &self.cache, commands).await?;
        set.drawn = (0..commands.len().saturating_mul(2)).map(|_| self.entropy.draw_wide()).collect();
        let replies = apply_all(&mut tx, &mut set, commands).await?;
        self.shared.fenced.fetch_add(set.fenced, Ordering::Relaxed);
        if !set.has_changes() {
            tx.rollback().await?;
            let committed = committed(&set, after);
            self.kept = Some(set);
            return Ok((replies, committed));
        }
        stamp(&mut set);
        set.head.writes = set.head.writes.saturating_add(1);
        flush(&mut tx, &set).await?;
        failpoint::hit("ledger.before_commit");
        // While the disk is waited for, what there is to tell is put together.
        let (stands, committed) =
            tokio::join!(biased; self.commit_answered(tx), async { committed(&set, after) });
        if let Err(error) = stands {
            self.doubts.push(Doubt { hash: set.head.hash.clone(), committed });
            return Err(error);
        }
        self.shared.meters.committed(began.elapsed(), commands.len());
        for request in &set.new_requests {
            if let Some(shared) = set.requests.get(&request.id) {
                self.cache.put(request.id, Arc::clone(shared));
            }
        }
        if set.bulk.is_empty() {
            self.kept = Some(set);
        } else {
            self.cache.clear();
        }
        Ok((replies, committed))
    }

    async fn commit_answered(&self, tx: Tx) -> Result<(), LedgerError> {
        tx.commit().await?;
        #[cfg(feature = "failpoints")]
        if self.shared.lost_answers.is_lost() {
            return Err(LedgerError::Unavailable("the answer to a commit was lost on purpose".into()));
        }
        Ok(())
    }

    /// Tells of the transactions that stand although their commit was reported as failed. Whoever wrote them was told of the
    /// failure and asks again; the rest of the process must not miss what they changed.
    async fn settle_doubts(&mut self, tx: &mut Tx) -> Result<(), LedgerError> {
        while let Some(doubt) = self.doubts.first() {
            let seq = [Bind::Int(doubt.committed.seq)];
            let found: Vec<EntryRow> = tx.rows(&table::ENTRIES, "WHERE t.seq = $1", &seq).await?;
            let stands = found.first().is_some_and(|entry| entry.hash == doubt.hash);
            let doubt = self.doubts.remove(0);
            if stands {
                self.tell(doubt.committed);
            }
        }
        Ok(())
    }
}

/// Applies the commands. What they enter in the history never changes again: it is written while the next ones are applied.
async fn apply_all(
    tx: &mut Tx,
    set: &mut WorkingSet,
    commands: &[Command],
) -> Result<Vec<Reply>, LedgerError> {
    let (mut replies, mut written) = (Vec::with_capacity(commands.len()), Vec::new());
    for some in commands.chunks(APPLIED) {
        let entered = std::mem::take(&mut set.entries);
        let (stands, ()) = tokio::join!(biased; tx.add(&table::ENTRIES, &entered), async {
            replies.extend(some.iter().map(|command| apply(set, command)));
        });
        stands?;
        written.extend(entered);
    }
    tx.add(&table::ENTRIES, &set.entries).await?;
    written.append(&mut set.entries);
    set.entries = written;
    Ok(replies)
}

fn committed(set: &WorkingSet, after: i64) -> Committed {
    let mut happened = set.happened.clone();
    happened.count(&set.entries);
    Committed {
        after,
        seq: set.head.seq,
        truths: truths(set),
        jobs: set.jobs.changed_rows().into_iter().cloned().collect(),
        attempts: set.attempts.changed_rows().into_iter().cloned().collect(),
        notices: !set.notices.new.is_empty(),
        happened,
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

/// Figures of every budget that was changed or looked at: also those that refused, so that the gate learns the truth.
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
    let rows = set.looked_at.union(&set.budgets.changed).filter_map(|key| set.budgets.map.get_key_value(key));
    // What was never used, closed or limited has no figure to tell.
    rows.filter(|(_, row)| row.version > 0).map(truth).collect()
}

async fn flush(tx: &mut Tx, set: &WorkingSet) -> Result<(), LedgerError> {
    tx.change(&table::HEAD, std::slice::from_ref(&set.head)).await?;
    tx.add(&table::TEMPLATES, &set.templates.new_rows()).await?;
    tx.add(&table::REQUESTS, &set.new_requests).await?;
    put(tx, &table::JOBS, &set.jobs).await?;
    tx.add(&table::PROMPTS, &set.new_prompts).await?;
    put(tx, &table::ATTEMPTS, &set.attempts).await?;
    put(tx, &table::HOLDS, &set.holds).await?;
    tx.put(&table::BUDGETS, &set.budgets.changed_rows()).await?;
    tx.put(&table::EVIDENCE, &set.new_evidence).await?;
    put(tx, &table::OUTBOX, &set.notices).await?;
    put(tx, &table::MAILINGS, &set.post.mailings).await?;
    tx.put(&table::SUMMARIES, &set.post.summaries).await?;
    put(tx, &table::WORKERS, &set.workers).await?;
    tx.put(&table::LEASES, &set.leases.changed_rows()).await?;
    tx.put(&table::WAVES, &set.waves.changed_rows()).await?;
    tx.put(&table::APPROVALS, &set.approvals.changed_rows()).await?;
    tx.put(&table::BREAKERS, &set.breakers.changed_rows()).await?;
    tx.put(&table::TOKENS, &set.tokens.changed_rows()).await?;
    tx.put(&table::FREEZES, &set.freezes.changed_rows()).await?;
    tx.put(&table::SCHEDULES, &set.schedules.changed_rows()).await?;
    put(tx, &table::DELIVERIES, &set.deliveries).await?;
    tx.add(&table::PAYLOADS, &set.new_payloads).await?;
    tx.add(&table::EXEMPTIONS, &set.new_exemptions).await?;
    load_audit::flush(tx, &set.bulk).await
}

async fn put<K, R>(tx: &mut Tx, table: &table::Table, rows: &Rows<K, R>) -> Result<(), LedgerError>
where
    K: Ord + std::hash::Hash + Eq + Clone,
    R: Clone + serde::Serialize,
{
    tx.add(table, &rows.new_rows()).await?;
    tx.change(table, &rows.old_rows()).await
}
