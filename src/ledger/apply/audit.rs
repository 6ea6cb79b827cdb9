//! What is done to the history as a whole: checkpoints, redactions, and documents that were moved to files. Each leaves an entry that
//! says what it did.

use serde_json::{Value, json};

use crate::{
    job::state::State,
    ledger::{
        chain,
        command::{By, Moved, Reply},
        eraser::Eraser,
        rows::{ArchiveRow, EntryRow},
        signing::Signer,
        table::Table,
        verify::{CHECKPOINT, REDACTED},
        working_set::{About, WorkingSet},
    },
    policy::request::sha256,
};

/// Of an entry that tells that a redaction is complete.
pub const REDACTION_ENDED: &str = "history.redaction_ended";
const ARCHIVED: &str = "history.archived";

/// Signs the history up to the entry before the one that this writes.
pub fn checkpoint(set: &mut WorkingSet, signer: &Signer, by: &By) -> Reply {
    let point = signer.checkpoint(set.head.seq, &set.head.hash, set.now);
    let mut body = json!(point);
    if let (Value::Object(body), false) = (&mut body, by.reason.is_empty()) {
        body.insert("reason".to_owned(), json!(by.reason));
    }
    set.enter(CHECKPOINT, About::default(), &by.actor, &body);
    Reply::Checkpoint(Box::new(point))
}

/// Takes the name out of the rows that were found, and tells of them without it.
pub fn redact(set: &mut WorkingSet, table: &'static Table, eraser: &Eraser, by: &By) -> Reply {
    // The entry that tells of them is the next one.
    let seq = set.head.seq.saturating_add(1);
    let found = std::mem::take(&mut set.bulk.found_entries);
    let entries: Vec<EntryRow> = found.iter().filter_map(|entry| redacted(entry, eraser, seq)).collect();
    let rows = std::mem::take(&mut set.bulk.found);
    for row in rows {
        let key = row.get(table.key).and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(left) = eraser.row(&row) {
            set.bulk.erased.push((table, key, left));
        }
    }
    let rows = entries.len().saturating_add(set.bulk.erased.len());
    if rows > 0 {
        let list: Vec<Value> =
            entries.iter().map(|entry| json!([entry.seq, chain::content(entry)])).collect();
        let By { actor, reason, through } = clean(eraser, by);
        set.through = through;
        let mut body =
            json!({ "person": eraser.reference(), "table": table.name, "rows": rows, "reason": reason });
        if let (Value::Object(body), false) = (&mut body, list.is_empty()) {
            body.insert("entries".to_owned(), Value::Array(list));
        }
        set.bulk.erased_entries = entries;
        set.enter(REDACTED, About::default(), &actor, &body);
    }
    Reply::Redacted { rows: rows as u64 }
}

/// Whoever asks for a redaction may name the person in doing so.
fn clean(eraser: &Eraser, by: &By) -> By {
    let clean = |text: &String| eraser.text(text).unwrap_or_else(|| text.clone());
    let through = by.through.as_ref().map(clean);
    By { actor: clean(&by.actor), reason: clean(&by.reason), through }
}

fn redacted(entry: &EntryRow, eraser: &Eraser, told_at: i64) -> Option<EntryRow> {
    let (actor, body) = (eraser.text(&entry.actor), eraser.json(&entry.body_json));
    if actor.is_none() && body.is_none() {
        return None;
    }
    let commitment = |salt: &String| chain::commitment(salt, &entry.actor, &entry.body_json);
    Some(EntryRow {
        digest: entry.salt.as_ref().map(commitment).or_else(|| entry.digest.clone()),
        actor: actor.unwrap_or_else(|| entry.actor.clone()),
        body_json: body.unwrap_or_else(|| entry.body_json.clone()),
        salt: None,
        redacted: Some(told_at),
        ..entry.clone()
    })
}

pub fn redaction_ended(set: &mut WorkingSet, reference: &str, rows: u64, by: &By) -> Reply {
    let body = json!({ "person": reference, "rows": rows, "reason": by.reason });
    set.enter(REDACTION_ENDED, About::default(), &by.actor, &body);
    Reply::Done
}

/// All of them or none; one that is archived already is left out.
pub fn archive(set: &mut WorkingSet, documents: &[Moved], place: &str, by: &By) -> Reply {
    let mut rows = Vec::new();
    for moved in documents.iter().filter(|moved| !set.bulk.archived.contains(&moved.id)) {
        let Some((job, text)) = set.bulk.documents.get(&moved.id) else {
            return Reply::Conflict(format!("there is no document {} in the ledger", moved.id));
        };
        if !job.state.is_terminal() || (job.state == State::Dead && !is_done_with(set, job.id)) {
            return Reply::Conflict(format!(
                "job {} is {} and may still need {}",
                job.id, job.state, moved.id
            ));
        }
        if sha256(text.as_bytes()) != moved.digest {
            return Reply::Conflict(format!(
                "the file of {} is not what the ledger holds: write it again",
                moved.id
            ));
        }
        rows.push(ArchiveRow {
            id: moved.id.clone(),
            job_id: job.id,
            digest: moved.digest.clone(),
            bytes: text.len() as u64,
            place: place.to_owned(),
            at: set.now,
        });
    }
    if !rows.is_empty() {
        let list: Vec<Value> = rows.iter().map(|row| json!([row.id, row.digest, row.bytes])).collect();
        let body = json!({ "place": place, "documents": list, "reason": by.reason });
        set.enter(ARCHIVED, About::default(), &by.actor, &body);
        set.bulk.new_archive = rows;
    }
    Reply::Done
}

/// Somebody has retried or discarded the dead letter.
fn is_done_with(set: &WorkingSet, job: crate::job::JobId) -> bool {
    let discarded =
        |(row, _): &(crate::ledger::rows::JobRow, String)| row.id == job && row.discarded_at.is_some();
    set.replays.contains_key(&job) || set.bulk.documents.values().any(discarded)
}
