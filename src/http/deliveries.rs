//! Webhooks that came in: what became of each, what it says, and going through one again.

use std::sync::Arc;

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{
        access::Caller,
        fault::{Code, Fault},
        read::{Act, Answer, Body, Filter, Reason, cursor, last_of, limit, ok},
    },
    job::id::DeliveryId,
    pipeline::{
        Context,
        delivery_acts::{DeliveryDetail, DeliveryFilter, DeliveryState, DeliveryView},
    },
};

pub fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(replay))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Page {
    hook: Option<String>,
    state: Option<DeliveryState>,
    /// `next` of the page before.
    #[param(value_type = Option<DeliveryId>)]
    after: Option<DeliveryId>,
    #[param(minimum = 1, maximum = 1_000)]
    limit: Option<u32>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Deliveries {
    deliveries: Vec<DeliveryView>,
    /// None: these were the last ones.
    next: Option<DeliveryId>,
}

/// Lists webhooks that came in, newest first.
#[utoipa::path(
    get,
    path = "/v1/deliveries",
    tag = "webhooks",
    params(Page),
    responses((status = 200, body = Deliveries)),
    extensions(("x-codes" = json!(["bad-cursor", "unknown-hook"])))
)]
async fn list(State(context): State<Arc<Context>>, Filter(page): Filter<Page>) -> Answer {
    let limit = limit(page.limit, 100, 1_000)?;
    let filter = DeliveryFilter { hook: page.hook, state: page.state, before: page.after, limit };
    let deliveries = context.list_deliveries(&filter).await?.ok_or_else(|| cursor("delivery"))?;
    // One that is no more keeps what it took in; one that took nothing in was misspelt.
    if let Some(name) = filter.hook.filter(|_| deliveries.is_empty() && filter.before.is_none())
        && let Some(hint) = context.hooks.misspelt(&name)
    {
        return Err(Fault::new(Code::UnknownHook, format!("there is no hook `{name}`: {hint}")));
    }
    let next = last_of(&deliveries, limit).map(|view| view.id);
    Ok(ok(Deliveries { deliveries, next }))
}

/// Shows a webhook that came in, with what it says.
#[utoipa::path(
    get,
    path = "/v1/deliveries/{id}",
    tag = "webhooks",
    responses((status = 200, body = DeliveryDetail)),
    extensions(("x-codes" = json!(["unknown-delivery", "ambiguous-id"])))
)]
async fn show(State(context): State<Arc<Context>>, Path(id): Path<String>) -> Answer {
    let row = context.find_delivery(&id).await.map_err(Fault::delivery)?;
    Ok(ok(context.delivery_detail(row).await?))
}

/// Goes through a webhook again.
///
/// Goes through a webhook again, by the mapping of today. A request that was made of it is not made a second time unless its key
/// is another one today.
#[utoipa::path(
    post,
    path = "/v1/deliveries/{id}/replay",
    tag = "webhooks",
    request_body = Act,
    responses((status = 200, body = DeliveryView)),
    extensions(("x-codes" = json!(["unknown-delivery", "ambiguous-id", "illegal-event"])))
)]
async fn replay(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(act): Body<Act>,
) -> Answer {
    let by = act.by(&caller, Reason::Needed)?;
    let row = context.find_delivery(&id).await.map_err(Fault::delivery)?;
    context.replay_delivery(row.id, by).await.map_err(|error| Fault::act(error, Code::IllegalEvent))?;
    let row = context.find_delivery(&row.id.to_string()).await.map_err(Fault::delivery)?;
    Ok(ok(DeliveryView::from(row)))
}
