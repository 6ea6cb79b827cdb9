//! Looking at jobs, and what people do with one.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    routing::{MethodRouter, get, post},
};
use serde::{Deserialize, Serialize};

use crate::{
    budget::Closure,
    http::{
        access::Caller,
        fault::{Code, Fault},
        read::{Act, Answer, Body, Filter, Reason, limit, ok},
    },
    job::{lifecycle::Event, repository::Repository, state::State as JobState},
    pipeline::{Context, JobFilter, view::JobView},
};

pub const LIMIT_DEFAULT: u32 = 1_000;
pub const LIMIT_MAX: u32 = 10_000;

pub fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/v1/jobs", get(list))
        .route("/v1/jobs/{id}", get(show))
        .route("/v1/jobs/{id}/why", get(why))
        .route("/v1/jobs/{id}/cancel", act(Event::Cancelled, Reason::Needed))
        .route("/v1/jobs/{id}/refuse", act(Event::Refused, Reason::Needed))
        .route("/v1/jobs/{id}/release", act(Event::Released, Reason::Needed))
        .route("/v1/jobs/{id}/discard-result", act(Event::Discarded, Reason::Needed))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    request: Option<String>,
    state: Option<JobState>,
    repository: Option<Repository>,
    after: Option<i64>,
    limit: Option<u32>,
}

/// Some jobs, and where the next ones begin.
#[derive(Serialize)]
pub struct Page {
    jobs: Vec<JobView>,
    /// None: these were the last ones.
    next: Option<i64>,
    /// Left out unless the kill switch is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    kill_switch: Option<Closure>,
}

impl Page {
    pub fn new(jobs: Vec<JobView>, limit: u32) -> Self {
        let full = u32::try_from(jobs.len()).is_ok_and(|found| found >= limit);
        let next = if full { jobs.last().map(|job| job.position) } else { None };
        Self { jobs, next, kill_switch: None }
    }

    /// What is out of reach is left out; the next page begins where it would anyway.
    pub async fn within(mut self, caller: &Caller, context: &Context) -> Result<Self, Fault> {
        let mut seen = Vec::with_capacity(self.jobs.len());
        for job in self.jobs {
            if caller.sees(context, job.request).await? {
                seen.push(job);
            }
        }
        self.jobs = seen;
        Ok(self)
    }
}

async fn list(State(context): State<Arc<Context>>, caller: Caller, Filter(query): Filter<Query>) -> Answer {
    let limit = limit(query.limit, LIMIT_DEFAULT, LIMIT_MAX)?;
    let request = match &query.request {
        Some(text) => Some(caller.request(&context, text).await?),
        None => None,
    };
    let filter = JobFilter {
        request,
        state: query.state,
        repository: query.repository,
        after: query.after,
        limit: Some(limit),
    };
    let page = Page::new(context.list_jobs(&filter).await?, limit).within(&caller, &context).await?;
    Ok(ok(Page { kill_switch: context.closures.kill_switch(), ..page }))
}

async fn show(State(context): State<Arc<Context>>, caller: Caller, Path(id): Path<String>) -> Answer {
    let job = caller.job(&context, &id).await?;
    Ok(ok(context.detail(&job).await?))
}

async fn why(State(context): State<Arc<Context>>, caller: Caller, Path(id): Path<String>) -> Answer {
    let job = caller.job(&context, &id).await?;
    Ok(ok(context.why(&job).await?))
}

/// A route for one event that a person brings about; answers with the job as it is then.
fn act(event: Event, need: Reason) -> MethodRouter<Arc<Context>> {
    let handler = async move |State(context): State<Arc<Context>>,
                              caller: Caller,
                              Path(id): Path<String>,
                              Body(act): Body<Act>|
                -> Answer {
        let by = act.by(&caller, need)?;
        let job = caller.job(&context, &id).await?.id;
        context.act(job, event, by).await.map_err(|error| Fault::act(error, Code::IllegalEvent))?;
        let job = context.find_job(&job.to_string()).await.map_err(Fault::job)?;
        Ok(ok(context.view(&job, None).await?))
    };
    post(handler)
}
