//! The typed inputs of a template: a JSON Schema, made stricter than the standard asks. Every input is
//! required or has a default, so that a prompt never meets a value that is not there.

use jsonschema::{
    PatternOptions, Validator,
    error::{ValidationError, ValidationErrorKind},
    paths::LocationSegment,
};
use serde_json::{Map, Value, json};

use crate::policy::{
    hint,
    problem::{Code, Problem},
    request::INPUT_BYTES_MAX,
    text,
};

/// Closes every described object to undeclared names, unless the schema says otherwise itself.
pub fn close(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(close);
        map.entry("type").or_insert_with(|| json!("object"));
        map.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    if let Some(items) = map.get_mut("items") {
        close(items);
    }
}

/// Compiles the schema. Patterns run in linear time; references outside the schema are not followed.
pub fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .should_validate_formats(true)
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| error.to_string())
}

/// What is wrong with the schema itself, each with the path below `inputs`.
pub fn faults(schema: &Value) -> Vec<(Vec<String>, String)> {
    let mut faults: Vec<(Vec<String>, String)> = Vec::new();
    if schema.get("type") != Some(&json!("object")) {
        faults.push((vec!["type".to_owned()], "the inputs must be of type \"object\"".to_owned()));
    }
    if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        let why = "undeclared inputs cannot be allowed: leave `additionalProperties` out".to_owned();
        faults.push((vec!["additionalProperties".to_owned()], why));
    }
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, property) in properties(schema) {
        let path = || vec!["properties".to_owned(), name.clone()];
        let identifier = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !name.starts_with(|c: char| c.is_ascii_digit());
        if !identifier || name.is_empty() {
            faults
                .push((path(), format!("`{name}` is not a name for an input: use letters, digits and `_`")));
        }
        match property.get("default") {
            None if !required.contains(&name.as_str()) => {
                faults.push((path(), format!("the input `{name}` is neither required nor has a default")));
            }
            Some(default) if compile(property).is_ok_and(|validator| !validator.is_valid(default)) => {
                faults
                    .push((path(), format!("the default of the input `{name}` does not fit its own schema")));
            }
            _ => {}
        }
    }
    for name in required.iter().filter(|name| !properties(schema).any(|(known, _)| known == **name)) {
        faults.push((vec!["required".to_owned()], format!("`{name}` is required but not described")));
    }
    faults
}

/// Names of the inputs that say of themselves that they are secret.
pub fn secrets(schema: &Value) -> Vec<String> {
    let says = |of: &Value| {
        of.get("writeOnly") == Some(&Value::Bool(true))
            || of.get("secret") == Some(&Value::Bool(true))
            || of.get("format").and_then(Value::as_str) == Some("password")
    };
    let secret = |(_, of): &(&String, &Value)| {
        says(of)
            || of.get("items").is_some_and(|items| says(items) || !secrets(items).is_empty())
            || !secrets(of).is_empty()
    };
    properties(schema).filter(secret).map(|(name, _)| name.clone()).collect()
}

/// The described inputs.
pub fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

/// Adds the defaults of what is absent, also inside objects that are there.
pub fn fill(schema: &Value, inputs: &mut Map<String, Value>) {
    for (name, property) in properties(schema) {
        if let Some(default) = property.get("default") {
            inputs.entry(name.clone()).or_insert_with(|| default.clone());
        }
        match inputs.get_mut(name) {
            Some(Value::Object(map)) => fill(property, map),
            Some(Value::Array(list)) => {
                let items = property.get("items").unwrap_or(&Value::Null);
                list.iter_mut().filter_map(Value::as_object_mut).for_each(|map| fill(items, map));
            }
            _ => {}
        }
    }
}

/// Everything that is wrong with the inputs, at most twenty problems.
pub fn check(validator: &Validator, schema: &Value, inputs: &Map<String, Value>) -> Vec<Problem> {
    let inputs = Value::Object(inputs.clone());
    if inputs.to_string().len() > INPUT_BYTES_MAX {
        let what = format!("the inputs are over {INPUT_BYTES_MAX} bytes together");
        return vec![Problem::new(Code::WrongInput, what).at("inputs").hint("refer to long texts instead")];
    }
    let mut problems: Vec<Problem> =
        validator.iter_errors(&inputs).take(20).map(|error| told(schema, &error)).collect();
    check_texts(&inputs, "inputs", &mut problems);
    problems.truncate(20);
    problems
}

