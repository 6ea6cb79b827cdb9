//! For auditors: the story of a job or a request, exports, checkpoints, redaction, and documents that are moved to files.

use std::sync::Arc;

use axum::{
    Router,
    body::Body as Bytes,
    extract::{Path, State},
    http::header,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    http::{
        access::Caller,
        fault::{Code, Fault},
        read::{Act, Answer, Body, Filter, Reason, limit, ok, wrong},
    },
    job::time::Timestamp,
    pipeline::{
        Context, OperateError,
        audit::{self, Export, Format, MovedDocument, RedactError, Span},
    },
};

/// Jobs whose documents are given together.
const DOCUMENTS_PAGE: u32 = 20;
/// Documents that are taken out together.
const MOVED_MAX: usize = 1_000;
/// Characters of the name of a folder.
const PLACE_MAX: usize = 1_000;

pub fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/v1/audit/verify", get(verify))
        .route("/v1/audit/jobs/{id}", get(job))
        .route("/v1/audit/requests/{id}", get(request))
        .route("/v1/audit/export", get(export))
        .route("/v1/audit/checkpoints", post(checkpoint))
        .route("/v1/audit/documents", get(documents))
        .route("/v1/audit/archive", post(archive))
        .route("/v1/audit/redactions", post(redact))
}

async fn verify(State(context): State<Arc<Context>>) -> Answer {
    Ok(ok(context.verify().await?))
}

async fn job(State(context): State<Arc<Context>>, caller: Caller, Path(id): Path<String>) -> Answer {
    let job = caller.job(&context, &id).await?;
    Ok(ok(context.job_story(&job).await?))
}

async fn request(State(context): State<Arc<Context>>, caller: Caller, Path(id): Path<String>) -> Answer {
    let id = caller.request(&context, &id).await?;
    let story = context.request_story(id).await?;
    story.map(ok).ok_or_else(|| Fault::new(Code::UnknownRequest, format!("there is no request {id}")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// RFC 3339.
    since: Option<String>,
    /// RFC 3339; itself left out.
    until: Option<String>,
    #[serde(default)]
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

async fn checkpoint(State(context): State<Arc<Context>>, caller: Caller, Body(act): Body<Act>) -> Answer {
    let by = act.by(&caller, Reason::Optional)?;
    let made = context.checkpoint(by).await;
    Ok(ok(made.map_err(|error| Fault::act(error, Code::CheckpointConflict))?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Older {
    before: String,
    after: Option<i64>,
    limit: Option<u32>,
}

async fn documents(State(context): State<Arc<Context>>, Filter(asked): Filter<Older>) -> Answer {
    let before = moment("before", Some(&asked.before))?.unwrap_or_default();
    let limit = limit(asked.limit, DOCUMENTS_PAGE, 1_000)?;
    let (documents, next) = context.movable(before, asked.after.unwrap_or(-1), i64::from(limit)).await?;
    Ok(ok(json!({ "documents": documents, "next": next })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Archived {
    documents: Vec<MovedDocument>,
    /// The folder, for whoever looks for them.
    place: String,
    actor: Option<String>,
    #[serde(default)]
    reason: String,
}

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
    Ok(ok(json!({ "documents": documents })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    person: String,
    actor: Option<String>,
    #[serde(default)]
    reason: String,
}

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
