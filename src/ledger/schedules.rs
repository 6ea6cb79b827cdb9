//! Reading how far schedules have been considered.

use crate::{
    job::id::RequestId,
    ledger::{Ledger, LedgerError, rows::ScheduleRow, table},
};

impl Ledger {
    /// Every schedule that was ever begun.
    pub async fn schedules(&self) -> Result<Vec<ScheduleRow>, LedgerError> {
        self.db.rows(&table::SCHEDULES, "ORDER BY t.name", &[]).await
    }

    /// True if every job of a request has ended.
    pub async fn has_ended(&self, request: RequestId) -> Result<bool, LedgerError> {
        Ok(self.counts(Some(request)).await?.iter().all(|count| count.state.is_terminal()))
    }
}
