//! Rows that are changed in bulk: what a redaction or an archiving needs is read, and what it leaves is written, in the writer's
//! transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use crate::ledger::{
    Dialect, LedgerError,
    command::{Command, Moved},
    db::{Bind, Tx},
    rows::{ArchiveRow, DeskRow, EntryRow, EvidenceRow, JobRow, PromptRow},
    table::{self, Table},
    working_set::WorkingSet,
};

/// How the id of a moved prompt begins, and that of evidence.
pub const PROMPT: &str = "prompt/";
pub const EVIDENCE: &str = "evidence/";

/// What is changed in bulk, beside the rows that are kept here: no row is good for the next batch after it.
#[derive(Debug, Default)]
pub struct Bulk {
    /// Rows that may hold a name, and entries that may.
    pub found: Vec<Map<String, Value>>,
    pub found_entries: Vec<EntryRow>,
    /// Their table, their keys as they were, and what they are now.
    pub erased: Vec<(&'static Table, String, Map<String, Value>)>,
    pub erased_entries: Vec<EntryRow>,
    /// By `prompt/JOB` and `evidence/ID`: the job and the text.
    pub documents: HashMap<String, (JobRow, String)>,
    pub archived: BTreeSet<String>,
    pub new_archive: Vec<ArchiveRow>,
    /// What was said of things on the desk, and is said anew.
    pub desk: BTreeMap<String, DeskRow>,
}

impl Bulk {
    pub fn is_empty(&self) -> bool {
        self.erased.is_empty() && self.erased_entries.is_empty() && self.new_archive.is_empty()
    }
}

pub async fn load(tx: &mut Tx, set: &mut WorkingSet, commands: &[Command]) -> Result<(), LedgerError> {
    for command in commands {
        match command {
            Command::Redact { table, keys, .. } if table.name == table::ENTRIES.name => {
                let (list, binds) = positions(tx.dialect(), keys);
                let tail = format!("WHERE t.seq IN {list} ORDER BY t.seq");
                set.bulk.found_entries = tx.rows(table, &tail, &[Bind::Text(&binds)]).await?;
            }
            Command::Redact { table, keys, .. } => {
                set.bulk.found = tx.rows_in::<Map<String, Value>>(table, table.key, keys, "").await?;
            }
            Command::Archive { documents, .. } => {
                load_documents(tx, &mut set.bulk, documents).await?;
                let jobs = set.bulk.documents.values().map(|(job, _)| job.id.to_string());
                let replays: Vec<JobRow> =
                    tx.rows_in(&table::JOBS, "replay_of", &jobs.collect::<Vec<_>>(), "").await?;
                set.replays.extend(replays.iter().filter_map(|row| Some((row.replay_of?, row.id))));
            }
            Command::Desk { item, .. } => {
                for row in tx.rows_in::<DeskRow>(&table::DESK, "id", std::slice::from_ref(item), "").await? {
                    set.bulk.desk.insert(row.id.clone(), row);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Positions are numbers, in the list as well as in the column.
fn positions(dialect: Dialect, keys: &[String]) -> (&'static str, String) {
    let list = match dialect {
        Dialect::Sqlite => "(SELECT value FROM json_each($1))",
        Dialect::Postgres => "(SELECT CAST(json_array_elements_text($1::json) AS BIGINT))",
    };
    (list, format!("[{}]", keys.join(",")))
}

async fn load_documents(tx: &mut Tx, bulk: &mut Bulk, documents: &[Moved]) -> Result<(), LedgerError> {
    let of = |begin: &str| -> Vec<String> {
        documents.iter().filter_map(|moved| moved.id.strip_prefix(begin)).map(str::to_owned).collect()
    };
    let prompts: Vec<PromptRow> = tx.rows_in(&table::PROMPTS, "job_id", &of(PROMPT), "").await?;
    let evidence: Vec<EvidenceRow> = tx.rows_in(&table::EVIDENCE, "id", &of(EVIDENCE), "").await?;
    let prompts = prompts.into_iter().map(|row| (format!("{PROMPT}{}", row.job_id), row.job_id, row.prompt));
    let evidence =
        evidence.into_iter().map(|row| (format!("{EVIDENCE}{}", row.id), row.job_id, row.body_json));
    let found: Vec<_> = prompts.chain(evidence).collect();
    let ids: Vec<String> = found.iter().map(|(_, job, _)| job.to_string()).collect();
    let jobs: Vec<JobRow> = tx.rows_in(&table::JOBS, "id", &ids, "").await?;
    for (id, job, text) in found {
        if let Some(job) = jobs.iter().find(|row| row.id == job) {
            bulk.documents.insert(id, (job.clone(), text));
        }
    }
    let ids: Vec<String> = documents.iter().map(|moved| moved.id.clone()).collect();
    let archived: Vec<ArchiveRow> = tx.rows_in(&table::ARCHIVE, "id", &ids, "").await?;
    bulk.archived.extend(archived.into_iter().map(|row| row.id));
    Ok(())
}

/// After the entries that tell of it.
pub async fn flush(tx: &mut Tx, bulk: &Bulk) -> Result<(), LedgerError> {
    tx.put(&table::DESK, &bulk.desk.values().collect::<Vec<_>>()).await?;
    if bulk.is_empty() {
        return Ok(());
    }
    tx.rewrite(&table::ENTRIES, &bulk.erased_entries).await?;
    for (table, key, row) in &bulk.erased {
        rewrite(tx, table, key, row).await?;
    }
    tx.add(&table::ARCHIVE, &bulk.new_archive).await?;
    let of = |begin: &str| -> Vec<String> {
        bulk.new_archive.iter().filter_map(|row| row.id.strip_prefix(begin)).map(str::to_owned).collect()
    };
    tx.remove(&table::PROMPTS, &of(PROMPT)).await?;
    tx.remove(&table::EVIDENCE, &of(EVIDENCE)).await
}

async fn rewrite(
    tx: &mut Tx,
    table: &'static Table,
    key: &str,
    row: &Map<String, Value>,
) -> Result<(), LedgerError> {
    if row.get(table.key).and_then(Value::as_str) == Some(key) {
        return tx.rewrite(table, std::slice::from_ref(row)).await;
    }
    tx.remove(table, &[key.to_owned()]).await?;
    tx.add(table, std::slice::from_ref(row)).await
}
