//! Budgets, who holds them, and live limits.

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
        access::Caller,
        fault::{Code, Fault},
        read::{Answer, Body, Filter, Reason, ok, wrong},
    },
    pipeline::{Context, LedgerError, view::BudgetView},
    policy::Problem,
};

/// The most characters of a budget's key.
const KEY_CHARACTERS_MAX: usize = 300;

pub fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/v1/budgets", get(list))
        .route("/v1/budgets/holders", get(holders))
        .route("/v1/budgets/limit", post(set_limit))
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
    actor: Option<String>,
    reason: String,
}

async fn set_limit(State(context): State<Arc<Context>>, caller: Caller, Body(body): Body<Limit>) -> Answer {
    let by = caller.by(body.actor, body.reason, Reason::Needed)?;
    let key = budget_key(&body.key).map_err(|problem| Fault::invalid(vec![problem]))?;
    let set = context.set_limit(&key, body.limit, by).await;
    set.map_err(|error| Fault::act(error, Code::UnknownBudget))?;
    let view = one(&context, &key).await?;
    view.map(ok).ok_or_else(|| Fault::new(Code::UnknownBudget, format!("there is no budget {key}")))
}

async fn one(context: &Context, key: &Key) -> Result<Option<BudgetView>, LedgerError> {
    Ok(context.list_budgets().await?.into_iter().find(|view| view.key == *key))
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
    fn a_budget_is_named_as_jobs_name_it() {
        let key = |text| budget_key(text).map(|key| key.as_str().to_owned());
        assert_eq!(key("slots/repository/Acme/API").unwrap(), "slots/repository/acme/api");
        assert_eq!(key(" pool/reviewers/Ana ").unwrap(), "pool/reviewers/Ana");
        assert!(key("").is_err() && key("a b").is_err() && key(&"a".repeat(301)).is_err());
    }
}
