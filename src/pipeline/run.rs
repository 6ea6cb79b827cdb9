//! The steps as workers under one supervisor, and the orderly end of all of them.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::{
    job::time::Millis,
    ledger::Command,
    pipeline::{admit, context::Context, deliver, recover, review, settle, start, track, upkeep},
    worker::{Statistics, Supervisor, WorkerError},
};

/// Adds every step.
pub fn supervise(context: &Arc<Context>, drain: Millis) -> Supervisor {
    let queues = &context.queues;
    let at_once = context.tuning.starts_in_flight.max(1);
    macro_rules! step {
        ($run:path) => {{
            let context = Arc::clone(context);
            move |item| $run(Arc::clone(&context), item)
        }};
    }
    let (for_admit, for_upkeep) = (Arc::clone(context), Arc::clone(context));
    Supervisor::new(Arc::clone(&context.clock), context.shutdown.clone())
        .drain(drain)
        .step("admit", 1, Arc::clone(&queues.admit), move |()| admit::run(Arc::clone(&for_admit)))
        .step("start", at_once, Arc::clone(&queues.start), step!(start::run))
        .step("track", 4, Arc::clone(&queues.track), step!(track::run))
        .step("settle", at_once, Arc::clone(&queues.settle), step!(settle::run))
        .step("review", at_once, Arc::clone(&queues.review), step!(review::run))
        .step("recover", 4, Arc::clone(&queues.recover), step!(recover::run))
        .step("deliver", 4, Arc::clone(&queues.notices), step!(deliver::run))
        .step("upkeep", 1, Arc::clone(&queues.upkeep), move |()| upkeep::run(Arc::clone(&for_upkeep)))
}

/// Runs until shutdown, then hands back what was admitted and not sent, so that the next life need not look for it.
pub async fn run(
    context: Arc<Context>,
    supervisor: Supervisor,
    feed: JoinHandle<()>,
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
    if let Err(error) = context.ledger.write(Command::Stop { worker: context.fence.worker }).await {
        tracing::warn!(%error, "the end of this worker could not be recorded; its lease will run out");
    }
    ended
}

/// The figures of the steps.
pub type Steps = Statistics;
