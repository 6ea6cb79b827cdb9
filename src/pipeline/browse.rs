//! Lists for people: requests, dead letters.

use crate::{
    job::{id::RequestId, state::State},
    ledger::LedgerError,
    pipeline::{
        JobFilter,
        context::Context,
        view::{JobView, RequestView},
    },
};

/// Dead letters read at a time while discarded ones are skipped.
const PAGE: u32 = 1_000;

impl Context {
    /// Newest first, after one of them if it is named; None: there is none of that id.
    pub async fn list_requests(
        &self,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Option<Vec<RequestView>>, LedgerError> {
        let limit = i64::from(limit);
        let rows = match after {
            None => Some(self.ledger.requests(limit).await?),
            Some(after) => self.ledger.requests_older_than(after, limit).await?,
        };
        let Some(rows) = rows else { return Ok(None) };
        let mut views = Vec::with_capacity(rows.len());
        for row in rows {
            views.extend(self.request_view(row.id).await?);
        }
        Ok(Some(views))
    }

    /// At most `limit` dead letters accepted after a position, in order of acceptance. `all`: discarded ones too.
    pub async fn list_dead(
        &self,
        after: Option<i64>,
        limit: u32,
        all: bool,
    ) -> Result<Vec<JobView>, LedgerError> {
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut views = Vec::new();
        let mut after = after;
        loop {
            let filter =
                JobFilter { state: Some(State::Dead), after, limit: Some(PAGE), ..JobFilter::default() };
            let page = self.ledger.jobs(&filter).await?;
            let Some(last) = page.last() else { return Ok(views) };
            after = Some(last.position);
            for job in page.iter().filter(|job| all || job.discarded_at.is_none()) {
                if views.len() >= wanted {
                    return Ok(views);
                }
                views.push(self.view(job, None).await?);
            }
        }
    }
}
