//! The hash chain over the history: each entry carries the hash of the one before, so that a changed, removed or
//! inserted entry shows.

use ring::digest::{SHA256, digest};

use crate::ledger::rows::EntryRow;

/// What the first entry's `prev` is.
pub const GENESIS: &str = "genesis";

/// SHA-256, in hex, over the entry's fields as one JSON list.
pub fn hash(entry: &EntryRow) -> String {
    let fields = serde_json::json!([
        entry.seq,
        entry.at,
        entry.kind,
        entry.request_id,
        entry.job_id,
        entry.attempt_id,
        entry.actor,
        entry.body_json,
        entry.prev
    ]);
    hex(digest(&SHA256, fields.to_string().as_bytes()).as_ref())
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len().saturating_mul(2)), |mut text, byte| {
        // Writing to a String cannot fail.
        if write!(text, "{byte:02x}").is_err() {
            text.clear();
        }
        text
    })
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
