//! Schedules: how each stands, when it comes next, running it now, pausing and resuming it.

use std::sync::Arc;

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{
        access::Caller,
        fault::{Code, Fault},
        read::{Act, Answer, Body, Filter, Reason, limit, ok},
        requests,
    },
    pipeline::{
        Context,
        schedule_acts::{NEXT_MAX, NextView, ScheduleView},
        view::Accepted,
    },
    policy::{schedule::Schedule, text},
};

pub fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(next))
        .routes(routes!(run))
        .routes(routes!(pause))
        .routes(routes!(resume))
}

fn find<'c>(context: &'c Context, name: &str) -> Result<&'c Schedule, Fault> {
    let unknown = || format!("there is no schedule `{}`", text::shorten(name, 80));
    context.find_schedule(name).ok_or_else(|| Fault::new(Code::UnknownSchedule, unknown()))
}

#[derive(Serialize, utoipa::ToSchema)]
struct Schedules {
    schedules: Vec<ScheduleView>,
}

/// Lists schedules and how each stands.
#[utoipa::path(
    get,
    path = "/v1/schedules",
    tag = "schedules",
    responses((status = 200, body = Schedules)),
)]
async fn list(State(context): State<Arc<Context>>) -> Answer {
    Ok(ok(Schedules { schedules: context.schedule_views().await? }))
}

async fn view(context: &Context, name: &str) -> Answer {
    let views = context.schedule_views().await?;
    let found = views.into_iter().find(|view| view.name == name);
    found.map(ok).ok_or_else(|| Fault::new(Code::UnknownSchedule, "there is no such schedule"))
}

/// Tells how a schedule stands.
#[utoipa::path(
    get,
    path = "/v1/schedules/{name}",
    tag = "schedules",
    responses((status = 200, body = ScheduleView)),
    extensions(("x-codes" = json!(["unknown-schedule"])))
)]
async fn show(State(context): State<Arc<Context>>, Path(name): Path<String>) -> Answer {
    find(&context, &name)?;
    view(&context, &name).await
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Count {
    #[param(minimum = 1)]
    count: Option<u32>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct NextTimes {
    schedule: String,
    times: Vec<NextView>,
}

/// Tells when a schedule comes next.
#[utoipa::path(
    get,
    path = "/v1/schedules/{name}/next",
    tag = "schedules",
    params(Count),
    responses((status = 200, body = NextTimes)),
    extensions(("x-codes" = json!(["unknown-schedule"])))
)]
async fn next(
    State(context): State<Arc<Context>>,
    Path(name): Path<String>,
    Filter(asked): Filter<Count>,
) -> Answer {
    let count = limit(asked.count, 5, NEXT_MAX)?;
    let times = context.next_times(find(&context, &name)?, count);
    Ok(ok(NextTimes { schedule: name, times }))
}

/// Runs a schedule now.
///
/// Gives the request.
#[utoipa::path(
    post,
    path = "/v1/schedules/{name}/run",
    tag = "schedules",
    request_body = Act,
    responses(
        (status = 201, body = Accepted, headers(("Location" = String, description = "Path of the request."))),
        (status = 200, body = Accepted, description = "It was run at this moment before.")
    ),
    extensions(("x-codes" = json!(["unknown-schedule", "idempotency-conflict", "template-changed", "provider-unavailable"])))
)]
async fn run(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path(name): Path<String>,
    Body(act): Body<Act>,
) -> Answer {
    let by = act.by(&caller, Reason::Needed)?;
    match context.run_schedule(find(&context, &name)?, by).await {
        Ok(accepted) => Ok(requests::answered(accepted)),
        Err(error) => Err(requests::refused(&context, error, None, None).await?),
    }
}

/// Pauses a schedule.
#[utoipa::path(
    post,
    path = "/v1/schedules/{name}/pause",
    tag = "schedules",
    request_body = Act,
    responses((status = 200, body = ScheduleView)),
    extensions(("x-codes" = json!(["unknown-schedule", "illegal-event"])))
)]
async fn pause(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path(name): Path<String>,
    Body(act): Body<Act>,
) -> Answer {
    let by = act.by(&caller, Reason::Needed)?;
    let done = context.pause_schedule(find(&context, &name)?, by).await;
    done.map_err(|error| Fault::act(error, Code::IllegalEvent))?;
    view(&context, &name).await
}

/// Lets a paused schedule run again.
#[utoipa::path(
    post,
    path = "/v1/schedules/{name}/resume",
    tag = "schedules",
    request_body = Act,
    responses((status = 200, body = ScheduleView)),
    extensions(("x-codes" = json!(["unknown-schedule", "illegal-event"])))
)]
async fn resume(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path(name): Path<String>,
    Body(act): Body<Act>,
) -> Answer {
    let by = act.by(&caller, Reason::Needed)?;
    let done = context.resume_schedule(find(&context, &name)?, by).await;
    done.map_err(|error| Fault::act(error, Code::IllegalEvent))?;
    view(&context, &name).await
}
