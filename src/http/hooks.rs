//! The door for webhooks. Its senders have no token: the signature says who they are. A delivery is kept before it is answered;
//! nothing is kept of one whose signature is wrong.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::Arc,
};

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, Path, Request, State},
    http::{HeaderMap, StatusCode},
    middleware::from_fn_with_state,
    response::IntoResponse as _,
};
use serde::Serialize;
use tokio::sync::{Semaphore, SemaphorePermit};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{
        REQUEST_TIME_MAX,
        access::{self, Failures, network},
        fault::{Code, Fault},
        limits,
        read::{Answer, bytes},
    },
    job::id::DeliveryId,
    pipeline::{Context, delivery_acts::DeliveryState},
    policy::{
        hook::{
            Kind,
            signature::{self, HookFault},
        },
        text,
    },
};

/// The largest delivery that is read, in bytes.
pub const DELIVERY_BYTES_MAX: usize = 1024 * 1024;
/// Deliveries read at once are so many rows of so many: their senders are not known before they are read, and whoever sends slowly
/// fills one row.
const ROWS: usize = 16;
const SEATS: usize = 4;
/// Headers that are kept beside a delivery.
const KEPT: [&str; 2] = ["content-type", "user-agent"];
const HEADER_CHARACTERS_MAX: usize = 200;

/// What keeps those out who know no secret.
struct Porter {
    failures: Failures,
    rows: Vec<Semaphore>,
    /// Nobody can tell from outside who shares a row.
    spread: RandomState,
    behind_proxy: bool,
}

pub fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new().routes(routes!(receive))
}

/// With limits of its own.
pub fn router(context: Arc<Context>, behind_proxy: bool) -> Router {
    let rows = (0..ROWS).map(|_| Semaphore::new(SEATS)).collect();
    let porter = Porter { failures: Failures::default(), rows, spread: RandomState::new(), behind_proxy };
    let router = routes().split_for_parts().0.with_state(context);
    router
        .layer(Extension(Arc::new(porter)))
        .layer(DefaultBodyLimit::max(DELIVERY_BYTES_MAX))
        .layer(from_fn_with_state(REQUEST_TIME_MAX, limits::time))
}

impl Porter {
    /// Waits for a place to read a delivery from there. None: the process ends.
    async fn seat(&self, peer: Option<IpAddr>) -> Option<SemaphorePermit<'_>> {
        let drawn = self.spread.hash_one(peer.map(network));
        let row = usize::try_from(drawn % ROWS as u64).unwrap_or_default();
        self.rows.get(row)?.acquire().await.ok()
    }

    /// A right signature is let in wherever it comes from: senders share addresses with strangers. Only the wrong ones are
    /// slowed down.
    fn refuse(&self, hook: &str, peer: Option<IpAddr>, size: usize, fault: &HookFault) -> Fault {
        if let Some(wait) = peer.and_then(|peer| self.failures.wait(peer)) {
            let detail = "too many wrong signatures came from this address";
            return Fault::slow_down(Code::TooManySignatures, detail, wait);
        }
        if let Some(peer) = peer {
            self.failures.add(peer);
        }
        let peer = peer.map(|peer| peer.to_string());
        tracing::warn!(hook, peer, size, reason = fault.code(), why = %fault, "a delivery was refused");
        Fault::new(Code::named(fault.code()).unwrap_or(Code::SignatureWrong), fault.to_string())
    }
}

/// A delivery that is kept.
#[derive(Serialize, utoipa::ToSchema)]
struct Kept {
    delivery: DeliveryId,
    state: DeliveryState,
    /// It came before, and nothing is done again.
    again: bool,
}

/// Takes a webhook in.
///
/// Takes a webhook in. There is no token: the delivery is signed with the hook's secret, in the way of its sender.
#[utoipa::path(
    post,
    path = "/v1/hooks/{name}",
    tag = "webhooks",
    request_body = Object,
    responses(
        (status = 202, body = Kept, description = "It is kept, and gone through from now on."),
        (status = 200, body = Kept, description = "The same for Linear; or it came before, and this is what became of it.")
    ),
    extensions(("x-codes" = json!([
        "unknown-hook", "signature-missing", "signature-wrong", "signature-stale", "too-many-signatures",
        "malformed-payload", "body-too-large", "body-too-slow", "bad-request", "ledger-unavailable", "ledger-unreadable",
        "internal", "timed-out"
    ])))
)]
async fn receive(
    State(context): State<Arc<Context>>,
    Extension(porter): Extension<Arc<Porter>>,
    Path(name): Path<String>,
    request: Request,
) -> Answer {
    let unknown = || format!("there is no hook `{}`", text::shorten(&name, 80));
    let door = context.hooks.door(&name).ok_or_else(|| Fault::new(Code::UnknownHook, unknown()))?;
    let peer = access::peer(request.headers(), request.extensions(), porter.behind_proxy);
    let headers = request.headers().clone();
    let seat = porter.seat(peer).await;
    let body = bytes(request, &()).await?;
    let counted = |result: &'static str| context.meters.hooks.add((name.clone(), result), 1);
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let verified = match signature::verify(&door.hook, &door.keys, header, &body, context.now()) {
        Ok(verified) => verified,
        Err(fault) => {
            counted(fault.code());
            return Err(porter.refuse(&name, peer, body.len(), &fault));
        }
    };
    let kept = kept_headers(&headers);
    let kept: Vec<(&str, &str)> = kept.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let received = context.receive(door, verified, &kept, &body).await?;
    drop(seat);
    counted(if received.again { "repeated" } else { "received" });
    if let (DeliveryState::Unmapped, Some(why), false) = (received.state, received.reason, received.again) {
        counted(received.state.as_str());
        let detail = format!("{why}: kept as delivery {}", received.id);
        return Err(Fault::new(Code::MalformedPayload, detail));
    }
    // Linear takes nothing but 200 for success.
    let plain = received.again || door.hook.kind == Kind::Linear;
    let status = if plain { StatusCode::OK } else { StatusCode::ACCEPTED };
    let kept = Kept { delivery: received.id, state: received.state, again: received.again };
    Ok((status, axum::Json(kept)).into_response())
}

fn kept_headers(headers: &HeaderMap) -> Vec<(&'static str, String)> {
    let value = |name: &&'static str| {
        let value = headers.get(*name)?.to_str().ok()?;
        Some((*name, text::shorten(value, HEADER_CHARACTERS_MAX)))
    };
    KEPT.iter().filter_map(value).collect()
}
