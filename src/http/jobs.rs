//! Looking at jobs, and what people do with one.

use std::sync::Arc;

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    budget::Closure,
    http::{
        access::Caller,
        fault::{Code, Fault},
        read::{Act, Answer, Body, Filter, Reason, last_of, limit, ok},
    },
    job::{lifecycle::Event, repository::Repository, state::State as JobState},
    pipeline::{
        Context, JobFilter,
        view::{JobDetail, JobView, Why},
    },
};

pub const LIMIT_DEFAULT: u32 = 1_000;
pub const LIMIT_MAX: u32 = 10_000;

pub fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(why))
        .routes(routes!(cancel))
        .routes(routes!(refuse))
        .routes(routes!(release))
        .routes(routes!(discard_result))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Query {
    /// Only jobs of this request: its id, or the end of it.
    request: Option<String>,
    #[param(value_type = Option<JobState>)]
    state: Option<JobState>,
    /// `owner/name`.
    #[param(value_type = Option<String>)]
    repository: Option<Repository>,
    /// Only jobs of requests with this template, its version left out.
    template: Option<String>,
    /// Only jobs of this team's requests.
    team: Option<String>,
    /// `next` of the page before.
    after: Option<i64>,
    #[param(minimum = 1, maximum = 10_000)]
    limit: Option<u32>,
}

/// Some jobs, and where the next ones begin.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = JobPage)]
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
        let next = last_of(&jobs, limit).map(|job| job.position);
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

/// Lists jobs in the order of acceptance.
#[utoipa::path(
    get,
    path = "/v1/jobs",
    tag = "jobs",
    params(Query),
    responses((status = 200, body = Page)),
    extensions(("x-codes" = json!(["unknown-request", "ambiguous-id"])))
)]
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
        template: query.template,
        team: query.team,
        after: query.after,
        limit: Some(limit),
    };
    let page = Page::new(context.list_jobs(&filter).await?, limit).within(&caller, &context).await?;
    Ok(ok(Page { kill_switch: context.closures.kill_switch(), ..page }))
}

/// Tells everything about a job.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}",
    tag = "jobs",
    responses((status = 200, body = JobDetail)),
    extensions(("x-codes" = json!(["unknown-job", "ambiguous-id"])))
)]
async fn show(State(context): State<Arc<Context>>, caller: Caller, Path(id): Path<String>) -> Answer {
    let job = caller.job(&context, &id).await?;
    Ok(ok(context.detail(&job).await?))
}

/// Tells why a job does not move, and who holds what it waits for.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/why",
    tag = "jobs",
    responses((status = 200, body = Why)),
    extensions(("x-codes" = json!(["unknown-job", "ambiguous-id"])))
)]
async fn why(State(context): State<Arc<Context>>, caller: Caller, Path(id): Path<String>) -> Answer {
    let job = caller.job(&context, &id).await?;
    Ok(ok(context.why(&job).await?))
}

/// Withdraws a job; a task that runs is not stopped, its result is never adopted.
#[utoipa::path(
    post,
    path = "/v1/jobs/{id}/cancel",
    tag = "jobs",
    request_body = Act,
    responses((status = 200, body = JobView)),
    extensions(("x-codes" = json!(["unknown-job", "ambiguous-id", "illegal-event"])))
)]
async fn cancel(context: State<Arc<Context>>, caller: Caller, id: Path<String>, body: Body<Act>) -> Answer {
    act(Event::Cancelled, context, caller, id, body).await
}

/// Ends a held job.
#[utoipa::path(
    post,
    path = "/v1/jobs/{id}/refuse",
    tag = "jobs",
    request_body = Act,
    responses((status = 200, body = JobView)),
    extensions(("x-codes" = json!(["unknown-job", "ambiguous-id", "illegal-event"])))
)]
async fn refuse(context: State<Arc<Context>>, caller: Caller, id: Path<String>, body: Body<Act>) -> Answer {
    act(Event::Refused, context, caller, id, body).await
}

/// Lets a quarantined result go to its review.
#[utoipa::path(
    post,
    path = "/v1/jobs/{id}/release",
    tag = "jobs",
    request_body = Act,
    responses((status = 200, body = JobView)),
    extensions(("x-codes" = json!(["unknown-job", "ambiguous-id", "illegal-event"])))
)]
async fn release(context: State<Arc<Context>>, caller: Caller, id: Path<String>, body: Body<Act>) -> Answer {
    act(Event::Released, context, caller, id, body).await
}

/// Throws a quarantined result away.
#[utoipa::path(
    post,
    path = "/v1/jobs/{id}/discard-result",
    tag = "jobs",
    request_body = Act,
    responses((status = 200, body = JobView)),
    extensions(("x-codes" = json!(["unknown-job", "ambiguous-id", "illegal-event"])))
)]
async fn discard_result(
    context: State<Arc<Context>>,
    caller: Caller,
    id: Path<String>,
    body: Body<Act>,
) -> Answer {
    act(Event::Discarded, context, caller, id, body).await
}

/// One event that a person brings about; answers with the job as it is then.
async fn act(
    event: Event,
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(act): Body<Act>,
) -> Answer {
    let by = act.by(&caller, Reason::Needed)?;
    let job = caller.job(&context, &id).await?.id;
    context.act(job, event, by).await.map_err(|error| Fault::act(error, Code::IllegalEvent))?;
    let job = context.find_job(&job.to_string()).await.map_err(Fault::job)?;
    Ok(ok(context.view(&job, None).await?))
}
