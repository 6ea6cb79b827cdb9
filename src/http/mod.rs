//! The daemon's local HTTP endpoint: handlers that read a question, ask the pipeline, and write the answer as JSON.
//! It must decide nothing itself. The routes are described in `docs/api.md`.

pub mod access;
mod audit;
mod breakers;
mod budgets;
mod dead;
mod desk;
mod door;
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
mod schedules;
mod templates;
mod tokens;
pub mod watch;
mod waves;

use std::{future::IntoFuture, sync::Arc, time::Duration};

pub use access::Access;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
};
pub use door::{Door, TlsError, TlsFiles};
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

/// Every route, for the local operator alone.
pub fn router(context: Arc<Context>, token: SecretString) -> Router {
    guarded(context, Access::local(token))
}

/// Every route. All but the probes need a token, and so do the metrics where they are not open.
pub fn guarded(context: Arc<Context>, access: Access) -> Router {
    let open = access.metrics_open;
    let keeper = Arc::new(access::Gatekeeper::new(Arc::clone(&context), access));
    let routes = Router::new()
        .merge(requests::routes())
        .merge(jobs::routes())
        .merge(dead::routes())
        .merge(budgets::routes())
        .merge(gates::routes())
        .merge(freezes::routes())
        .merge(identities::routes())
        .merge(reports::routes())
        .merge(audit::routes())
        .merge(desk::routes())
        .merge(waves::routes())
        .merge(breakers::routes())
        .merge(templates::routes())
        .merge(schedules::routes())
        .merge(repositories::routes())
        .merge(tokens::routes())
        .with_state(Arc::clone(&context));
    let routes = if open { routes } else { watch::with_figures(routes, &context) };
    let routes = routes
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(REQUEST_TIME_MAX, limits::time))
        .layer(from_fn_with_state(keeper, access::require));
    let routes = watch::with_probes(routes, &context);
    let routes = if open { watch::with_figures(routes, &context) } else { routes };
    routes.layer(from_fn(limits::explain)).layer(from_fn_with_state(context, limits::count))
}

/// Serves until shutdown; then answers what is under way and takes nothing new.
pub async fn serve(
    door: impl Into<Door>,
    router: Router,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let router = router.into_make_service_with_connect_info::<access::Peer>();
    let serving = axum::serve(door.into(), router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
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
