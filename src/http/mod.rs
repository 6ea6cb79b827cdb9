//! The daemon's local HTTP endpoint: handlers that read a question, ask the pipeline, and write the answer as JSON.
//! It must decide nothing itself. The routes are described in `docs/api.md`.

mod access;
mod breakers;
mod budgets;
mod dead;
mod fault;
mod freezes;
mod gates;
mod identities;
mod jobs;
mod limits;
mod read;
mod reports;
mod repositories;
mod requests;
mod templates;
pub mod watch;
mod waves;

use std::{future::IntoFuture, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
};
pub use fault::{Code, Fault};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::pipeline::Context;

/// The largest body that is read, in bytes.
pub const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long one request may take.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);
/// How long open connections may hold up the end of the process.
const DRAIN: Duration = Duration::from_secs(10);

/// Every route. All but the probes need the token; the metrics only if they are not `open`.
pub fn router(context: Arc<Context>, token: SecretString, open: bool) -> Router {
    let routes = Router::new()
        .merge(requests::routes())
        .merge(jobs::routes())
        .merge(dead::routes())
        .merge(budgets::routes())
        .merge(gates::routes())
        .merge(freezes::routes())
        .merge(identities::routes())
        .merge(reports::routes())
        .merge(waves::routes())
        .merge(breakers::routes())
        .merge(templates::routes())
        .merge(repositories::routes());
    let routes = routes.with_state(Arc::clone(&context));
    let guarded = if open { routes } else { watch::with_figures(routes, &context) };
    let guarded = guarded
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(REQUEST_TIME_MAX, limits::time))
        .layer(from_fn_with_state(Arc::new(access::Gatekeeper::new(&token)), access::require));
    let all = watch::with_probes(guarded, &context);
    let all = if open { watch::with_figures(all, &context) } else { all };
    all.layer(from_fn(limits::explain)).layer(from_fn_with_state(context, limits::count))
}

/// Serves until shutdown; then answers what is under way and takes nothing new.
pub async fn serve(
    listener: tokio::net::TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let serving = axum::serve(listener, router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let too_long = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ended = serving.into_future() => ended,
        () = too_long => {
            tracing::warn!("connections still open {} s after the shutdown are cut", DRAIN.as_secs());
            Ok(())
        }
    }
}
