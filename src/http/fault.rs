//! Errors as problem documents (RFC 9457). A code never changes its meaning; a detail must never carry a secret.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    job::time::Millis,
    pipeline::{FindError, LedgerError, OperateError},
    policy::Problem,
};

/// The media type of every error.
pub const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $token:literal, $status:ident, $title:literal;)*) => {
        /// Names a kind of error for machines.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, utoipa::ToSchema)]
        #[serde(rename_all = "kebab-case")]
        #[schema(as = FaultCode)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$name,)*];
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $token,)* }
            }
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
            /// The code of that name.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == name)
            }
        }
    };
}

codes! {
    /// Not readable as HTTP or as a path.
    BadRequest = "bad-request", BAD_REQUEST, "the request cannot be read";
    BadFilter = "bad-filter", BAD_REQUEST, "the query is not one that is understood here";
    /// A position to go on from that nobody was given.
    BadCursor = "bad-cursor", BAD_REQUEST, "there is nothing to go on from";
    /// Of whatever is wrong with a token of an identity provider: the log says what.
    Unauthorised = "unauthorised", UNAUTHORIZED, "the token is not accepted";
    TokenMissing = "token-missing", UNAUTHORIZED, "there is no token";
    TokenMalformed = "token-malformed", UNAUTHORIZED, "this cannot be a token";
    TokenExpired = "token-expired", UNAUTHORIZED, "the token has ended";
    TokenRevoked = "token-revoked", UNAUTHORIZED, "the token was revoked";
    RoleMissing = "role-missing", FORBIDDEN, "the token has no role that may do this";
    OutsideReach = "outside-reach", FORBIDDEN, "the token is limited to other teams or templates";
    ActorMismatch = "actor-mismatch", FORBIDDEN, "the token acts under its own name";
    TooManyFailures = "too-many-failures", TOO_MANY_REQUESTS, "too many wrong tokens came from there";
    TokenConflict = "token-conflict", CONFLICT, "this cannot be done with the token";
    IssuerUnavailable = "issuer-unavailable", SERVICE_UNAVAILABLE, "the identity provider cannot be asked";
    UnknownRoute = "unknown-route", NOT_FOUND, "there is nothing at this path";
    UnknownJob = "unknown-job", NOT_FOUND, "there is no such job";
    UnknownRequest = "unknown-request", NOT_FOUND, "there is no such request";
    UnknownBudget = "unknown-budget", NOT_FOUND, "there is no such limit";
    UnknownBreaker = "unknown-breaker", NOT_FOUND, "there is no such breaker";
    UnknownSchedule = "unknown-schedule", NOT_FOUND, "there is no such schedule";
    /// Of webhooks, as the next four.
    UnknownHook = "unknown-hook", NOT_FOUND, "there is no such hook";
    SignatureMissing = "signature-missing", UNAUTHORIZED, "the delivery is not signed";
    SignatureWrong = "signature-wrong", UNAUTHORIZED, "the signature fits none of the secrets";
    SignatureStale = "signature-stale", UNAUTHORIZED, "the delivery was not signed just now";
    TooManySignatures = "too-many-signatures", TOO_MANY_REQUESTS, "too many wrong signatures came from there";
    /// It is kept all the same.
    MalformedPayload = "malformed-payload", UNPROCESSABLE_ENTITY, "what the delivery says cannot be read";
    UnknownDelivery = "unknown-delivery", NOT_FOUND, "there is no such delivery";
    NoWaves = "no-waves", NOT_FOUND, "the request has no waves";
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "this path does not take this method";
    AmbiguousId = "ambiguous-id", CONFLICT, "the end of an id fits several";
    IdempotencyConflict = "idempotency-conflict", CONFLICT, "the idempotency key belongs to another request";
    /// A released version of a template never changes.
    TemplateChanged = "template-changed", CONFLICT, "the template is not what it was at its first use";
    /// The freeze is there already, or whoever acts may not.
    FreezeConflict = "freeze-conflict", CONFLICT, "this cannot be done with the freeze";
    UnknownItem = "unknown-item", NOT_FOUND, "there is nothing like this on the desk";
    UnknownNotice = "unknown-notice", NOT_FOUND, "there is no such notice";
    UnknownReceiver = "unknown-receiver", NOT_FOUND, "there is no such receiver of notices";
    /// Nothing of it was given up.
    NoticeConflict = "notice-conflict", CONFLICT, "this cannot be done with the notice";
    /// The name would come back.
    PersonAtWork = "person-at-work", CONFLICT, "the person is still at work here";
    CheckpointConflict = "checkpoint-conflict", CONFLICT, "the checkpoint cannot be made";
    /// A document is not there, is needed, or is not what was written.
    ArchiveConflict = "archive-conflict", CONFLICT, "the documents cannot be taken out of the ledger";
    /// The answer's problems tell what is different.
    PlanChanged = "plan-changed", CONFLICT, "planning it again gives something else";
    /// The body did not arrive in time.
    BodyTooSlow = "body-too-slow", REQUEST_TIMEOUT, "the body did not arrive in time";
    /// The token has asked too often.
    RateLimited = "rate-limited", TOO_MANY_REQUESTS, "too many requests with this token";
    UnknownIdentity = "unknown-identity", NOT_FOUND, "there is no such identity";
    UnknownToken = "unknown-token", NOT_FOUND, "there is no such token";
    UnknownFreeze = "unknown-freeze", NOT_FOUND, "there is no such freeze";
    UnknownTemplate = "unknown-template", NOT_FOUND, "there is no such template";
    IllegalEvent = "illegal-event", CONFLICT, "the job's state does not allow this";
    BodyTooLarge = "body-too-large", PAYLOAD_TOO_LARGE, "the body is larger than is read here";
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "the body is of a type not read here";
    InvalidRequest = "invalid-request", UNPROCESSABLE_ENTITY, "what was sent is not acceptable";
    LedgerUnreadable = "ledger-unreadable", INTERNAL_SERVER_ERROR, "the ledger holds something unreadable";
    Internal = "internal", INTERNAL_SERVER_ERROR, "a mistake in this program";
    LedgerUnavailable = "ledger-unavailable", SERVICE_UNAVAILABLE, "the ledger does not answer";
    ProviderUnavailable = "provider-unavailable", SERVICE_UNAVAILABLE, "the provider cannot be asked";
    /// As many read the events as are let.
    TooManyReaders = "too-many-readers", SERVICE_UNAVAILABLE, "too many read the events";
    TimedOut = "timed-out", SERVICE_UNAVAILABLE, "no answer in time";
}

