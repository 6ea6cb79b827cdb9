//! Tokens: giving one out, listing them, taking one back; and what one's own token may do.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{
        access::Caller,
        fault::{Code, Fault},
        read::{Act, Answer, Body, Filter, Reason, ok, wrong},
    },
    job::time::Timestamp,
    pipeline::{
        Context,
        access::{TokenError, TokenOrder, TokenView},
    },
    policy::access::{Grant, Reach, Role},
};

pub fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new().routes(routes!(me)).routes(routes!(list, create)).routes(routes!(revoke))
}

/// Whoever asks.
#[derive(Serialize, utoipa::ToSchema)]
struct Me {
    /// None: the local operator.
    name: Option<String>,
    grants: Vec<Grant>,
}

/// Tells who asks, and what they may do.
#[utoipa::path(get, path = "/v1/me", tag = "tokens", responses((status = 200, body = Me)))]
async fn me(caller: Caller) -> Answer {
    // The local operator may do everything.
    let name = caller.name().map(str::to_owned);
    let grants = if name.is_some() { caller.grants().to_vec() } else { vec![everything()] };
    Ok(ok(Me { name, grants }))
}

fn everything() -> Grant {
    Grant { roles: [Role::Admin, Role::Delegate].into(), reach: Reach::default() }
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Also those that are no longer valid.
    #[serde(default)]
    all: bool,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Tokens {
    tokens: Vec<TokenView>,
}

/// Lists tokens.
#[utoipa::path(get, path = "/v1/tokens", tag = "tokens", params(Which), responses((status = 200, body = Tokens)))]
async fn list(State(context): State<Arc<Context>>, Filter(which): Filter<Which>) -> Answer {
    Ok(ok(Tokens { tokens: context.list_tokens(which.all).await? }))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TokenCreate)]
struct Create {
    name: String,
    roles: Vec<Role>,
    #[serde(default)]
    teams: Vec<String>,
    #[serde(default)]
    templates: Vec<String>,
    /// RFC 3339. Must be written: a token without end is never made by leaving something out. `null`: it does not end.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true)]
    expires_at: Option<String>,
    /// Though another one of the same name is valid.
    #[serde(default)]
    beside: bool,
    #[serde(default)]
    actor: Option<String>,
    #[serde(default)]
    reason: String,
}

/// A token, and what is known of it.
#[derive(Serialize, utoipa::ToSchema)]
struct ShownToken {
    /// It is not shown again.
    token: String,
    about: TokenView,
}

/// Gives out a token.
///
/// The one answer that shows the token.
#[utoipa::path(
    post,
    path = "/v1/tokens",
    tag = "tokens",
    request_body = Create,
    responses((status = 201, body = ShownToken)),
    extensions(("x-codes" = json!(["token-conflict"])))
)]
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
    let shown = ShownToken { token: token.expose_secret().to_owned(), about: view };
    let mut answer: Response = (StatusCode::CREATED, axum::Json(shown)).into_response();
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

fn end(text: &str) -> Result<Timestamp, Fault> {
    let hint = "write a time such as 2026-12-01T08:00:00Z, or null for a token that does not end";
    let problem = || Fault::invalid(vec![wrong("expires_at", "not a time in RFC 3339", hint)]);
    Timestamp::parse(text).ok_or_else(problem)
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TokenRevoke)]
struct Revoke {
    /// Its id, or a name for all of that name.
    token: String,
    actor: Option<String>,
    reason: String,
}

/// Takes a token back.
///
/// This process refuses the token at once, others within two seconds.
#[utoipa::path(
    post,
    path = "/v1/tokens/revoke",
    tag = "tokens",
    request_body = Revoke,
    responses((status = 200, body = Tokens)),
    extensions(("x-codes" = json!(["unknown-token"])))
)]
async fn revoke(State(context): State<Arc<Context>>, caller: Caller, Body(body): Body<Revoke>) -> Answer {
    let act = Act { actor: body.actor, reason: body.reason };
    let by = act.by(&caller, Reason::Needed)?;
    let revoked = context.revoke_token(body.token.trim(), by).await;
    revoked.map_err(|error| Fault::act(error, Code::UnknownToken))?;
    caller.tokens_changed();
    list(State(context), Filter(Which { all: false })).await
}
