//! Budgets, who holds them, live limits, and gates.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    budget::{Amount, Key, Scope},
    http::{
        fault::{Code, Fault},
        read::{Answer, Body, Filter, Reason, by, ok, wrong},
    },
    job::{id::RequestId, repository::Repository, time::Timestamp},
    pipeline::{Context, LedgerError, view::BudgetView, view::GateView},
    policy::{Problem, text},
};

/// The most characters of a budget's key.
const KEY_CHARACTERS_MAX: usize = 300;

pub fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/v1/budgets", get(list))
        .route("/v1/budgets/holders", get(holders))
        .route("/v1/budgets/limit", post(set_limit))
        .route("/v1/gates/close", post(close))
        .route("/v1/gates/open", post(open))
}

async fn list(State(context): State<Arc<Context>>) -> Answer {
    Ok(ok(json!({ "budgets": context.list_budgets().await? })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    key: String,
}

async fn holders(State(context): State<Arc<Context>>, Filter(held): Filter<Held>) -> Answer {
    let key = budget_key(&held.key).map_err(|problem| Fault::new(Code::BadFilter, problem.to_string()))?;
    Ok(ok(json!({ "holders": context.holders(&key).await? })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    key: String,
    /// Must be written: a limit left out by mistake must not take one away. `null`: as configured.
    #[serde(deserialize_with = "Option::deserialize")]
    limit: Option<Amount>,
    actor: String,
    reason: String,
}

async fn set_limit(State(context): State<Arc<Context>>, Body(body): Body<Limit>) -> Answer {
    let by = by(body.actor, body.reason, Reason::Needed)?;
    let key = budget_key(&body.key).map_err(|problem| Fault::invalid(vec![problem]))?;
    let set = context.set_limit(&key, body.limit, by).await;
    set.map_err(|error| Fault::act(error, Code::UnknownBudget))?;
    let view = one(&context, &key).await?;
    view.map(ok).ok_or_else(|| Fault::new(Code::UnknownBudget, format!("there is no budget {key}")))
}

async fn one(context: &Context, key: &Key) -> Result<Option<BudgetView>, LedgerError> {
    Ok(context.list_budgets().await?.into_iter().find(|view| view.key == *key))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Close {
    scope: Scope,
    #[serde(default)]
    value: String,
    reason: String,
    actor: String,
    /// RFC 3339. Left out: until someone opens it.
    until: Option<String>,
}

/// Answers when no start behind the gate is on its way any more.
async fn close(State(context): State<Arc<Context>>, Body(body): Body<Close>) -> Answer {
    let by = by(body.actor, body.reason, Reason::Needed)?;
    let invalid = |problem| Fault::invalid(vec![problem]);
    let key = gate_key(body.scope, &body.value).map_err(invalid)?;
    let until = body.until.map(|text| opening(&text, context.now())).transpose().map_err(invalid)?;
    context.pause(&key, by, until).await.map_err(|error| Fault::act(error, Code::IllegalEvent))?;
    let closure = one(&context, &key).await?.and_then(|view| view.closed);
    Ok(ok(GateView { key, closure }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Open {
    scope: Scope,
    #[serde(default)]
    value: String,
    actor: String,
    #[serde(default)]
    reason: String,
}

async fn open(State(context): State<Arc<Context>>, Body(body): Body<Open>) -> Answer {
    let by = by(body.actor, body.reason, Reason::Optional)?;
    let key = gate_key(body.scope, &body.value).map_err(|problem| Fault::invalid(vec![problem]))?;
    context.resume_gate(&key, by).await.map_err(|error| Fault::act(error, Code::IllegalEvent))?;
    Ok(ok(GateView { key, closure: None }))
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
    let plain = value.chars().count() <= KEY_CHARACTERS_MAX
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
            Err(error) => Err(wrong("value", error.to_string(), "write the whole id of the request")),
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

/// A budget's key in the form that jobs use.
fn budget_key(text: &str) -> Result<Key, Problem> {
    let text = text.trim();
    let plain = !text.is_empty()
        && text.chars().count() <= KEY_CHARACTERS_MAX
        && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    if !plain {
        return Err(wrong("key", "not a budget's key", "write it as `sluice budgets` does"));
    }
    let key = Key::new(text);
    Ok(match key.scope() {
        Some((scope @ (Scope::Repository | Scope::Organisation), value)) => {
            Key::scoped(key.name(), scope, &value.to_ascii_lowercase())
        }
        _ => key,
    })
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

    #[test]
    fn a_budget_is_named_as_jobs_name_it() {
        let key = |text| budget_key(text).map(|key| key.as_str().to_owned());
        assert_eq!(key("slots/repository/Acme/API").unwrap(), "slots/repository/acme/api");
        assert_eq!(key(" pool/reviewers/Ana ").unwrap(), "pool/reviewers/Ana");
        assert!(key("").is_err() && key("a b").is_err() && key(&"a".repeat(301)).is_err());
    }
}
