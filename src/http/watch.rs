//! What watches the process: is it alive, is it of use, and its figures. For probes and scrapers, which have no token.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use crate::{
    http::{
        fault::{Code, Fault},
        limits,
        read::ok,
    },
    pipeline::Context,
    telemetry::metrics::Format,
};

/// With `/healthz` and `/readyz`.
pub fn with_probes(router: Router, context: &Arc<Context>) -> Router {
    router.route("/healthz", get(health)).route("/readyz", get(ready).with_state(Arc::clone(context)))
}

/// With `/metrics`.
pub fn with_figures(router: Router, context: &Arc<Context>) -> Router {
    router.route("/metrics", get(metrics).with_state(Arc::clone(context)))
}

/// Everything of this file on a listener of its own.
pub fn router(context: Arc<Context>) -> Router {
    let router = with_figures(with_probes(Router::new(), &context), &context);
    router.layer(from_fn(limits::explain)).layer(from_fn_with_state(context, limits::count))
}

/// Says that the process answers; asks nothing else, so that a slow ledger is not mistaken for a dead process.
async fn health() -> Response {
    ok(json!({ "status": "ok" }))
}

async fn ready(State(context): State<Arc<Context>>) -> Response {
    let readiness = context.readiness();
    let status = if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(readiness)).into_response()
}

async fn metrics(State(context): State<Arc<Context>>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accept);
    match context.metrics().await.write(format) {
        Ok(text) => ([(header::CONTENT_TYPE, format.media_type())], text).into_response(),
        Err(error) => Fault::new(Code::Internal, format!("writing the metrics: {error}")).into_response(),
    }
}
