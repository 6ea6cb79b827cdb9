//! Tokens: giving one out, listing them, taking one back; and what one's own token may do.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::json;

use crate::{
    http::{
        access::Caller,
        fault::{Code, Fault},
        read::{Act, Answer, Body, Filter, Reason, ok, wrong},
    },
    job::time::Timestamp,
    pipeline::{
        Context,
        access::{TokenError, TokenOrder},
    },
    policy::access::{Grant, Reach, Role},
};

pub fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/v1/me", get(me))
        .route("/v1/tokens", get(list).post(create))
        .route("/v1/tokens/revoke", post(revoke))
}

async fn me(caller: Caller) -> Answer {
    // The local operator may do everything.
    let name = caller.name();
    let grants = if name.is_some() { caller.grants().to_vec() } else { vec![everything()] };
    Ok(ok(json!({ "name": name, "grants": grants })))
}

fn everything() -> Grant {
    Grant { roles: [Role::Admin, Role::Delegate].into(), reach: Reach::default() }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Also those that are no longer valid.
    #[serde(default)]
    all: bool,
}

async fn list(State(context): State<Arc<Context>>, Filter(which): Filter<Which>) -> Answer {
    Ok(ok(json!({ "tokens": context.list_tokens(which.all).await? })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    roles: Vec<Role>,
    #[serde(default)]
    teams: Vec<String>,
    #[serde(default)]
    templates: Vec<String>,
    /// RFC 3339. Must be written: a token without end is never made by leaving something out. `null`: it does not end.
    #[serde(deserialize_with = "Option::deserialize")]
    expires_at: Option<String>,
    /// Though another one of the same name is valid.
    #[serde(default)]
    beside: bool,
    #[serde(default)]
    actor: Option<String>,
    #[serde(default)]
    reason: String,
}

/// The one answer that shows the token.
async fn create(State(context): State<Arc<Context>>, caller: Caller, Body(body): Body<Create>) -> Answer {
    let by = caller.by(body.actor, body.reason, Reason::Optional)?;
    let expires_at = body.expires_at.as_deref().map(end).transpose()?;
    let reach = Reach { teams: body.teams, templates: body.templates };
    let grant = Grant { roles: body.roles.into_iter().collect(), reach };
    let order = TokenOrder { name: body.name, grant, expires_at, beside: body.beside };
    let (view, token) = context.create_token(order, by).await.map_err(|error| match error {
        TokenError::Invalid(problems) => Fault::invalid(problems),
        TokenError::Operate(error) => Fault::act(error, Code::TokenConflict),
    })?;
    caller.tokens_changed();
    let shown = json!({ "token": token.expose_secret(), "about": view });
    let mut answer: Response = (StatusCode::CREATED, axum::Json(shown)).into_response();
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

fn end(text: &str) -> Result<Timestamp, Fault> {
    let hint = "write a time such as 2026-12-01T08:00:00Z, or null for a token that does not end";
    let problem = || Fault::invalid(vec![wrong("expires_at", "not a time in RFC 3339", hint)]);
    Timestamp::parse(text).ok_or_else(problem)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    /// Its id, or a name for all of that name.
    token: String,
    actor: Option<String>,
    reason: String,
}

/// This process refuses the token at once, others within two seconds.
async fn revoke(State(context): State<Arc<Context>>, caller: Caller, Body(body): Body<Revoke>) -> Answer {
    let act = Act { actor: body.actor, reason: body.reason };
    let by = act.by(&caller, Reason::Needed)?;
    let revoked = context.revoke_token(body.token.trim(), by).await;
    revoked.map_err(|error| Fault::act(error, Code::TokenConflict))?;
    caller.tokens_changed();
    list(State(context), Filter(Which { all: false })).await
}
