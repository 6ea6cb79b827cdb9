//! Identities: what each may reach, how its token stands, and what it did in a month.

use std::sync::Arc;

use axum::{Router, extract::State, routing::get};
use serde::Deserialize;
use serde_json::json;

use crate::{
    http::{
        fault::{Code, Fault},
        read::{Answer, Filter, ok},
    },
    job::time::Timestamp,
    pipeline::Context,
};

pub fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/v1/identities", get(list))
        .route("/v1/identities/check", get(check))
        .route("/v1/identities/audit", get(audit))
}

async fn list(State(context): State<Arc<Context>>) -> Answer {
    Ok(ok(json!({ "identities": context.identity_views().await })))
}

/// Asks the provider.
async fn check(State(context): State<Arc<Context>>) -> Answer {
    Ok(ok(json!({ "identities": context.check_identities().await })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Month {
    /// `2026-11`, in UTC; left out: the present one.
    month: Option<String>,
}

async fn audit(State(context): State<Arc<Context>>, Filter(asked): Filter<Month>) -> Answer {
    let month = asked.month.unwrap_or_else(|| context.now().to_string().chars().take(7).collect());
    let from = Timestamp::parse(&format!("{month}-01T00:00:00Z")).filter(|_| month.len() == 7);
    let from = from.ok_or_else(|| {
        Fault::new(Code::BadFilter, format!("month: `{month}` is not a month: write it as 2026-11"))
    })?;
    let identities = context.review_identities(from, from.next_month()).await?;
    Ok(ok(json!({ "month": month, "identities": identities })))
}
