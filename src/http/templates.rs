//! Looking at templates.

use std::sync::Arc;

use axum::extract::{Path, State};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{
        fault::{Code, Fault},
        read::{Answer, ok},
    },
    pipeline::{
        Context,
        templates::{TemplateDetail, TemplateError, TemplateView},
    },
};

pub fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

#[derive(serde::Serialize, utoipa::ToSchema)]
struct Templates {
    templates: Vec<TemplateView>,
}

/// Lists every version of every template.
#[utoipa::path(
    get,
    path = "/v1/templates",
    tag = "templates",
    responses((status = 200, body = Templates)),
)]
async fn list(State(context): State<Arc<Context>>) -> Answer {
    Ok(ok(Templates { templates: context.list_templates().await? }))
}

/// Tells everything about a template.
#[utoipa::path(
    get,
    path = "/v1/templates/{id}",
    tag = "templates",
    responses((status = 200, body = TemplateDetail)),
    extensions(("x-codes" = json!(["unknown-template"])))
)]
async fn show(State(context): State<Arc<Context>>, Path(id): Path<String>) -> Answer {
    context.template_detail(&id).await.map(ok).map_err(|error| match error {
        TemplateError::Unknown(problem) => {
            let hint = problem.hint.map(|hint| format!(": {hint}")).unwrap_or_default();
            Fault::new(Code::UnknownTemplate, format!("{}{hint}", problem.what))
        }
        TemplateError::Ledger(error) => error.into(),
    })
}
