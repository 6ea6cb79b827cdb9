//! Signs with Ed25519: checkpoints of the history, and what is exported. The private key stays in here.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};
use serde::{Deserialize, Serialize};

use crate::{job::time::Timestamp, policy::request::sha256};

/// Begins a private key as it is written down, so that scanners for secrets know it.
const PREFIX: &str = "sluice-ed25519:";
/// Hexadecimal digits of a key's id.
const ID_DIGITS: usize = 16;

/// What is wrong with a key. It never repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no signing key: make one with `sluice audit key new --out FILE`")]
pub struct BadKey;

/// A key that signs.
pub struct Signer {
    pair: Ed25519KeyPair,
    public: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("public", &self.public).finish_non_exhaustive()
    }
}

impl Signer {
    /// A new key: as it is to be kept, in one line.
    pub fn generate() -> Result<String, BadKey> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| BadKey)?;
        Ok(format!("{PREFIX}{}", STANDARD.encode(document.as_ref())))
    }

    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let document = text.trim().strip_prefix(PREFIX).ok_or(BadKey)?;
        let document = STANDARD.decode(document).map_err(|_| BadKey)?;
        let pair = Ed25519KeyPair::from_pkcs8(&document).map_err(|_| BadKey)?;
        let public = STANDARD.encode(pair.public_key().as_ref());
        Ok(Self { pair, public })
    }

    /// 32 bytes in base64.
    pub fn public_key(&self) -> &str {
        &self.public
    }

    pub fn key_id(&self) -> String {
        key_id(&self.public)
    }

    /// In base64.
    pub fn sign(&self, message: &[u8]) -> String {
        STANDARD.encode(self.pair.sign(message).as_ref())
    }

    /// Of the history as it ends.
    pub fn checkpoint(&self, seq: i64, hash: &str, at: Timestamp) -> Checkpoint {
        let mut point = Checkpoint {
            seq,
            hash: hash.to_owned(),
            at: at.to_string(),
            entries: seq,
            key: self.key_id(),
            public_key: self.public.clone(),
            signature: String::new(),
        };
        point.signature = self.sign(point.message().as_bytes());
        point
    }
}

/// The beginning of a public key's SHA-256.
pub fn key_id(public: &str) -> String {
    let bytes = STANDARD.decode(public).unwrap_or_default();
    sha256(&bytes).chars().take(ID_DIGITS).collect()
}

/// True if the message was signed by the owner of the public key.
pub fn is_signed(public: &str, message: &[u8], signature: &str) -> bool {
    let (Ok(public), Ok(signature)) = (STANDARD.decode(public), STANDARD.decode(signature)) else {
        return false;
    };
    UnparsedPublicKey::new(&ED25519, public).verify(message, &signature).is_ok()
}

/// A public key as people write it down: 32 bytes in base64.
pub fn is_public_key(text: &str) -> bool {
    STANDARD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}

/// What the history was up to a position, signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Checkpoint {
    pub seq: i64,
    pub hash: String,
    /// RFC 3339.
    pub at: String,
    /// The history has no gaps, so that this is `seq`.
    pub entries: i64,
    /// Id of the key.
    pub key: String,
    pub public_key: String,
    pub signature: String,
}

impl Checkpoint {
    /// What is signed.
    fn message(&self) -> String {
        let Self { seq, hash, at, entries, key, .. } = self;
        format!("sluicegate checkpoint v1\n{seq}\n{hash}\n{at}\n{entries}\n{key}\n")
    }

    /// By the key that it names.
    pub fn is_signed(&self) -> bool {
        self.key == key_id(&self.public_key)
            && is_signed(&self.public_key, self.message().as_bytes(), &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_good_only_as_it_was_signed() {
        let signer = Signer::parse(&Signer::generate().unwrap()).unwrap();
        let point = signer.checkpoint(7, "abc", Timestamp(0));
        assert!(point.is_signed());
        let other = Signer::parse(&Signer::generate().unwrap()).unwrap();
        for changed in [
            Checkpoint { seq: 8, ..point.clone() },
            Checkpoint { hash: "abd".into(), ..point.clone() },
            Checkpoint { at: "1970-01-01T00:00:00.001Z".into(), ..point.clone() },
            Checkpoint { public_key: other.public_key().into(), ..point.clone() },
            Checkpoint { key: other.key_id(), public_key: other.public_key().into(), ..point.clone() },
            Checkpoint { signature: "no base64 !".into(), ..point.clone() },
        ] {
            assert!(!changed.is_signed(), "{changed:?}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_without_repeating_it() {
        for text in ["", "hunter2", "sluice-ed25519:aHVudGVyMg==", "sluice-ed25519:!"] {
            let error = Signer::parse(text).unwrap_err().to_string();
            assert!(!error.contains("hunter2") && error.contains("audit key new"), "{error}");
        }
        let debug = format!("{:?}", Signer::parse(&Signer::generate().unwrap()).unwrap());
        assert!(debug.starts_with("Signer { public: "), "{debug}");
    }
}
