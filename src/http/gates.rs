//! Gates: closing and opening them, the kill switch, and what is still worked on behind one.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    budget::{Key, Scope},
    http::{
        access::Caller,
        fault::{Code, Fault},
        read::{Act, Answer, Body, Filter, Reason, ok, wrong},
    },
    job::{id::RequestId, repository::Repository, time::Timestamp},
    pipeline::{
        By, Context,
        view::{Behind, GateView},
    },
    policy::{Problem, text},
};

/// The most characters of a scope's value.
const VALUE_CHARACTERS_MAX: usize = 300;

pub fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(behind))
        .routes(routes!(close))
        .routes(routes!(open))
        .routes(routes!(kill))
        .routes(routes!(revive))
}

#[derive(Serialize, utoipa::ToSchema)]
struct Gates {
    gates: Vec<GateView>,
}

/// Lists what is closed, the kill switch first.
#[utoipa::path(
    get,
    path = "/v1/gates",
    tag = "gates",
    responses((status = 200, body = Gates)),
)]
async fn list(State(context): State<Arc<Context>>) -> Answer {
    Ok(ok(Gates { gates: context.closed_gates().await? }))
}

/// Names a gate in a query.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Before {
    #[param(value_type = Scope)]
    scope: Scope,
    #[serde(default)]
    value: String,
}

/// Tells what is still worked on behind a gate.
#[utoipa::path(
    get,
    path = "/v1/gates/behind",
    tag = "gates",
    params(Before),
    responses((status = 200, body = Behind)),
    extensions(("x-codes" = json!(["unknown-request", "ambiguous-id"])))
)]
async fn behind(State(context): State<Arc<Context>>, Filter(before): Filter<Before>) -> Answer {
    let value = whole(&context, before.scope, before.value).await?;
    let key =
        gate_key(before.scope, &value).map_err(|problem| Fault::new(Code::BadFilter, problem.to_string()))?;
    Ok(ok(context.behind(&key).await?))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GateClose, example = json!({ "scope": "repository", "value": "acme/api", "actor": "ana", "reason": "incident 42" }))]
struct Close {
    scope: Scope,
    #[serde(default)]
    value: String,
    reason: String,
    actor: Option<String>,
    /// RFC 3339. Left out: until someone opens it.
    until: Option<String>,
}

/// Closes a gate.
///
/// Answers when no start behind the gate is on its way any more.
#[utoipa::path(
    post,
    path = "/v1/gates/close",
    tag = "gates",
    request_body = Close,
    responses((status = 200, body = GateView)),
    extensions(("x-codes" = json!(["illegal-event", "unknown-template", "unknown-identity", "unknown-request", "ambiguous-id"])))
)]
async fn close(State(context): State<Arc<Context>>, caller: Caller, Body(body): Body<Close>) -> Answer {
    let by = caller.by(body.actor, body.reason, Reason::Needed)?;
    let invalid = |problem| Fault::invalid(vec![problem]);
    let value = whole(&context, body.scope, body.value).await?;
    let key = known(&context, gate_key(body.scope, &value).map_err(invalid)?).await?;
    let until = body.until.map(|text| opening(&text, context.now())).transpose().map_err(invalid)?;
    shut(&context, key, by, until).await
}

/// Stops every start and every other write at the provider.
///
/// Answers when no start and no other write at the provider is on its way any more.
#[utoipa::path(
    post,
    path = "/v1/kill-switch/on",
    tag = "gates",
    request_body = Act,
    responses((status = 200, body = GateView)),
    extensions(("x-codes" = json!(["illegal-event"])))
)]
async fn kill(State(context): State<Arc<Context>>, caller: Caller, Body(act): Body<Act>) -> Answer {
    shut(&context, Key::kill_switch(), act.by(&caller, Reason::Needed)?, None).await
}

async fn shut(context: &Context, key: Key, by: By, until: Option<Timestamp>) -> Answer {
    context.pause(&key, by, until).await.map_err(|error| Fault::act(error, Code::IllegalEvent))?;
    Ok(ok(context.closed_now(&key).await?))
}

/// The gate, if there can be anything behind it.
async fn known(context: &Context, key: Key) -> Result<Key, Fault> {
    let Some(wrong) = context.misnamed(&key).await? else { return Ok(key) };
    let code = if wrong.scope == Scope::Identity { Code::UnknownIdentity } else { Code::UnknownTemplate };
    Err(Fault::new(code, wrong.to_string()))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GateOpen, example = json!({ "scope": "repository", "value": "acme/api", "actor": "ana", "reason": "incident over" }))]
struct Open {
    scope: Scope,
    #[serde(default)]
    value: String,
    actor: Option<String>,
    #[serde(default)]
    reason: String,
}

