//! Notices: what became of each, trying again, trying out a receiver, and where one would go.

use std::sync::Arc;

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{
        access::Caller,
        fault::{Code, Fault},
        read::{Answer, Body, Filter, Reason, cursor, last_of, limit, ok},
    },
    job::{id::NoticeId, time::Timestamp},
    pipeline::{
        Context,
        notices::{NoticeDetail, NoticeError, NoticeFilter, NoticeState, NoticeView, Tried},
    },
    policy::{
        hint,
        notices::{Decision, KINDS, Severity, Told},
        text,
    },
};

pub fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(retry))
        .routes(routes!(test))
        .routes(routes!(route))
}

fn fault(error: NoticeError) -> Fault {
    match error {
        NoticeError::Unknown(_) => Fault::new(Code::UnknownNotice, error.to_string()),
        NoticeError::NoSink { .. } => Fault::new(Code::UnknownReceiver, error.to_string()),
        NoticeError::Operate(error) => Fault::act(error, Code::NoticeConflict),
    }
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Page {
    /// At the receiver, if one is named.
    #[param(inline)]
    state: Option<NoticeState>,
    /// Only what went or goes to this receiver.
    sink: Option<String>,
    /// `*` stands for any run of characters.
    kind: Option<String>,
    /// Only those about this job: its id, or the end of it.
    job: Option<String>,
    /// Only those about this request: its id, or the end of it.
    request: Option<String>,
    /// `next` of the page before.
    #[param(value_type = Option<NoticeId>)]
    after: Option<NoticeId>,
    #[param(minimum = 1, maximum = 1_000)]
    limit: Option<u32>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Notices {
    notices: Vec<NoticeView>,
    /// None: these were the last ones.
    next: Option<NoticeId>,
}

/// Lists notices, newest first.
#[utoipa::path(
    get,
    path = "/v1/notices",
    tag = "notices",
    params(Page),
    responses((status = 200, body = Notices)),
    extensions(("x-codes" = json!(["bad-cursor", "unknown-receiver", "unknown-job", "unknown-request", "ambiguous-id"])))
)]
async fn list(State(context): State<Arc<Context>>, Filter(page): Filter<Page>) -> Answer {
    let limit = limit(page.limit, 100, 1_000)?;
    let Page { state, sink, kind, job, request, after, .. } = page;
    let job = match job {
        Some(named) => Some(context.find_job(&named).await.map_err(Fault::job)?.id),
        None => None,
    };
    let request = match request {
        Some(named) => Some(context.find_request(&named).await.map_err(Fault::request)?),
        None => None,
    };
    let filter = NoticeFilter { state, sink, kind, job, request };
    let notices = context.list_notices(&filter, after, limit).await.map_err(fault)?;
    let notices = notices.ok_or_else(|| cursor("notice"))?;
    let next = last_of(&notices, limit).map(|notice| notice.id);
    Ok(ok(Notices { notices, next }))
}

/// Tells what a notice says, and what became of it at each receiver.
#[utoipa::path(
    get,
    path = "/v1/notices/{id}",
    tag = "notices",
    responses((status = 200, body = NoticeDetail)),
    extensions(("x-codes" = json!(["unknown-notice", "ambiguous-id"])))
)]
async fn show(State(context): State<Arc<Context>>, Path(id): Path<String>) -> Answer {
    let id = context.find_notice(&id).await.map_err(Fault::notice)?;
    Ok(ok(context.notice(id).await.map_err(fault)?))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NoticeRetry)]
struct Again {
    /// Left out: at each that it was given up at.
    sink: Option<String>,
    actor: Option<String>,
    #[serde(default)]
    reason: String,
}

/// Tries again to deliver what was given up.
#[utoipa::path(
    post,
    path = "/v1/notices/{id}/retry",
    tag = "notices",
    request_body = Again,
    responses((status = 200, body = NoticeDetail)),
    extensions(("x-codes" = json!(["unknown-notice", "ambiguous-id", "notice-conflict"])))
)]
async fn retry(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(again): Body<Again>,
) -> Answer {
    let by = caller.by(again.actor, again.reason, Reason::Optional)?;
    let id = context.find_notice(&id).await.map_err(Fault::notice)?;
    Ok(ok(context.retry_notice(id, again.sink, by).await.map_err(fault)?))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NoticeTest)]
struct Test {
    /// By its name in the configuration.
    sink: String,
    actor: Option<String>,
    #[serde(default)]
    reason: String,
}

/// Sends a message to a receiver that says it is a test, and tells what came of it.
#[utoipa::path(
    post,
    path = "/v1/notices/test",
    tag = "notices",
    request_body = Test,
    responses((status = 200, body = Tried)),
    extensions(("x-codes" = json!(["unknown-receiver"])))
)]
async fn test(State(context): State<Arc<Context>>, caller: Caller, Body(test): Body<Test>) -> Answer {
    let by = caller.by(test.actor, test.reason, Reason::Optional)?;
    Ok(ok(context.try_sink(&test.sink, by).await.map_err(fault)?))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Imagine {
    /// Such as `job.dead`.
    kind: String,
    team: Option<String>,
    template: Option<String>,
    /// Left out: that of the kind.
    #[param(inline)]
    severity: Option<Severity>,
    /// RFC 3339; left out: now.
    at: Option<String>,
}

/// Tells where a notice would go, and sends nothing.
#[utoipa::path(
    get,
    path = "/v1/notices/route",
    tag = "notices",
    params(Imagine),
    responses((status = 200, body = Decision)),
)]
async fn route(State(context): State<Arc<Context>>, Filter(imagined): Filter<Imagine>) -> Answer {
    let Imagine { kind, team, template, severity, at } = imagined;
    let kinds: Vec<&str> = KINDS.iter().map(|(known, ..)| *known).collect();
    if !kinds.contains(&kind.as_str()) {
        let hint = hint::did_you_mean(&kind, &kinds);
        let what = format!("kind: there is no notice of the kind `{}`: {hint}", text::shorten(&kind, 80));
        return Err(Fault::new(Code::BadFilter, what));
    }
    let read = |text: String| {
        let hint = "at: not a time: write one such as 2026-12-01T22:00:00Z";
        Timestamp::parse(&text).ok_or_else(|| Fault::new(Code::BadFilter, hint))
    };
    let at = at.map_or_else(|| Ok(context.now()), read)?;
    let told = Told {
        kind: &kind,
        severity: severity.unwrap_or_else(|| Severity::of(&kind)),
        team: team.as_deref(),
        template: template.as_deref(),
    };
    Ok(ok(context.decide(told, at)))
}
