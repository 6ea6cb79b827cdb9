//! The gate and the ledger: whether the gate can be used, telling it what it has missed, and rebuilding it when it was lost. While it is
//! closed nothing starts, and why is known.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::task::JoinHandle;

use crate::{
    gate::{GateClosed, Standing},
    job::{state::State, time::Timestamp},
    ledger::{Ledger, LedgerError, rows::JobRow},
    pipeline::{context::Context, feed, upkeep},
};

/// Queued jobs offered at a time.
const PAGE: i64 = 5_000;

/// What is known of the gate.
#[derive(Debug, Default)]
pub struct Barrier {
    /// All processes have the same gate. Otherwise each has its own, which must be told what the others do.
    pub shared: bool,
    closed: Mutex<Option<(String, Timestamp)>>,
    /// Something was not told to the gate.
    missed: AtomicBool,
}

impl Barrier {
    pub fn new(shared: bool) -> Self {
        Self { shared, ..Self::default() }
    }
    fn closed(&self) -> MutexGuard<'_, Option<(String, Timestamp)>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Why the gate is closed, and since when; None: it is open.
    pub fn reason(&self) -> Option<(String, Timestamp)> {
        self.closed().clone()
    }
    /// Keeps why it is closed now, and since when it has been. Logs only that it was closed: reasons take turns while it is rebuilt.
    fn close(&self, why: &str, now: Timestamp) {
        let mut closed = self.closed();
        if let Some((known, _)) = closed.as_mut() {
            why.clone_into(known);
            return;
        }
        *closed = Some((why.to_owned(), now));
        drop(closed);
        tracing::warn!(why, "the gate is closed: nothing starts, requests are taken");
    }
    fn open(&self) -> bool {
        self.closed().take().is_some()
    }
}

impl Context {
    /// The gate did not do what it was asked: it counts as closed until it has been looked at.
    pub fn gate_failed(&self, error: &GateClosed) {
        self.barrier.close(&error.0, self.now());
        self.queues.gate.poke();
    }

    /// As `gate_failed`, and what it was to be told is told again once it is open.
    pub fn gate_missed(&self, error: &GateClosed) {
        self.barrier.missed.store(true, Ordering::SeqCst);
        self.gate_failed(error);
    }

    /// Lets the gate be told everything again at the next look.
    pub fn tell_gate_again(&self) {
        self.barrier.missed.store(true, Ordering::SeqCst);
        self.queues.gate.poke();
    }
}

/// Looks at the gate, and does what it needs.
pub async fn run(context: &Context) {
    match look(context).await {
        Ok(()) => {
            if context.barrier.open() {
                tracing::info!("the gate is open");
            }
            context.queues.admit.poke();
        }
        Err(Trouble::Gate(error)) => {
            context.barrier.close(&error.0, context.now());
            context.queues.gate.beat_at(context.now().plus(crate::job::time::Millis::seconds(1)));
        }
        Err(Trouble::Ledger(error)) => tracing::warn!(%error, "the gate waits for the ledger"),
    }
}

/// What keeps the gate from being looked after.
#[derive(Debug)]
pub enum Trouble {
    Gate(GateClosed),
    Ledger(LedgerError),
}

impl From<GateClosed> for Trouble {
    fn from(error: GateClosed) -> Self {
        Self::Gate(error)
    }
}
impl From<LedgerError> for Trouble {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

async fn look(context: &Context) -> Result<(), Trouble> {
    match context.gate.standing(context.now()).await? {
        Standing::Open => {}
        Standing::Lost(why) => return rebuild(context, &why).await,
        Standing::Rebuilding => {
            return Err(GateClosed("another worker rebuilds it from the ledger".to_owned()).into());
        }
    }
    if context.barrier.missed.swap(false, Ordering::SeqCst) {
        let told = tell_all(context).await;
        if told.is_err() {
            context.barrier.missed.store(true, Ordering::SeqCst);
        }
        told?;
    }
    Ok(())
}

/// Every figure again, and the jobs that one of the two does not know of.
async fn tell_all(context: &Context) -> Result<(), Trouble> {
    let truths = context.ledger.truths().await?;
    context.gate.observe(&truths, context.now()).await?;
    if upkeep::are_apart(context).await? {
        upkeep::compare(context).await?;
    }
    Ok(())
}

/// Fills an emptied gate from the ledger, in pages; each renews the right to it.
async fn rebuild(context: &Context, why: &str) -> Result<(), Trouble> {
    let ours = |ours: bool| {
        let other = || GateClosed(format!("{why}; another worker rebuilds it from the ledger"));
        ours.then_some(()).ok_or_else(other)
    };
    context.barrier.close(why, context.now());
    ours(context.gate.rebuild(context.now()).await?)?;
    // Figures that change from here on are told by whoever changes them.
    let truths = context.ledger.truths().await?;
    context.gate.observe(&truths, context.now()).await?;
    let (mut reading, mut offered) = (read(&context.ledger, -1), 0_usize);
    loop {
        let page = reading.await.map_err(|error| LedgerError::Unavailable(error.to_string().into()))??;
        let Some(last) = page.last() else { break };
        // While the gate takes these, the next are read.
        reading = read(&context.ledger, last.position);
        offered = offered.saturating_add(offer(context, &page).await?);
        ours(context.gate.rebuild(context.now()).await?)?;
    }
    ours(context.gate.open(context.now()).await?)?;
    context.meters.rebuilds.fetch_add(1, Ordering::Relaxed);
    tracing::info!(jobs = offered, "the gate was rebuilt from the ledger");
    Ok(())
}

/// A page of the jobs that wait, read by a task of its own.
fn read(ledger: &Ledger, after: i64) -> JoinHandle<Result<Vec<JobRow>, LedgerError>> {
    let ledger = ledger.clone();
    tokio::spawn(async move { ledger.jobs_in(State::Queued, after, PAGE).await })
}

async fn offer(context: &Context, page: &[JobRow]) -> Result<usize, Trouble> {
    let specs = context.specs_of(page).await?;
    let offer = |job: &JobRow| specs.get(&job.request_id).map(|shared| feed::offer_of(context, job, shared));
    let offers = page.iter().filter_map(offer).collect();
    Ok(context.gate.offer(offers, context.now()).await?)
}
