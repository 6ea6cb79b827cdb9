//! One answer, and what its status and headers mean for the caller's next step.

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::{
    agent::{FailKind, github::limits},
    job::time::Timestamp,
};

/// Longest piece of GitHub's words that goes into an error, in characters.
const SAID_MAX: usize = 500;

/// Status, headers and body as they came.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// True if this is a refusal for a primary or secondary rate limit.
    pub(super) fn is_limit(&self) -> bool {
        match self.status {
            StatusCode::TOO_MANY_REQUESTS => true,
            StatusCode::FORBIDDEN => limits::is_limit(&self.headers, &self.said()),
            _ => false,
        }
    }

    /// How an answer that is no success failed; `limited_until` if it `is_limit`.
    pub(super) fn failure(&self, limited_until: Option<Timestamp>) -> FailKind {
        if let Some(until) = limited_until {
            return FailKind::RateLimited { until };
        }
        match self.status.as_u16() {
            401 => FailKind::Unauthorised,
            403 => FailKind::Forbidden,
            404 | 410 => FailKind::NotFound,
            // Proxies say so when they gave up on a request that may have gone through.
            408 | 499 => FailKind::Ambiguous,
            // A redirect that is not followed was not acted on either.
            300..=498 => FailKind::Invalid,
            _ => FailKind::Ambiguous,
        }
    }

    /// Status and GitHub's own words: message, codes of `errors`, the permission that was missing.
    pub(super) fn said(&self) -> String {
        let mut text = self.status.as_u16().to_string();
        let body = self.json().unwrap_or_default();
        let message = body.get("message").and_then(Value::as_str);
        if let Some(message) = message.or_else(|| self.status.canonical_reason()) {
            text.push(' ');
            text.push_str(message);
        }
        let errors = body.get("errors").and_then(Value::as_array);
        let errors: Vec<String> = errors.into_iter().flatten().map(one_error).collect();
        if !errors.is_empty() {
            text = format!("{text} ({})", errors.join("; "));
        }
        let needed = self.headers.get("x-accepted-github-permissions").and_then(|value| value.to_str().ok());
        if let (StatusCode::FORBIDDEN, Some(needed)) = (self.status, needed) {
            text = format!("{text}, needs the permission {needed}");
        }
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SAID_MAX).collect()
    }
}

/// `missing_field prompt: it is required`; older endpoints give a bare text.
fn one_error(error: &Value) -> String {
    if let Some(text) = error.as_str() {
        return text.to_owned();
    }
    let part = |name| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let head = format!("{} {}", part("code"), part("field"));
    match part("message") {
        "" => head.trim().to_owned(),
        message => format!("{}: {message}", head.trim()),
    }
}

/// The word under which a failure is counted.
pub(super) const fn word(kind: FailKind) -> &'static str {
    match kind {
        FailKind::RateLimited { .. } => "rate_limited",
        FailKind::Unauthorised => "unauthorised",
        FailKind::Forbidden => "forbidden",
        FailKind::NotFound => "not_found",
        FailKind::Invalid => "invalid",
        FailKind::Unreachable => "unreachable",
        FailKind::Late => "late",
        FailKind::Ambiguous => "ambiguous",
    }
}
