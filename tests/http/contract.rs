//! Holds every answer of the endpoint against its own description: what is answered in these tests must be described.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex},
};

use clap::Parser as _;
use jsonschema::Validator;
use serde_json::{Value, json};
use sluicegate::{cli::Cli, http::description};

use crate::house::Answer;

static API: LazyLock<Value> = LazyLock::new(description);

/// By the place of the schema.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Validator>>> = LazyLock::new(Mutex::default);

/// The described path that fits; a fixed part goes before a part in braces.
fn described(path: &str) -> Option<(&'static str, &'static Value)> {
    let asked: Vec<&str> = path.split('/').collect();
    let fits = |known: &str| {
        let known: Vec<&str> = known.split('/').collect();
        known.len() == asked.len()
            && known.iter().zip(&asked).all(|(known, asked)| known.starts_with('{') || known == asked)
    };
    let paths = API["paths"].as_object().unwrap();
    let found = paths.iter().filter(|(known, _)| fits(known));
    let (known, methods) = found.min_by_key(|(known, _)| known.matches('{').count())?;
    Some((known, methods))
}

/// Fails if something that the desk tells people to type is no command line. Ids stand in place of words for people.
fn typed(desk: &Value) {
    for item in desk["items"].as_array().into_iter().flatten() {
        let told = item["what_to_do"].as_str().unwrap().replace([',', '(', ')', ';'], " then");
        for command in told.split(" then").flat_map(|part| part.split(" or ")) {
            let Some((_, command)) = command.split_once("sluice ") else { continue };
            let command = command.replace("a job of it", "8a11");
            let words = std::iter::once("sluice").chain(command.split_whitespace());
            Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{command}: {error}"));
        }
    }
}

/// Fails if the answer is not one that the description names.
pub fn check(method: &str, path: &str, answer: &Answer) {
    if path == "/v1/desk" {
        typed(&answer.body);
    }
    let Some((known, methods)) = described(path) else {
        // What is not described is not there, or not for this token.
        assert!(matches!(answer.status.as_u16(), 401 | 404), "{method} {path} is not described");
        return;
    };
    let Some(operation) = methods.get(method.to_ascii_lowercase()) else {
        assert!(matches!(answer.status.as_u16(), 401 | 405), "{method} {path} is not described");
        return;
    };
    let status = answer.status.as_str();
    let response = &operation["responses"][status];
    assert!(response.is_object(), "{method} {known} does not name {status}: {}", answer.body);
    let Some(content) = response.get("content").and_then(Value::as_object) else {
        assert_eq!(answer.body, "", "{method} {known}: {status} has no body");
        return;
    };
    let media = answer.headers["content-type"].to_str().unwrap();
    let media = media.split(';').next().unwrap();
    assert!(content.contains_key(media), "{method} {known}: {status} is no {media}");
    if !media.ends_with("json") || content[media]["schema"].is_null() {
        return;
    }
    let place = format!("{known} {method} {status}");
    let mut validators = VALIDATORS.lock().unwrap();
    let validator = validators.entry(place.clone()).or_insert_with(|| {
        let schema = json!({ "allOf": [content[media]["schema"]], "components": API["components"] });
        jsonschema::validator_for(&schema).unwrap()
    });
    let wrong: Vec<String> = validator
        .iter_errors(&answer.body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{place}: {}\n{:#}", wrong.join("\n"), answer.body);
}
