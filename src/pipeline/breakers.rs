//! Breakers for people and for the last look before a start: which are open, and whether an attempt is the one that may pass.

use crate::{
    budget::{Key, Source},
    ledger::{By, Command, LedgerError, rows::AttemptRow},
    pipeline::{
        context::Context,
        operate::{OperateError, done},
        view::BreakerView,
    },
    policy::breaker::State,
};

impl Context {
    /// Every breaker that has counted something, those that stop something first.
    pub async fn list_breakers(&self) -> Result<Vec<BreakerView>, LedgerError> {
        let rows = self.ledger.breakers().await?;
        let mut views = Vec::with_capacity(rows.len());
        for row in rows {
            let closed = match row.state {
                State::Open => self.ledger.budget(&row.gate).await?.map(|budget| budget.closed_by()),
                State::Closed | State::HalfOpen => None,
            };
            let closure = closed.and_then(|closed| closed.get(&Source::breaker(&row.id)).cloned());
            views.push(BreakerView {
                tries_at: closure.and_then(|closure| closure.opens_at),
                history: row.history(),
                id: row.id,
                gate: row.gate,
                template: row.template,
                model: row.model,
                state: row.state,
                since: row.since,
                trips: row.trips,
                canary: row.canary_job,
                reason: row.reason,
            });
        }
        Ok(views)
    }

    /// Forgets what was counted and lets everything through again.
    pub async fn reset_breaker(&self, id: &str, by: By) -> Result<(), OperateError> {
        let unknown = || OperateError::Conflict(format!("there is no breaker {id}"));
        let rows = self.ledger.breakers().await?;
        let gate = rows.into_iter().find(|row| row.id == id).ok_or_else(unknown)?.gate;
        done(self.ledger.write(Command::ResetBreaker { id: id.to_owned(), gate, by }).await?)?;
        self.queues.admit.poke();
        Ok(())
    }

    /// True if nothing closes the gate but breakers whose canary this attempt is.
    pub(super) async fn may_pass_as_canary(
        &self,
        key: &Key,
        attempt: &AttemptRow,
    ) -> Result<bool, LedgerError> {
        let trying = self.ledger.breakers_trying(attempt.id).await?;
        let Some(row) = self.ledger.budget(key).await? else { return Ok(true) };
        let (closed, now) = (row.closed_by(), self.now());
        let own = |source: &Source| trying.iter().any(|breaker| *source == Source::breaker(&breaker.id));
        Ok(closed.iter().all(|(source, closure)| !closure.holds_at(now) || own(source)))
    }
}
