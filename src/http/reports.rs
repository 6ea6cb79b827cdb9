//! The daemon as a whole: is it there, what does it do, is its record sound.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::read::{Answer, Filter, Which, cursor, last_of, limit, ok},
    job::id::NoticeId,
    pipeline::{
        Context,
        view::{FleetView, NoticeView, Overview},
    },
};

pub fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new()
        .routes(routes!(overview))
        .routes(routes!(workers))
        .routes(routes!(notices))
        .routes(routes!(invariants))
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

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Page {
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
    tag = "the whole",
    params(Page),
    responses((status = 200, body = Notices)),
    extensions(("x-codes" = json!(["bad-cursor"])))
)]
async fn notices(State(context): State<Arc<Context>>, Filter(page): Filter<Page>) -> Answer {
    let limit = limit(page.limit, 100, 1_000)?;
    let notices = context.list_notices(page.after, limit).await?.ok_or_else(|| cursor("notice"))?;
    let next = last_of(&notices, limit).map(|notice| notice.id);
    Ok(ok(Notices { notices, next }))
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
