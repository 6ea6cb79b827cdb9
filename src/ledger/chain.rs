//! The hash chain over the history: each entry carries the hash of the one before, so that a changed, removed or
//! inserted entry shows.

use ring::digest::{SHA256, digest};

use crate::ledger::rows::EntryRow;

/// What the first entry's `prev` is.
pub const GENESIS: &str = "genesis";

/// SHA-256, in hex, over the entry's fields as one JSON list.
pub fn hash(entry: &EntryRow) -> String {
    let fields = (
        entry.seq,
        entry.at,
        &entry.kind,
        entry.request_id,
        entry.job_id,
        entry.attempt_id,
        &entry.actor,
        &entry.body_json,
        &entry.prev,
    );
    // Numbers and text cannot fail to be written; nothing at all would fit no hash.
    let text = serde_json::to_vec(&fields).unwrap_or_default();
    hex(digest(&SHA256, &text).as_ref())
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

/// Where the chain is broken.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Break {
    pub seq: i64,
    pub problem: String,
}

/// Checks a run of entries that follows `(seq, hash)`; returns the last position and hash, or the first break.
pub fn check(after: (i64, String), entries: &[EntryRow]) -> Result<(i64, String), Break> {
    let (mut seq, mut prev) = after;
    for entry in entries {
        seq = seq.saturating_add(1);
        let broken = |problem: String| Err(Break { seq: entry.seq, problem });
        if entry.seq != seq {
            return broken(format!("entry {seq} is missing: the next one found is {}", entry.seq));
        }
        if entry.prev != prev {
            return broken(format!("entry {seq} does not follow the entry before it"));
        }
        if hash(entry) != entry.hash {
            return broken(format!("entry {seq} was changed: its hash does not match its content"));
        }
        prev.clone_from(&entry.hash);
    }
    Ok((seq, prev))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{id::JobId, time::Timestamp};

    fn entry(seq: i64, prev: &str) -> EntryRow {
        let mut entry = EntryRow {
            seq,
            at: Timestamp(5),
            kind: "job.started".to_owned(),
            request_id: None,
            job_id: Some(JobId::new(Timestamp(1), 1)),
            attempt_id: None,
            actor: "sluicegate".to_owned(),
            body_json: r#"{"to":"running"}"#.to_owned(),
            prev: prev.to_owned(),
            hash: String::new(),
        };
        entry.hash = hash(&entry);
        entry
    }

    /// What was hashed yesterday must still verify in two years: this value never changes.
    #[test]
    fn the_hash_of_an_entry_is_fixed_for_ever() {
        assert_eq!(
            entry(1, GENESIS).hash,
            "a43e28a34ce4b0f2c972d152d46c624a295ee1bdb5db01c0dbd7676dcf9dade9"
        );
    }

    #[test]
    fn a_run_of_entries_is_checked_from_where_it_begins() {
        let first = entry(1, GENESIS);
        let second = entry(2, &first.hash);
        let run = [first, second];
        let end = (2, run[1].hash.clone());
        assert_eq!(check((0, GENESIS.to_owned()), &run), Ok(end));
        assert_eq!(check((0, GENESIS.to_owned()), &run[1..]).unwrap_err().seq, 2);
        assert!(check((1, "other".to_owned()), &run[1..]).is_err());
    }
}
