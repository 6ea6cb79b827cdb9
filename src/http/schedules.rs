//! Schedules: how each stands, when it comes next, running it now, pausing and resuming it.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    http::{
        access::Caller,
        fault::{Code, Fault},
        read::{Act, Answer, Body, Filter, Reason, limit, ok},
        requests,
    },
    pipeline::{Context, schedule_acts::NEXT_MAX},
    policy::{schedule::Schedule, text},
};

pub fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/v1/schedules", get(list))
        .route("/v1/schedules/{name}", get(show))
        .route("/v1/schedules/{name}/next", get(next))
        .route("/v1/schedules/{name}/run", post(run))
        .route("/v1/schedules/{name}/pause", post(pause))
        .route("/v1/schedules/{name}/resume", post(resume))
}

fn find<'c>(context: &'c Context, name: &str) -> Result<&'c Schedule, Fault> {
    let unknown = || format!("there is no schedule `{}`", text::shorten(name, 80));
    context.find_schedule(name).ok_or_else(|| Fault::new(Code::UnknownSchedule, unknown()))
}

async fn list(State(context): State<Arc<Context>>) -> Answer {
    Ok(ok(json!({ "schedules": context.schedule_views().await? })))
}

async fn view(context: &Context, name: &str) -> Answer {
    let views = context.schedule_views().await?;
    let found = views.into_iter().find(|view| view.name == name);
    found.map(ok).ok_or_else(|| Fault::new(Code::UnknownSchedule, "there is no such schedule"))
}

async fn show(State(context): State<Arc<Context>>, Path(name): Path<String>) -> Answer {
    find(&context, &name)?;
    view(&context, &name).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    count: Option<u32>,
}

async fn next(
    State(context): State<Arc<Context>>,
    Path(name): Path<String>,
    Filter(asked): Filter<Count>,
) -> Answer {
    let count = limit(asked.count, 5, NEXT_MAX)?;
    let times = context.next_times(find(&context, &name)?, count);
    Ok(ok(json!({ "schedule": name, "times": times })))
}

/// Gives the request.
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
