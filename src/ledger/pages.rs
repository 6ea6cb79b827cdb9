//! Long lists in pages: jobs by what they have in common, requests from the newest on.

use serde::{Deserialize, Serialize};

use crate::{
    budget::{Scope, demand::UNROUTED},
    job::{id::RequestId, repository::Repository, state::State},
    ledger::{
        Ledger, LedgerError,
        db::Bind,
        query::plain,
        rows::{JobRow, RequestRow},
        table,
    },
};

/// Which jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobFilter {
    pub request: Option<RequestId>,
    pub state: Option<State>,
    pub repository: Option<Repository>,
    /// Of their requests, without the version.
    pub template: Option<String>,
    pub team: Option<String>,
    /// Only jobs accepted after this position.
    pub after: Option<i64>,
    /// 1 to 10,000; 1,000 when not given.
    pub limit: Option<u32>,
}

impl Ledger {
    pub async fn jobs(&self, filter: &JobFilter) -> Result<Vec<JobRow>, LedgerError> {
        let tail = "WHERE (CAST($1 AS TEXT) IS NULL OR t.request_id = $1) AND (CAST($2 AS TEXT) IS NULL OR t.state = $2) \
            AND (CAST($3 AS TEXT) IS NULL OR t.repository = $3) AND t.position > $4 \
            AND (CAST($6 AS TEXT) IS NULL OR t.request_id IN (SELECT id FROM requests WHERE template = $6)) \
            AND (CAST($7 AS TEXT) IS NULL OR t.request_id IN (SELECT id FROM requests WHERE team = $7)) \
            ORDER BY t.position LIMIT $5";
        let request = filter.request.map(|id| id.to_string());
        let binds = [
            Bind::OptionText(request.as_deref()),
            Bind::OptionText(filter.state.map(State::as_str)),
            Bind::OptionText(filter.repository.as_ref().map(Repository::full_name)),
            Bind::Int(filter.after.unwrap_or(-1)),
            Bind::Int(i64::from(filter.limit.unwrap_or(1_000).clamp(1, 10_000))),
            Bind::OptionText(filter.template.as_deref()),
            Bind::OptionText(filter.team.as_deref()),
        ];
        self.db.rows(&table::JOBS, tail, &binds).await
    }

    /// Whether any job that has not ended goes by this value of a scope.
    pub async fn is_asked_of(&self, scope: Scope, value: &str) -> Result<bool, LedgerError> {
        let of_requests =
            |column: &str| format!("t.request_id IN (SELECT id FROM requests WHERE {column} = $1)");
        let which = match scope {
            Scope::Global => "$1 = ''".to_owned(),
            Scope::Organisation => "t.repository LIKE $1 ESCAPE '!'".to_owned(),
            Scope::Team => of_requests("team"),
            Scope::Identity => "t.identity = $1".to_owned(),
            Scope::Template => of_requests("template"),
            Scope::Model => format!("COALESCE(t.model, '{UNROUTED}') = $1"),
            Scope::Request => "t.request_id = $1".to_owned(),
            Scope::Repository => "t.repository = $1".to_owned(),
        };
        let value =
            if scope == Scope::Organisation { format!("{}/%", plain(value)) } else { value.to_owned() };
        let open = State::ALL.into_iter().filter(|state| !state.is_terminal());
        let open: Vec<String> = open.map(|state| format!("'{state}'")).collect();
        let tail = format!("WHERE t.state IN ({}) AND {which} LIMIT 1", open.join(", "));
        let found: Option<JobRow> = self.first(&table::JOBS, &tail, &[Bind::Text(&value)]).await?;
        Ok(found.is_some())
    }

    /// Newest first, those that follow after one of them; None: there is none of that id.
    pub async fn requests_older_than(
        &self,
        after: RequestId,
        limit: i64,
    ) -> Result<Option<Vec<RequestRow>>, LedgerError> {
        if self.request(after).await?.is_none() {
            return Ok(None);
        }
        let tail = "WHERE (t.created_at, t.id) < (SELECT c.created_at, c.id FROM requests c WHERE c.id = $1) \
            ORDER BY t.created_at DESC, t.id DESC LIMIT $2";
        let after = after.to_string();
        let binds = [Bind::Text(&after), Bind::Int(limit)];
        Ok(Some(self.db.rows(&table::REQUESTS, tail, &binds).await?))
    }
}
