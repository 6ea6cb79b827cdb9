//! Builds a worker process from its parts, runs it, and ends it in order.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    agent::{Agent, Atlas, Forge},
    clock::{Clock, Entropy},
    gate::{Gate, Timed},
    job::{role::Roles, time::Millis},
    ledger::{Ledger, LedgerError, Location},
    news::News,
    notify::Sinks,
    pipeline::{
        Context, Policy, Queues, Tuning, catch_up::History, certificate::Certificate, context, feed,
        freezes::Freezes, hooks::Hooks, meters::Meters, nudge::Nudges, rebuild::Barrier, resume,
        resume::Newcomer, run, tokens::Tokens, tracker::Tracker,
    },
    telemetry::traces::Tracer,
    worker::{Statistics, WorkerError},
};

/// Everything a worker process is made of.
pub struct Parts {
    pub location: Location,
    /// The gate is shared, so that other processes may work on the same ledger.
    pub fleet: bool,
    pub roles: Roles,
    pub news: Arc<dyn News>,
    pub policy: Policy,
    pub tuning: Tuning,
    pub gate: Arc<dyn Gate>,
    pub agent: Arc<dyn Agent>,
    pub forge: Arc<dyn Forge>,
    pub atlas: Arc<dyn Atlas>,
    pub sinks: Sinks,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<Entropy>,
    pub hooks: Hooks,
    /// For people, e.g. the host's name.
    pub name: String,
    /// How long shutdown waits for steps in flight.
    pub drain: Millis,
    /// None: nobody wants traces.
    pub tracer: Option<Tracer>,
}

/// A worker process that runs.
pub struct Daemon {
    pub context: Arc<Context>,
    pub statistics: Statistics,
    steps: JoinHandle<Result<(), WorkerError>>,
}

async fn open(parts: &Parts) -> Result<Ledger, LedgerError> {
    let (rules, clock) = (Arc::clone(&parts.policy.rules), Arc::clone(&parts.clock));
    let entropy = Arc::clone(&parts.entropy);
    if parts.fleet {
        Ledger::open_shared(&parts.location, rules, clock, entropy).await
    } else {
        Ledger::open(&parts.location, rules, clock, entropy).await
    }
}

impl Daemon {
    /// Opens the ledger, resumes what earlier lives left, and starts every step.
    pub async fn start(parts: Parts) -> anyhow::Result<Self> {
        let drain = parts.drain;
        // A SQLite ledger is locked by its one process: earlier lives are known to be over.
        let alone = parts.location.url.starts_with("sqlite:") && !parts.fleet;
        let ledger = open(&parts).await?;
        let commits = ledger.feed();
        let newcomer = Newcomer { name: parts.name, roles: parts.roles, lease: parts.tuning.lease, alone };
        // What others write from here on is read by the first heartbeat.
        let position = ledger.head().await?.seq;
        let life = resume::register(&ledger, parts.clock.as_ref(), &parts.entropy, newcomer).await?;
        let freezes = Freezes::new(Arc::clone(&parts.policy.freezes));
        let context = Arc::new(Context {
            ledger,
            gate: Arc::new(Timed::new(parts.gate)),
            agent: parts.agent,
            forge: parts.forge,
            atlas: parts.atlas,
            sinks: parts.sinks,
            queues: Queues::new(&parts.clock, &parts.tuning),
            clock: parts.clock,
            entropy: parts.entropy,
            policy: parts.policy,
            tuning: parts.tuning,
            fence: life.fence,
            life,
            news: parts.news,
            history: History::from(position),
            barrier: Barrier::new(parts.fleet),
            shutdown: CancellationToken::new(),
            tracker: Tracker::default(),
            specs: context::Specs::default(),
            closures: context::Closures::default(),
            freezes,
            tokens: Tokens::default(),
            certificate: Certificate::default(),
            outbox: crate::pipeline::outbox::Outbox::default(),
            hooks: parts.hooks,
            nudges: Nudges::default(),
            sent: context::Sent::default(),
            apart: false.into(),
            meters: Meters::new(parts.tracer),
        });
        let feed = tokio::spawn(feed::run(Arc::clone(&context), commits));
        resume::resume(&context).await?;
        let supervisor = run::supervise(&context, drain);
        let statistics = supervisor.statistics();
        context.meters.follow(statistics.clone());
        let beside = run::Beside::start(&context);
        let steps = tokio::spawn(run::run(Arc::clone(&context), supervisor, feed, beside));
        Ok(Self { context, statistics, steps })
    }

    /// True if its life as a worker was ended by others, because it was silent for longer than its lease.
    pub fn was_succeeded(&self) -> bool {
        self.context.life.is_over()
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
