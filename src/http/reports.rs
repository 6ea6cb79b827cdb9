//! The daemon as a whole: is it there, what does it do, is its record sound.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::read::{Answer, Filter, Which, ok},
    pipeline::{
        Context,
        view::{FleetView, Overview},
    },
};

pub fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new().routes(routes!(overview)).routes(routes!(workers)).routes(routes!(invariants))
}

/// Tells the daemon in one look.
#[utoipa::path(
    get,
    path = "/v1/overview",
    tag = "the whole",
    responses((status = 200, body = Overview)),
)]
async fn overview(State(context): State<Arc<Context>>) -> Answer {
    Ok(ok(context.overview().await?))
}

/// Lists the workers and what each drives.
#[utoipa::path(
    get,
    path = "/v1/workers",
    tag = "the whole",
    params(Which),
    responses((status = 200, body = FleetView)),
)]
async fn workers(State(context): State<Arc<Context>>, Filter(which): Filter<Which>) -> Answer {
    Ok(ok(context.fleet(which.all).await?))
}

#[derive(Serialize, utoipa::ToSchema)]
struct Invariants {
    broken: Vec<String>,
}

/// Tells every broken promise in words; reads whole tables.
#[utoipa::path(
    get,
    path = "/v1/invariants",
    tag = "the whole",
    responses((status = 200, body = Invariants)),
)]
async fn invariants(State(context): State<Arc<Context>>) -> Answer {
    Ok(ok(Invariants { broken: context.ledger.broken_invariants().await? }))
}
