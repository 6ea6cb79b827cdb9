//! The daemon's local HTTP endpoint: handlers that read a question, ask the pipeline, and write the answer as JSON.
//! It must decide nothing itself. The routes are described in `docs/api.md`.

pub mod access;
mod audit;
mod breakers;
mod budgets;
mod certificate;
mod dead;
mod deliveries;
mod desk;
mod door;
mod errors;
mod etag;
mod events;
mod fault;
mod freezes;
mod gates;
mod hooks;
mod identities;
mod jobs;
mod limits;
mod notices;
mod openapi;
mod patience;
mod rate;
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
    Extension, Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
};
pub use door::{Door, TlsError, TlsFiles};
pub use errors::page;
pub use fault::{Code, Fault};
pub use openapi::description;
pub use rate::Limits;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::pipeline::Context;

/// The largest body that is read, in bytes.
pub const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long one request may take.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);
/// How long open connections may hold up the end of the process.
const DRAIN: Duration = Duration::from_secs(10);

/// Every route, for the local operator alone.
pub fn router(context: Arc<Context>, token: SecretString) -> Router {
    guarded(context, Access::local(token), Limits::default())
}

/// Every route. All but the open ones need a token, and so do the metrics where they are not open.
pub fn guarded(context: Arc<Context>, access: Access, limits: Limits) -> Router {
    let (guarded, open) = if access.metrics_open {
        (routes(), open().merge(watch::figures()))
    } else {
        (routes().merge(watch::figures()), open())
    };
    let hooks = hooks::router(Arc::clone(&context), access.behind_proxy);
    let keeper = Arc::new(access::Gatekeeper::new(Arc::clone(&context), access));
    let readers = events::Readers::new();
    guarded
        .split_for_parts()
        .0
        .with_state(Arc::clone(&context))
        // Who has no token is not told what is there and what is not.
        .fallback(limits::nowhere)
        .layer(Extension(readers))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(etag::tag))
        .layer(from_fn_with_state(REQUEST_TIME_MAX, limits::time))
        .layer(from_fn_with_state(rate::Meter::new(limits), rate::limit))
        .layer(from_fn_with_state(keeper, access::require))
        .merge(hooks)
        .merge(open.split_for_parts().0.with_state(Arc::clone(&context)))
        .layer(from_fn(limits::explain))
        .layer(from_fn_with_state(context, limits::count))
}

/// What is open to everybody: it tells nothing of what the daemon does.
fn open() -> OpenApiRouter<Arc<Context>> {
    watch::probes().routes(routes!(openapi::show)).routes(routes!(errors::show))
}

/// Everything, for its description.
fn described() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::with_openapi(openapi::begin())
        .merge(routes())
        .merge(watch::figures())
        .merge(open())
        .merge(hooks::routes())
}

fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new()
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
        .merge(notices::routes())
        .merge(waves::routes())
        .merge(breakers::routes())
        .merge(templates::routes())
        .merge(schedules::routes())
        .merge(deliveries::routes())
        .merge(repositories::routes())
        .merge(events::routes())
        .merge(tokens::routes())
}

/// Serves until shutdown; then answers what is under way and takes nothing new.
pub async fn serve(
    door: impl Into<Door>,
    router: Router,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let router = router.into_make_service_with_connect_info::<access::Peer>();
    let door = patience::Patient(door.into());
    let serving = axum::serve(door, router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
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
