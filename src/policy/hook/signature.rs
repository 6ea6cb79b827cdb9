//! Whether a delivery comes from who knows the secret, and what it is known by. Secrets and signatures are compared in constant
//! time; the time is handed in.

use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::{
    job::time::{Millis, Timestamp},
    policy::{
        Problem,
        hook::{Hook, Kind, Proof, Scope},
        problem::Code,
        request::sha256,
        standard_webhooks::{InvalidSecret, SigningKey},
    },
};

/// The longest name of a delivery that is taken as it is.
const ID_BYTES_MAX: usize = 200;
/// The longest name of an event.
const EVENT_BYTES_MAX: usize = 100;

const STANDARD_ID: &str = "webhook-id";
const STANDARD_TIME: &str = "webhook-timestamp";
const STANDARD_SIGNATURE: &str = "webhook-signature";
const LINEAR_TIME: &str = "webhookTimestamp";

/// The secrets of a hook, ready for use; while one is replaced there are two.
#[derive(Clone, Debug, Default)]
pub struct Keys(Vec<Key>);

#[derive(Clone)]
enum Key {
    Hmac(hmac::Key),
    /// The key, and its code over itself: equal codes are equal secrets.
    Shared(hmac::Key, hmac::Tag),
    Standard(SigningKey),
}

impl Keys {
    /// They are tried in the order in which they were added, by which `Verified::secret` counts.
    pub fn add(&mut self, proof: &Proof, secret: &SecretString) -> Result<(), InvalidSecret> {
        let bytes = secret.expose_secret().as_bytes();
        let plain = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        self.0.push(match proof {
            Proof::Standard => Key::Standard(SigningKey::parse(secret)?),
            Proof::Hmac { .. } => Key::Hmac(plain),
            Proof::Shared { .. } => {
                let tag = hmac::sign(&plain, bytes);
                Key::Shared(plain, tag)
            }
        });
        Ok(())
    }

    /// Which of them fits, counted from 0.
    fn fitting(&self, fits: impl Fn(&Key) -> bool) -> Option<usize> {
        self.0.iter().position(fits)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key([REDACTED])")
    }
}

/// A delivery that comes from who knows the secret.
#[derive(Clone, Debug)]
pub struct Verified {
    /// As the sender names it, or else by its bytes; 1 to 200 printable ASCII characters.
    pub delivery_id: String,
    /// Empty when the sender names none.
    pub event: String,
    pub signed_at: Option<Timestamp>,
    /// Which secret it was, counted from 0.
    pub secret: usize,
    /// Names the signed bytes where the signature does not cover the id: the same bytes under another id are a replay.
    pub fingerprint: Option<String>,
    /// What it says, or why that cannot be read.
    pub payload: Result<Value, Problem>,
}

/// Why a delivery is not let in. Nothing of a secret or of the right signature is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookFault {
    #[error("the header `{0}` is missing")]
    Missing(String),
    #[error("what stands in `{0}` fits none of the secrets")]
    Wrong(String),
    #[error("the delivery does not tell in `{0}` when it was signed")]
    Undated(String),
    #[error("the delivery was signed at {signed_at}, {apart} away from our time; at most {most} are allowed")]
    Stale { signed_at: Timestamp, apart: Millis, most: Millis },
}

impl HookFault {
    /// A word for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "signature-missing",
            Self::Wrong(_) => "signature-wrong",
            Self::Undated(_) | Self::Stale { .. } => "signature-stale",
        }
    }
}

/// Judges one delivery. `header` finds the value of a header by its name in lower case.
pub fn verify<'a>(
    hook: &Hook,
    keys: &Keys,
    header: impl Fn(&str) -> Option<&'a str>,
    body: &[u8],
    now: Timestamp,
) -> Result<Verified, HookFault> {
    let needed = |name: &str| header(name).ok_or_else(|| HookFault::Missing(name.to_owned()));
    let wrong = |name: &str| HookFault::Wrong(name.to_owned());
    let mut signed_at = None;
    let secret = match &hook.proof {
        Proof::Hmac { header } => {
            let tag = from_hex(needed(header)?).ok_or_else(|| wrong(header))?;
            let fits = |key: &Key| matches!(key, Key::Hmac(key) if hmac::verify(key, body, &tag).is_ok());
            keys.fitting(fits).ok_or_else(|| wrong(header))?
        }
        Proof::Standard => {
            let (id, told) = (needed(STANDARD_ID)?, needed(STANDARD_TIME)?);
            let signature = needed(STANDARD_SIGNATURE)?;
            let undated = || HookFault::Undated(STANDARD_TIME.to_owned());
            let digits = !told.is_empty() && told.bytes().all(|byte| byte.is_ascii_digit());
            let seconds: i64 = told.parse().ok().filter(|_| digits).ok_or_else(undated)?;
            let fits =
                |key: &Key| matches!(key, Key::Standard(key) if key.verify(id, seconds, body, signature));
            let secret = keys.fitting(fits).ok_or_else(|| wrong(STANDARD_SIGNATURE))?;
            signed_at = Some(Timestamp(seconds.saturating_mul(1_000)));
            secret
        }
        Proof::Shared { header } => {
            let given = needed(header)?.as_bytes();
            let fits = |key: &Key| matches!(key, Key::Shared(key, tag) if hmac::verify(key, given, tag.as_ref()).is_ok());
            keys.fitting(fits).ok_or_else(|| wrong(header))?
        }
    };
    // From here on it is known who speaks.
    let payload = read(hook.kind, body);
    if let (Kind::Linear, Ok(payload)) = (hook.kind, &payload) {
        let millis = payload.get(LINEAR_TIME).and_then(Value::as_i64);
        signed_at = Some(Timestamp(millis.ok_or_else(|| HookFault::Undated(LINEAR_TIME.to_owned()))?));
    }
    if let Some(signed_at) = signed_at {
        let apart = now.since(signed_at).max(signed_at.since(now));
        if apart > hook.max_age {
            return Err(HookFault::Stale { signed_at, apart, most: hook.max_age });
        }
    }
    let named = hook.id_header.as_deref().and_then(&header).filter(|id| is_id(id));
    Ok(Verified {
        delivery_id: named.map_or_else(|| sha256(body), str::to_owned),
        event: event(hook, &header, payload.as_ref().ok()),
        signed_at,
        secret,
        fingerprint: matches!(hook.proof, Proof::Hmac { .. }).then(|| sha256(body)),
        payload,
    })
}

/// What a body says.
pub fn read(kind: Kind, body: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let hint = match kind {
            Kind::Github => "choose the content type `application/json` in the settings of the webhook",
            Kind::Jira | Kind::Linear | Kind::Generic => {
                "see what the sender sends: it must be JSON in UTF-8"
            }
        };
        Problem::new(Code::BadPayload, format!("the body is not JSON: {error}")).at("body").hint(hint)
    })
}

/// As the sender names it: in a header, or by an expression.
fn event<'a>(hook: &Hook, header: impl Fn(&str) -> Option<&'a str>, payload: Option<&Value>) -> String {
    let found = match &hook.event {
        None => header("x-github-event").map(str::to_owned),
        Some(expression) => {
            let found = payload.and_then(|payload| expression.find(&Scope::new(payload)).ok());
            found.and_then(|found| found.as_str().map(str::to_owned))
        }
    };
    found.filter(|event| event.len() <= EVENT_BYTES_MAX && is_printable(event)).unwrap_or_default()
}

fn is_id(id: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&id.len()) && is_printable(id)
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// The bytes of a code in hex, perhaps after `sha256=`.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix("sha256=").unwrap_or(text);
    let half = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some((half(high)? << 4) | half(low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}
