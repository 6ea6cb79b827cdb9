//! Answers that came with an `ETag`, so that an unchanged one need not be paid for again. Bounded in
//! number and bytes; losing an entry costs one request.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use http::{HeaderMap, HeaderValue};

/// The longest body that is kept.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Of one generation; two are kept.
const ENTRIES_MAX: usize = 1_000;
/// Of one generation.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// A stored answer.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) etag: HeaderValue,
    /// Pages are linked by a header that a 304 may leave out.
    pub(super) links: Vec<HeaderValue>,
    pub(super) body: Vec<u8>,
}

/// Two generations: what is asked for moves to the young one; when that is full the old one is
/// dropped. Close to least-recently-used, at constant cost.
#[derive(Debug, Default)]
pub(super) struct ETags(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<String, Arc<Stored>>,
    young_bytes: usize,
    old: HashMap<String, Arc<Stored>>,
}

impl ETags {
    pub(super) fn get(&self, identity: &str, url: &str) -> Option<Arc<Stored>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(identity, url);
        if let Some(found) = all.young.get(&key) {
            return Some(Arc::clone(found));
        }
        let found = all.old.remove(&key)?;
        all.put(key, Arc::clone(&found));
        Some(found)
    }

    /// Keeps the answer if it has a tag and is short enough.
    pub(super) fn keep(&self, identity: &str, url: &str, headers: &HeaderMap, body: &[u8]) {
        let Some(etag) = headers.get(http::header::ETAG) else { return };
        if body.len() > BODY_BYTES_MAX {
            return;
        }
        let links = headers.get_all(http::header::LINK).iter().cloned().collect();
        let stored = Stored { etag: etag.clone(), links, body: body.to_vec() };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(identity, url);
        all.old.remove(&key);
        all.put(key, Arc::new(stored));
    }
}

impl Generations {
    fn put(&mut self, key: String, stored: Arc<Stored>) {
        if self.young.len() >= ENTRIES_MAX || self.young_bytes >= BYTES_MAX {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        let more = stored.body.len();
        let less = self.young.insert(key, stored).map_or(0, |before| before.body.len());
        self.young_bytes = self.young_bytes.saturating_add(more).saturating_sub(less);
    }
}

fn key(identity: &str, url: &str) -> String {
    format!("{identity} {url}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged() -> HeaderMap {
        HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("\"v1\""))])
    }

    #[test]
    fn an_answer_is_kept_per_identity_and_address() {
        let tags = ETags::default();
        tags.keep("bot", "/a", &tagged(), b"body");
        assert_eq!(tags.get("bot", "/a").unwrap().body, b"body");
        assert!(tags.get("other", "/a").is_none() && tags.get("bot", "/b").is_none());
    }

    #[test]
    fn untagged_and_long_answers_are_not_kept() {
        let tags = ETags::default();
        tags.keep("bot", "/a", &HeaderMap::new(), b"body");
        tags.keep("bot", "/b", &tagged(), &vec![0; BODY_BYTES_MAX + 1]);
        assert!(tags.get("bot", "/a").is_none() && tags.get("bot", "/b").is_none());
    }

    #[test]
    fn the_number_kept_is_bounded_and_what_is_asked_for_stays() {
        let tags = ETags::default();
        tags.keep("bot", "/first", &tagged(), b"1");
        for n in 0..10 * ENTRIES_MAX {
            tags.keep("bot", &format!("/{n}"), &tagged(), b"x");
            if n % 100 == 0 {
                assert!(tags.get("bot", "/first").is_some(), "after {n}");
            }
        }
        let all = tags.0.lock().unwrap();
        assert!(all.young.len() + all.old.len() <= 2 * ENTRIES_MAX);
    }

    #[test]
    fn the_bytes_kept_are_bounded() {
        let tags = ETags::default();
        for n in 0..600 {
            tags.keep("bot", &format!("/{n}"), &tagged(), &vec![0; BODY_BYTES_MAX]);
        }
        let all = tags.0.lock().unwrap();
        let bytes: usize = all.young.values().chain(all.old.values()).map(|s| s.body.len()).sum();
        assert!(bytes <= 2 * (BYTES_MAX + BODY_BYTES_MAX), "{bytes}");
    }
}
