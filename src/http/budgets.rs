//! Budgets, who holds them, and live limits.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    budget::{Amount, Key, Scope},
    http::{
        access::Caller,
        fault::{Code, Fault},
        read::{Answer, Body, Filter, Reason, limit, ok, wrong},
    },
    pipeline::{
        Context, LedgerError,
        view::{BudgetView, Holder},
    },
    policy::Problem,
};

/// The most budgets of one page.
const BUDGETS_MAX: u32 = 10_000;
/// The most characters of a budget's key.
const KEY_CHARACTERS_MAX: usize = 300;

pub fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(holders)).routes(routes!(set_limit))
}

/// Which budgets.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// `next` of the page before: only budgets after this key.
    after: Option<String>,
    #[param(minimum = 1, maximum = 10_000)]
    limit: Option<u32>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Budgets {
    budgets: Vec<BudgetView>,
    /// None: these were the last ones.
    next: Option<Key>,
}

/// Lists budgets in the order of their keys.
#[utoipa::path(get, path = "/v1/budgets", tag = "budgets", params(Which), responses((status = 200, body = Budgets)))]
async fn list(State(context): State<Arc<Context>>, Filter(which): Filter<Which>) -> Answer {
    let limit = limit(which.limit, BUDGETS_MAX, BUDGETS_MAX)?;
    let mut budgets = context.list_budgets().await?;
    budgets.sort_by(|one, other| one.key.cmp(&other.key));
    if let Some(after) = which.after {
        budgets.retain(|view| view.key.as_str() > after.as_str());
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = budgets.len() > limit;
    budgets.truncate(limit);
    let next = budgets.last().filter(|_| more).map(|view| view.key.clone());
    Ok(ok(Budgets { budgets, next }))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Held {
    /// Of the budget; a pool's key names the holders of all its members.
    #[param(example = "slots/global")]
    key: String,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Holders {
    holders: Vec<Holder>,
}

/// Tells who holds a budget, oldest first, at most 20.
#[utoipa::path(
    get,
    path = "/v1/budgets/holders",
    tag = "budgets",
    params(Held),
    responses((status = 200, body = Holders)),
    extensions(("x-codes" = json!(["unknown-budget"])))
)]
async fn holders(State(context): State<Arc<Context>>, Filter(held): Filter<Held>) -> Answer {
    let key = budget_key(&held.key).map_err(|problem| Fault::new(Code::BadFilter, problem.to_string()))?;
    let holders = context.holders(&key).await?;
    if holders.is_empty() && !context.has_budget(&key).await? {
        return Err(Fault::new(Code::UnknownBudget, format!("there is no budget {key}")));
    }
    Ok(ok(Holders { holders }))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LimitSet, example = json!({ "key": "slots/global", "limit": 5, "actor": "ana", "reason": "two more runners" }))]
struct Limit {
    key: String,
    /// Must be written: a limit left out by mistake must not take one away. `null`: as configured.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true)]
    limit: Option<Amount>,
    actor: Option<String>,
    reason: String,
}

/// Sets the limit of a budget, or gives it back to the configuration.
#[utoipa::path(
    post,
    path = "/v1/budgets/limit",
    tag = "budgets",
    request_body = Limit,
    responses((status = 200, body = BudgetView)),
    extensions(("x-codes" = json!(["unknown-budget"])))
)]
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
