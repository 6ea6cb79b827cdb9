//! The budgets for retries: one more attempt takes of its request's and its template's, or there is none.

use crate::{
    budget::{Decision, Refusal, RefusalKind, Take, decide},
    ledger::{rows::JobRow, working_set::WorkingSet},
};

/// Takes what a retry needs; Err: what to do instead, since waiting would only repeat the storm.
pub fn take(set: &mut WorkingSet, row: &JobRow) -> Result<Vec<Take>, String> {
    let (Some(shared), Some(attempt)) = (set.request_of(row), row.attempt_id) else { return Ok(Vec::new()) };
    let demands = set.rules.retry_demands(&row.subject(&shared.row, &shared.spec));
    match decide(set, &demands, set.now) {
        Decision::Admit(takes) => {
            set.take(row.id, attempt, &takes);
            Ok(takes)
        }
        Decision::Refuse(refusal) => Err(advice(&refusal)),
    }
}

fn advice(refusal: &Refusal) -> String {
    let spent = match refusal.kind {
        RefusalKind::Full | RefusalKind::OverLimit => "is used up",
        RefusalKind::Closed | RefusalKind::NobodyAvailable => "is closed",
    };
    let (key, used, limit) = (&refusal.key, refusal.used, refusal.limit.unwrap_or_default());
    format!(
        "the budget for retries {key} {spent} ({used} of {limit}): find out why so much fails, then `sluice dead retry`"
    )
}
