//! Routes and summaries as people write them in the configuration, and what they mean. A mistake is told with the path of its
//! field.

use std::fmt;

use jiff::civil::{Time, Weekday};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::{Quiet, Route, Severity, Summary};
use crate::{
    job::time::Millis,
    policy::{
        freeze::written::zone,
        hint,
        problem::{Code, Problem},
        text,
    },
};

/// One `[[notices.route]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenRoute {
    /// For records; left out: its number.
    pub name: Option<String>,
    #[serde(default)]
    pub kinds: Vec<String>,
    #[serde(default)]
    pub teams: Vec<String>,
    #[serde(default)]
    pub templates: Vec<String>,
    #[serde(default)]
    pub severity: Severity,
    pub to: Vec<String>,
    #[serde(default, rename = "continue")]
    pub goes_on: bool,
    #[serde(default, deserialize_with = "one_or_more")]
    pub quiet: Vec<WrittenQuiet>,
    /// `10m`, `1h`.
    pub digest: Option<String>,
}

/// Hours of quiet.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenQuiet {
    /// IANA name of the zone that the times are in.
    pub zone: String,
    /// `20:00`.
    pub from: String,
    pub to: String,
    /// Left out: every day.
    pub days: Option<Vec<Day>>,
    #[serde(default = "urgent")]
    pub below: Severity,
}

const fn urgent() -> Severity {
    Severity::Urgent
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    const fn weekday(self) -> Weekday {
        match self {
            Self::Mon => Weekday::Monday,
            Self::Tue => Weekday::Tuesday,
            Self::Wed => Weekday::Wednesday,
            Self::Thu => Weekday::Thursday,
            Self::Fri => Weekday::Friday,
            Self::Sat => Weekday::Saturday,
            Self::Sun => Weekday::Sunday,
        }
    }
}

/// One `[[notices.summary]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenSummary {
    pub to: String,
    #[serde(default)]
    pub teams: Vec<String>,
    #[serde(default)]
    pub templates: Vec<String>,
}

/// A receiver, as far as routes are concerned.
#[derive(Clone, Copy, Debug)]
pub struct Receiver<'a> {
    pub name: &'a str,
    /// Whether it can change what it was given.
    pub edits: bool,
}

fn wrong(at: impl Into<String>, what: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem::new(Code::BadConfig, what).at(at).hint(hint)
}

/// A table, or several in a list.
fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<WrittenQuiet>, D::Error> {
    struct Either;
    impl<'de> Visitor<'de> for Either {
        type Value = Vec<WrittenQuiet>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table such as { zone = \"Europe/Berlin\", from = \"20:00\", to = \"07:00\" }, or a list of them")
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            WrittenQuiet::deserialize(MapAccessDeserializer::new(map)).map(|one| vec![one])
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(one) = list.next_element()? {
                all.push(one);
            }
            Ok(all)
        }
    }
    from.deserialize_any(Either)
}

