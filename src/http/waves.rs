//! Waves of a request, and approvals: of a job, of a whole request, of the next wave.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    routing::{get, post},
};
use serde::Deserialize;

use crate::{
    http::{
        access::Caller,
        fault::{Code, Fault},
        read::{Answer, Body, Reason, ok},
    },
    job::id::RequestId,
    pipeline::{Context, widen::Approved},
};

pub fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/v1/requests/{id}/waves", get(show))
        .route("/v1/requests/{id}/waves/approve", post(approve))
        .route("/v1/requests/{id}/waves/hold", post(hold))
        .route("/v1/requests/{id}/waves/abort", post(abort))
        .route("/v1/requests/{id}/approve", post(approve_request))
        .route("/v1/jobs/{id}/approve", post(approve_job))
}

/// One person's word.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
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

async fn show(State(context): State<Arc<Context>>, caller: Caller, Path(id): Path<String>) -> Answer {
    let id = caller.request(&context, &id).await?;
    view(&context, id).await
}

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

async fn hold(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(act): Body<crate::http::read::Act>,
) -> Answer {
    let by = act.by(&caller, Reason::Needed)?;
    let id = caller.request(&context, &id).await?;
    context.hold_waves(id, by).await.map_err(|error| Fault::act(error, Code::IllegalEvent))?;
    view(&context, id).await
}

async fn abort(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(act): Body<crate::http::read::Act>,
) -> Answer {
    let by = act.by(&caller, Reason::Needed)?;
    let id = caller.request(&context, &id).await?;
    context.abort_waves(id, by).await.map_err(|error| Fault::act(error, Code::IllegalEvent))?;
    view(&context, id).await
}
