//! `SLUICE_<SECTION>__<KEY>` over what the file says. A value is taken as TOML if it reads as a number, a truth
//! value or a list and the key wants that, else as text. Lists of tables (identity, budget, pool) are set in the
//! file only.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::{
    config::sections::Settings,
    policy::{
        document, hint,
        problem::{Code, Problem},
    },
};

const PREFIX: &str = "SLUICE_";
const SECTIONS: [&str; 15] = [
    "ledger", "gate", "streams", "http", "metrics", "otlp", "github", "policy", "tracking", "recovery",
    "notices", "audit", "desk", "worker", "log",
];

/// `written` is what `text` says.
pub(super) fn apply(
    written: Settings,
    text: &str,
    env: &BTreeMap<String, String>,
) -> Result<Settings, Problem> {
    // Without a double underscore a variable is not one of ours to read here (SLUICE_CONFIG).
    let ours: Vec<(&String, Vec<String>, &String)> = env
        .iter()
        .filter(|(name, _)| name.contains("__"))
        .filter_map(|(name, value)| {
            let path = name.strip_prefix(PREFIX)?.split("__").map(str::to_ascii_lowercase).collect();
            Some((name, path, value))
        })
        .collect();
    if ours.is_empty() {
        return Ok(written);
    }
    let mut table: Table = text.parse().unwrap_or_default();
    for (name, path, value) in &ours {
        let section = path.first().map(String::as_str).unwrap_or_default();
        if !SECTIONS.contains(&section) {
            let what = format!("there is no section `{section}` that a variable can set");
            let problem = Problem::new(Code::BadConfig, what).at(*name);
            return Err(problem.hint(hint::did_you_mean(section, &SECTIONS)));
        }
        table = set(&table, path, value).map_err(|problem| problem.at(*name))?;
    }
    // What is still wrong is wrong about several variables together, such as one that is missing.
    read(&table).map_err(|error| {
        let (place, problem) = *error;
        let about = ours.iter().find(|(_, path, _)| path.join(".").starts_with(&place));
        problem.at(about.map_or("environment", |(name, _, _)| name.as_str()))
    })
}

/// The variable that sets a key; None: no variable can.
pub(super) fn variable(path: &[&str]) -> Option<String> {
    let known = path.first().is_some_and(|section| SECTIONS.contains(section));
    known.then(|| format!("{PREFIX}{}", path.join("__").to_ascii_uppercase()))
}

fn read(table: &Table) -> Result<Settings, Box<(String, Problem)>> {
    serde_path_to_error::deserialize(Value::Table(table.clone())).map_err(|error| {
        let key = error.path().to_string();
        let problem = document::reworded(Code::BadConfig, error.into_inner().message());
        let what =
            if problem.what.contains('`') { problem.what } else { format!("`{key}`: {}", problem.what) };
        Box::new((key, Problem { what, ..problem }))
    })
}

/// The table with one value set, in the first form that its key accepts.
fn set(table: &Table, path: &[String], value: &str) -> Result<Table, Problem> {
    let mut refused = None;
    for candidate in as_toml(value).into_iter().chain([Value::String(value.to_owned())]) {
        let mut table = table.clone();
        put(&mut table, path, candidate);
        match read(&table) {
            Err(error) if error.0 == path.join(".") => refused = refused.or(Some(error.1)),
            Ok(_) | Err(_) => return Ok(table),
        }
    }
    Err(refused.unwrap_or_else(|| Problem::new(Code::BadConfig, "cannot be read")))
}

fn put(table: &mut Table, path: &[String], value: Value) {
    let Some((key, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        table.insert(key.clone(), value);
        return;
    }
    let inner = table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(inner) = inner {
        put(inner, rest, value);
    }
}

fn as_toml(value: &str) -> Option<Value> {
    let mut table: Table = format!("value = {value}").parse().ok()?;
    table.remove("value").filter(|_| table.is_empty()).filter(|value| !value.is_str() && !value.is_datetime())
}
