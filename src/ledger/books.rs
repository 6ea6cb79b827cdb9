//! What budgets look like to decisions: the rows of a batch with the limits of the configuration.

use crate::{
    budget::{Amount, Books, Key, MemberView, View},
    job::time::Timestamp,
    ledger::{rows::BudgetRow, working_set::WorkingSet},
};

impl Books for WorkingSet {
    fn view(&self, key: &Key) -> View {
        let row = self.budgets.get(key);
        View {
            used: row.map_or(Amount::ZERO, |row| row.used),
            limit: row.and_then(|row| row.limit_override).or_else(|| self.rules.limit(key)),
            closed: row.and_then(BudgetRow::closure),
        }
    }

    fn members(&self, pool: &Key, now: Timestamp) -> Vec<MemberView> {
        let Some(found) = self.rules.pool(pool) else { return Vec::new() };
        let view = |member: &crate::budget::Member| {
            let key = Key::member(&found.name, &member.login);
            MemberView {
                login: member.login.clone(),
                view: self.view(&key),
                key,
                away_until: member.away_until(now),
            }
        };
        found.members.iter().map(view).collect()
    }
}
