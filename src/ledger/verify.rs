//! Checks a history entry by entry, from a ledger or from a file: the chain, what was redacted, and checkpoints. Pure; its memory
//! grows only with redactions and with the checkpoints that are known from elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ledger::{chain, rows::EntryRow, signing::Checkpoint};

/// The kind of an entry that tells of redactions.
pub const REDACTED: &str = "history.redacted";
/// The kind of an entry that is a checkpoint.
pub const CHECKPOINT: &str = "history.checkpoint";

/// What is known beside the history itself.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Public keys that may sign; none: every one.
    pub keys: BTreeSet<String>,
    /// Checkpoints kept outside of the ledger, by position.
    pub checkpoints: BTreeMap<i64, Checkpoint>,
}

impl Trust {
    /// Adds the checkpoints of a file of them, one in a line; Err: what is wrong with it.
    pub fn add_file(&mut self, text: &str) -> Result<(), String> {
        for (line, number) in text.lines().zip(1_u64..).filter(|(line, _)| !line.trim().is_empty()) {
            let point: Checkpoint = serde_json::from_str(line)
                .map_err(|error| format!("line {number}: no checkpoint: {error}"))?;
            self.check(&point).map_err(|why| format!("line {number}: {why}"))?;
            self.checkpoints.insert(point.seq, point);
        }
        Ok(())
    }

    fn check(&self, point: &Checkpoint) -> Result<(), String> {
        if !point.is_signed() {
            return Err(format!(
                "the checkpoint of entry {} is not signed by the key that it names",
                point.seq
            ));
        }
        if self.keys.is_empty() || self.keys.contains(&point.public_key) {
            return Ok(());
        }
        Err(format!(
            "the checkpoint of entry {} is signed with the key {}, which is not trusted",
            point.seq, point.key
        ))
    }
}

/// Where the chain is broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Break {
    pub seq: i64,
    pub problem: String,
}

/// What was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Good entries, up to the first that is not.
    pub entries: i64,
    pub hash: String,
    pub broken: Option<String>,
    /// Entries that personal data has left.
    #[serde(default, skip_serializing_if = "is_none")]
    pub redacted: u64,
    /// Checkpoints in the history.
    #[serde(default, skip_serializing_if = "is_none")]
    pub checkpoints: u64,
    /// Redacted entries whose redaction is told of only outside of the part that was checked.
    #[serde(default, skip_serializing_if = "is_none")]
    pub untold: u64,
    /// The ids of the keys that signed them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub keys: BTreeSet<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "called by serde")]
const fn is_none(number: &u64) -> bool {
    *number == 0
}

/// The bodies that are read: what was redacted as `[position, content]`.
#[derive(Default, Deserialize)]
struct Told {
    #[serde(default)]
    entries: Vec<(i64, String)>,
}

/// Takes the entries in their order.
#[derive(Debug)]
pub struct Checker<'a> {
    trust: &'a Trust,
    seq: i64,
    hash: String,
    /// Contents of the redacted entries, and what later entries say that they are.
    redacted: BTreeMap<i64, String>,
    told: BTreeMap<i64, String>,
    checkpoints: u64,
    keys: BTreeSet<String>,
    entries: i64,
    /// Only some entries are there: they are checked each for itself, and against neighbours.
    gaps: bool,
    /// The history goes on after what is there.
    part: bool,
}

impl<'a> Checker<'a> {
    pub fn new(trust: &'a Trust) -> Self {
        Self::after(trust, 0, chain::GENESIS)
    }

    /// For what follows an entry that is taken on trust.
    pub fn after(trust: &'a Trust, seq: i64, hash: &str) -> Self {
        Self {
            trust,
            seq,
            hash: hash.to_owned(),
            redacted: BTreeMap::new(),
            told: BTreeMap::new(),
            checkpoints: 0,
            keys: BTreeSet::new(),
            entries: 0,
            gaps: false,
            part: false,
        }
    }

