//! The desk: what needs a person, and what people say of it.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use serde::Deserialize;

use crate::{
    http::{
        access::Caller,
        fault::{Code, Fault},
        read::{Answer, Body, Filter, Reason, by, ok, wrong},
    },
    job::time::Timestamp,
    pipeline::{
        By, Context,
        desk::{DeskAct, DeskError},
    },
};

pub fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/v1/desk", get(list))
        .route("/v1/desk/acknowledge", post(acknowledge))
        .route("/v1/desk/snooze", post(snooze))
        .route("/v1/desk/reassign", post(reassign))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    #[serde(default)]
    all: bool,
}

async fn list(State(context): State<Arc<Context>>, Filter(which): Filter<Which>) -> Answer {
    Ok(ok(context.desk(which.all).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    item: String,
    actor: Option<String>,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Later {
    item: String,
    /// RFC 3339.
    until: String,
    actor: Option<String>,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
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

async fn acknowledge(State(context): State<Arc<Context>>, caller: Caller, Body(said): Body<Said>) -> Answer {
    let by = caller.by(said.actor, said.reason, Reason::Optional)?;
    act(&context, &said.item, DeskAct::Acknowledge, by).await
}

async fn snooze(State(context): State<Arc<Context>>, caller: Caller, Body(later): Body<Later>) -> Answer {
    let who = caller.by(later.actor, later.reason, Reason::Needed)?;
    let until = Timestamp::parse(&later.until).filter(|until| *until > context.now());
    let hint = "write a time to come, such as 2026-12-01T08:00:00Z";
    let until = until.ok_or_else(|| Fault::invalid(vec![wrong("until", "not a time to come", hint)]))?;
    act(&context, &later.item, DeskAct::Snooze(until), who).await
}

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
