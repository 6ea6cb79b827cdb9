//! Completes what the handlers say of themselves: names of operations, parameters of the path, the answers that every route may give,
//! and the errors that a handler names by their codes.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use crate::{
    http::fault::{Code, MEDIA_TYPE},
    policy::request_schema,
};

/// Where a handler lists the codes of its own errors.
const CODES: &str = "x-codes";

/// Paths that ask for no token.
pub(super) const OPEN: &[&str] =
    &["/healthz", "/readyz", "/openapi.json", "/errors/{code}", "/v1/hooks/{name}"];

/// Asks for a token unless the configuration opens it.
const METRICS: &str = "/metrics";

/// Errors of every route behind the token.
const EVERYWHERE: &[Code] = &[
    Code::BadRequest,
    Code::BadFilter,
    Code::Unauthorised,
    Code::TokenMissing,
    Code::TokenMalformed,
    Code::TokenExpired,
    Code::TokenRevoked,
    Code::RoleMissing,
    Code::OutsideReach,
    Code::TooManyFailures,
    Code::RateLimited,
    Code::LedgerUnreadable,
    Code::Internal,
    Code::LedgerUnavailable,
    Code::IssuerUnavailable,
    Code::TimedOut,
];
/// Errors of every route that reads a body.
const WITH_BODY: &[Code] = &[
    Code::ActorMismatch,
    Code::BodyTooSlow,
    Code::BodyTooLarge,
    Code::UnsupportedMediaType,
    Code::InvalidRequest,
];

pub(super) fn finish(api: OpenApi) -> Value {
    // A description is made of texts and maps, which always become JSON.
    let mut api = serde_json::to_value(api).unwrap_or_default();
    if let Some(schemas) = api.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        let mut request = request_schema();
        if let Some(request) = request.as_object_mut() {
            request.retain(|name, _| !name.starts_with('$'));
            request.insert("example".to_owned(), example());
        }
        schemas.insert("Request".to_owned(), request);
    }
    let scheme = json!({ "type": "http", "scheme": "bearer" });
    put(&mut api, "components", "securitySchemes", json!({ "token": scheme }));
    put(&mut api, "", "security", json!([{ "token": [] }]));
    if let Some(paths) = api.get_mut("paths").and_then(Value::as_object_mut) {
        for (path, methods) in paths {
            for (method, operation) in methods.as_object_mut().into_iter().flatten() {
                if let Some(operation) = operation.as_object_mut() {
                    complete(path, method, operation);
                }
            }
        }
    }
    api
}

fn example() -> Value {
    json!({
        "template": "dependency-upgrade",
        "repositories": ["acme/api"],
        "requester": "carla",
        "inputs": { "ecosystem": "cargo", "package": "serde", "to_version": "1.0.228" },
        "reason": "CVE-2026-1234",
    })
}

fn put(api: &mut Value, parent: &str, name: &str, value: Value) {
    let parent = if parent.is_empty() { Some(api) } else { api.get_mut(parent) };
    if let Some(parent) = parent.and_then(Value::as_object_mut) {
        parent.insert(name.to_owned(), value);
    }
}

fn complete(path: &str, method: &str, operation: &mut Map<String, Value>) {
    operation.insert("operationId".to_owned(), json!(operation_id(path, method)));
    let named: Vec<Value> = path.split('/').filter_map(|part| path_parameter(path, part)).collect();
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    if let Some(parameters) = parameters.as_array_mut() {
        parameters.retain(|parameter| parameter["in"] != "path");
        parameters.splice(0..0, named);
        if parameters.is_empty() {
            operation.remove("parameters");
        }
    }
    let open = OPEN.contains(&path);
    let own = operation.remove(CODES).unwrap_or_default();
    let own: Vec<&str> = own.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut codes: Vec<Code> = own.iter().filter_map(|code| Code::named(code)).collect();
    if codes.len() < own.len() {
        // A test looks for this.
        operation.insert("x-unknown-codes".to_owned(), json!(own));
    }
    if open {
        operation.insert("security".to_owned(), json!([]));
    } else {
        codes.extend(EVERYWHERE);
    }
    if path == METRICS {
        operation.insert("security".to_owned(), json!([{}, { "token": [] }]));
    }
    if operation.contains_key("requestBody") && !open {
        codes.extend(WITH_BODY);
    }
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    for (status, codes) in by_status(&codes) {
        responses.insert(status.to_string(), refusal(&codes));
    }
    // Told apart by `ETag`: whoever has it already is told so.
    if method == "get" && !open && responses.get("200").is_some_and(is_json) {
        let tag = json!({ "ETag": { "description": "Weak; for `If-None-Match`.", "schema": { "type": "string" } } });
        if let Some(fine) = responses.get_mut("200").and_then(Value::as_object_mut) {
            fine.insert("headers".to_owned(), tag.clone());
        }
        let unchanged = "What `If-None-Match` names is still what would be answered.";
        responses.insert("304".to_owned(), json!({ "description": unchanged, "headers": tag }));
    }
}

fn is_json(response: &Value) -> bool {
    response.pointer("/content/application~1json").is_some()
}

/// `get` and `/v1/jobs/{id}/why` are `getJobsIdWhy`.
fn operation_id(path: &str, method: &str) -> String {
    let words = path.split(['/', '-', '.', '{', '}']).filter(|word| !word.is_empty() && *word != "v1");
    words.fold(method.to_owned(), |id, word| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        id.chars().chain(first).chain(letters).collect()
    })
}

/// What a part of a path in braces stands for.
fn path_parameter(path: &str, part: &str) -> Option<Value> {
    let name = part.strip_prefix('{')?.strip_suffix('}')?;
    let description = match name {
        "id" if path.starts_with("/v1/templates") => "`name@version`; without a version the newest.",
        "id" => "The whole id, or the characters at its end, at least four.",
        "code" => "The code of an error.",
        "owner" => "Owner of the repository.",
        "name" => "Name of the repository, or of the thing.",
        _ => "",
    };
    let schema = json!({ "type": "string", "minLength": 1 });
    Some(
        json!({ "name": name, "in": "path", "required": true, "description": description, "schema": schema }),
    )
}

fn by_status(codes: &[Code]) -> BTreeMap<u16, Vec<Code>> {
    let mut found: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        let same = found.entry(code.status().as_u16()).or_default();
        if !same.contains(code) {
            same.push(*code);
        }
    }
    found
}

fn refusal(codes: &[Code]) -> Value {
    let lines: Vec<String> =
        codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.title())).collect();
    let schema = json!({ "$ref": "#/components/schemas/Fault" });
    let content = Map::from_iter([(MEDIA_TYPE.to_owned(), json!({ "schema": schema }))]);
    let mut response = json!({ "description": lines.join("; "), "content": content });
    let wait =
        json!({ "description": "Seconds until it is worth to try again.", "schema": { "type": "integer" } });
    if codes.iter().any(|code| {
        matches!(
            code,
            Code::RateLimited
                | Code::TooManyFailures
                | Code::TooManySignatures
                | Code::TooManyReaders
                | Code::ProviderUnavailable
        )
    }) {
        put(&mut response, "", "headers", json!({ "Retry-After": wait }));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_named_after_its_path() {
        assert_eq!(operation_id("/v1/jobs/{id}/discard-result", "post"), "postJobsIdDiscardResult");
        assert_eq!(operation_id("/openapi.json", "get"), "getOpenapiJson");
    }
}
