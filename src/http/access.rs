//! The one token of the local endpoint. It is compared without telling by the time taken how much of it fitted, and
//! appears in no log and no answer.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

use crate::{
    http::fault::{Code, Fault},
    policy::text,
};

/// Knows the token's fingerprint, not the token.
pub struct Gatekeeper {
    key: hmac::Key,
    expected: hmac::Tag,
}

impl Gatekeeper {
    pub fn new(token: &SecretString) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"sluicegate local endpoint");
        let expected = hmac::sign(&key, token.expose_secret().as_bytes());
        Self { key, expected }
    }

    /// Err: why not, without naming what was presented.
    fn check(&self, headers: &HeaderMap) -> Result<(), &'static str> {
        let value = headers.get(header::AUTHORIZATION).ok_or("no `Authorization: Bearer` header")?;
        let (scheme, token) = value
            .to_str()
            .ok()
            .and_then(|value| value.split_once(' '))
            .ok_or("an `Authorization` header that is not `Bearer TOKEN`")?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err("an `Authorization` header that is not `Bearer TOKEN`");
        }
        // An empty token in the configuration must not open the door.
        if token.is_empty() || hmac::verify(&self.key, token.as_bytes(), self.expected.as_ref()).is_err() {
            return Err("a wrong token");
        }
        Ok(())
    }
}

/// Lets nothing past without the token.
pub async fn require(State(gatekeeper): State<Arc<Gatekeeper>>, request: Request, next: Next) -> Response {
    if let Err(why) = gatekeeper.check(request.headers()) {
        let path = text::shorten(request.uri().path(), 200);
        tracing::warn!(method = %request.method(), path, why, "a request was denied");
        let detail = format!("{why}: the token is in the file that the configuration names");
        return Fault::new(Code::Unauthorised, detail).into_response();
    }
    next.run(request).await
}
