//! The JSON Schema of a request, for producers. What a template adds (its inputs, its repositories) is not in it.

use serde_json::{Map, Value, json};

use crate::policy::request::{DEADLINE_MINUTES_MAX, PRIORITY_MAX, REPOSITORIES_MAX};

/// Fields that every request has.
const REQUIRED: [&str; 3] = ["template", "repositories", "requester"];

/// Draft 2020-12. A request that does not fit is refused; one that fits may still be refused by its template or by policy.
pub fn request_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:sluicegate:schema:request",
        "title": "Request",
        "description": "A template with inputs, for one or many repositories.",
        "type": "object",
        "properties": properties(),
        "required": REQUIRED,
        "additionalProperties": false,
    })
}

fn properties() -> Map<String, Value> {
    let mut properties = Map::new();
    let mut add = |name: &str, description: &str, rule: Value| {
        let mut property = Map::from_iter([("description".to_owned(), json!(description))]);
        if let Value::Object(rule) = rule {
            property.extend(rule);
        }
        properties.insert(name.to_owned(), Value::Object(property));
    };
    add("template", "`name`, which means the newest version, or `name@2`.", json!({ "type": "string" }));
    add(
        "repositories",
        "`owner/name` each.",
        json!({ "type": "array", "items": { "type": "string" }, "maxItems": REPOSITORIES_MAX }),
    );
    add("inputs", "As the template's schema has them; at most 64 KiB.", json!({ "type": "object" }));
    add(
        "requester",
        "GitHub login of the person who asks; never chosen as the reviewer.",
        json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,39}(\\[bot\\])?$" }),
    );
    add(
        "team",
        "Left out: the template's team.",
        json!({ "type": ["string", "null"], "pattern": "^[a-z0-9][a-z0-9-]{0,63}$" }),
    );
    add(
        "reason",
        "For the record and for the prompt; at most 2000 bytes.",
        json!({ "type": ["string", "null"], "maxLength": 2_000 }),
    );
    add(
        "priority",
        "Band, 0 first, 9 last. Left out: the template's.",
        json!({ "type": ["integer", "null"], "minimum": 0, "maximum": PRIORITY_MAX }),
    );
    add(
        "idempotency_key",
        "The same key with the same body is the same request.",
        json!({ "type": ["string", "null"], "pattern": "^[ -~]{1,200}$" }),
    );
    add(
        "deadline_minutes",
        "From acceptance, by when a job must have started. Left out: the template's.",
        json!({ "type": ["integer", "null"], "minimum": 1, "maximum": DEADLINE_MINUTES_MAX }),
    );
    add(
        "hold",
        "Needs an approval before anything is queued.",
        json!({ "type": "boolean", "default": false }),
    );
    add(
        "waves",
        "How it is widened, at least as strictly as the template says. Left out: as the template says.",
        waves(),
    );
    add(
        "model",
        "Another model than the routes give; it needs an approval.",
        json!({ "type": ["string", "null"], "pattern": "^[!-~]{1,100}$" }),
    );
    add(
        "model_reason",
        "Why that model; needed with `model` unless the routes give it anyway. At most 2000 bytes.",
        json!({ "type": ["string", "null"], "maxLength": 2_000 }),
    );
    properties
}

fn waves() -> Value {
    let size = json!({
        "oneOf": [
            { "type": "string", "pattern": "^([1-9][0-9]{0,8}|([1-9][0-9]?|100)%|rest)$" },
            { "type": "integer", "minimum": 1 },
        ],
    });
    let share = json!({ "type": "string", "pattern": "^([1-9][0-9]?|100)%$", "default": "100%" });
    json!({
        "type": ["object", "null"],
        "properties": {
            "sizes": { "type": "array", "items": size, "minItems": 1, "maxItems": 20 },
            "proven": {
                "type": "object",
                "properties": {
                    "share": share,
                    "by": { "enum": ["merged", "green"], "default": "merged" },
                },
                "additionalProperties": false,
            },
            "soak_minutes": { "type": "integer", "minimum": 0, "maximum": 129_600, "default": 0 },
            "approvals": {
                "type": ["object", "null"],
                "properties": {
                    "count": { "type": "integer", "minimum": 1, "maximum": 10, "default": 1 },
                    "role": { "type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,63}$", "default": "approver" },
                },
                "additionalProperties": false,
            },
        },
        "required": ["sizes"],
        "additionalProperties": false,
    })
}