fn check_texts(value: &Value, at: &str, problems: &mut Vec<Problem>) {
    match value {
        Value::String(string) => {
            problems.extend(text::check(string, at).err());
            if let Some(kind) = text::secret_in(string) {
                let what =
                    format!("holds what looks like {kind}, and inputs are kept on the ledger for ever");
                let hint = "take it out and revoke it: it has been sent already";
                problems.push(Problem::new(Code::SecretInInput, what).at(at).hint(hint));
            }
        }
        Value::Array(list) => {
            for (index, item) in list.iter().enumerate() {
                check_texts(item, &format!("{at}[{index}]"), problems);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                let at = format!("{at}.{}", text::shorten(key, 60));
                problems.extend(text::check(key, &at).err());
                check_texts(item, &at, problems);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn told(schema: &Value, error: &ValidationError<'_>) -> Problem {
    let mut at = "inputs".to_owned();
    let mut here = Some(schema);
    for segment in error.instance_path() {
        match segment {
            LocationSegment::Property(name) => {
                at = format!("{at}.{name}");
                here = here.and_then(|here| here.get("properties")?.get(&*name));
            }
            LocationSegment::Index(index) => {
                at = format!("{at}[{index}]");
                here = here.and_then(|here| here.get("items"));
            }
        }
    }
    let names: Vec<&str> = here.into_iter().flat_map(properties).map(|(name, _)| name.as_str()).collect();
    let described = |of: Option<&Value>| {
        of.and_then(|of| of.get("description")?.as_str()).map(|text| format!("it is: {text}"))
    };
    let found = || text::shorten(&error.instance().to_string(), 120);
    let (what, hint) = match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let what = format!("the template has no input `{}`", unexpected.join("`, `"));
            (what, unexpected.first().map(|name| hint::did_you_mean(name, &names)))
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let hint = described(here.and_then(|here| here.get("properties")?.get(name)));
            (format!("the input `{name}` is missing"), hint)
        }
        ValidationErrorKind::Type { .. } => {
            let wanted = here.and_then(|here| here.get("type")).map_or("another type".to_owned(), listed);
            (format!("expected {wanted}, found {} {}", type_name(error.instance()), found()), described(here))
        }
        ValidationErrorKind::Enum { options } => {
            (format!("expected one of {}, found {}", listed(options), found()), described(here))
        }
        ValidationErrorKind::Pattern { pattern } => {
            (format!("expected a text that fits `{pattern}`, found {}", found()), described(here))
        }
        _ => (text::shorten(&error.to_string(), 300), described(here)),
    };
    Problem { hint, ..Problem::new(Code::WrongInput, what) }.at(at)
}

fn listed(value: &Value) -> String {
    match value {
        Value::Array(list) => list.iter().map(listed).collect::<Vec<_>>().join(", "),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "the boolean",
        Value::Number(_) => "the number",
        Value::String(_) => "the string",
        Value::Array(_) => "the array",
        Value::Object(_) => "the object",
    }
}

/// A value to try the prompt with before any request has come: default, example, allowed word, or something
/// of the right type.
pub fn sample(schema: &Value) -> Value {
    let first = |key: &str| schema.get(key).and_then(Value::as_array).and_then(|list| list.first());
    let given = schema.get("default").or_else(|| first("examples")).or_else(|| first("enum"));
    if let Some(value) = given.or_else(|| schema.get("const")) {
        return value.clone();
    }
    let kind = schema.get("type").and_then(Value::as_str).or_else(|| first("type")?.as_str());
    match kind {
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(true),
        Some("array") => json!([schema.get("items").map_or(json!("sample"), sample)]),
        Some("object") => properties(schema).map(|(name, of)| (name.clone(), sample(of))).collect(),
        Some("null") => Value::Null,
        _ => json!("sample"),
    }
}
