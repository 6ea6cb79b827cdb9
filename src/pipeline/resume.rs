//! A new life: registers this worker, ends the lives before it, and rebuilds gate, tracker and queues from the ledger.

use serde_json::json;

use crate::{
    clock::{Clock, Entropy},
    job::{id::WorkerId, time::Millis},
    ledger::{Command, Fence, Ledger, LedgerError, Reply},
    pipeline::{context::Context, feed, upkeep},
};

/// Registers a worker. `alone`: the ledger is locked by this process, so every other life is known to be over.
pub async fn register(
    ledger: &Ledger,
    clock: &dyn Clock,
    entropy: &Entropy,
    name: &str,
    lease: Millis,
    alone: bool,
) -> Result<Fence, LedgerError> {
    let now = clock.now();
    if alone {
        for worker in ledger.workers().await?.into_iter().filter(|worker| worker.stopped_at.is_none()) {
            ledger.write(Command::Stop { worker: worker.id }).await?;
        }
    }
    let worker = WorkerId::new(now, entropy.draw_wide());
    let command = Command::Register { worker, name: name.to_owned(), lease_until: now.plus(lease) };
    match ledger.write(command).await? {
        Reply::Registered { token } => Ok(Fence { worker, token }),
        reply => {
            Err(LedgerError::Corrupt(format!("registering a worker was answered with {reply:?}").into()))
        }
    }
}

/// Rebuilds everything that lives in memory. Call it before the steps run, with the feed already running.
pub async fn resume(context: &Context) -> anyhow::Result<()> {
    let now = context.now();
    let truths = context.ledger.truths().await?;
    context.closures.learn(&truths);
    context.gate.observe(&truths, now).await?;
    upkeep::compare(context).await?;
    // A new life drives nothing yet: what it may drive it takes over, and what others drive is theirs until their leases end.
    upkeep::take_over(context).await?;
    feed::deliver_due(context).await?;
    tracing::info!(
        worker = %context.fence.worker,
        token = context.fence.token,
        counts = %json!(context.ledger.counts(None).await?.iter().map(|c| (c.state.as_str(), c.jobs)).collect::<Vec<_>>()),
        "resumed from the ledger"
    );
    Ok(())
}
