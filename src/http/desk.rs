//! The desk: what needs a person, and what people say of it.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{
        access::Caller,
        fault::{Code, Fault},
        read::{Answer, Body, Filter, Reason, Which, by, ok, wrong},
    },
    job::time::Timestamp,
    pipeline::{
        By, Context,
        desk::{DeskAct, DeskError, DeskItem, DeskView},
    },
};

pub fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(acknowledge))
        .routes(routes!(snooze))
        .routes(routes!(reassign))
}

/// Lists what needs a person, overdue first.
#[utoipa::path(
    get,
    path = "/v1/desk",
    tag = "desk",
    params(Which),
    responses((status = 200, body = DeskView)),
)]
async fn list(State(context): State<Arc<Context>>, Filter(which): Filter<Which>) -> Answer {
    Ok(ok(context.desk(which.all).await?))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeskAcknowledge)]
struct Said {
    item: String,
    actor: Option<String>,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeskSnooze)]
struct Later {
    item: String,
    /// RFC 3339.
    until: String,
    actor: Option<String>,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeskReassign)]
struct Other {
    item: String,
    /// Login.
    to: String,
    actor: Option<String>,
    #[serde(default)]
    reason: String,
}

async fn act(context: &Context, item: &str, act: DeskAct, by: By) -> Answer {
    match context.desk_act(item, act, by).await {
        Ok(item) => Ok(ok(item)),
        Err(error @ DeskError::Unknown(_)) => Err(Fault::new(Code::UnknownItem, error.to_string())),
        Err(DeskError::Operate(error)) => Err(Fault::act(error, Code::IllegalEvent)),
    }
}

/// Says that somebody has it.
#[utoipa::path(
    post,
    path = "/v1/desk/acknowledge",
    tag = "desk",
    request_body = Said,
    responses((status = 200, body = DeskItem)),
    extensions(("x-codes" = json!(["unknown-item", "illegal-event"])))
)]
async fn acknowledge(State(context): State<Arc<Context>>, caller: Caller, Body(said): Body<Said>) -> Answer {
    let by = caller.by(said.actor, said.reason, Reason::Optional)?;
    act(&context, &said.item, DeskAct::Acknowledge, by).await
}

/// Says that it can wait.
#[utoipa::path(
    post,
    path = "/v1/desk/snooze",
    tag = "desk",
    request_body = Later,
    responses((status = 200, body = DeskItem)),
    extensions(("x-codes" = json!(["unknown-item", "illegal-event"])))
)]
async fn snooze(State(context): State<Arc<Context>>, caller: Caller, Body(later): Body<Later>) -> Answer {
    let who = caller.by(later.actor, later.reason, Reason::Needed)?;
    let until = Timestamp::parse(&later.until).filter(|until| *until > context.now());
    let hint = "write a time to come, such as 2026-12-01T08:00:00Z";
    let until = until.ok_or_else(|| Fault::invalid(vec![wrong("until", "not a time to come", hint)]))?;
    act(&context, &later.item, DeskAct::Snooze(until), who).await
}

/// Gives it to somebody else.
#[utoipa::path(
    post,
    path = "/v1/desk/reassign",
    tag = "desk",
    request_body = Other,
    responses((status = 200, body = DeskItem)),
    extensions(("x-codes" = json!(["unknown-item", "illegal-event"])))
)]
async fn reassign(State(context): State<Arc<Context>>, caller: Caller, Body(other): Body<Other>) -> Answer {
    let who = caller.by(other.actor, other.reason, Reason::Needed)?;
    // What is fit to name an actor is fit to name whom it goes to.
    let to = by(other.to, String::new(), Reason::Optional).map_err(|_| {
        Fault::invalid(vec![wrong(
            "to",
            "no name",
            "write the login of the person it goes to, 1 to 100 characters",
        )])
    })?;
    act(&context, &other.item, DeskAct::Assign(to.actor), who).await
}
