//! Admission: the gate proposes, the ledger disposes, the gate is told.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    gate::{GateClosed, Verdict},
    job::{id::AttemptId, time::Millis},
    ledger::{Command, Reply},
    pipeline::context::Context,
    telemetry::failpoint,
};

/// After a failure of the gate or the ledger.
const PAUSE: Millis = Millis::seconds(1);

/// Admits until nothing fits any more.
pub async fn run(context: Arc<Context>) {
    loop {
        if context.shutdown.is_cancelled() {
            return;
        }
        let now = context.now();
        if !context.life.may_act(now) || context.life.starter().is_none() {
            // Nobody would send what is admitted now.
            context.queues.admit.beat_at(now.plus(PAUSE));
            return;
        }
        match round(&context).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                context.gate_failed(&error);
                context.queues.admit.beat_at(context.now().plus(PAUSE));
                return;
            }
        }
    }
}

/// One batch; false when the gate has no more for now.
async fn round(context: &Context) -> Result<bool, GateClosed> {
    let now = context.now();
    let proposals = context.gate.propose(context.tuning.admit_batch, now).await?;
    if proposals.list.is_empty() {
        if let Some(at) = context.gate.next_wake(now).await? {
            context.queues.admit.beat_at(at);
        }
        return Ok(proposals.more);
    }
    failpoint::hit("admit.proposed");
    let admit = |job| Command::Admit {
        job,
        attempt: AttemptId::new(now, context.entropy.draw_wide()),
        nonce: context.entropy.draw(),
        fence: context.life.starter().unwrap_or(context.fence),
    };
    let commands = proposals.list.iter().map(|proposal| admit(proposal.job)).collect();
    let replies = context.ledger.write_all(commands).await;
    failpoint::hit("admit.recorded");
    let mut verdicts = Vec::with_capacity(replies.len());
    let mut truths = BTreeMap::new();
    let mut failed = false;
    for (proposal, reply) in proposals.list.into_iter().zip(replies) {
        let verdict = match reply {
            Ok((reply, committed)) => {
                truths.insert(committed.seq, committed);
                match reply {
                    Reply::Admitted { .. } => Verdict::Admitted,
                    Reply::Refused(refusal) => Verdict::Refused(refusal),
                    _ => Verdict::Gone,
                }
            }
            Err(error) => {
                failed = true;
                tracing::warn!(%error, job = %proposal.job, "admission waits for the ledger");
                Verdict::Unanswered
            }
        };
        verdicts.push((proposal.job, proposal.token, verdict));
    }
    let truths: Vec<_> = truths.into_values().flat_map(|committed| committed.truths.clone()).collect();
    context.gate.settle(verdicts, &truths, now).await?;
    failpoint::hit("admit.settled");
    if failed {
        context.queues.admit.beat_at(now.plus(PAUSE));
    }
    Ok(!failed)
}