/// What a route means, or everything that is wrong with it. `number` counts from 1.
pub fn route(
    written: &WrittenRoute,
    number: usize,
    receivers: &[Receiver<'_>],
) -> Result<Route, Vec<Problem>> {
    let mut problems = Vec::new();
    if let Some(name) = written.name.as_ref().filter(|name| !text::is_name(name)) {
        let what = format!("`{}` is not a name", text::shorten(name, 80));
        problems.push(wrong("name", what, "use lower-case letters, digits and `-`, at most 64"));
    }
    for (field, globs) in
        [("kinds", &written.kinds), ("teams", &written.teams), ("templates", &written.templates)]
    {
        problems.extend(empty_globs(field, globs));
    }
    for (index, name) in written.to.iter().enumerate() {
        problems.extend(unknown(name, receivers).map(|problem| problem.at(format!("to[{index}]"))));
    }
    if written.to.is_empty() && written.goes_on {
        let hint = "leave `continue` out to tell nobody of what fits, or name receivers";
        problems.push(wrong("continue", "a route to nobody that goes on does nothing", hint));
    }
    let digest = written.digest.as_ref().and_then(|span| {
        let read = read_span(span);
        if read.is_none() {
            let what = format!("`{}` is not a span", text::shorten(span, 80));
            problems.push(wrong("digest", what, "write 1m to 24h, such as `30m` or `1h`"));
        }
        read
    });
    let quiet = written.quiet.iter().enumerate().filter_map(|(index, one)| match quiet(one) {
        Ok(quiet) => Some(quiet),
        Err(problem) => {
            let field = problem.at.clone().unwrap_or_default();
            problems.push(problem.at(format!("quiet[{index}].{field}")));
            None
        }
    });
    let route = Route {
        quiet: quiet.collect(),
        name: written.name.clone().unwrap_or_else(|| format!("route {number}")),
        kinds: written.kinds.clone(),
        teams: written.teams.clone(),
        templates: written.templates.clone(),
        severity: written.severity,
        to: written.to.clone(),
        goes_on: written.goes_on,
        digest,
    };
    if problems.is_empty() { Ok(route) } else { Err(problems) }
}

/// What a summary means, or everything that is wrong with it.
pub fn summary(written: &WrittenSummary, receivers: &[Receiver<'_>]) -> Result<Summary, Vec<Problem>> {
    let mut problems: Vec<Problem> = [("teams", &written.teams), ("templates", &written.templates)]
        .into_iter()
        .flat_map(|(field, globs)| empty_globs(field, globs))
        .collect();
    problems.extend(unknown(&written.to, receivers).map(|problem| problem.at("to")));
    if receivers.iter().any(|receiver| receiver.name == written.to && !receiver.edits) {
        let what = format!("`{}` cannot change a message that it has taken", written.to);
        let hint =
            "a summary is one message that is kept up to date: name a receiver of kind `github_comment`";
        problems.push(wrong("to", what, hint));
    }
    let WrittenSummary { to, teams, templates } = written.clone();
    if problems.is_empty() { Ok(Summary { to, teams, templates }) } else { Err(problems) }
}

fn empty_globs(field: &str, globs: &[String]) -> Vec<Problem> {
    let empty = globs.iter().enumerate().filter(|(_, glob)| glob.trim().is_empty());
    let hint = "write a name; `*` stands for any run of characters";
    empty
        .map(|(index, _)| wrong(format!("{field}[{index}]"), "it is empty, and would fit nothing", hint))
        .collect()
}

fn unknown(name: &str, receivers: &[Receiver<'_>]) -> Option<Problem> {
    let names: Vec<&str> = receivers.iter().map(|receiver| receiver.name).collect();
    if names.contains(&name) {
        return None;
    }
    let what = format!("there is no receiver `{}`", text::shorten(name, 80));
    Some(Problem::new(Code::BadConfig, what).hint(hint::did_you_mean(name, &names)))
}

fn quiet(written: &WrittenQuiet) -> Result<Quiet, Problem> {
    let zone = zone(&written.zone).ok_or_else(|| {
        let what = format!("`{}` is not a time zone", text::shorten(&written.zone, 80));
        wrong("zone", what, "write the IANA name, such as Europe/Berlin or UTC")
    })?;
    let time = |field: &str, text: &str| {
        let what = format!("`{}` is not a time of day", text::shorten(text, 80));
        Time::strptime("%H:%M", text).map_err(|_| wrong(field, what, "write 00:00 to 23:59"))
    };
    let days = match &written.days {
        Some(days) if days.is_empty() => {
            return Err(wrong(
                "days",
                "there is none",
                "leave it out for every day, or write [\"sat\", \"sun\"]",
            ));
        }
        Some(days) => days.iter().map(|day| day.weekday()).collect(),
        None => Weekday::Monday.cycle_forward().take(7).collect(),
    };
    if written.below == Severity::Info {
        return Err(wrong("below", "nothing is less than info", "write \"warning\" or \"urgent\""));
    }
    let (from, to) = (time("from", &written.from)?, time("to", &written.to)?);
    Ok(Quiet { zone, from, to, days, below: written.below })
}

/// Minutes or hours, up to a day.
fn read_span(text: &str) -> Option<Millis> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = number.parse().ok()?;
    let span = match unit {
        "m" => Millis::minutes(number),
        "h" => Millis::hours(number),
        _ => return None,
    };
    (Millis::minutes(1)..=Millis::hours(24)).contains(&span).then_some(span)
}
