//! Builds a worker process from its parts, runs it, and ends it in order.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    agent::{Agent, Forge},
    clock::{Clock, Entropy},
    gate::Gate,
    job::time::Millis,
    ledger::{Ledger, Location},
    notify::Sink,
    pipeline::{Context, Policy, Queues, Tuning, context, feed, resume, run, tracker::Tracker},
    worker::{Statistics, WorkerError},
};

/// Everything a worker process is made of.
pub struct Parts {
    pub location: Location,
    pub policy: Policy,
    pub tuning: Tuning,
    pub gate: Arc<dyn Gate>,
    pub agent: Arc<dyn Agent>,
    pub forge: Arc<dyn Forge>,
    pub sink: Arc<dyn Sink>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<Entropy>,
    /// For people, e.g. the host's name.
    pub name: String,
    /// How long shutdown waits for steps in flight.
    pub drain: Millis,
}

/// A worker process that runs.
pub struct Daemon {
    pub context: Arc<Context>,
    pub statistics: Statistics,
    steps: JoinHandle<Result<(), WorkerError>>,
}

impl Daemon {
    /// Opens the ledger, resumes what earlier lives left, and starts every step.
    pub async fn start(parts: Parts) -> anyhow::Result<Self> {
        let drain = parts.drain;
        // A SQLite ledger is locked by its one process: earlier lives are known to be over.
        let alone = parts.location.url.starts_with("sqlite:");
        let ledger = Ledger::open(
            &parts.location,
            Arc::clone(&parts.policy.rules),
            Arc::clone(&parts.clock),
            Arc::clone(&parts.entropy),
        )
        .await?;
        let commits = ledger.feed();
        let lease = parts.tuning.lease;
        let fence =
            resume::register(&ledger, parts.clock.as_ref(), &parts.entropy, &parts.name, lease, alone)
                .await?;
        let context = Arc::new(Context {
            ledger,
            gate: parts.gate,
            agent: parts.agent,
            forge: parts.forge,
            sink: parts.sink,
            queues: Queues::new(&parts.clock, &parts.tuning),
            clock: parts.clock,
            entropy: parts.entropy,
            policy: parts.policy,
            tuning: parts.tuning,
            fence,
            shutdown: CancellationToken::new(),
            tracker: Tracker::default(),
            specs: context::Specs::default(),
            closures: context::Closures::default(),
            apart: false.into(),
        });
        let feed = tokio::spawn(feed::run(Arc::clone(&context), commits));
        resume::resume(&context).await?;
        let supervisor = run::supervise(&context, drain);
        let statistics = supervisor.statistics();
        let steps = tokio::spawn(run::run(Arc::clone(&context), supervisor, feed));
        Ok(Self { context, statistics, steps })
    }

    /// Resolves when the steps have ended, in order or not.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        (&mut self.steps).await??;
        Ok(())
    }

    /// Stops taking work, waits for what is in flight, closes the ledger.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.context.shutdown.cancel();
        let ended = if self.steps.is_finished() { Ok(()) } else { self.ended().await };
        self.context.ledger.close().await;
        ended
    }
}
