//! The tokens that were given out, as this process knows them: read again from the ledger at most every two seconds, and only
//! while tokens are presented.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    http::fault::Fault,
    job::time::{Millis, Timestamp},
    pipeline::{Context, LedgerError, access::KnownToken},
};

/// What was read is believed for so long: a token that another process revokes is refused here by then.
const FRESH: Duration = Duration::from_secs(2);
/// A use is noted no more often.
const NOTED: Millis = Millis::hours(1);

#[derive(Default)]
pub struct Book {
    page: RwLock<Option<Page>>,
    /// One reader at a time; the others wait for what it reads.
    turn: tokio::sync::Mutex<()>,
    /// When a use of each was last noted by this process.
    noted: Mutex<HashMap<String, Timestamp>>,
}

#[derive(Clone)]
struct Page {
    read: Instant,
    tokens: Arc<HashMap<String, Arc<KnownToken>>>,
}

impl Book {
    fn page(&self) -> Option<Page> {
        let page = self.page.read().unwrap_or_else(PoisonError::into_inner).clone();
        page.filter(|page| page.read.elapsed() < FRESH)
    }

    /// What was read is not believed any more: this process has changed it.
    pub fn forget(&self) {
        *self.page.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub async fn find(&self, context: &Context, id: &str) -> Result<Option<Arc<KnownToken>>, Fault> {
        let page = match self.page() {
            Some(page) => page,
            None => self.read(context).await.map_err(Fault::from)?,
        };
        Ok(page.tokens.get(id).map(Arc::clone))
    }

    async fn read(&self, context: &Context) -> Result<Page, LedgerError> {
        let _turn = self.turn.lock().await;
        if let Some(page) = self.page() {
            return Ok(page);
        }
        let read = Instant::now();
        let tokens = context.known_tokens().await?.into_iter();
        let tokens = tokens.map(|token| (token.id.clone(), Arc::new(token))).collect();
        let page = Page { read, tokens: Arc::new(tokens) };
        *self.page.write().unwrap_or_else(PoisonError::into_inner) = Some(page.clone());
        Ok(page)
    }

    /// Notes a use, unless that was done within the hour. Nobody waits for it.
    pub fn used(&self, context: &Arc<Context>, token: &KnownToken) {
        let now = context.now();
        let fresh = |at: Timestamp| now.since(at) < NOTED;
        if token.used_at.is_some_and(fresh) {
            return;
        }
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.get(&token.id).copied().is_some_and(fresh) {
            return;
        }
        noted.insert(token.id.clone(), now);
        let (context, id) = (Arc::clone(context), token.id.clone());
        tokio::spawn(async move {
            if let Err(error) = context.token_used(&id).await {
                tracing::warn!(%error, token = id, "the use of a token was not noted");
            }
        });
    }
}
