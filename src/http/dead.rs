//! The dead-letter queue: looking, trying again, putting aside.

use std::sync::Arc;

use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{
        access::Caller,
        fault::{Code, Fault},
        jobs::{LIMIT_DEFAULT, LIMIT_MAX, Page},
        read::{Act, Answer, Body, Filter, Reason, limit, ok},
    },
    pipeline::{
        Context,
        view::{JobView, Replayed},
    },
};

pub fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(retry)).routes(routes!(discard))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Query {
    /// `next` of the page before.
    after: Option<i64>,
    #[param(minimum = 1, maximum = 10_000)]
    limit: Option<u32>,
    /// Also those that were discarded.
    #[serde(default)]
    all: bool,
}

/// Lists dead letters in the order of acceptance.
#[utoipa::path(get, path = "/v1/dead", tag = "dead letters", params(Query), responses((status = 200, body = Page)))]
async fn list(State(context): State<Arc<Context>>, caller: Caller, Filter(query): Filter<Query>) -> Answer {
    let limit = limit(query.limit, LIMIT_DEFAULT, LIMIT_MAX)?;
    let jobs = context.list_dead(query.after, limit, query.all).await?;
    Ok(ok(Page::new(jobs, limit).within(&caller, &context).await?))
}

/// Makes a new job of a dead letter; asked again, tells which one it was.
#[utoipa::path(
    post,
    path = "/v1/dead/{id}/retry",
    tag = "dead letters",
    request_body = Act,
    responses((status = 200, body = Replayed)),
    extensions(("x-codes" = json!(["unknown-job", "ambiguous-id", "illegal-event"])))
)]
async fn retry(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(act): Body<Act>,
) -> Answer {
    let by = act.by(&caller, Reason::Optional)?;
    let dead = caller.job(&context, &id).await?.id;
    let replayed = context.replay(dead, by).await;
    replayed.map(ok).map_err(|error| Fault::act(error, Code::IllegalEvent))
}

/// Puts a dead letter aside; it stays in the ledger.
#[utoipa::path(
    post,
    path = "/v1/dead/{id}/discard",
    tag = "dead letters",
    request_body = Act,
    responses((status = 200, body = JobView)),
    extensions(("x-codes" = json!(["unknown-job", "ambiguous-id", "illegal-event"])))
)]
async fn discard(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(act): Body<Act>,
) -> Answer {
    let by = act.by(&caller, Reason::Needed)?;
    let dead = caller.job(&context, &id).await?.id;
    context.discard(dead, by).await.map_err(|error| Fault::act(error, Code::IllegalEvent))?;
    let job = context.find_job(&dead.to_string()).await.map_err(Fault::job)?;
    Ok(ok(context.view(&job, None).await?))
}
