//! The steps as workers under one supervisor, and the orderly end of all of them.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    job::{role::Role, time::Millis},
    ledger::Command,
    pipeline::{
        admit, catch_up, context::Context, deliver, deliveries, heartbeat, logged::Subject, rebuild, recover,
        review, schedules, settle, start, track, upkeep,
    },
    worker::{Statistics, Supervisor, WorkerError},
};

/// Adds every step that the worker's roles name.
pub fn supervise(context: &Arc<Context>, drain: Millis) -> Supervisor {
    let queues = &context.queues;
    let at_once = context.tuning.starts_in_flight.max(1);
    let has = |role| context.life.has(role);
    macro_rules! step {
        ($name:literal, $run:path) => {{
            let context = Arc::clone(context);
            move |item| {
                let span = Subject::span(&item, $name);
                $run(Arc::clone(&context), item).instrument(span)
            }
        }};
    }
    let (for_admit, for_upkeep, for_gate) = (Arc::clone(context), Arc::clone(context), Arc::clone(context));
    let mut steps = Supervisor::new(Arc::clone(&context.clock), context.shutdown.clone()).drain(drain);
    if has(Role::Admit) {
        steps =
            steps.step("admit", 1, Arc::clone(&queues.admit), move |()| admit::run(Arc::clone(&for_admit)));
    }
    if has(Role::Start) {
        steps = steps.step("start", at_once, Arc::clone(&queues.start), step!("start", start::run)).step(
            "recover",
            4,
            Arc::clone(&queues.recover),
            step!("recover", recover::run),
        );
    }
    if has(Role::Track) {
        steps = steps.step("track", 4, Arc::clone(&queues.track), step!("track", track::run)).step(
            "settle",
            at_once,
            Arc::clone(&queues.settle),
            step!("settle", settle::run),
        );
    }
    if has(Role::Review) {
        steps = steps.step("review", at_once, Arc::clone(&queues.review), step!("review", review::run));
    }
    if has(Role::Notify) {
        // One that does not answer must not take the place of the others.
        let receivers = context.sinks.names().count().saturating_add(2);
        steps = steps.step("deliver", receivers, Arc::clone(&queues.notices), step!("deliver", deliver::run));
    }
    if !context.policy.schedules.is_empty() {
        let context = Arc::clone(context);
        steps = steps.step("schedules", 1, Arc::clone(&queues.schedules), move |()| {
            schedules::run(Arc::clone(&context))
        });
    }
    if !context.hooks.is_empty() {
        let context = Arc::clone(context);
        steps = steps.step("hooks", 4, Arc::clone(&queues.deliveries), move |id| {
            deliveries::run(Arc::clone(&context), id)
        });
    }
    steps.step("upkeep", 1, Arc::clone(&queues.upkeep), move |()| upkeep::run(Arc::clone(&for_upkeep))).step(
        "gate",
        1,
        Arc::clone(&queues.gate),
        move |()| {
            let context = Arc::clone(&for_gate);
            async move { rebuild::run(&context).await }
        },
    )
}

/// What runs beside the steps and waits for others: the heartbeat, news, and the gate's wake-ups.
pub struct Beside {
    end: CancellationToken,
    heartbeat: JoinHandle<()>,
    listeners: [JoinHandle<()>; 2],
}

impl Beside {
    pub fn start(context: &Arc<Context>) -> Self {
        let end = CancellationToken::new();
        let woken = Arc::clone(context);
        let wake = async move {
            // Each wake-up reaches one worker: whoever does not admit must not take it from those who do.
            while woken.life.has(Role::Admit) {
                woken.gate.woken().await;
                woken.queues.admit.poke();
            }
        };
        Self {
            heartbeat: tokio::spawn(heartbeat::run(Arc::clone(context), end.clone())),
            listeners: [tokio::spawn(catch_up::run(Arc::clone(context))), tokio::spawn(wake)],
            end,
        }
    }

    /// After the last step: until then the lease must live.
    async fn stop(self) {
        self.end.cancel();
        for listener in &self.listeners {
            listener.abort();
        }
        if let Err(error) = self.heartbeat.await {
            tracing::error!(%error, "the heartbeat ended badly");
        }
    }
}

/// Runs until shutdown, then hands back what was admitted and not sent, so that the next life need not look for it.
pub async fn run(
    context: Arc<Context>,
    supervisor: Supervisor,
    feed: JoinHandle<()>,
    beside: Beside,
) -> Result<(), WorkerError> {
    let ended = supervisor.run().await;
    context.shutdown.cancel();
    // What was admitted last may not have come to the starts yet.
    context.ledger.end_feed();
    if let Err(error) = feed.await {
        tracing::error!(%error, "the feed ended badly");
    }
    while let Some((_, work)) = context.queues.start.take_waiting() {
        start::hand_back(&context, &work, "the worker is shutting down", None).await;
    }
    beside.stop().await;
    // Its leases are free from here on, and what it drove is the others'.
    let stop = vec![Command::Stop { worker: context.fence.worker }];
    for answer in context.ledger.write_all(stop).await {
        match answer {
            Ok((_, committed)) => context.news.tell(committed.seq).await,
            Err(error) => {
                tracing::warn!(%error, "the end of this worker could not be recorded; its lease will run out");
            }
        }
    }
    ended
}

/// The figures of the steps.
pub type Steps = Statistics;
