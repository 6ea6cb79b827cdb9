//! A new life: registers this worker, ends the lives before it, and rebuilds gate, tracker and queues from the ledger.

use serde_json::json;

use crate::{
    clock::{Clock, Entropy},
    job::{id::WorkerId, role::Roles, time::Millis},
    ledger::{Command, Fence, Ledger, LedgerError, Reply},
    pipeline::{context::Context, duties, heartbeat, life::Life, outbox, rebuild},
};

/// A worker that is to be registered.
#[derive(Clone, Debug)]
pub struct Newcomer {
    /// For people, e.g. the host's name.
    pub name: String,
    pub roles: Roles,
    pub lease: Millis,
    /// The ledger is locked by this process, so every other life is known to be over.
    pub alone: bool,
}

/// Registers a worker: its life begins.
pub async fn register(
    ledger: &Ledger,
    clock: &dyn Clock,
    entropy: &Entropy,
    newcomer: Newcomer,
) -> Result<Life, LedgerError> {
    let now = clock.now();
    let Newcomer { name, roles, lease, alone } = newcomer;
    if alone {
        for worker in ledger.workers_at_work().await? {
            ledger.write(Command::Stop { worker: worker.id }).await?;
        }
    }
    let worker = WorkerId::new(now, entropy.draw_wide());
    let command = Command::Register { worker, name, roles: roles.clone(), lease_until: now.plus(lease) };
    match ledger.write(command).await? {
        Reply::Registered { token } => Ok(Life::new(Fence { worker, token }, roles, lease, alone, now)),
        reply => {
            Err(LedgerError::Corrupt(format!("registering a worker was answered with {reply:?}").into()))
        }
    }
}

/// Rebuilds everything that lives in memory. Call it before the steps run, with the feed already running.
pub async fn resume(context: &Context) -> Result<(), LedgerError> {
    // The first beat reads what was written since the registration; only then may this worker act.
    context.closures.learn(&context.ledger.gates().await?);
    context.learn_freezes().await?;
    heartbeat::beat(context).await?;
    // The gate in memory is new, and another one may have missed what happened while nobody was there.
    context.tell_gate_again();
    rebuild::run(context).await;
    // A new life drives nothing yet: what it may drive it takes over, and what others drive is theirs until their leases end.
    duties::take(context).await?;
    outbox::take_up(context).await?;
    tracing::info!(
        worker = %context.fence.worker,
        token = context.fence.token,
        roles = %context.life.roles,
        counts = %json!(context.ledger.counts(None).await?.iter().map(|c| (c.state.as_str(), c.jobs)).collect::<Vec<_>>()),
        "resumed from the ledger"
    );
    Ok(())
}