    #[must_use]
    pub fn with_gaps(mut self) -> Self {
        self.gaps = true;
        self
    }

    #[must_use]
    pub fn of_a_part(mut self) -> Self {
        self.part = true;
        self
    }

    pub fn take(&mut self, entry: &EntryRow) -> Result<(), Break> {
        let seq = self.seq.saturating_add(1);
        let broken = |problem: String| Err(Break { seq: entry.seq, problem });
        if entry.seq != seq && !(self.gaps && entry.seq > seq) {
            return broken(format!("entry {seq} is missing: the next one found is {}", entry.seq));
        }
        if entry.seq == seq && entry.prev != self.hash {
            return broken(format!("entry {seq} does not follow the entry before it"));
        }
        match chain::hash(entry) {
            Some(hash) if hash == entry.hash => {}
            None if entry.redacted.is_some() => {}
            _ => {
                return broken(format!(
                    "entry {} was changed: its hash does not match its content",
                    entry.seq
                ));
            }
        }
        if entry.redacted.is_some() {
            self.redacted.insert(entry.seq, chain::content(entry));
        }
        if entry.kind == REDACTED {
            let told: Told = serde_json::from_str(&entry.body_json).unwrap_or_default();
            self.told.extend(told.entries);
        }
        if entry.kind == CHECKPOINT {
            self.checkpoint(entry).or_else(broken)?;
        }
        if let Some(point) = self.trust.checkpoints.get(&entry.seq)
            && point.hash != entry.hash
        {
            return broken(format!(
                "entry {} is not what a checkpoint of {} says: the history was written anew",
                entry.seq, point.at
            ));
        }
        self.hash.clone_from(&entry.hash);
        self.seq = entry.seq;
        self.entries = self.entries.saturating_add(1);
        Ok(())
    }

    fn checkpoint(&mut self, entry: &EntryRow) -> Result<(), String> {
        let point: Checkpoint = serde_json::from_str(&entry.body_json)
            .map_err(|error| format!("entry {} is no checkpoint that can be read: {error}", entry.seq))?;
        if point.hash != entry.prev || point.seq != entry.seq.saturating_sub(1) {
            return Err(format!("the checkpoint at entry {} tells of another history", entry.seq));
        }
        self.trust.check(&point)?;
        self.checkpoints = self.checkpoints.saturating_add(1);
        self.keys.insert(point.key);
        Ok(())
    }

    /// So far.
    pub fn verified(&self, broken: Option<String>) -> Verified {
        Verified {
            entries: self.entries,
            hash: self.hash.clone(),
            broken,
            redacted: self.redacted.len() as u64,
            checkpoints: self.checkpoints,
            untold: 0,
            keys: self.keys.clone(),
        }
    }

    /// After the last entry: every redaction must be told of, and no checkpoint be of a later one.
    pub fn end(&self) -> Verified {
        let told = |seq: &i64, content: &String| self.told.get(seq).map(|told| told == content);
        let wrong = self.redacted.iter().find(|(seq, content)| {
            // Of a part, what tells of it may come later: also for the second time.
            told(seq, content) != Some(true) && !self.part
        });
        let untold = self.redacted.iter().filter(|(seq, content)| told(seq, content) != Some(true)).count();
        let broken = wrong.map(|(seq, _)| {
            format!("entry {seq} was redacted, and no entry of the history tells of what it is now")
        });
        let cut = || {
            let (seq, point) = self.trust.checkpoints.iter().next_back().filter(|_| !self.part)?;
            (*seq > self.seq).then(|| {
                format!(
                    "the history ends at entry {}, and a checkpoint of {} tells of entry {seq}: its end was cut off",
                    self.seq, point.at
                )
            })
        };
        Verified { untold: untold as u64, ..self.verified(broken.or_else(cut)) }
    }

