//! The inputs of a schedule's request: texts that may name the nominal time, and nothing else.

use std::collections::BTreeSet;

use jiff::Zoned;
use minijinja::context;
use serde_json::{Map, Value};

use super::Times;
use crate::{
    job::time::Timestamp,
    policy::{
        hint,
        problem::{Code, Problem},
        render,
    },
};

/// Everything that a text may name. All of them are texts, numbers with zeros in front.
const GIVEN: [&str; 10] = [
    "nominal.date",
    "nominal.time",
    "nominal.year",
    "nominal.month",
    "nominal.day",
    "nominal.weekday",
    "nominal.week",
    "nominal.week_year",
    "nominal.utc",
    "nominal.zone",
];

/// Inputs with the nominal time filled in.
pub(super) fn fill(
    inputs: &Map<String, Value>,
    times: &Times,
    nominal: Timestamp,
) -> Result<Map<String, Value>, Problem> {
    let outside = || Problem::new(Code::BadSchedule, format!("{nominal} is outside the calendar"));
    let local = times.local(nominal).ok_or_else(outside)?;
    let mut filled = Map::new();
    for (name, value) in inputs {
        filled.insert(
            name.clone(),
            value_of(value, &format!("inputs.{name}"), (&local, times.zone(), nominal))?,
        );
    }
    Ok(filled)
}

type At<'a> = (&'a Zoned, &'a str, Timestamp);

fn value_of(value: &Value, place: &str, at: At<'_>) -> Result<Value, Problem> {
    Ok(match value {
        Value::String(text) if text.contains("{{") || text.contains("{%") || text.contains("{#") => {
            Value::String(text_of(text, at).map_err(|problem| problem.at(place))?)
        }
        Value::Array(list) => {
            let item = |(index, item)| value_of(item, &format!("{place}[{index}]"), at);
            Value::Array(list.iter().enumerate().map(item).collect::<Result<_, _>>()?)
        }
        Value::Object(map) => {
            let item = |(key, item): (&String, &Value)| {
                Ok((key.clone(), value_of(item, &format!("{place}.{key}"), at)?))
            };
            Value::Object(map.iter().map(item).collect::<Result<_, Problem>>()?)
        }
        other => other.clone(),
    })
}

fn text_of(text: &str, (local, zone, nominal): At<'_>) -> Result<String, Problem> {
    let unclear = |error: minijinja::Error| {
        let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
        Problem::new(Code::BadSchedule, format!("the text cannot be rendered: {}{detail}", error.kind()))
            .hint("write such as {{ nominal.date }}; docs/schedules.md lists the names")
    };
    let engine = render::empty_engine().map_err(unclear)?;
    let template = engine.template_from_str(text).map_err(unclear)?;
    let named: BTreeSet<String> = template.undeclared_variables(true).into_iter().collect();
    if let Some(strange) = named.iter().find(|name| !GIVEN.contains(&name.as_str())) {
        let what = format!("the text names `{strange}`, which it is not given");
        return Err(Problem::new(Code::UndefinedVariable, what).hint(hint::did_you_mean(strange, &GIVEN)));
    }
    let said = |format: &str| local.strftime(format).to_string();
    let given = context! { nominal => context! {
        date => said("%Y-%m-%d"), time => said("%H:%M"), year => said("%Y"), month => said("%m"), day => said("%d"),
        weekday => said("%A").to_lowercase(), week => said("%V"), week_year => said("%G"),
        utc => nominal.to_string(), zone,
    } };
    template.render(given).map_err(unclear)
}
