//! Looking at templates.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use serde_json::json;

use crate::{
    http::{
        fault::{Code, Fault},
        read::{Answer, ok},
    },
    pipeline::{Context, templates::TemplateError},
};

pub fn routes() -> Router<Arc<Context>> {
    Router::new().route("/v1/templates", get(list)).route("/v1/templates/{id}", get(show))
}

async fn list(State(context): State<Arc<Context>>) -> Answer {
    Ok(ok(json!({ "templates": context.list_templates().await? })))
}

async fn show(State(context): State<Arc<Context>>, Path(id): Path<String>) -> Answer {
    context.template_detail(&id).await.map(ok).map_err(|error| match error {
        TemplateError::Unknown(problem) => {
            let hint = problem.hint.map(|hint| format!(": {hint}")).unwrap_or_default();
            Fault::new(Code::UnknownTemplate, format!("{}{hint}", problem.what))
        }
        TemplateError::Ledger(error) => error.into(),
    })
}
