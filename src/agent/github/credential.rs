//! One identity at work: its token, what GitHub lets it do, how many of its requests are under way. The token
//! leaves only as a header that is marked sensitive.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

use crate::{
    agent::{AgentError, FailKind, github::Identity, github::limits::Limits},
    job::time::Timestamp,
};

/// Requests of one identity under way at once; GitHub allows 100 per person over all programs.
const REQUESTS_AT_ONCE_MAX: usize = 50;

pub(super) struct Credential {
    pub(super) name: String,
    token: Mutex<SecretString>,
    limits: Mutex<Limits>,
    under_way: Semaphore,
    /// Asked once for each token: a token never changes its person, but the next one may be another's.
    user_id: Mutex<Arc<OnceCell<i64>>>,
}

impl Credential {
    /// Err: the token holds what no header can carry.
    pub(super) fn new(identity: Identity) -> Result<Self, AgentError> {
        let token = SecretString::from(identity.token.expose_secret().trim());
        let credential = Self {
            name: identity.name,
            token: Mutex::new(token),
            limits: Mutex::default(),
            under_way: Semaphore::new(REQUESTS_AT_ONCE_MAX),
            user_id: Mutex::default(),
        };
        let refused = |why: &str| AgentError {
            kind: FailKind::Unauthorised,
            message: format!("the token of identity `{}` {why}", credential.name),
        };
        if credential.token().expose_secret().is_empty() {
            return Err(refused("is empty"));
        }
        if credential.authorization().is_none() {
            return Err(refused("holds a character that no token has"));
        }
        Ok(credential)
    }

    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        bearer(&self.token())
    }

    fn token(&self) -> MutexGuard<'_, SecretString> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn user_id(&self) -> Arc<OnceCell<i64>> {
        Arc::clone(&self.user_id.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes another token into use; false if it is the one in use, or none that a header can carry.
    pub(super) fn renew(&self, found: &SecretString) -> bool {
        let found = SecretString::from(found.expose_secret().trim());
        let mut token = self.token();
        let same = found.expose_secret() == token.expose_secret();
        if same || found.expose_secret().is_empty() || bearer(&found).is_none() {
            return false;
        }
        *token = found;
        drop(token);
        *self.user_id.lock().unwrap_or_else(PoisonError::into_inner) = Arc::default();
        self.limits().forget_token();
        true
    }

    /// A text from outside with the token taken out, should someone have echoed it.
    pub(super) fn scrub(&self, text: &str) -> String {
        text.replace(self.token().expose_secret(), "[token]")
    }

    pub(super) fn limits(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn token_expires_at(&self) -> Option<Timestamp> {
        self.limits().token_expires_at()
    }

    /// Held while a request is under way. None never happens: the semaphore is not closed.
    pub(super) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        self.under_way.acquire().await.ok()
    }

    /// Requests under way.
    pub(super) fn under_way(&self) -> u64 {
        let free = self.under_way.available_permits();
        u64::try_from(REQUESTS_AT_ONCE_MAX.saturating_sub(free)).unwrap_or(0)
    }
}

fn bearer(token: &SecretString) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).ok()?;
    value.set_sensitive(true);
    Some(value)
}
