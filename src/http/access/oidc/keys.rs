//! The identity provider's keys: found through its discovery document, kept for a while, and asked for again when a token names one
//! that is not known, but never faster than it can bear.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use tokio::{sync::Mutex, time::Instant};

use super::{
    refused,
    signature::{Algorithm, Jwk, Key},
};
use crate::{config::is_local_http, http::access::Refusal, telemetry::denials::Denial};

/// Keys are believed for so long; a key that the provider took back is refused here by then.
const FRESH: Duration = Duration::from_mins(10);
/// If the provider does not answer, what it said last is believed for so long.
const STALE: Duration = Duration::from_hours(1);
/// Whoever makes up names of keys cannot make this process ask more often than this, but for a few times in a row.
const ASKED_EACH: Duration = Duration::from_secs(10);
const ASKED_BURST: u32 = 3;
const TIMEOUT: Duration = Duration::from_secs(5);
/// Of a discovery document or a set of keys.
const BYTES_MAX: usize = 512 * 1024;
const KEYS_MAX: usize = 100;

pub struct Keys {
    issuer: String,
    http: reqwest::Client,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    keys: Arc<[Key]>,
    read: Option<Instant>,
    /// When the questions asked so far will not count any more.
    asked: Option<Instant>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

impl Known {
    fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<Key> {
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| key.algorithm() == algorithm && (id.is_none() || key.id.as_deref() == id));
        let first = fitting.next()?;
        // Without a name it must be clear which one is meant.
        (id.is_some() || fitting.next().is_none()).then(|| first.clone())
    }

    fn is_younger_than(&self, age: Duration) -> bool {
        self.read.is_some_and(|read| read.elapsed() < age)
    }

    /// Takes one of the questions that may be asked now.
    fn may_ask(&mut self) -> bool {
        let now = Instant::now();
        let counted = self.asked.map_or(now, |asked| asked.max(now));
        let Some(next) = counted.checked_add(ASKED_EACH) else { return false };
        let room = next.saturating_duration_since(now) <= ASKED_EACH.saturating_mul(ASKED_BURST);
        if room {
            self.asked = Some(next);
        }
        room
    }
}

impl Keys {
    pub fn new(issuer: &str) -> Self {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // An error says that another thread was faster, which is as good.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let builder = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
        let builder = if is_local_http(issuer) { builder.no_proxy() } else { builder };
        // What is set here cannot be refused but for a system without certificates, and then every question fails and says so.
        let http = builder.build().unwrap_or_default();
        Self { issuer: issuer.to_owned(), http, known: Mutex::default() }
    }

    /// The key that a token names.
    pub async fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<Key, Refusal> {
        // One asks, the others wait for the answer.
        let mut known = self.known.lock().await;
        if known.is_younger_than(FRESH)
            && let Some(key) = known.find(id, algorithm)
        {
            return Ok(key);
        }
        if known.may_ask() {
            match self.ask().await {
                Ok(keys) => (known.keys, known.read) = (keys, Some(Instant::now())),
                Err(why) => {
                    tracing::warn!(
                        issuer = self.issuer,
                        why,
                        "the keys of the identity provider are not to be had"
                    );
                }
            }
        }
        if !known.is_younger_than(STALE) {
            let detail = format!("the keys of {} are not to be had", self.issuer);
            return Err(refused(Denial::KeysUnavailable, detail));
        }
        known.find(id, algorithm).ok_or_else(|| {
            let named = id.map_or_else(|| "no key".to_owned(), |id| crate::policy::text::shorten(id, 80));
            refused(Denial::KeyUnknown, format!("the identity provider has no such key (it names {named})"))
        })
    }

    pub async fn ask(&self) -> Result<Arc<[Key]>, String> {
        let place = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let discovery: Discovery = self.get(&place).await?;
        if discovery.issuer != self.issuer {
            return Err(format!("{place} is of another issuer"));
        }
        if !discovery.jwks_uri.starts_with("https://") && !is_local_http(&discovery.jwks_uri) {
            return Err(format!("{place} names keys at an address without encryption"));
        }
        let set: KeySet = self.get(&discovery.jwks_uri).await?;
        // One key of a kind that is not known here must not take the others with it.
        let read = |key| Key::read(&serde_json::from_value::<Jwk>(key).ok()?);
        Ok(set.keys.into_iter().take(KEYS_MAX).filter_map(read).collect())
    }

    async fn get<T: DeserializeOwned>(&self, place: &str) -> Result<T, String> {
        let failed = |error: reqwest::Error| format!("{place}: {}", error.without_url());
        let mut answer = self.http.get(place).send().await.map_err(failed)?;
        if !answer.status().is_success() {
            return Err(format!("{place} answered {}", answer.status()));
        }
        let mut bytes = Vec::new();
        while let Some(more) = answer.chunk().await.map_err(failed)? {
            bytes.extend_from_slice(&more);
            if bytes.len() > BYTES_MAX {
                return Err(format!("{place} answered with more than {BYTES_MAX} bytes"));
            }
        }
        serde_json::from_slice(&bytes).map_err(|error| format!("{place}: {error}"))
    }
}
