//! Submitting, planning and looking at requests.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{FromRequest, Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{
        access::Caller,
        fault::{Code, Fault},
        read::{Answer, Body, Filter, bytes, cursor, last_of, limit, media_type, ok, unsupported},
    },
    job::id::RequestId,
    pipeline::{
        ApplyError, Context, LedgerError, SubmitError,
        plan_view::{Applicable, PlanView, Wanted},
        view::{Accepted, RequestView},
    },
    policy::{self, document::Document, text},
};

/// Names the file of a TOML body in messages.
const FILE_NAME: &str = "x-file-name";
const IDEMPOTENCY_KEY: &str = "idempotency-key";

pub fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new()
        .routes(routes!(list, submit))
        .routes(routes!(show))
        .routes(routes!(plan))
        .routes(routes!(apply))
}

/// A request in a body, as JSON or TOML, with the idempotency key of the header.
struct Submitted {
    request: policy::Request,
    /// The TOML that it was read from, with its name: what is wrong is told by its line.
    written: Option<(String, Bytes)>,
}

impl<S: Send + Sync> FromRequest<S> for Submitted {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let headers = request.headers().clone();
        let media = media_type(&headers);
        let toml = match media.as_str() {
            "application/json" => false,
            "application/toml" => true,
            _ => return Err(unsupported(&media, "application/json or application/toml")),
        };
        let name = file_name(&headers, if toml { "request.toml" } else { "request" });
        let body = bytes(request, state).await?;
        let parsed = if toml {
            policy::Request::parse_toml(&name, &body)
        } else {
            policy::Request::parse_json_file(&name, &body)
        };
        let request = parsed.map_err(|problem| Fault::invalid(vec![problem]))?;
        let request = with_key(request, &headers)?;
        Ok(Self { request, written: toml.then_some((name, body)) })
    }
}

impl Submitted {
    /// What the plan found wrong, with lines where there are some.
    fn invalid(written: Option<&(String, Bytes)>, problems: Vec<policy::Problem>) -> Fault {
        let text = written.and_then(|(name, body)| Some((name, std::str::from_utf8(body).ok()?)));
        let Some((name, text)) = text else { return Fault::invalid(problems) };
        let document = Document { name, text };
        Fault::invalid(problems.into_iter().map(|problem| document.locate(problem)).collect())
    }
}

fn file_name(headers: &HeaderMap, otherwise: &str) -> String {
    let name = headers.get(FILE_NAME).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    match name {
        Some(name) if !name.is_empty() && text::check(name, FILE_NAME).is_ok() => text::shorten(name, 200),
        _ => otherwise.to_owned(),
    }
}

/// The header names the key as well as the body does, but not another one.
fn with_key(mut request: policy::Request, headers: &HeaderMap) -> Result<policy::Request, Fault> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(request) };
    let key = String::from_utf8_lossy(value.as_bytes()).into_owned();
    if request.idempotency_key.as_ref().is_some_and(|there| *there != key) {
        let detail = "the header Idempotency-Key and the body's idempotency_key differ: send one of them";
        return Err(Fault::new(Code::IdempotencyConflict, detail));
    }
    request.idempotency_key = Some(key);
    request.checked().map_err(|problem| Fault::invalid(vec![problem]))
}

/// Hands in a request.
#[utoipa::path(
    post,
    path = "/v1/requests",
    tag = "requests",
    params((
            "Idempotency-Key" = Option<String>,
            Header,
            description = "1 to 200 printable ASCII characters. The same key with the same body is the same request, whenever it comes."
        )),
    request_body(content((policy::Request = "application/json"), (String = "application/toml"))),
    responses(
        (status = 201, body = Accepted, headers(("Location" = String, description = "Path of the request."))),
        (status = 200, body = Accepted, description = "This key was used before, and this is the first answer.")
    ),
    extensions(("x-codes" = json!(["idempotency-conflict", "template-changed", "provider-unavailable"])))
)]
async fn submit(State(context): State<Arc<Context>>, caller: Caller, submitted: Submitted) -> Answer {
    let Submitted { request, written } = submitted;
    let through = caller.check_order(&context, &request)?;
    let key = request.idempotency_key.clone();
    match context.submit_through(request, through.as_deref()).await {
        Ok(accepted) => Ok(answered(accepted)),
        Err(error) => Err(refused(&context, error, written.as_ref(), key.as_deref()).await?),
    }
}

pub(super) async fn refused(
    context: &Context,
    error: SubmitError,
    written: Option<&(String, Bytes)>,
    key: Option<&str>,
) -> Result<Fault, LedgerError> {
    Ok(match error {
        SubmitError::Invalid(problems) => Submitted::invalid(written, problems),
        SubmitError::Conflict(why) => Fault::new(conflict(context, key).await?, why),
        SubmitError::Ledger(error) => error.into(),
        SubmitError::Later { until, .. } => Fault::later(error.to_string(), until.since(context.now())),
    })
}

