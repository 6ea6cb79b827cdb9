//! For auditors: the story of a job or a request, exports, checkpoints, redaction, and documents that are moved to files.

use std::sync::Arc;

use axum::{
    body::Body as Bytes,
    extract::{Path, State},
    http::header,
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{
        access::Caller,
        fault::{Code, Fault},
        read::{Act, Answer, Body, Filter, Reason, limit, ok, wrong},
    },
    job::time::Timestamp,
    pipeline::{
        Context, OperateError,
        audit::{
            self, Checkpoint, Export, Format, JobStory, MovableDocument, MovedDocument, RedactError,
            Redaction, RequestStory, Span, Verified,
        },
    },
};

/// Jobs whose documents are given together.
const DOCUMENTS_PAGE: u32 = 20;
/// Documents that are taken out together.
const MOVED_MAX: usize = 1_000;
/// Characters of the name of a folder.
const PLACE_MAX: usize = 1_000;

pub fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new()
        .routes(routes!(verify))
        .routes(routes!(job))
        .routes(routes!(request))
        .routes(routes!(export))
        .routes(routes!(checkpoint))
        .routes(routes!(documents))
        .routes(routes!(archive))
        .routes(routes!(redact))
}

/// Checks the hash chain of the whole history.
#[utoipa::path(
    get,
    path = "/v1/audit/verify",
    tag = "audit",
    responses((status = 200, body = Verified)),
)]
async fn verify(State(context): State<Arc<Context>>) -> Answer {
    Ok(ok(context.verify().await?))
}

/// Tells what was done for a job, in a sentence and in full.
#[utoipa::path(
    get,
    path = "/v1/audit/jobs/{id}",
    tag = "audit",
    responses((status = 200, body = JobStory)),
    extensions(("x-codes" = json!(["unknown-job", "ambiguous-id"])))
)]
async fn job(State(context): State<Arc<Context>>, caller: Caller, Path(id): Path<String>) -> Answer {
    let job = caller.job(&context, &id).await?;
    Ok(ok(context.job_story(&job).await?))
}

/// Tells what became of a request, in a sentence and in full.
#[utoipa::path(
    get,
    path = "/v1/audit/requests/{id}",
    tag = "audit",
    responses((status = 200, body = RequestStory)),
    extensions(("x-codes" = json!(["unknown-request", "ambiguous-id"])))
)]
async fn request(State(context): State<Arc<Context>>, caller: Caller, Path(id): Path<String>) -> Answer {
    let id = caller.request(&context, &id).await?;
    let story = context.request_story(id).await?;
    story.map(ok).ok_or_else(|| Fault::new(Code::UnknownRequest, format!("there is no request {id}")))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// RFC 3339.
    since: Option<String>,
    /// RFC 3339; itself left out.
    until: Option<String>,
    #[serde(default)]
    #[param(inline, value_type = Option<Format>)]
    format: Format,
    request: Option<String>,
}

fn moment(name: &str, text: Option<&String>) -> Result<Option<Timestamp>, Fault> {
    let read = |text: &String| {
        let shown = crate::policy::text::shorten(text, 60);
        let detail = format!("{name}: `{shown}` is no time: write it as 2026-11-20T10:00:00Z");
        Timestamp::parse(text).ok_or_else(|| Fault::new(Code::BadFilter, detail))
    };
    text.map(read).transpose()
}

/// Writes the record as a file, as it is read.
#[utoipa::path(
    get,
    path = "/v1/audit/export",
    tag = "audit",
    params(Asked),
    responses((status = 200, content((String = "application/jsonl"), (String = "text/csv")))),
    extensions(("x-codes" = json!(["unknown-request", "ambiguous-id"])))
)]
async fn export(
    State(context): State<Arc<Context>>,
    Filter(asked): Filter<Asked>,
) -> Result<Response, Fault> {
    let request = match &asked.request {
        Some(id) => Some(context.find_request(id).await.map_err(Fault::request)?),
        None => None,
    };
    let span = Span {
        since: moment("since", asked.since.as_ref())?,
        until: moment("until", asked.until.as_ref())?,
        request,
    };
    let pieces = audit::pieces(context, Export { format: asked.format, span });
    let media = [(header::CONTENT_TYPE, asked.format.media_type())];
    Ok((media, Bytes::from_stream(pieces)).into_response())
}

