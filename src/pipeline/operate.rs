//! What operators do. Each act is recorded with who did it and why.

use crate::{
    budget::{Amount, Closure, Key, Source},
    job::{id::JobId, lifecycle::Event, time::Timestamp},
    ledger::{BudgetChange, By, Command, LedgerError, Reply},
    pipeline::{context::Context, view::Replayed},
};

/// Why an act was not done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    #[error("{0}")]
    Conflict(String),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

pub(super) fn done(reply: Reply) -> Result<(), OperateError> {
    match reply {
        Reply::Conflict(why) | Reply::Stale(why) => Err(OperateError::Conflict(why)),
        _ => Ok(()),
    }
}

impl Context {
    /// Closes a gate. When this returns, no start of its jobs is on its way any more and none will be.
    pub async fn pause(&self, key: &Key, by: By, opens_at: Option<Timestamp>) -> Result<(), OperateError> {
        let closure =
            Closure { reason: by.reason.clone(), actor: by.actor.clone(), since: self.now(), opens_at };
        let position = self.change_gate(key, BudgetChange::Close(Source::Operator, closure), by).await?;
        self.closures.settle().await;
        self.seen_by_all(position).await?;
        Ok(())
    }

    /// Lifts what a person closed, and a cool-down, which a person may end early. What a freeze or a breaker closes stays closed.
    pub async fn resume_gate(&self, key: &Key, by: By) -> Result<(), OperateError> {
        for source in [Source::Operator, Source::CoolDown] {
            self.change_gate(key, BudgetChange::Open(source), by.clone()).await?;
        }
        self.queues.admit.poke();
        Ok(())
    }

    /// The position of the history that has it.
    async fn change_gate(&self, key: &Key, change: BudgetChange, by: By) -> Result<i64, OperateError> {
        let mut position = 0;
        for answer in self.ledger.write_all(vec![Command::Budget { key: key.clone(), change, by }]).await {
            let (reply, committed) = answer?;
            done(reply)?;
            // The starting step must know before this is answered; the feed may be late.
            self.closures.learn(&committed.truths);
            position = committed.seq;
        }
        Ok(position)
    }

    /// Sets a limit, or gives it back to the configuration.
    pub async fn set_limit(&self, key: &Key, limit: Option<Amount>, by: By) -> Result<(), OperateError> {
        done(
            self.ledger
                .write(Command::Budget { key: key.clone(), change: BudgetChange::Limit(limit), by })
                .await?,
        )
    }

    /// Cancel, refuse, release, or discard a quarantined result.
    pub async fn act(&self, job: JobId, event: Event, by: By) -> Result<(), OperateError> {
        let before = self.driver_elsewhere(job).await?;
        let mut position = 0;
        for answer in self.ledger.write_all(vec![Command::Act { job, event, by }]).await {
            let (reply, committed) = answer?;
            done(reply)?;
            position = committed.seq;
        }
        // A start that is past its last look has been answered when this returns; any other one sees the new state.
        self.closures.settle().await;
        if let Some(worker) = before.filter(|_| event == Event::Cancelled) {
            self.seen_by(position, |row| row.id == worker).await?;
        }
        Ok(())
    }

    /// Retries a dead letter as a new job.
    pub async fn replay(&self, dead: JobId, by: By) -> Result<Replayed, OperateError> {
        let new = JobId::new(self.now(), self.entropy.draw_wide());
        match self.ledger.write(Command::Replay { job: dead, new, by }).await? {
            Reply::Replayed { job, already } => Ok(Replayed { dead, job, already }),
            reply => done(reply)
                .and_then(|()| Err(OperateError::Conflict("the dead letter was not retried".to_owned()))),
        }
    }

    /// Marks a dead letter as done with; it stays in the ledger.
    pub async fn discard(&self, dead: JobId, by: By) -> Result<(), OperateError> {
        done(self.ledger.write(Command::Discard { job: dead, by }).await?)
    }
}