pub(super) fn answered(accepted: Accepted) -> Response {
    let status = if accepted.replayed { StatusCode::OK } else { StatusCode::CREATED };
    let location = [(header::LOCATION, format!("/v1/requests/{}", accepted.request))];
    (status, location, axum::Json(accepted)).into_response()
}

/// The ledger looks at the key first, so a key that is known is what the conflict is about.
async fn conflict(context: &Context, key: Option<&str>) -> Result<Code, LedgerError> {
    let known = match key {
        Some(key) => context.ledger.request_by_idempotency_key(key).await?,
        None => None,
    };
    Ok(if known.is_some() { Code::IdempotencyConflict } else { Code::TemplateChanged })
}

/// How much of a plan is asked for.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PlanQuery {
    /// A repository; left out: all prompts. Empty: none.
    prompt: Option<String>,
    /// With what can be applied later.
    #[serde(default)]
    applicable: bool,
}

/// Shows what a request would become; nothing is kept.
#[utoipa::path(
    post,
    path = "/v1/plans",
    tag = "requests",
    params(PlanQuery),
    request_body(content((policy::Request = "application/json"), (String = "application/toml"))),
    responses((status = 200, body = PlanView)),
    extensions(("x-codes" = json!(["template-changed", "provider-unavailable"])))
)]
async fn plan(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Filter(query): Filter<PlanQuery>,
    submitted: Submitted,
) -> Answer {
    let Submitted { request, written } = submitted;
    caller.check_reach(&context, &request)?;
    let wanted = Wanted { prompt: query.prompt, outline: query.applicable };
    match context.preview(&request, &wanted).await {
        Ok(view) => Ok(ok(view)),
        Err(error) => Err(refused(&context, error, written.as_ref(), None).await?),
    }
}

/// Hands in what a plan has shown, if it still holds.
#[utoipa::path(
    post,
    path = "/v1/plans/apply",
    tag = "requests",
    request_body = Applicable,
    responses(
        (status = 201, body = Accepted, headers(("Location" = String, description = "Path of the request."))),
        (status = 200, body = Accepted, description = "This key was used before, and this is the first answer.")
    ),
    extensions(("x-codes" = json!(["idempotency-conflict", "template-changed", "provider-unavailable", "plan-changed"])))
)]
async fn apply(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Body(planned): Body<Applicable>,
) -> Answer {
    let through = caller.check_order(&context, &planned.request)?;
    let key = planned.request.idempotency_key.clone();
    match context.apply(planned, through.as_deref()).await {
        Ok(accepted) => Ok(answered(accepted)),
        Err(ApplyError::Changed(problems)) => {
            let fault = Fault::invalid(problems);
            Err(Fault { code: Code::PlanChanged, ..fault })
        }
        Err(ApplyError::Submit(error)) => Err(refused(&context, error, None, key.as_deref()).await?),
    }
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Page {
    /// `next` of the page before.
    #[param(value_type = Option<RequestId>)]
    after: Option<RequestId>,
    #[param(minimum = 1, maximum = 1_000)]
    limit: Option<u32>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Requests {
    requests: Vec<RequestView>,
    /// None: these were the last ones.
    next: Option<RequestId>,
}

/// Lists requests, newest first.
#[utoipa::path(
    get,
    path = "/v1/requests",
    tag = "requests",
    params(Page),
    responses((status = 200, body = Requests)),
    extensions(("x-codes" = json!(["bad-cursor"])))
)]
async fn list(State(context): State<Arc<Context>>, caller: Caller, Filter(page): Filter<Page>) -> Answer {
    let limit = limit(page.limit, 100, 1_000)?;
    let found = context.list_requests(page.after, limit).await?.ok_or_else(|| cursor("request"))?;
    // What is out of reach is left out; the next page begins where it would anyway.
    let next = last_of(&found, limit).map(|view| view.request.id);
    let mut requests = Vec::with_capacity(found.len());
    for view in found {
        if caller.sees(&context, view.request.id).await? {
            requests.push(view);
        }
    }
    Ok(ok(Requests { requests, next }))
}

/// Tells of one request, its jobs counted by state.
#[utoipa::path(
    get,
    path = "/v1/requests/{id}",
    tag = "requests",
    responses((status = 200, body = RequestView)),
    extensions(("x-codes" = json!(["unknown-request", "ambiguous-id"])))
)]
async fn show(State(context): State<Arc<Context>>, caller: Caller, Path(id): Path<String>) -> Answer {
    let id = caller.request(&context, &id).await?;
    let view = context.request_view(id).await?;
    view.map(ok).ok_or_else(|| Fault::new(Code::UnknownRequest, format!("there is no request {id}")))
}
