//! Waves of a request, and approvals: of a job, of a whole request, of the next wave.

use std::sync::Arc;

use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{
        access::Caller,
        fault::{Code, Fault},
        read::{Act, Answer, Body, Reason, ok},
    },
    job::id::RequestId,
    pipeline::{
        Context,
        view::{JobView, RequestView, WavesView},
        widen::Approved,
    },
};

pub fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(approve))
        .routes(routes!(hold))
        .routes(routes!(abort))
        .routes(routes!(approve_request))
        .routes(routes!(approve_job))
}

/// One person's word.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Approval)]
struct Word {
    #[serde(default)]
    actor: Option<String>,
    #[serde(default)]
    reason: String,
    /// Of the plan that was looked at: whole, or its first 12 characters or more. Left out: as the request stands.
    #[serde(default)]
    digest: Option<String>,
    /// Of waves: the one that is to open. Left out: the next one.
    #[serde(default)]
    wave: Option<u32>,
}

async fn give(
    (context, caller): (&Context, &Caller),
    request: RequestId,
    about: Approved,
    word: Word,
) -> Result<(), Fault> {
    let by = caller.by(word.actor, word.reason, Reason::Optional)?;
    let given = context.approve((request, about), word.digest.as_deref(), by).await;
    given.map_err(|error| Fault::act(error, Code::IllegalEvent))
}

async fn view(context: &Context, id: RequestId) -> Answer {
    let view = context.waves(id).await?;
    view.map(ok).ok_or_else(|| Fault::new(Code::NoWaves, format!("request {id} has no waves")))
}

/// Tells how far a request is widened.
#[utoipa::path(
    get,
    path = "/v1/requests/{id}/waves",
    tag = "waves",
    responses((status = 200, body = WavesView)),
    extensions(("x-codes" = json!(["unknown-request", "ambiguous-id", "no-waves"])))
)]
async fn show(State(context): State<Arc<Context>>, caller: Caller, Path(id): Path<String>) -> Answer {
    let id = caller.request(&context, &id).await?;
    view(&context, id).await
}

/// Gives an approval to the next wave.
#[utoipa::path(
    post,
    path = "/v1/requests/{id}/waves/approve",
    tag = "waves",
    request_body = Word,
    responses((status = 200, body = WavesView)),
    extensions(("x-codes" = json!(["unknown-request", "ambiguous-id", "no-waves", "illegal-event"])))
)]
async fn approve(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(word): Body<Word>,
) -> Answer {
    let id = caller.request(&context, &id).await?;
    give((&context, &caller), id, Approved::Wave(word.wave), word).await?;
    view(&context, id).await
}

/// Gives an approval to every held job of a request.
#[utoipa::path(
    post,
    path = "/v1/requests/{id}/approve",
    tag = "waves",
    request_body = Word,
    responses((status = 200, body = RequestView)),
    extensions(("x-codes" = json!(["unknown-request", "ambiguous-id", "illegal-event"])))
)]
async fn approve_request(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(word): Body<Word>,
) -> Answer {
    let id = caller.request(&context, &id).await?;
    give((&context, &caller), id, Approved::Request, no_wave(word)?).await?;
    let view = context.request_view(id).await?;
    view.map(ok).ok_or_else(|| Fault::new(Code::UnknownRequest, format!("there is no request {id}")))
}

/// Gives an approval to a held job.
#[utoipa::path(
    post,
    path = "/v1/jobs/{id}/approve",
    tag = "jobs",
    request_body = Word,
    responses((status = 200, body = JobView)),
    extensions(("x-codes" = json!(["unknown-job", "ambiguous-id", "illegal-event"])))
)]
async fn approve_job(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(word): Body<Word>,
) -> Answer {
    let job = caller.job(&context, &id).await?;
    give((&context, &caller), job.request_id, Approved::Job(job.id), no_wave(word)?).await?;
    let job = context.find_job(&job.id.to_string()).await.map_err(Fault::job)?;
    Ok(ok(context.view(&job, None).await?))
}

fn no_wave(word: Word) -> Result<Word, Fault> {
    if word.wave.is_none() {
        return Ok(word);
    }
    let hint = "a wave is approved at /v1/requests/ID/waves/approve";
    Err(Fault::invalid(vec![crate::http::read::wrong("wave", "not part of this approval", hint)]))
}

/// Opens nothing more until somebody approves.
#[utoipa::path(
    post,
    path = "/v1/requests/{id}/waves/hold",
    tag = "waves",
    request_body = Act,
    responses((status = 200, body = WavesView)),
    extensions(("x-codes" = json!(["unknown-request", "ambiguous-id", "no-waves", "illegal-event"])))
)]
async fn hold(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(act): Body<Act>,
) -> Answer {
    let by = act.by(&caller, Reason::Needed)?;
    let id = caller.request(&context, &id).await?;
    context.hold_waves(id, by).await.map_err(|error| Fault::act(error, Code::IllegalEvent))?;
    view(&context, id).await
}

/// Cancels what was not open.
#[utoipa::path(
    post,
    path = "/v1/requests/{id}/waves/abort",
    tag = "waves",
    request_body = Act,
    responses((status = 200, body = WavesView)),
    extensions(("x-codes" = json!(["unknown-request", "ambiguous-id", "no-waves", "illegal-event"])))
)]
async fn abort(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(act): Body<Act>,
) -> Answer {
    let by = act.by(&caller, Reason::Needed)?;
    let id = caller.request(&context, &id).await?;
    context.abort_waves(id, by).await.map_err(|error| Fault::act(error, Code::IllegalEvent))?;
    view(&context, id).await
}
