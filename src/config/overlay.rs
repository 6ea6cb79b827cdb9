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
const SECTIONS: [&str; 10] =
    ["ledger", "gate", "http", "github", "policy", "tracking", "recovery", "notices", "worker", "log"];

/// `written` is what `text` says.
pub(super) fn apply(
    written: Settings,
    text: &str,
    env: &BTreeMap<String, String>,
) -> Result<Settings, Problem> {
    let mut settings = written;
    let mut table: Table = text.parse().unwrap_or_default();
    // Without a double underscore a variable is not one of ours to read here (SLUICE_CONFIG).
    for (name, value) in env.iter().filter(|(name, _)| name.starts_with(PREFIX) && name.contains("__")) {
        let path: Vec<String> =
            name.strip_prefix(PREFIX).unwrap_or(name).split("__").map(str::to_ascii_lowercase).collect();
        let section = path.first().map(String::as_str).unwrap_or_default();
        if !SECTIONS.contains(&section) {
            let what = format!("there is no section `{section}` that a variable can set");
            let problem = Problem::new(Code::BadConfig, what).at(name);
            return Err(problem.hint(hint::did_you_mean(section, &SECTIONS)));
        }
        (settings, table) = set(&table, &path, value).map_err(|problem| problem.at(name))?;
    }
    Ok(settings)
}

/// The settings with one value set, and the table that they were read from.
fn set(table: &Table, path: &[String], value: &str) -> Result<(Settings, Table), Problem> {
    let candidates = as_toml(value).into_iter().chain([Value::String(value.to_owned())]);
    let mut first = None;
    for candidate in candidates {
        let mut table = table.clone();
        put(&mut table, path, candidate);
        match serde_path_to_error::deserialize(Value::Table(table.clone())) {
            Ok(settings) => return Ok((settings, table)),
            Err(error) => first = first.or(Some((error.path().to_string(), error.into_inner()))),
        }
    }
    let (key, message) =
        first.map_or_else(Default::default, |(path, error)| (path, error.message().to_owned()));
    let problem = document::reworded(Code::BadConfig, &message);
    let what = if problem.what.contains('`') { problem.what } else { format!("`{key}`: {}", problem.what) };
    Err(Problem { what, ..problem })
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
