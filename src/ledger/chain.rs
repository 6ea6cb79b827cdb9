//! The hash chain over the history: each entry carries the hash of the one before, so that a changed, removed or
//! inserted entry shows. The hash covers actor and body by a salted commitment, so that personal data can leave an entry and
//! its place in the chain still be checked.

use ring::hmac;
use serde::Serialize;

use crate::{
    ledger::rows::EntryRow,
    policy::request::{hex, sha256},
};

/// What the first entry's `prev` is.
pub const GENESIS: &str = "genesis";
/// Begins what is hashed since the second format.
const FORMAT: &str = "v2";
/// Of a salt.
const SALT_BYTES: usize = 16;

/// SHA-256, in hex, over the entry's fields as one JSON list. None: it was redacted and is of the first format, whose hash covered what is
/// gone.
pub fn hash(entry: &EntryRow) -> Option<String> {
    let EntryRow { seq, at, kind, request_id, job_id, attempt_id, prev, .. } = entry;
    let covered = match (&entry.salt, &entry.digest, entry.redacted) {
        (Some(salt), ..) => commitment(salt, &entry.actor, &entry.body_json),
        (None, Some(digest), Some(_)) => digest.clone(),
        (None, None, None) => {
            let EntryRow { actor, body_json, .. } = entry;
            return Some(sha256_of(&(seq, at, kind, request_id, job_id, attempt_id, actor, body_json, prev)));
        }
        _ => return None,
    };
    Some(sha256_of(&(FORMAT, seq, at, kind, request_id, job_id, attempt_id, covered, prev)))
}

/// What the hash covers in place of actor and body: without the salt nobody can find out by guessing what they were.
pub fn commitment(salt: &str, actor: &str, body: &str) -> String {
    sha256_of(&(salt, actor, body))
}

/// Everything that an entry shows, as the entry that tells of its redaction names it.
pub fn content(entry: &EntryRow) -> String {
    let EntryRow { seq, at, kind, request_id, job_id, attempt_id, actor, body_json, prev, hash, .. } = entry;
    sha256_of(&(seq, at, kind, request_id, job_id, attempt_id, actor, body_json, prev, hash))
}

fn sha256_of(fields: &impl Serialize) -> String {
    // Numbers and text cannot fail to be written; nothing at all would fit no hash.
    sha256(&serde_json::to_vec(fields).unwrap_or_default())
}

/// Where salts come from: a secret of this process that is written down nowhere.
#[derive(Clone, Debug)]
pub struct Salts(hmac::Key);

impl Salts {
    pub fn new(secret: [u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &secret))
    }
    /// Of the entry that follows `prev` at a position.
    pub fn salt(&self, seq: i64, prev: &str) -> String {
        let tag = hmac::sign(&self.0, format!("{seq} {prev}").as_bytes());
        hex(tag.as_ref().get(..SALT_BYTES).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{id::JobId, time::Timestamp};

    fn entry() -> EntryRow {
        EntryRow {
            seq: 1,
            at: Timestamp(5),
            kind: "job.started".to_owned(),
            request_id: None,
            job_id: Some(JobId::new(Timestamp(1), 1)),
            attempt_id: None,
            actor: "sluicegate".to_owned(),
            body_json: r#"{"to":"running"}"#.to_owned(),
            prev: GENESIS.to_owned(),
            hash: String::new(),
            salt: None,
            digest: None,
            redacted: None,
        }
    }

    /// What was hashed yesterday must still verify in two years: these values never change.
    #[test]
    fn the_hash_of_an_entry_is_fixed_for_ever() {
        let first = "a43e28a34ce4b0f2c972d152d46c624a295ee1bdb5db01c0dbd7676dcf9dade9";
        assert_eq!(hash(&entry()).as_deref(), Some(first));
        let salted = EntryRow { salt: Some("00112233445566778899aabbccddeeff".into()), ..entry() };
        let second = "dc2f5ca63a182c3a12a42ae87f3741a769b325fd764fa8e3df5452ea87d1e389";
        assert_eq!(hash(&salted).as_deref(), Some(second));
    }

    #[test]
    fn a_redacted_entry_keeps_its_hash_if_it_had_a_salt() {
        let salt = "00112233445566778899aabbccddeeff";
        let salted = EntryRow { salt: Some(salt.into()), ..entry() };
        let digest = Some(commitment(salt, &salted.actor, &salted.body_json));
        let gone = EntryRow { actor: "x".into(), salt: None, digest, redacted: Some(9), ..entry() };
        assert_eq!(hash(&gone), hash(&salted));
        assert_ne!(content(&gone), content(&salted));
        assert_eq!(hash(&EntryRow { redacted: Some(9), ..entry() }), None);
        assert_eq!(hash(&EntryRow { digest: Some("d".into()), ..entry() }), None, "nobody tells of it");
    }

    #[test]
    fn no_two_entries_share_a_salt() {
        let salts = Salts::new([7; 32]);
        assert_eq!(salts.salt(1, "a").len(), 32);
        assert_ne!(salts.salt(1, "a"), salts.salt(2, "a"));
        assert_ne!(salts.salt(1, "a"), Salts::new([8; 32]).salt(1, "a"));
    }
}
