//! Rules of repositories, what is known of one, and what an identity reaches.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    http::{
        fault::{Code, Fault},
        read::{Answer, Filter, ok},
    },
    pipeline::{Context, estate::EstateError},
};

pub fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/v1/repositories", get(list))
        .route("/v1/repositories/{owner}/{name}", get(show))
        .route("/v1/reach", get(reach))
}

async fn list(State(context): State<Arc<Context>>) -> Answer {
    Ok(ok(context.repository_rules()))
}

async fn show(State(context): State<Arc<Context>>, Path((owner, name)): Path<(String, String)>) -> Answer {
    let repository = format!("{owner}/{name}").parse();
    let repository = repository.map_err(|error: crate::job::repository::InvalidRepository| {
        Fault::new(Code::BadRequest, error.to_string())
    })?;
    context.repository_view(repository).await.map(ok).map_err(|error| fault(&context, error))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whose {
    identity: Option<String>,
}

async fn reach(State(context): State<Arc<Context>>, Filter(whose): Filter<Whose>) -> Answer {
    let reached = context.reached(whose.identity.as_deref()).await.map_err(|error| fault(&context, error))?;
    Ok(ok(json!({ "repositories": reached })))
}

fn fault(context: &Context, error: EstateError) -> Fault {
    match error {
        EstateError::UnknownIdentity(why) => Fault::new(Code::BadFilter, why),
        EstateError::Ledger(error) => error.into(),
        EstateError::Later { until, .. } => Fault::later(error.to_string(), until.since(context.now())),
    }
}
