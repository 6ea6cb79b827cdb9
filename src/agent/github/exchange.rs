//! One request and what its answer means: headers, limits, redirects, entity tags, counting. Nothing is
//! sent twice in here, except where a redirect says that nothing was done yet.

use http::{HeaderValue, StatusCode, header};
use reqwest::Url;

use crate::{
    agent::{
        AgentError, FailKind,
        github::{
            GitHub, TransportError,
            answer::{self, Answer},
            client::Call,
            credential::Credential,
            etags::Stored,
            links,
            transport::{ANSWER_BYTES_MAX, too_long},
        },
    },
    job::time::Timestamp,
};

const API_VERSION: &str = "2026-03-10";
const USER_AGENT: &str = concat!("sluicegate/", env!("CARGO_PKG_VERSION"));
const MEDIA_TYPE: &str = "application/vnd.github+json";
/// Of one call.
const REDIRECTS_MAX: usize = 5;

impl GitHub {
    /// One call with its redirects. A write follows only those that keep method and body, and
    /// promise that nothing was done yet.
    pub(super) async fn send(&self, who: &Credential, call: &Call) -> Result<Answer, AgentError> {
        // Writes have turns of their own and must not stand behind reads.
        let _permit = if call.body.is_none() { who.enter().await } else { None };
        let mut url = call.url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let answer = match self.exchange(who, call, &url).await {
                // Whoever was not let in has done nothing: with another token it is sent once more.
                Err(error) if error.kind == FailKind::Unauthorised && self.renew(who) => {
                    self.exchange(who, call, &url).await?
                }
                other => other?,
            };
            if answer.status.is_success() {
                return Ok(answer);
            }
            let target = answer.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
            url = target.and_then(|target| links::same_server(&url, target).ok()).ok_or_else(|| {
                call.error(&who.name, FailKind::Invalid, "it was redirected to another server")
            })?;
        }
        Err(call.error(&who.name, FailKind::Invalid, "it was redirected too often"))
    }

    /// One request. Ok is a success or a redirect to follow.
    async fn exchange(&self, who: &Credential, call: &Call, url: &Url) -> Result<Answer, AgentError> {
        let others = who.under_way().saturating_sub(u64::from(call.body.is_none()));
        self.may_go(who, call, self.clock.now(), others)?;
        let etags = self.etags.as_ref().filter(|_| call.body.is_none());
        let stored = etags.and_then(|etags| etags.get(&who.name, url.as_str()));
        let request = request(who, call, url, stored.as_deref())
            .ok_or_else(|| call.error(&who.name, FailKind::Invalid, "the request cannot be built"))?;
        let outcome = match self.transport.send(request).await {
            Ok(response) if response.body().len() > ANSWER_BYTES_MAX => Err(too_long()),
            other => other,
        };
        let answer = self.judge(who, call, outcome, stored.is_some())?;
        if let (Some(stored), StatusCode::NOT_MODIFIED) = (stored, answer.status) {
            return Ok(revived(answer, &stored));
        }
        if let (Some(etags), StatusCode::OK) = (etags, answer.status) {
            etags.keep(&who.name, url.as_str(), &answer.headers, &answer.body);
        }
        Ok(answer)
    }

    /// Takes in what the answer tells of limits, classifies and counts it.
    fn judge(
        &self,
        who: &Credential,
        call: &Call,
        outcome: Result<http::Response<Vec<u8>>, TransportError>,
        has_stored: bool,
    ) -> Result<Answer, AgentError> {
        let now = self.clock.now();
        let (parts, body) = match outcome {
            Ok(response) => response.into_parts(),
            Err(error) => {
                let kind = if error.sent { FailKind::Ambiguous } else { FailKind::Unreachable };
                self.counters.count(call.endpoint, answer::word(kind));
                return Err(call.error(&who.name, kind, &who.scrub(&error.message)));
            }
        };
        let answer = Answer { status: parts.status, headers: parts.headers, body };
        let mut limits = who.limits();
        limits.record(call.endpoint, &answer.headers, now);
        let limited_until = answer.is_limit().then(|| limits.limited(&answer.headers, now));
        if limited_until.is_none() {
            limits.allowed(now);
        }
        drop(limits);
        let passed = match answer.status {
            StatusCode::NOT_MODIFIED if has_stored => Some("not_modified"),
            status if status.is_success() => Some("ok"),
            status if is_followed(status, call) => Some("redirected"),
            _ => None,
        };
        if let Some(word) = passed {
            self.counters.count(call.endpoint, word);
            return Ok(answer);
        }
        let kind = answer.failure(limited_until);
        self.counters.count(call.endpoint, answer::word(kind));
        Err(call.error(&who.name, kind, &who.scrub(&answer.said())))
    }

    /// Refuses what GitHub would refuse, or what would eat the reserve, without asking it.
    pub(super) fn may_go(
        &self,
        who: &Credential,
        call: &Call,
        now: Timestamp,
        others: u64,
    ) -> Result<(), AgentError> {
        let refusal = who.limits().refusal(call.endpoint, call.need, self.reserve, others, now);
        let Some(until) = refusal else { return Ok(()) };
        Err(self.held_back(who, call, until, "its request budget is used up"))
    }

    pub(super) fn held_back(&self, who: &Credential, call: &Call, until: Timestamp, why: &str) -> AgentError {
        self.counters.count(call.endpoint, "held_back");
        call.error(&who.name, FailKind::RateLimited { until }, &format!("not sent, {why} until {until}"))
    }
}

fn request(
    who: &Credential,
    call: &Call,
    url: &Url,
    stored: Option<&Stored>,
) -> Option<http::Request<Vec<u8>>> {
    let mut request = http::Request::new(Vec::new());
    *request.uri_mut() = url.as_str().parse().ok()?;
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(header::AUTHORIZATION, who.authorization()?);
    headers.insert("x-github-api-version", HeaderValue::from_static(API_VERSION));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    if let Some(stored) = stored {
        headers.insert(header::IF_NONE_MATCH, stored.etag.clone());
    }
    if let Some((method, body)) = &call.body {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = serde_json::to_vec(body).ok()?;
        *request.method_mut() = method.clone();
    }
    Some(request)
}

fn is_followed(status: StatusCode, call: &Call) -> bool {
    match status.as_u16() {
        301 | 302 => call.body.is_none(),
        307 | 308 => true,
        _ => false,
    }
}

/// A 304 with the stored body, as if it had been sent again.
fn revived(mut answer: Answer, stored: &Stored) -> Answer {
    answer.status = StatusCode::OK;
    answer.body.clone_from(&stored.body);
    if !answer.headers.contains_key(header::LINK) {
        for link in &stored.links {
            answer.headers.append(header::LINK, link.clone());
        }
    }
    answer
}
