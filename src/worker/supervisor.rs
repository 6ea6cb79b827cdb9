//! Runs every step as an apalis worker under one monitor: starts them, watches that they live, and ends them
//! gracefully. Must not know what the steps do.

use std::{mem, pin::pin, sync::Arc};

use apalis::{
    layers::catch_panic::CatchPanicLayer,
    prelude::{Monitor, WorkerBuilder},
};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock::Clock,
    job::time::Millis,
    worker::{
        backend::{Bench, Delivery, SourceBackend},
        source::Source,
        statistics::{Counters, Statistics},
    },
};

/// How long handlers in flight may take to end after shutdown began, unless told otherwise.
pub const DRAIN_DEFAULT: Millis = Millis::seconds(30);

/// Why a supervisor ended other than by a clean shutdown.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WorkerError {
    /// A worker died, or its source closed, although nobody asked for shutdown. The others were drained.
    #[error("the worker of step `{step}` ended without shutdown")]
    Ended { step: &'static str },
    /// Handlers went on beyond the bound; they run until the process ends.
    #[error("shutdown waited {waited} for handlers to end, still in flight: {}", list(unfinished))]
    Drain { waited: Millis, unfinished: Vec<(&'static str, usize)> },
}

fn list(steps: &[(&'static str, usize)]) -> String {
    steps.iter().map(|(step, count)| format!("{step} ({count})")).collect::<Vec<_>>().join(", ")
}

/// Collects steps, then runs them.
pub struct Supervisor {
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
    drain: Millis,
    monitor: Monitor,
    running: TaskTracker,
    steps: Vec<Arc<Counters>>,
    ends: (UnboundedSender<&'static str>, UnboundedReceiver<&'static str>),
}

impl Supervisor {
    /// Runs until `shutdown` is cancelled.
    pub fn new(clock: Arc<dyn Clock>, shutdown: CancellationToken) -> Self {
        Self {
            clock,
            shutdown,
            drain: DRAIN_DEFAULT,
            monitor: Monitor::new(),
            running: TaskTracker::new(),
            steps: Vec::new(),
            ends: mpsc::unbounded_channel(),
        }
    }

    /// Bounds the wait for handlers in flight after shutdown began.
    #[must_use]
    pub fn drain(mut self, bound: Millis) -> Self {
        self.drain = bound;
        self
    }

    /// Adds a step: up to `concurrency` (at least 1) handlers at once, each in a task of its own. A handler is never
    /// cut off; it must bound its own time.
    #[must_use]
    pub fn step<S, H, F>(mut self, name: &'static str, concurrency: usize, source: Arc<S>, handler: H) -> Self
    where
        S: Source,
        H: Fn(S::Item) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let counters = Arc::new(Counters::new(name, concurrency));
        self.steps.push(Arc::clone(&counters));
        let bench = Bench {
            clock: Arc::clone(&self.clock),
            counters,
            running: self.running.clone(),
            ends: self.ends.0.clone(),
        };
        let handler = Arc::new(handler);
        self.monitor = mem::take(&mut self.monitor).register(move |_| {
            let handler = Arc::clone(&handler);
            WorkerBuilder::new(name)
                .backend(SourceBackend::new(Arc::clone(&source), bench.clone()))
                .layer(CatchPanicLayer::new())
                .build(move |(_, item): Delivery<S>| {
                    let handler = Arc::clone(&handler);
                    // Called only when polled: a panic inside of apalis' `call` would leave its count of running
                    // tasks one too high, and shutdown would wait for ever.
                    async move { handler(item).await }
                })
        });
        self
    }

    /// The figures of the steps added so far.
    pub fn statistics(&self) -> Statistics {
        Statistics(self.steps.clone())
    }

    /// Runs every step until shutdown, or until a worker ends on its own; then nothing new is begun and the handlers
    /// in flight are waited for.
    pub async fn run(mut self) -> Result<(), WorkerError> {
        let monitor = self.monitor.context();
        let (runner, running) = (mem::take(&mut self.monitor).run(), self.running.clone());
        // Ends only after the tracker is closed, and then with the last handler, also of a dead worker.
        let mut work = pin!(async move {
            if let Err(error) = runner.await {
                tracing::error!(%error, "workers ended with errors");
            }
            running.wait().await;
        });
        let ended = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => None,
            step = self.ends.1.recv() => step,
            () = &mut work => None,
        };
        if let Some(step) = ended {
            tracing::error!(step, "a worker ended without shutdown; shutting down");
        }
        self.running.close();
        if let Err(error) = monitor.shutdown() {
            tracing::error!(%error, "the monitor refused to shut down");
        }
        let deadline = self.clock.now().plus(self.drain);
        tokio::select! {
            biased;
            () = &mut work => ended.map_or(Ok(()), |step| Err(WorkerError::Ended { step })),
            () = self.clock.sleep_until(deadline) => Err(self.unfinished()),
        }
    }

    fn unfinished(&self) -> WorkerError {
        let busy = self.steps.iter().map(|step| (step.name, step.in_flight()));
        WorkerError::Drain { waited: self.drain, unfinished: busy.filter(|(_, count)| *count > 0).collect() }
    }
}
