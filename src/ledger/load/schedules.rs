//! What the commands about schedules need.

use super::{Needs, texts};
use crate::ledger::{
    LedgerError,
    apply::refusal,
    command::ScheduleChange,
    db::Tx,
    rows::{JobRow, ScheduleRow},
    table,
    working_set::WorkingSet,
};

impl Needs {
    pub(super) fn add_of_schedules(&mut self, name: &str, change: &ScheduleChange) {
        self.schedules.insert(name.to_owned());
        match change {
            ScheduleChange::Take { request, replaces, .. } => {
                self.add_submission(request);
                self.replaced.extend(replaces);
            }
            ScheduleChange::Run { request, .. } => self.add_submission(request),
            ScheduleChange::Leave { nominal, .. } => drop(self.dedups.insert(refusal(name, *nominal))),
            ScheduleChange::Begin { .. } | ScheduleChange::Pause | ScheduleChange::Resume => {}
        }
    }
}

/// The jobs that wait, of requests that are replaced.
pub(super) async fn load_replaced(
    tx: &mut Tx,
    set: &mut WorkingSet,
    needs: &mut Needs,
) -> Result<(), LedgerError> {
    let waits = "AND t.state IN ('held', 'queued')";
    for row in tx.rows_in::<JobRow>(&table::JOBS, "request_id", &texts(&needs.replaced), waits).await? {
        needs.jobs.insert(row.id);
        set.waiting_of.entry(row.request_id).or_default().push(row.id);
    }
    Ok(())
}

pub(super) async fn load_rows(tx: &mut Tx, set: &mut WorkingSet, needs: &Needs) -> Result<(), LedgerError> {
    let schedules = needs.schedules.iter().filter(|name| !set.schedules.has(name));
    for row in tx.rows_in::<ScheduleRow>(&table::SCHEDULES, "name", &texts(schedules), "").await? {
        set.schedules.load(row.name.clone(), row);
    }
    Ok(())
}
