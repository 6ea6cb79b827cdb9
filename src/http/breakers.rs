//! Breakers: which are open and why, and ending what one does.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{
        access::Caller,
        fault::{Code, Fault},
        read::{Answer, Body, Reason, ok},
    },
    pipeline::{Context, view::BreakerView},
};

pub fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(reset))
}

#[derive(Serialize, utoipa::ToSchema)]
struct Breakers {
    breakers: Vec<BreakerView>,
}

/// Lists breakers, those that stop something first.
#[utoipa::path(get, path = "/v1/breakers", tag = "breakers", responses((status = 200, body = Breakers)))]
async fn list(State(context): State<Arc<Context>>) -> Answer {
    Ok(ok(Breakers { breakers: context.list_breakers().await? }))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BreakerReset)]
struct Reset {
    id: String,
    actor: Option<String>,
    reason: String,
}

/// Ends what a breaker does.
#[utoipa::path(
    post,
    path = "/v1/breakers/reset",
    tag = "breakers",
    request_body = Reset,
    responses((status = 200, body = Breakers)),
    extensions(("x-codes" = json!(["unknown-breaker", "illegal-event"])))
)]
async fn reset(State(context): State<Arc<Context>>, caller: Caller, Body(body): Body<Reset>) -> Answer {
    let by = caller.by(body.actor, body.reason, Reason::Needed)?;
    let known = context.list_breakers().await?;
    if known.iter().all(|view| view.id != body.id) {
        let shown = crate::policy::text::shorten(&body.id, 60);
        return Err(Fault::new(Code::UnknownBreaker, format!("there is no breaker `{shown}`")));
    }
    context.reset_breaker(&body.id, by).await.map_err(|error| Fault::act(error, Code::IllegalEvent))?;
    list(State(context)).await
}
