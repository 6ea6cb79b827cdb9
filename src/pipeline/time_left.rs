//! How long agents may still need for a request, where that can be told: never while its next job waits for what people do.

use std::collections::BTreeMap;

use crate::{
    budget::{Kind, Refusal, RefusalKind},
    job::{id::RequestId, state::State},
    ledger::LedgerError,
    pipeline::{JobFilter, context::Context, view::Wait},
    policy::notices::pace,
};

/// What agents are not through with, and what waits for nobody.
const TO_DO: [State; 5] =
    [State::Queued, State::Starting, State::StartUnknown, State::Running, State::Verifying];

impl Context {
    /// In words; None: nobody can tell. `counts`: the jobs of the request by the word of their state.
    pub(super) async fn time_left(
        &self,
        request: RequestId,
        counts: &BTreeMap<String, u64>,
    ) -> Result<Option<String>, LedgerError> {
        let more: u64 = TO_DO.iter().filter_map(|state| counts.get(state.as_str())).sum();
        if more == 0 || self.closures.kill_switch().is_some() {
            return Ok(None);
        }
        let (through, Some(first)) = self.ledger.through_with(request).await? else { return Ok(None) };
        let Some(left) = pace::left(through, more, self.now().since(first)) else { return Ok(None) };
        let next = JobFilter {
            request: Some(request),
            state: Some(State::Queued),
            limit: Some(1),
            ..JobFilter::default()
        };
        let next = self.list_jobs(&next).await?.pop().and_then(|job| job.wait);
        if next.is_some_and(|wait| !self.ends_by_itself(&wait)) {
            return Ok(None);
        }
        let jobs = if more == 1 { "1 job".to_owned() } else { format!("{more} jobs") };
        Ok(Some(format!("about {left} for {jobs}, at the pace so far")))
    }

    /// Whether time and agents end a wait in the line, without anybody's doing.
    fn ends_by_itself(&self, wait: &Wait) -> bool {
        let slots = |refusal: &Refusal| {
            let mut rules = self.policy.rules.budgets.iter();
            let taken = rules.any(|rule| rule.kind == Kind::Slots && rule.name == refusal.key.name());
            taken && refusal.kind == RefusalKind::Full
        };
        match wait.reason.as_str() {
            "turn" | "time" | "ledger" => true,
            "budget" => wait.budget.as_ref().is_some_and(slots),
            _ => false,
        }
    }
}
