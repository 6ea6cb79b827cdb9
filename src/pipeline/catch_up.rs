//! Reads what other processes have written to the ledger and goes on with what is this worker's: attempts handed to it, jobs that people
//! withdrew or released, gates that were closed. The history is the only source; news only says when to look.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Mutex;

use crate::{
    job::id::JobId,
    ledger::{Command, LedgerError, deliveries::CONCERNS, rows::Phase},
    pipeline::{
        context::{Context, Work},
        nudge, outbox, pick_up,
    },
};

/// Between two looks: a busy fleet writes far more often than anybody needs to know.
const GAP: Duration = Duration::from_millis(5);

/// How far the history has been read.
#[derive(Debug, Default)]
pub struct History {
    read: Mutex<i64>,
    seen: AtomicI64,
}

impl History {
    /// From this position on.
    pub fn from(position: i64) -> Self {
        Self { read: Mutex::new(position), seen: AtomicI64::new(position) }
    }
    /// Every closed gate and withdrawn job up to here is known, and no start that did not know it is on its way.
    pub fn seen(&self) -> i64 {
        self.seen.load(Ordering::SeqCst)
    }
}

/// Looks whenever there is news.
pub async fn run(context: Arc<Context>) {
    loop {
        tokio::select! {
            () = context.news.hear() => {}
            () = context.shutdown.cancelled() => return,
        }
        if let Err(error) = catch_up(&context).await {
            tracing::warn!(%error, "news could not be looked at; the next heartbeat will");
        }
        tokio::time::sleep(GAP).await;
    }
}

/// What a part of the history concerns.
#[derive(Default)]
struct Concerns {
    /// A gate was closed or opened, or a job withdrawn: starts may have to be held back.
    starts: bool,
    /// A freeze was made or lifted, or somebody was exempt from one: the same.
    freezes: bool,
    /// A worker came or went, or a lease changed hands.
    workers: bool,
    /// Somebody's name was taken out of requests.
    redacted: bool,
    /// Notices were made that are about no job, or are to be tried again.
    notices: bool,
    jobs: BTreeSet<JobId>,
    /// Jobs that a webhook was about.
    nudged: BTreeSet<JobId>,
}

impl Concerns {
    fn add(&mut self, kind: &str, job: Option<JobId>) {
        match kind {
            "budget.closed" | "budget.opened" | "job.cancelled" => self.starts = true,
            "freeze.added" | "freeze.lifted" | "freeze.exempted" => self.freezes = true,
            "worker.registered" | "worker.stopped" | "worker.expired" | "lease.claimed" => {
                self.workers = true;
            }
            "history.redacted" => self.redacted = true,
            "notice.queued" | "notice.retried" => self.notices = true,
            CONCERNS => return self.nudged.extend(job),
            _ => {}
        }
        self.jobs.extend(job);
    }
}

/// Reads up to the end of the history.
pub async fn catch_up(context: &Context) -> Result<(), LedgerError> {
    if context.life.alone {
        return Ok(());
    }
    let mut read = context.history.read.lock().await;
    let (before, head) = (*read, context.ledger.head().await?.seq);
    let mut concerns = Concerns::default();
    for event in context.ledger.events_of_others(before, head).await? {
        concerns.add(&event.kind, event.job_id);
    }
    if concerns.starts {
        context.closures.learn(&context.ledger.gates().await?);
    }
    if concerns.redacted {
        context.forget_requests();
    }
    if concerns.freezes {
        context.learn_freezes().await?;
    }
    if concerns.starts || concerns.freezes {
        context.closures.settle().await;
    }
    for page in concerns.jobs.iter().copied().collect::<Vec<_>>().chunks(1_000) {
        go_on(context, page).await?;
    }
    for page in concerns.nudged.iter().copied().collect::<Vec<_>>().chunks(1_000) {
        nudge::look_soon(context, page).await?;
    }
    *read = head;
    context.history.seen.store(head, Ordering::SeqCst);
    drop(read);
    if concerns.starts || concerns.freezes {
        // Somebody waits for this.
        let lease_until = context.now().plus(context.tuning.lease);
        let command = Command::Renew { worker: context.fence.worker, lease_until, seen: head };
        context.ledger.write(command).await?;
    }
    if head > before && !context.barrier.shared {
        context.tell_gate_again();
    }
    if concerns.workers {
        context.queues.upkeep.poke();
    }
    if concerns.notices {
        outbox::take_up(context).await?;
    } else if !concerns.jobs.is_empty() {
        outbox::take_up_new(context);
    }
    Ok(())
}

/// Jobs that others have changed, as far as this worker has to do with them.
async fn go_on(context: &Context, jobs: &[JobId]) -> Result<(), LedgerError> {
    for (job, attempt) in context.ledger.with_attempts(jobs).await? {
        let mine = attempt.worker_id == context.fence.worker && attempt.phase != Phase::Ended;
        if mine {
            pick_up::pick_up(context, Work { job, attempt });
            continue;
        }
        pick_up::review(context, &job, &attempt);
        if let Some(task) = &attempt.task_id {
            context.tracker.forget(task);
        }
    }
    Ok(())
}
