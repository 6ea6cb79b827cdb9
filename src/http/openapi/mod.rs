//! The description of this interface (OpenAPI 3.1): gathered from the handlers, completed with what holds for all of them.
//! `docs/openapi.json` is what this prints.

mod finish;
mod words;

use std::sync::LazyLock;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::{
    OpenApi,
    openapi::{Info, License},
};

use crate::{http::fault::Code, policy::Problem};

/// The description as it is served.
pub fn description() -> Value {
    finish::finish(super::described().into_openapi())
}

/// Describes this interface (OpenAPI 3.1).
#[utoipa::path(get, path = "/openapi.json", tag = "interface", responses((status = 200, body = Object)))]
pub async fn show() -> Response {
    static PRINTED: LazyLock<String> = LazyLock::new(|| description().to_string());
    ([(header::CONTENT_TYPE, "application/json")], PRINTED.as_str()).into_response()
}

/// What every description starts from.
pub(super) fn begin() -> utoipa::openapi::OpenApi {
    let mut api = Shared::openapi();
    let mut info = Info::new("Sluicegate", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "A durable queue in front of GitHub's Agent tasks API. Times are milliseconds since 1970 UTC, money is nano-credits. \
         Fields may be added to answers at any time; none is renamed or removed."
            .to_owned(),
    );
    info.license = Some(License::new("MIT OR Apache-2.0"));
    api.info = info;
    api
}

/// What no single handler names.
#[derive(OpenApi)]
#[openapi(components(schemas(FaultDocument)))]
struct Shared;

/// An error: a problem document (RFC 9457).
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Fault)]
struct FaultDocument {
    /// Where the code is explained, from the root of this server.
    #[serde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    detail: String,
    code: Code,
    /// What is wrong with what was sent, all of it at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Problem>,
}
