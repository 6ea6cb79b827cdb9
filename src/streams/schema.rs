//! The JSON Schema of an event, for consumers: an entry's fields as an object. Redis knows texts only, so every value is one.

use serde_json::{Map, Value, json};

use crate::{job::state::State, ledger::meaning::EVENT_FIELDS};

/// Fields that every event has.
const REQUIRED: [&str; 2] = ["at", "kind"];

/// Draft 2020-12. Fields may be added; none is renamed or removed.
pub fn event_schema() -> Value {
    let states: Vec<&str> = State::ALL.iter().map(|state| state.as_str()).collect();
    let property = |name: &str, description: &str| match name {
        "state" => json!({ "description": description, "type": "string", "enum": states }),
        "jobs" | "pull" | "limit" => {
            json!({ "description": description, "type": "string", "pattern": "^[0-9]+$" })
        }
        "kind" => {
            let pattern = "^(request|job|attempt|budget)\\.[a-z_]+$";
            json!({ "description": description, "type": "string", "pattern": pattern })
        }
        _ => json!({ "description": description, "type": "string" }),
    };
    let properties: Map<String, Value> =
        EVENT_FIELDS.iter().map(|(name, what)| ((*name).to_owned(), property(name, what))).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:sluicegate:schema:event",
        "title": "Event",
        "description": "What happened to a request, a job, an attempt or a budget; the fields of one entry of sluice:events.",
        "type": "object",
        "properties": properties,
        "required": REQUIRED,
        "additionalProperties": { "type": "string" },
    })
}
