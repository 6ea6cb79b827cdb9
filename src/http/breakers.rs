//! Breakers: which are open and why, and ending what one does.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    http::{
        access::Caller,
        fault::{Code, Fault},
        read::{Answer, Body, Reason, ok},
    },
    pipeline::Context,
};

pub fn routes() -> Router<Arc<Context>> {
    Router::new().route("/v1/breakers", get(list)).route("/v1/breakers/reset", post(reset))
}

async fn list(State(context): State<Arc<Context>>) -> Answer {
    Ok(ok(json!({ "breakers": context.list_breakers().await? })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    id: String,
    actor: Option<String>,
    reason: String,
}

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
