//! What watches the process: is it alive, is it of use, and its figures. For probes and scrapers, which have no token.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{
        fault::{Code, Fault},
        limits,
        read::ok,
    },
    pipeline::{Context, readiness::Readiness},
    telemetry::metrics::Format,
};

/// Whether it lives, and whether it is of use.
pub fn probes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(ready))
}

pub fn figures() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// Everything of this file on a listener of its own.
pub fn router(context: Arc<Context>) -> Router {
    let router = probes().merge(figures()).split_for_parts().0.with_state(Arc::clone(&context));
    router.layer(from_fn(limits::explain)).layer(from_fn_with_state(context, limits::count))
}

#[derive(Serialize, utoipa::ToSchema)]
struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

/// Says that the process answers.
///
/// Says that the process answers; asks nothing else, so that a slow ledger is not mistaken for a dead process.
#[utoipa::path(get, path = "/healthz", tag = "the whole", responses((status = 200, body = Health)))]
async fn health() -> Response {
    ok(Health { status: "ok" })
}

/// Says whether the process is of use, and why not.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "the whole",
    responses((status = 200, body = Readiness), (status = 503, description = "not ready", body = Readiness)),
)]
async fn ready(State(context): State<Arc<Context>>) -> Response {
    let readiness = context.readiness();
    let status = if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(readiness)).into_response()
}

/// Gives the metrics, as OpenMetrics or as Prometheus text.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "the whole",
    responses((status = 200, content(
        (String = "text/plain"),
        (String = "application/openmetrics-text"),
    ))),
)]
async fn metrics(State(context): State<Arc<Context>>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accept);
    match context.metrics().await.write(format) {
        Ok(text) => ([(header::CONTENT_TYPE, format.media_type())], text).into_response(),
        Err(error) => Fault::new(Code::Internal, format!("writing the metrics: {error}")).into_response(),
    }
}
