//! Freezes: list, add, lift, exempt, and whether a repository is frozen at a time.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{
        access::Caller,
        fault::{Code, Fault},
        read::{Answer, Body, Filter, Reason, ok, wrong},
    },
    job::{repository::Repository, time::Timestamp},
    pipeline::{
        Context, FreezeError, Whom,
        view::{FreezeCheck, FreezeView},
    },
    policy::{
        Problem,
        freeze::{Exemption, Written},
    },
};

pub fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(lift))
        .routes(routes!(exempt))
        .routes(routes!(check))
}

#[derive(Serialize, utoipa::ToSchema)]
struct Freezes {
    freezes: Vec<FreezeView>,
    exemptions: Vec<Exemption>,
}

/// Lists freezes in force or to come, and exceptions.
#[utoipa::path(
    get,
    path = "/v1/freezes",
    tag = "freezes",
    responses((status = 200, body = Freezes)),
)]
async fn list(State(context): State<Arc<Context>>) -> Answer {
    Ok(ok(Freezes { freezes: context.freeze_views(), exemptions: context.exemptions() }))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FreezeAdd, example = json!({ "freeze": { "name": "incident-42", "reason": "incident 42" }, "now": true, "actor": "ana" }))]
struct Add {
    freeze: Written,
    /// It begins now and lasts until it is lifted, or until `until`.
    #[serde(default)]
    now: bool,
    actor: Option<String>,
}

/// Makes a freeze.
///
/// Answers when nothing that it reaches is on its way any more.
#[utoipa::path(
    post,
    path = "/v1/freezes",
    tag = "freezes",
    request_body = Add,
    responses((status = 200, body = FreezeView)),
    extensions(("x-codes" = json!(["freeze-conflict"])))
)]
async fn add(State(context): State<Arc<Context>>, caller: Caller, Body(body): Body<Add>) -> Answer {
    let by = caller.by(body.actor, body.freeze.reason.clone(), Reason::Needed)?;
    let mut freeze = body.freeze;
    if body.now {
        freeze.begin(context.now()).map_err(|problem| Fault::invalid(vec![problem]))?;
    }
    Ok(ok(context.add_freeze(&freeze, by).await.map_err(fault)?))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FreezeLift, example = json!({ "name": "incident-42", "actor": "ana", "reason": "incident over" }))]
struct Lift {
    name: String,
    actor: Option<String>,
    reason: String,
}

/// Ends a freeze.
#[utoipa::path(
    post,
    path = "/v1/freezes/lift",
    tag = "freezes",
    request_body = Lift,
    responses((status = 200, body = Freezes)),
    extensions(("x-codes" = json!(["freeze-conflict", "unknown-freeze"])))
)]
async fn lift(State(context): State<Arc<Context>>, caller: Caller, Body(body): Body<Lift>) -> Answer {
    let by = caller.by(body.actor, body.reason, Reason::Needed)?;
    context.lift_freeze(&body.name, by).await.map_err(fault)?;
    list(State(context)).await
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FreezeExempt)]
struct ExemptBody {
    job: Option<String>,
    request: Option<String>,
    /// Left out: from every freeze.
    freeze: Option<String>,
    /// RFC 3339.
    until: String,
    actor: Option<String>,
    reason: String,
}

/// Makes an exception for a job or a request.
#[utoipa::path(
    post,
    path = "/v1/freezes/exempt",
    tag = "freezes",
    request_body = ExemptBody,
    responses((status = 200, body = Freezes)),
    extensions(("x-codes" = json!(["freeze-conflict", "unknown-freeze", "unknown-job", "unknown-request", "ambiguous-id"])))
)]
async fn exempt(State(context): State<Arc<Context>>, caller: Caller, Body(body): Body<ExemptBody>) -> Answer {
    let by = caller.by(body.actor, body.reason, Reason::Needed)?;
    let until = moment(&body.until, "until").map_err(|problem| Fault::invalid(vec![problem]))?;
    if until <= context.now() {
        let problem = wrong("until", format!("{until} has passed"), "write a time to come");
        return Err(Fault::invalid(vec![problem]));
    }
    let whom = match (&body.job, &body.request) {
        (Some(job), None) => Whom::Job(context.find_job(job).await.map_err(Fault::job)?.id),
        (None, Some(request)) => Whom::Request(context.find_request(request).await.map_err(Fault::request)?),
        _ => {
            let what = "either a job or a request is exempt";
            return Err(Fault::invalid(vec![wrong("job", what, "send one of `job` and `request`")]));
        }
    };
    context.exempt(whom, body.freeze, until, by).await.map_err(fault)?;
    list(State(context)).await
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Check {
    /// `owner/name`.
    #[param(example = "acme/api")]
    repository: String,
    #[serde(default)]
    template: String,
    #[serde(default)]
    team: String,
    /// RFC 3339; left out: now.
    at: Option<String>,
}

/// Tells whether a repository is frozen at a time.
#[utoipa::path(
    get,
    path = "/v1/freezes/check",
    tag = "freezes",
    params(Check),
    responses((status = 200, body = FreezeCheck)),
)]
async fn check(State(context): State<Arc<Context>>, Filter(asked): Filter<Check>) -> Answer {
    let bad = |problem: Problem| Fault::new(Code::BadFilter, problem.to_string());
    let repository: Repository = asked
        .repository
        .to_ascii_lowercase()
        .parse()
        .map_err(|error| bad(wrong("repository", format!("{error}"), "write owner/name")))?;
    let at = asked.at.map(|text| moment(&text, "at")).transpose().map_err(bad)?;
    let at = at.unwrap_or_else(|| context.now());
    Ok(ok(context.check_freeze(&repository, &asked.template, &asked.team, at)))
}

fn moment(text: &str, at: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse(text)
        .ok_or_else(|| wrong(at, "not a time in RFC 3339", "write a time such as 2026-12-01T08:00:00Z"))
}

fn fault(error: FreezeError) -> Fault {
    match error {
        FreezeError::Invalid(problems) => Fault::invalid(problems),
        FreezeError::Unknown(_) => Fault::new(Code::UnknownFreeze, error.to_string()),
        FreezeError::Operate(error) => Fault::act(error, Code::FreezeConflict),
    }
}
