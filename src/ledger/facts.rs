//! What was found out of repositories, kept for a while so that it need not be asked again. A cache beside the history:
//! losing it costs requests and nothing else.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{
    job::{repository::Repository, time::Timestamp},
    ledger::{Ledger, LedgerError, db::Bind, table},
    policy::RepositoryFacts,
};

/// What one identity was told of one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFacts {
    pub repository: Repository,
    /// When the oldest part of it was asked.
    pub asked_at: Timestamp,
    pub facts: RepositoryFacts,
}

#[derive(Serialize, Deserialize)]
struct Row {
    id: String,
    identity: String,
    repository: Repository,
    asked_at: Timestamp,
    facts_json: String,
}

fn id(identity: &str, repository: &Repository) -> String {
    format!("{identity} {repository}")
}

impl Ledger {
    /// What is kept of these repositories. What an earlier version kept and this one cannot read is left out.
    pub async fn facts<'a>(
        &self,
        identity: &str,
        repositories: impl Iterator<Item = &'a Repository>,
    ) -> Result<HashMap<Repository, KeptFacts>, LedgerError> {
        let ids: Vec<String> = repositories.map(|repository| id(identity, repository)).collect();
        let list = serde_json::to_string(&ids).map_err(LedgerError::encoding)?;
        let rows: Vec<Row> =
            self.db.rows(&table::FACTS, "WHERE t.id IN {list}", &[Bind::Text(&list)]).await?;
        let kept = |row: Row| {
            let facts = serde_json::from_str(&row.facts_json).ok()?;
            let kept = KeptFacts { repository: row.repository.clone(), asked_at: row.asked_at, facts };
            Some((row.repository, kept))
        };
        Ok(rows.into_iter().filter_map(kept).collect())
    }

    /// Keeps facts in place of what was kept before of the same repositories.
    pub async fn keep_facts(&self, identity: &str, facts: &[KeptFacts]) -> Result<(), LedgerError> {
        if facts.is_empty() {
            return Ok(());
        }
        let row = |kept: &KeptFacts| {
            let facts_json = serde_json::to_string(&kept.facts).map_err(LedgerError::encoding)?;
            let repository = kept.repository.clone();
            let id = id(identity, &repository);
            Ok(Row { id, identity: identity.to_owned(), repository, asked_at: kept.asked_at, facts_json })
        };
        let rows = facts.iter().map(row).collect::<Result<Vec<Row>, LedgerError>>()?;
        let mut tx = self.db.begin().await?;
        tx.put(&table::FACTS, &rows).await?;
        tx.commit().await
    }
}