impl Code {
    /// No token would help.
    const fn is_of_signature(self) -> bool {
        matches!(self, Self::SignatureMissing | Self::SignatureWrong | Self::SignatureStale)
    }
}

/// An answer that says what went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub code: Code,
    pub detail: String,
    /// What is wrong with what was sent, all of it at once.
    pub problems: Vec<Problem>,
    /// When it is worth to try again.
    pub retry_after_s: Option<u64>,
}

impl Fault {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), problems: Vec::new(), retry_after_s: None }
    }
    /// Something in what was sent is wrong.
    pub fn invalid(problems: Vec<Problem>) -> Self {
        let detail = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        Self { code: Code::InvalidRequest, detail, problems, retry_after_s: None }
    }
    /// Too much, for now.
    pub fn slow_down(code: Code, detail: impl Into<String>, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..Self::new(code, detail) }
    }
    /// Something that can be asked after a while.
    pub fn later(detail: String, wait: Millis) -> Self {
        let seconds = wait.0.div_ceil(1_000).max(1);
        Self { retry_after_s: Some(seconds), ..Self::new(Code::ProviderUnavailable, detail) }
    }
    /// A job that was looked for.
    pub fn job(error: FindError) -> Self {
        Self::found(error, Code::UnknownJob)
    }
    /// A request that was looked for.
    pub fn request(error: FindError) -> Self {
        Self::found(error, Code::UnknownRequest)
    }
    /// A delivery that was looked for.
    pub fn delivery(error: FindError) -> Self {
        Self::found(error, Code::UnknownDelivery)
    }
    /// A notice that was looked for.
    pub fn notice(error: FindError) -> Self {
        Self::found(error, Code::UnknownNotice)
    }
    fn found(error: FindError, unknown: Code) -> Self {
        match error {
            FindError::Unknown(what) => Self::new(unknown, what),
            FindError::Ambiguous(what) => Self::new(Code::AmbiguousId, what),
            FindError::Ledger(error) => error.into(),
        }
    }
    /// An act that was refused; `conflict` says what a refusal means there.
    pub fn act(error: OperateError, conflict: Code) -> Self {
        match error {
            OperateError::Conflict(why) => Self::new(conflict, why),
            OperateError::Ledger(error) => error.into(),
        }
    }
}

impl From<LedgerError> for Fault {
    fn from(error: LedgerError) -> Self {
        tracing::error!(%error, "a question to the ledger was not answered");
        let code = match error {
            LedgerError::Unavailable(_) => Code::LedgerUnavailable,
            _ => Code::LedgerUnreadable,
        };
        Self::new(code, error.to_string())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": format!("/errors/{}", self.code.as_str()),
            "title": self.code.title(),
            "status": self.code.status().as_u16(),
            "detail": self.detail,
            "code": self.code.as_str(),
        });
        if let (false, Some(map)) = (self.problems.is_empty(), body.as_object_mut()) {
            map.insert("problems".to_owned(), json!(self.problems));
        }
        let mut response = (self.code.status(), body.to_string()).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code.status() == StatusCode::UNAUTHORIZED && !self.code.is_of_signature() {
            let scheme = HeaderValue::from_static("Bearer realm=\"sluicegate\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
