//! Standard Webhooks signatures (standardwebhooks.com, version `v1`): HMAC with SHA-256 over `id.timestamp.body`.
//! Pure.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

const PREFIX: &str = "whsec_";
const VERSION: &str = "v1,";

/// A text that is no webhook secret; the text itself is not told.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidSecret {
    #[error("read the webhook secret: it must start with `whsec_`")]
    Prefix,
    #[error("read the webhook secret: what follows `whsec_` is not base64")]
    Encoding,
    #[error("read the webhook secret: it must hold 24 to 64 bytes, this one holds {0}")]
    Length(usize),
}

/// The key that sender and receiver share.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// Reads `whsec_<base64 of 24 to 64 bytes>`.
    pub fn parse(secret: &SecretString) -> Result<Self, InvalidSecret> {
        let encoded = secret.expose_secret().strip_prefix(PREFIX).ok_or(InvalidSecret::Prefix)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| InvalidSecret::Encoding)?;
        if !(24..=64).contains(&bytes.len()) {
            return Err(InvalidSecret::Length(bytes.len()));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The value of the header `webhook-signature`; `sent_at` in seconds since the Unix epoch, as in
    /// `webhook-timestamp`.
    pub fn sign(&self, id: &str, sent_at: i64, body: &[u8]) -> String {
        let tag = hmac::sign(&self.0, &signed(id, sent_at, body));
        format!("{VERSION}{}", STANDARD.encode(tag.as_ref()))
    }

    /// Whether one of the signatures in the header (several stand apart by spaces) fits. In constant time; the age of
    /// `sent_at` is the caller's to judge.
    pub fn verify(&self, id: &str, sent_at: i64, body: &[u8], header: &str) -> bool {
        let content = signed(id, sent_at, body);
        header
            .split(' ')
            .filter_map(|one| STANDARD.decode(one.strip_prefix(VERSION)?).ok())
            .any(|tag| hmac::verify(&self.0, &content, &tag).is_ok())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey([REDACTED])")
    }
}

fn signed(id: &str, sent_at: i64, body: &[u8]) -> Vec<u8> {
    let mut content = format!("{id}.{sent_at}.").into_bytes();
    content.extend_from_slice(body);
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example that the Standard Webhooks libraries publish and test with.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SENT_AT: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn key() -> SigningKey {
        SigningKey::parse(&SECRET.into()).unwrap()
    }

    #[test]
    fn the_published_example_is_signed_as_published() {
        assert_eq!(key().sign(ID, SENT_AT, BODY), SIGNATURE);
    }

    #[test]
    fn a_signature_is_taken_alone_or_among_others_and_only_for_what_was_signed() {
        let key = key();
        assert!(key.verify(ID, SENT_AT, BODY, SIGNATURE));
        assert!(key.verify(ID, SENT_AT, BODY, &format!("v1,AAAA v2,x {SIGNATURE}")));
        assert!(!key.verify("msg_other", SENT_AT, BODY, SIGNATURE));
        assert!(!key.verify(ID, SENT_AT + 1, BODY, SIGNATURE));
        assert!(!key.verify(ID, SENT_AT, b"{}", SIGNATURE));
        for header in ["", "v1,", "v1", "v1a,g0hM", &SIGNATURE.replace("v1,", "v2,")] {
            assert!(!key.verify(ID, SENT_AT, BODY, header), "{header}");
        }
    }

    #[test]
    fn a_secret_in_the_wrong_form_is_refused_and_never_shown() {
        for (text, error) in [
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", InvalidSecret::Prefix),
            ("whsec_hunter2!", InvalidSecret::Encoding),
            ("whsec_aHVudGVyMg==", InvalidSecret::Length(7)),
        ] {
            let found = SigningKey::parse(&text.into()).unwrap_err();
            assert!(!found.to_string().contains("hunter2"), "{found}");
            assert_eq!(found, error);
        }
        assert!(!format!("{:?}", key()).contains("MfKQ"));
    }
}
