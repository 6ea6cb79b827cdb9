//! Rules of repositories, what is known of one, and what an identity reaches.

use std::sync::Arc;

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{
        fault::{Code, Fault},
        read::{Answer, Filter, ok},
    },
    pipeline::{
        Context,
        estate::{EstateError, ReachedView, RepositoryView, RulesView},
    },
};

pub fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(reach))
}

/// Lists the rules of repositories.
#[utoipa::path(
    get,
    path = "/v1/repositories",
    tag = "repositories",
    responses((status = 200, body = RulesView)),
)]
async fn list(State(context): State<Arc<Context>>) -> Answer {
    Ok(ok(context.repository_rules()))
}

/// Tells what is known of a repository.
#[utoipa::path(
    get,
    path = "/v1/repositories/{owner}/{name}",
    tag = "repositories",
    responses((status = 200, body = RepositoryView)),
    extensions(("x-codes" = json!(["provider-unavailable"])))
)]
async fn show(State(context): State<Arc<Context>>, Path((owner, name)): Path<(String, String)>) -> Answer {
    let repository = format!("{owner}/{name}").parse();
    let repository = repository.map_err(|error: crate::job::repository::InvalidRepository| {
        Fault::new(Code::BadRequest, error.to_string())
    })?;
    context.repository_view(repository).await.map(ok).map_err(|error| fault(&context, error))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Whose {
    identity: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct ReachedRepositories {
    repositories: Vec<ReachedView>,
}

/// Lists what an identity reaches at the provider.
#[utoipa::path(
    get,
    path = "/v1/reach",
    tag = "repositories",
    params(Whose),
    responses((status = 200, body = ReachedRepositories)),
    extensions(("x-codes" = json!(["provider-unavailable"])))
)]
async fn reach(State(context): State<Arc<Context>>, Filter(whose): Filter<Whose>) -> Answer {
    let reached = context.reached(whose.identity.as_deref()).await.map_err(|error| fault(&context, error))?;
    Ok(ok(ReachedRepositories { repositories: reached }))
}

fn fault(context: &Context, error: EstateError) -> Fault {
    match error {
        EstateError::UnknownIdentity(why) => Fault::new(Code::BadFilter, why),
        EstateError::Ledger(error) => error.into(),
        EstateError::Later { until, .. } => Fault::later(error.to_string(), until.since(context.now())),
    }
}