/// Opens a gate, as far as people closed it.
#[utoipa::path(
    post,
    path = "/v1/gates/open",
    tag = "gates",
    request_body = Open,
    responses((status = 200, body = GateView)),
    extensions(("x-codes" = json!(["illegal-event", "unknown-template", "unknown-identity", "unknown-request", "ambiguous-id"])))
)]
async fn open(State(context): State<Arc<Context>>, caller: Caller, Body(body): Body<Open>) -> Answer {
    let by = caller.by(body.actor, body.reason, Reason::Optional)?;
    // What is closed can be opened, whatever it stands before.
    let value = match body.value.parse::<RequestId>() {
        Ok(_) => body.value,
        Err(_) => whole(&context, body.scope, body.value).await?,
    };
    let key = gate_key(body.scope, &value).map_err(|problem| Fault::invalid(vec![problem]))?;
    let key = known(&context, key).await?;
    unshut(&context, key, by).await
}

/// Lifts the kill switch.
#[utoipa::path(
    post,
    path = "/v1/kill-switch/off",
    tag = "gates",
    request_body = Act,
    responses((status = 200, body = GateView)),
    extensions(("x-codes" = json!(["illegal-event"])))
)]
async fn revive(State(context): State<Arc<Context>>, caller: Caller, Body(act): Body<Act>) -> Answer {
    unshut(&context, Key::kill_switch(), act.by(&caller, Reason::Needed)?).await
}

async fn unshut(context: &Context, key: Key, by: By) -> Answer {
    let before = context.gate_view(&key).await?;
    context.resume_gate(&key, by).await.map_err(|error| Fault::act(error, Code::IllegalEvent))?;
    // What a freeze or a breaker closes stays closed, and is told.
    Ok(ok(context.opened_now(&key, &before).await?))
}

/// The value with the whole id, where a request is named by the end of it.
async fn whole(context: &Context, scope: Scope, value: String) -> Result<String, Fault> {
    if scope != Scope::Request {
        return Ok(value);
    }
    Ok(context.find_request(&value).await.map_err(Fault::request)?.to_string())
}

fn opening(text: &str, now: Timestamp) -> Result<Timestamp, Problem> {
    let hint = "write a time to come, such as 2026-12-01T08:00:00Z";
    match Timestamp::parse(text) {
        Some(at) if at > now => Ok(at),
        Some(at) => Err(wrong("until", format!("{at} has passed"), hint)),
        None => Err(wrong("until", "not a time in RFC 3339", hint)),
    }
}

/// The gate of a scope. What is written differently from how jobs name it would close nothing, so it is brought into
/// that form or refused.
fn gate_key(scope: Scope, value: &str) -> Result<Key, Problem> {
    let value = value.trim();
    let plain = value.chars().count() <= VALUE_CHARACTERS_MAX
        && !value.is_empty()
        && !value.chars().any(|c| c.is_whitespace() || c.is_control());
    let refuse = |hint: &str| Err(wrong("value", format!("names no {scope}"), hint));
    match scope {
        Scope::Global if value.is_empty() => Ok(Key::gate(scope, "")),
        Scope::Global => refuse("leave the value out: this scope is everything"),
        Scope::Repository => match value.parse::<Repository>() {
            Ok(repository) => Ok(Key::gate(scope, repository.full_name())),
            Err(error) => Err(wrong("value", error.to_string(), "write owner/name")),
        },
        Scope::Organisation if plain && text::is_login(value) => {
            Ok(Key::gate(scope, &value.to_ascii_lowercase()))
        }
        Scope::Organisation => refuse("write the owner of the repositories"),
        Scope::Request => match value.to_ascii_lowercase().parse::<RequestId>() {
            Ok(id) => Ok(Key::gate(scope, &id.to_string())),
            Err(error) => Err(wrong("value", error.to_string(), "write the id of the request")),
        },
        Scope::Template | Scope::Team | Scope::Identity if text::is_name(value) => {
            Ok(Key::gate(scope, value))
        }
        Scope::Template => refuse("write its name without the version"),
        Scope::Team | Scope::Identity => refuse("use lower-case letters, digits and `-`, at most 64"),
        Scope::Model if plain => Ok(Key::gate(scope, value)),
        Scope::Model => refuse("write the model as `sluice show` does"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_named_as_jobs_name_it_or_not_at_all() {
        for (scope, value, key) in [
            (Scope::Global, "", "gate/global"),
            (Scope::Repository, " Acme/API ", "gate/repository/acme/api"),
            (Scope::Organisation, "Acme", "gate/organisation/acme"),
            (Scope::Template, "new-service", "gate/template/new-service"),
            (Scope::Model, "gpt-5.2", "gate/model/gpt-5.2"),
        ] {
            assert_eq!(gate_key(scope, value).unwrap().as_str(), key);
        }
        for (scope, value) in [
            (Scope::Global, "everything"),
            (Scope::Repository, "api"),
            (Scope::Organisation, ""),
            (Scope::Organisation, "acme/api"),
            (Scope::Template, "new-service@1"),
            (Scope::Team, "Platform"),
            (Scope::Request, "9c1f"),
            (Scope::Model, ""),
            (Scope::Model, "a b"),
        ] {
            assert_eq!(gate_key(scope, value).unwrap_err().at.as_deref(), Some("value"), "{scope} {value}");
        }
    }
}
