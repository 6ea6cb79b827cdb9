//! Identities: what each may reach, how its token stands, and what it did in a month.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{
        fault::{Code, Fault},
        read::{Answer, Filter, ok},
    },
    job::time::Timestamp,
    pipeline::{
        Context,
        view::{IdentityCheck, IdentityReview, IdentityView},
    },
};

pub fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(check)).routes(routes!(audit))
}

#[derive(Serialize, utoipa::ToSchema)]
struct Identities {
    identities: Vec<IdentityView>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct IdentityChecks {
    identities: Vec<IdentityCheck>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct IdentityAudit {
    month: String,
    identities: Vec<IdentityReview>,
}

/// Lists identities and what each may reach.
#[utoipa::path(
    get,
    path = "/v1/identities",
    tag = "identities",
    responses((status = 200, body = Identities)),
)]
async fn list(State(context): State<Arc<Context>>) -> Answer {
    Ok(ok(Identities { identities: context.identity_views().await }))
}

/// Tells how each token stands.
///
/// Asks the provider.
#[utoipa::path(
    get,
    path = "/v1/identities/check",
    tag = "identities",
    responses((status = 200, body = IdentityChecks)),
)]
async fn check(State(context): State<Arc<Context>>) -> Answer {
    Ok(ok(IdentityChecks { identities: context.check_identities().await }))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Month {
    /// `2026-11`, in UTC; left out: the present one.
    #[param(example = "2026-11")]
    month: Option<String>,
}

/// Tells what each identity did in a month.
#[utoipa::path(
    get,
    path = "/v1/identities/audit",
    tag = "identities",
    params(Month),
    responses((status = 200, body = IdentityAudit)),
)]
async fn audit(State(context): State<Arc<Context>>, Filter(asked): Filter<Month>) -> Answer {
    let month = asked.month.unwrap_or_else(|| context.now().to_string().chars().take(7).collect());
    let from = Timestamp::parse(&format!("{month}-01T00:00:00Z")).filter(|_| month.len() == 7);
    let from = from.ok_or_else(|| {
        Fault::new(Code::BadFilter, format!("month: `{month}` is not a month: write it as 2026-11"))
    })?;
    let identities = context.review_identities(from, from.next_month()).await?;
    Ok(ok(IdentityAudit { month, identities }))
}
