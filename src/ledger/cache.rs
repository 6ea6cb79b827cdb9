//! Requests that were read, for as long as there is room.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{job::id::RequestId, ledger::working_set::Shared};

/// Requests never change, so they are kept.
#[derive(Debug, Default)]
pub struct RequestCache(Mutex<HashMap<RequestId, Arc<Shared>>>);

/// Requests kept at most; when it is full, it is emptied.
const CACHE_MAX: usize = 4_096;
impl RequestCache {
    pub fn get(&self, id: RequestId) -> Option<Arc<Shared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }
    /// For requests that have lost a name.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
    pub fn put(&self, id: RequestId, shared: Arc<Shared>) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= CACHE_MAX {
            map.clear();
        }
        map.insert(id, shared);
    }
}
