//! Lists for people: requests, dead letters, notices.

use crate::{
    job::state::State,
    ledger::{LedgerError, rows::NoticeRow},
    pipeline::{
        JobFilter,
        context::Context,
        view::{JobView, NoticeView, RequestView},
    },
};

/// Dead letters read at a time while discarded ones are skipped.
const PAGE: u32 = 1_000;

impl Context {
    /// Newest first.
    pub async fn list_requests(&self, limit: u32) -> Result<Vec<RequestView>, LedgerError> {
        let mut views = Vec::new();
        for row in self.ledger.requests(i64::from(limit)).await? {
            views.extend(self.request_view(row.id).await?);
        }
        Ok(views)
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

    /// Newest first.
    pub async fn list_notices(&self, limit: u32) -> Result<Vec<NoticeView>, LedgerError> {
        let rows = self.ledger.notices_newest(i64::from(limit)).await?;
        Ok(rows.into_iter().map(notice).collect())
    }
}

fn notice(row: NoticeRow) -> NoticeView {
    NoticeView {
        id: row.id,
        kind: row.kind,
        job: row.job_id,
        delivered_at: row.delivered_at,
        dead_at: row.dead_at,
        tries: row.tries,
    }
}
