//! The daemon as a whole: is it there, what does it do, is its record sound.

use std::sync::Arc;

use axum::{Router, extract::State, routing::get};
use serde::Deserialize;
use serde_json::json;

use crate::{
    http::read::{Answer, Filter, limit, ok},
    pipeline::Context,
};

pub fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/v1/overview", get(overview))
        .route("/v1/workers", get(workers))
        .route("/v1/notices", get(notices))
        .route("/v1/invariants", get(invariants))
}

async fn overview(State(context): State<Arc<Context>>) -> Answer {
    Ok(ok(context.overview().await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    #[serde(default)]
    all: bool,
}

async fn workers(State(context): State<Arc<Context>>, Filter(which): Filter<Which>) -> Answer {
    Ok(ok(context.fleet(which.all).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: Option<u32>,
}

async fn notices(State(context): State<Arc<Context>>, Filter(page): Filter<Page>) -> Answer {
    let notices = context.list_notices(limit(page.limit, 100, 1_000)?).await?;
    Ok(ok(json!({ "notices": notices })))
}

async fn invariants(State(context): State<Arc<Context>>) -> Answer {
    Ok(ok(json!({ "broken": context.ledger.broken_invariants().await? })))
}
