//! The dead-letter queue: looking, trying again, putting aside.

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
        jobs::{LIMIT_DEFAULT, LIMIT_MAX, Page},
        read::{Act, Answer, Body, Filter, Reason, limit, ok},
    },
    pipeline::Context,
};

pub fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/v1/dead", get(list))
        .route("/v1/dead/{id}/retry", post(retry))
        .route("/v1/dead/{id}/discard", post(discard))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    after: Option<i64>,
    limit: Option<u32>,
    /// Also those that were discarded.
    #[serde(default)]
    all: bool,
}

async fn list(State(context): State<Arc<Context>>, caller: Caller, Filter(query): Filter<Query>) -> Answer {
    let limit = limit(query.limit, LIMIT_DEFAULT, LIMIT_MAX)?;
    let jobs = context.list_dead(query.after, limit, query.all).await?;
    Ok(ok(Page::new(jobs, limit).within(&caller, &context).await?))
}

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
