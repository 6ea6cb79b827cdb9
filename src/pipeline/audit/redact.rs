//! Takes a person's name out of everything that the ledger keeps. The history tells that it was done, by whom and why, and not of whom.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    job::id::JobId,
    ledger::{
        Command, LedgerError, Reply,
        eraser::Eraser,
        table::{self, Table},
    },
    pipeline::{By, Context, OperateError, operate::done},
};

/// Rows that are looked at, and changed, together.
const PAGE: i64 = 200;

/// Why nothing was redacted.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    #[error(
        "a name has 2 to 100 characters, a letter or digit among them, and no quotes, backslashes or control characters"
    )]
    Name,
    /// The name would come back.
    #[error("{0}")]
    AtWork(String),
    #[error(transparent)]
    Operate(#[from] OperateError),
}

impl From<LedgerError> for RedactError {
    fn from(error: LedgerError) -> Self {
        Self::Operate(error.into())
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Redaction {
    /// What stands for the person from now on. Nobody can tell from it who that is.
    pub person: String,
    pub rows: u64,
    /// Where the name still stands, since it names something else there: table and rows.
    #[schema(value_type = Vec<Vec<serde_json::Value>>)]
    pub left: Vec<(String, u64)>,
    /// Documents that were moved to files, which this cannot look into.
    pub archived: u64,
}

impl Context {
    pub async fn redact(&self, name: &str, by: By) -> Result<Redaction, RedactError> {
        let person = format!("person-{:012x}", self.entropy.draw() >> 16);
        let eraser = Arc::new(Eraser::new(name, &person).ok_or(RedactError::Name)?);
        self.check_gone(&eraser).await?;
        let mut rows = 0_u64;
        for table in table::ALL.iter().filter(|table| table.name != table::HEAD.name) {
            rows = rows.saturating_add(self.redact_table(table, &eraser, &by).await?);
        }
        self.forget_requests();
        let clean = |text: &String| eraser.text(text).unwrap_or_else(|| text.clone());
        let through = by.through.as_ref().map(clean);
        let by = By { actor: clean(&by.actor), reason: clean(&by.reason), through };
        done(self.ledger.write(Command::RedactionEnded { reference: person.clone(), rows, by }).await?)?;
        let mut left = Vec::new();
        for table in table::ALL {
            let found = self.named_in(table, &eraser).await?;
            if found > 0 {
                left.push((table.name.to_owned(), found));
            }
        }
        Ok(Redaction { person, rows, left, archived: self.ledger.archived_count().await? })
    }

    /// What was read of requests holds a name no more.
    pub(in crate::pipeline) fn forget_requests(&self) {
        self.ledger.forget_requests();
        self.specs.clear();
    }

    /// Err while the name would be written again.
    async fn check_gone(&self, eraser: &Eraser) -> Result<(), RedactError> {
        let policy = &self.policy;
        let pools = policy.rules.pools.values();
        let places = pools
            .filter(|pool| pool.members.iter().any(|member| eraser.is(&member.login)))
            .map(|pool| format!("[[pool]] {}", pool.name))
            .chain(
                policy
                    .people
                    .0
                    .iter()
                    .filter(|person| eraser.is(&person.login))
                    .map(|_| "[[person]]".to_owned()),
            )
            .chain(policy.identities.iter().filter_map(|identity| {
                let known =
                    [&identity.login, &identity.owner].into_iter().flatten().any(|known| eraser.is(known));
                known.then(|| format!("[[identity]] {}", identity.name))
            }));
        let places: Vec<String> = places.collect();
        if !places.is_empty() {
            return Err(RedactError::AtWork(format!(
                "the configuration names the person in {}: take the name out there and restart first",
                places.join(", ")
            )));
        }
        let now = self.now();
        let valid = |row: &serde_json::Map<String, serde_json::Value>| {
            let text = |name: &str| row.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
            let time = |name: &str| row.get(name).and_then(serde_json::Value::as_i64);
            eraser.is(text("name"))
                && time("revoked_at").is_none()
                && time("expires_at").is_none_or(|at| at > now.0)
        };
        let tokens = self.ledger.holding(&table::TOKENS, eraser, "", PAGE).await?;
        if tokens.iter().any(|(_, row)| valid(row)) {
            let what = "a token of the person's name is valid: revoke it with `sluice token revoke` first";
            return Err(RedactError::AtWork(what.to_owned()));
        }
        let jobs: Vec<JobId> = self.ledger.at_work_with(eraser).await?.iter().map(|job| job.id).collect();
        if jobs.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = jobs.iter().map(ToString::to_string).collect();
        Err(RedactError::AtWork(format!(
            "jobs that have not ended go on in the person's name: {}; end them first",
            ids.join(", ")
        )))
    }

    async fn redact_table(
        &self,
        table: &'static Table,
        eraser: &Arc<Eraser>,
        by: &By,
    ) -> Result<u64, RedactError> {
        let (mut rows, mut after) = (0_u64, String::new());
        loop {
            let page = self.ledger.holding(table, eraser, &after, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(rows) };
            after.clone_from(last);
            let keys: Vec<String> =
                page.into_iter().filter(|(_, row)| eraser.row(row).is_some()).map(|(key, _)| key).collect();
            if keys.is_empty() {
                continue;
            }
            let command = Command::Redact { table, keys, eraser: Arc::clone(eraser), by: by.clone() };
            match self.ledger.write(command).await? {
                Reply::Redacted { rows: changed } => rows = rows.saturating_add(changed),
                reply => done(reply)?,
            }
        }
    }

    /// Rows of a table in which the name stands as a word of its own.
    async fn named_in(&self, table: &'static Table, eraser: &Eraser) -> Result<u64, RedactError> {
        let (mut found, mut after) = (0_u64, String::new());
        loop {
            let page = self.ledger.holding(table, eraser, &after, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(found) };
            after.clone_from(last);
            let named = |row: &serde_json::Map<String, serde_json::Value>| {
                row.values().filter_map(serde_json::Value::as_str).any(|text| eraser.text(text).is_some())
            };
            found = found.saturating_add(page.iter().filter(|(_, row)| named(row)).count() as u64);
        }
    }
}