    /// The last entry and its hash.
    pub fn position(&self) -> (i64, &str) {
        (self.seq, &self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job::time::Timestamp,
        ledger::chain::{GENESIS, Salts, commitment, content},
    };

    /// A history of entries by ana: of the first format up to a position, salted after it.
    fn history(length: i64, first_format: i64) -> Vec<EntryRow> {
        let salts = Salts::new([7; 32]);
        let mut entries: Vec<EntryRow> = Vec::new();
        for seq in 1..=length {
            let prev = entries.last().map_or_else(|| GENESIS.to_owned(), |entry| entry.hash.clone());
            let salt = (seq > first_format).then(|| salts.salt(seq, &prev));
            entries.push(entry(seq, prev, "{}".to_owned(), salt));
        }
        entries
    }

    fn entry(seq: i64, prev: String, body_json: String, salt: Option<String>) -> EntryRow {
        let kind = if body_json == "{}" { "job.cancelled" } else { REDACTED };
        let mut entry = EntryRow {
            seq,
            at: Timestamp(seq),
            kind: kind.to_owned(),
            request_id: None,
            job_id: None,
            attempt_id: None,
            actor: "ana".to_owned(),
            body_json,
            prev,
            hash: String::new(),
            salt,
            digest: None,
            redacted: None,
        };
        entry.hash = chain::hash(&entry).unwrap();
        entry
    }

    /// Takes ana out of the entry at a place, and tells of it at the end.
    fn redact(history: &mut Vec<EntryRow>, at: usize) {
        let told_at = i64::try_from(history.len()).unwrap() + 1;
        let entry = &mut history[at];
        entry.digest = entry.salt.take().map(|salt| commitment(&salt, &entry.actor, &entry.body_json));
        entry.actor = "person-0".to_owned();
        entry.redacted = Some(told_at);
        let body = format!(r#"{{"entries":[[{},"{}"]]}}"#, entry.seq, content(entry));
        let prev = history.last().unwrap().hash.clone();
        history.push(self::entry(told_at, prev, body, Some("s".to_owned())));
    }

    fn verify(history: &[EntryRow]) -> Verified {
        let trust = Trust::default();
        let mut checker = Checker::new(&trust);
        for entry in history {
            if let Err(found) = checker.take(entry) {
                return checker.verified(Some(found.problem));
            }
        }
        checker.end()
    }

    #[test]
    fn entries_of_both_formats_follow_each_other_and_can_be_redacted() {
        let mut history = history(6, 3);
        assert_eq!(verify(&history).broken, None);
        redact(&mut history, 1);
        redact(&mut history, 4);
        let verified = verify(&history);
        assert_eq!((verified.broken, verified.redacted, verified.entries), (None, 2, 8));
        for at in [1, 4] {
            let mut changed = history.clone();
            changed[at].actor = "mallory".to_owned();
            assert!(verify(&changed).broken.unwrap().contains("no entry of the history tells"), "{at}");
            let mut changed = history.clone();
            changed[at].at = Timestamp(99);
            assert!(verify(&changed).broken.is_some(), "{at}");
        }
    }

    #[test]
    fn a_part_is_checked_for_itself() {
        let history = history(6, 0);
        let trust = Trust::default();
        let mut part = Checker::after(&trust, 2, &history[1].hash).of_a_part();
        assert!(history[2..5].iter().all(|entry| part.take(entry).is_ok()));
        assert_eq!((part.end().broken, part.end().entries), (None, 3));
        let mut gaps = Checker::after(&trust, 0, GENESIS).of_a_part().with_gaps();
        assert!([0, 2, 3, 5].iter().all(|at| gaps.take(&history[*at]).is_ok()));
        let mut strict = Checker::after(&trust, 0, GENESIS).of_a_part();
        assert!(strict.take(&history[2]).unwrap_err().problem.contains("entry 1 is missing"));
        let mut changed = history[4].clone();
        changed.body_json = "[]".to_owned();
        assert!(gaps.take(&changed).is_err());
    }
}
