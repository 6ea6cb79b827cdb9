//! The figures of the whole fleet that a scrape shows, each from an index: none of them reads the rows of jobs that have ended
//! well, however many there are.

use serde::Deserialize;

use crate::{
    budget::{Key, Truth},
    job::time::Timestamp,
    ledger::{
        Dialect, Ledger, LedgerError, db::Bind, outbox::Waiting, query::StateCount, rows::BudgetRow, table,
    },
    policy::breaker::State as BreakerState,
};

/// What the ledger says at one moment.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub jobs: Vec<StateCount>,
    /// Dead and not discarded.
    pub dead_letters: u64,
    /// Notices that are not done with, and since when one of them should be.
    pub outbox: u64,
    pub oldest_notice: Option<Timestamp>,
    /// By receiver.
    pub sinks: Vec<Waiting>,
    /// Those that were asked for and that have a row.
    pub budgets: Vec<Truth>,
    pub breakers: Vec<(BreakerState, u64)>,
    pub workers: u64,
}

/// One row with a number and perhaps a time.
#[derive(Deserialize)]
pub(super) struct Number {
    pub number: u64,
    pub at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct OfState {
    state: BreakerState,
    number: u64,
}

impl Ledger {
    /// Reads all of them. `breakers`: also these, where any may exist.
    pub async fn fleet_figures(
        &self,
        budgets: &[Key],
        breakers: bool,
        now: Timestamp,
    ) -> Result<Figures, LedgerError> {
        let outbox = self.number("COUNT(*)", "NULL", "outbox WHERE next_at IS NOT NULL", &[]).await?;
        let unrouted = "outbox WHERE next_at IS NOT NULL AND route IS NULL";
        let unrouted = self.number("COUNT(*)", "MIN(created_at)", unrouted, &[]).await?;
        let sinks = self.mailings_waiting().await?;
        let dead = "jobs WHERE state = 'dead' AND discarded_at IS NULL";
        let list = serde_json::to_string(budgets).map_err(LedgerError::encoding)?;
        let rows: Vec<BudgetRow> =
            self.db.rows(&table::BUDGETS, "WHERE t.id IN {list}", &[Bind::Text(&list)]).await?;
        let living = self.workers_at_work().await?.iter().filter(|worker| worker.lives(now)).count();
        Ok(Figures {
            jobs: self.db.json(&Self::jobs_by_state(self.db.dialect()), &[]).await?,
            dead_letters: self.number("COUNT(*)", "NULL", dead, &[]).await?.number,
            outbox: outbox.number,
            oldest_notice: sinks.iter().map(|waiting| waiting.due_at).chain(unrouted.at).min(),
            sinks,
            budgets: rows.into_iter().map(|row| self.truth(row)).collect(),
            breakers: if breakers { self.breakers_by_state().await? } else { Vec::new() },
            workers: u64::try_from(living).unwrap_or_default(),
        })
    }

    /// Counts every job by its state. The index on the state is all that it reads.
    pub fn jobs_by_state(dialect: Dialect) -> String {
        let (object, text) = object(dialect);
        format!(
            "SELECT {object}('state', state, 'jobs', COUNT(*)){text} FROM jobs GROUP BY state ORDER BY state"
        )
    }

    pub(super) async fn number(
        &self,
        number: &str,
        at: &str,
        from: &str,
        binds: &[Bind<'_>],
    ) -> Result<Number, LedgerError> {
        let (object, text) = object(self.db.dialect());
        let sql = format!("SELECT {object}('number', {number}, 'at', {at}){text} FROM {from}");
        let found: Vec<Number> = self.db.json(&sql, binds).await?;
        Ok(found.into_iter().next().unwrap_or(Number { number: 0, at: None }))
    }

    async fn breakers_by_state(&self) -> Result<Vec<(BreakerState, u64)>, LedgerError> {
        let (object, text) = object(self.db.dialect());
        let sql =
            format!("SELECT {object}('state', state, 'number', COUNT(*)){text} FROM breakers GROUP BY state");
        let rows: Vec<OfState> = self.db.json(&sql, &[]).await?;
        Ok(rows.into_iter().map(|row| (row.state, row.number)).collect())
    }
}

/// How an object is made, and how it becomes text.
pub(super) const fn object(dialect: Dialect) -> (&'static str, &'static str) {
    match dialect {
        Dialect::Sqlite => ("json_object", ""),
        Dialect::Postgres => ("json_build_object", "::text"),
    }
}
