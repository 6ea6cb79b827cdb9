//! Reading what was asked: queries, JSON bodies, and who acts and why. Everything unknown is refused.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::{HeaderMap, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    http::{
        access::Caller,
        fault::{Code, Fault},
    },
    pipeline::By,
    policy::{self, Problem, document, text},
};

/// The most characters of an actor's name.
const ACTOR_CHARACTERS_MAX: usize = 100;
/// How long a body may take to arrive.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// The most bytes of a reason.
const REASON_BYTES_MAX: usize = 2_000;

/// What a handler gives.
pub type Answer = Result<Response, Fault>;

/// 200 with JSON.
pub fn ok(value: impl Serialize) -> Response {
    axum::Json(value).into_response()
}

/// The query string.
pub struct Filter<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Filter<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(filter)) => Ok(Self(filter)),
            Err(rejection) => Err(Fault::new(Code::BadFilter, rejection.body_text())),
        }
    }
}

/// A page's length, or why it is none.
pub fn limit(given: Option<u32>, default: u32, max: u32) -> Result<u32, Fault> {
    let limit = given.unwrap_or(default);
    if (1..=max).contains(&limit) {
        return Ok(limit);
    }
    Err(Fault::new(Code::BadFilter, format!("limit: {limit} is out of range: write 1 to {max}")))
}

/// What the next page begins after: the last of a page that is full.
pub fn last_of<T>(page: &[T], limit: u32) -> Option<&T> {
    let full = u32::try_from(page.len()).is_ok_and(|found| found >= limit);
    page.last().filter(|_| full)
}

/// A position that names nothing.
pub fn cursor(what: &str) -> Fault {
    Fault::new(Code::BadCursor, format!("after: there is no such {what}: give back `next` as it is"))
}

/// A JSON body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let media = media_type(request.headers());
        if media != "application/json" {
            return Err(unsupported(&media, "application/json"));
        }
        let bytes = bytes(request, state).await?;
        match document::from_json("body", &bytes, policy::Code::BadRequest) {
            Ok(value) => Ok(Self(value)),
            Err(problem) => Err(Fault::invalid(vec![problem])),
        }
    }
}

/// The whole body.
pub async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Fault> {
    let read = tokio::time::timeout(BODY_TIME_MAX, Bytes::from_request(request, state)).await;
    let read = read.map_err(|_| {
        let detail = format!("the body did not arrive within {} s", BODY_TIME_MAX.as_secs());
        Fault::new(Code::BodyTooSlow, detail)
    })?;
    read.map_err(|rejection| {
        let code = match rejection.status().as_u16() {
            413 => Code::BodyTooLarge,
            _ => Code::BadRequest,
        };
        Fault::new(code, rejection.body_text())
    })
}

/// In lower case, without parameters; empty when there is none.
pub fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

pub fn unsupported(media: &str, wanted: &str) -> Fault {
    let found = if media.is_empty() { "nothing" } else { media };
    let detail = format!("the Content-Type says {}: send {wanted}", text::shorten(found, 80));
    Fault::new(Code::UnsupportedMediaType, detail)
}

/// Whether a list has what is no longer at work as well.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    #[serde(default)]
    pub all: bool,
}

/// Whether an act must say why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Needed,
    Optional,
}

/// Who acts and why.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "actor": "ana", "reason": "not now" }))]
pub struct Act {
    /// 1 to 100 printable characters. Left out: the name of the token.
    #[schema(min_length = 1, max_length = 100, pattern = "^[^\\x00-\\x1f\\x7f]+$", example = "ana")]
    #[serde(default)]
    pub actor: Option<String>,
    /// At most 2,000 bytes; only `retry` goes without one.
    #[serde(default)]
    pub reason: String,
}

impl Act {
    pub fn by(self, caller: &Caller, need: Reason) -> Result<By, Fault> {
        caller.by(self.actor, self.reason, need)
    }
}

/// Checks who acts and why; every problem is told at once.
pub fn by(actor: String, reason: String, need: Reason) -> Result<By, Fault> {
    let problems: Vec<Problem> =
        [actor_problem(&actor), reason_problem(&reason, need)].into_iter().flatten().collect();
    if problems.is_empty() { Ok(By::new(actor, reason)) } else { Err(Fault::invalid(problems)) }
}

/// One wrong field of a body.
pub fn wrong(at: &str, what: impl Into<String>, hint: &str) -> Problem {
    Problem::new(policy::Code::BadRequest, what).at(at).hint(hint)
}

fn actor_problem(actor: &str) -> Option<Problem> {
    let hint = "write the login or name of the person who acts, 1 to 100 printable characters";
    if actor.trim().is_empty() {
        return Some(wrong("actor", "empty", hint));
    }
    if actor.chars().count() > ACTOR_CHARACTERS_MAX {
        return Some(wrong("actor", format!("longer than {ACTOR_CHARACTERS_MAX} characters"), hint));
    }
    if actor.contains(['\n', '\t']) {
        return Some(wrong("actor", "holds a line break or a tab", hint));
    }
    text::check(actor, "actor").err()
}

fn reason_problem(reason: &str, need: Reason) -> Option<Problem> {
    if need == Reason::Needed && reason.trim().is_empty() {
        return Some(wrong("reason", "empty", "say why: it is kept in the history"));
    }
    if reason.len() > REASON_BYTES_MAX {
        return Some(wrong("reason", format!("longer than {REASON_BYTES_MAX} bytes"), "shorten it"));
    }
    text::check(reason, "reason").err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong_fields(actor: &str, reason: &str, need: Reason) -> Vec<String> {
        match by(actor.to_owned(), reason.to_owned(), need) {
            Ok(_) => Vec::new(),
            Err(fault) => fault.problems.into_iter().filter_map(|problem| problem.at).collect(),
        }
    }

    #[test]
    fn an_act_says_who_and_where_needed_why() {
        assert!(wrong_fields("ana", "too risky", Reason::Needed).is_empty());
        assert!(wrong_fields("ana", "", Reason::Optional).is_empty());
        assert!(wrong_fields(&"ä".repeat(100), "", Reason::Optional).is_empty());
        assert_eq!(wrong_fields(" ", " ", Reason::Needed), ["actor", "reason"]);
        for actor in ["", "a\nb", "a\tb", "a\u{202e}b", "a\u{7}", &"a".repeat(101)] {
            assert_eq!(wrong_fields(actor, "why", Reason::Needed), ["actor"], "{actor:?}");
        }
        for reason in ["\u{1b}[31m", &"a".repeat(2_001)] {
            assert_eq!(wrong_fields("ana", reason, Reason::Optional), ["reason"], "{reason:?}");
        }
    }

    #[test]
    fn a_page_is_never_empty_nor_without_bound() {
        assert_eq!(limit(None, 100, 1_000), Ok(100));
        assert_eq!(limit(Some(1_000), 100, 1_000), Ok(1_000));
        assert!(limit(Some(0), 100, 1_000).is_err() && limit(Some(1_001), 100, 1_000).is_err());
    }
}
