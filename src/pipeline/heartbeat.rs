//! The heartbeat: renews this worker's lease, apart from all other work, so that nothing slow can cost it its life. Each beat also finds
//! what news has missed.

use std::sync::Arc;

use crate::{
    job::time::Millis,
    ledger::{Command, LedgerError},
    pipeline::{catch_up, context::Context},
};

/// A lease is renewed this often in its time.
const BEATS: u64 = 3;

fn beats_every(context: &Context) -> Millis {
    Millis((context.tuning.lease.0 / BEATS).max(1))
}

/// Beats until `end`, which comes after the last step: what is in flight at shutdown still needs the lease.
pub async fn run(context: Arc<Context>, end: tokio_util::sync::CancellationToken) {
    let every = beats_every(&context);
    while !context.life.is_over() {
        let next = context.now().plus(every);
        if let Err(error) = beat(&context).await {
            tracing::warn!(%error, "the lease could not be renewed; trying again soon");
        }
        tokio::select! {
            () = context.clock.sleep_until(next) => {}
            () = end.cancelled() => return,
        }
    }
}

/// Renews first and looks then: whoever closed a gate before the renewal is seen by the look, and whoever closes one after it
/// sees the renewal and waits for this worker.
pub async fn beat(context: &Context) -> Result<(), LedgerError> {
    let now = context.now();
    let command = Command::Renew {
        worker: context.fence.worker,
        lease_until: now.plus(context.tuning.lease),
        seen: context.history.seen(),
    };
    if context.ledger.write(command).await?.is_stale() {
        tracing::error!(
            "this worker was silent for longer than its lease and has been succeeded; its life is over"
        );
        context.life.end();
        context.shutdown.cancel();
        return Ok(());
    }
    context.life.renewed(now);
    // A look waits for starts on their way. Meanwhile the lease must be renewed again; only what this worker may send waits for the look.
    let every = beats_every(context).duration();
    let Ok(looked) = tokio::time::timeout(every, catch_up::catch_up(context)).await else { return Ok(()) };
    looked?;
    context.life.looked(now);
    Ok(())
}