/// Signs the history as it is.
#[utoipa::path(
    post,
    path = "/v1/audit/checkpoints",
    tag = "audit",
    request_body = Act,
    responses((status = 200, body = Checkpoint)),
    extensions(("x-codes" = json!(["checkpoint-conflict"])))
)]
async fn checkpoint(State(context): State<Arc<Context>>, caller: Caller, Body(act): Body<Act>) -> Answer {
    let by = act.by(&caller, Reason::Optional)?;
    let made = context.checkpoint(by).await;
    Ok(ok(made.map_err(|error| Fault::act(error, Code::CheckpointConflict))?))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Older {
    /// RFC 3339.
    before: String,
    /// `next` of the page before.
    after: Option<i64>,
    #[param(minimum = 1, maximum = 1_000)]
    limit: Option<u32>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Documents {
    documents: Vec<MovableDocument>,
    /// None: these were the last ones.
    next: Option<i64>,
}

/// Lists what may be moved to files.
#[utoipa::path(
    get,
    path = "/v1/audit/documents",
    tag = "audit",
    params(Older),
    responses((status = 200, body = Documents)),
)]
async fn documents(State(context): State<Arc<Context>>, Filter(asked): Filter<Older>) -> Answer {
    let before = moment("before", Some(&asked.before))?.unwrap_or_default();
    let limit = limit(asked.limit, DOCUMENTS_PAGE, 1_000)?;
    let (documents, next) = context.movable(before, asked.after.unwrap_or(-1), i64::from(limit)).await?;
    Ok(ok(Documents { documents, next }))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AuditArchive)]
struct Archived {
    documents: Vec<MovedDocument>,
    /// The folder, for whoever looks for them.
    place: String,
    actor: Option<String>,
    #[serde(default)]
    reason: String,
}

#[derive(Serialize, utoipa::ToSchema)]
struct ArchivedCount {
    documents: usize,
}

/// Takes documents out of the ledger, all or none.
#[utoipa::path(
    post,
    path = "/v1/audit/archive",
    tag = "audit",
    request_body = Archived,
    responses((status = 200, body = ArchivedCount)),
    extensions(("x-codes" = json!(["archive-conflict"])))
)]
async fn archive(State(context): State<Arc<Context>>, caller: Caller, Body(moved): Body<Archived>) -> Answer {
    let by = caller.by(moved.actor, moved.reason, Reason::Needed)?;
    if moved.documents.len() > MOVED_MAX {
        let hint = "send them in several parts";
        return Err(Fault::invalid(vec![wrong("documents", format!("more than {MOVED_MAX}"), hint)]));
    }
    if moved.place.trim().is_empty() || moved.place.chars().count() > PLACE_MAX {
        let what = format!("empty, or longer than {PLACE_MAX} characters");
        return Err(Fault::invalid(vec![wrong("place", what, "name the folder that the files are in")]));
    }
    crate::policy::text::check(&moved.place, "place").map_err(|problem| Fault::invalid(vec![problem]))?;
    let documents = moved.documents.len();
    let done = context.archive(moved.documents, moved.place, by).await;
    done.map_err(|error| Fault::act(error, Code::ArchiveConflict))?;
    Ok(ok(ArchivedCount { documents }))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AuditRedact)]
struct Named {
    person: String,
    actor: Option<String>,
    #[serde(default)]
    reason: String,
}

/// Takes a person out of the record.
#[utoipa::path(
    post,
    path = "/v1/audit/redactions",
    tag = "audit",
    request_body = Named,
    responses((status = 200, body = Redaction)),
    extensions(("x-codes" = json!(["person-at-work"])))
)]
async fn redact(State(context): State<Arc<Context>>, caller: Caller, Body(named): Body<Named>) -> Answer {
    let by = caller.by(named.actor, named.reason, Reason::Needed)?;
    // Once begun it comes to its end, also if nobody waits for the answer any more.
    let work = tokio::spawn(async move { context.redact(&named.person, by).await });
    let done = work.await.map_err(|error| Fault::new(Code::Internal, error.to_string()))?;
    let redaction = done.map_err(|error| match error {
        RedactError::Name => {
            let hint = "write the login or the name as the records have it";
            Fault::invalid(vec![wrong("person", RedactError::Name.to_string(), hint)])
        }
        RedactError::AtWork(why) => Fault::new(Code::PersonAtWork, why),
        RedactError::Operate(OperateError::Ledger(error)) => error.into(),
        RedactError::Operate(error) => Fault::act(error, Code::PersonAtWork),
    })?;
    Ok(ok(redaction))
}
