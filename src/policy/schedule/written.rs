//! A schedule as people write it in the configuration, and what it means. A mistake is told with the path of its field.

use serde::Deserialize;

use super::{Ask, CATCH_UP_MAX, CatchUp, JITTER_SECONDS_MAX, Overlap, Schedule, Times, nominal, times};
use crate::{
    job::time::{Millis, Timestamp},
    policy::{
        problem::{Code, Problem},
        request::has_toml_date,
        text,
    },
};

/// One `[[schedule]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    pub name: String,
    /// Five fields: minute, hour, day of the month, month, day of the week.
    pub cron: String,
    /// IANA name of the zone that the times are in.
    #[serde(default = "utc")]
    pub zone: String,
    /// Each time is acted on up to so many seconds later; 0 to 21,600.
    #[serde(default)]
    pub jitter_seconds: u32,
    #[serde(default)]
    pub catch_up: CatchUp,
    /// How many missed times are made good with `catch_up = "all"`; 1 to 50.
    pub catch_up_max: Option<u32>,
    #[serde(default)]
    pub overlap: Overlap,
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Login of the person who asks.
    pub owner: String,
    pub request: Ask,
}

fn utc() -> String {
    "UTC".to_owned()
}
const fn yes() -> bool {
    true
}
/// Unless it is said.
const CATCH_UP_DEFAULT: u32 = 5;

fn wrong(at: &str, what: impl Into<String>, hint: &str) -> Problem {
    Problem::new(Code::BadSchedule, what).at(at).hint(hint)
}

/// What it means, or everything that is wrong with it. `at`: where it stands.
pub fn read(written: &Written, at: &str) -> Result<Schedule, Vec<Problem>> {
    let mut problems = Vec::new();
    if !text::is_name(&written.name) {
        let what = format!("`{}` is not a name", text::shorten(&written.name, 80));
        problems.push(wrong("name", what, "use lower-case letters, digits and `-`, at most 64"));
    }
    if written.jitter_seconds > JITTER_SECONDS_MAX {
        let what = format!("{} is out of range", written.jitter_seconds);
        problems.push(wrong("jitter_seconds", what, "write 0 to 21600 (6 hours)"));
    }
    if let Some(max) = written.catch_up_max {
        if written.catch_up != CatchUp::All {
            let hint = "add `catch_up = \"all\"`, or leave it out";
            problems.push(wrong("catch_up_max", "it counts only where all missed times are made good", hint));
        } else if !(1..=CATCH_UP_MAX).contains(&max) {
            problems.push(wrong("catch_up_max", format!("{max} is out of range"), "write 1 to 50"));
        }
    }
    if !text::is_login(&written.owner) {
        let what = format!("`{}` is not a login", text::shorten(&written.owner, 80));
        problems.push(wrong("owner", what, "write the GitHub login of the person who asks"));
    }
    if let Some((input, _)) = written.request.inputs.iter().find(|(_, value)| has_toml_date(value)) {
        let what = format!("the input `{input}` holds a bare date");
        problems.push(wrong(&format!("request.inputs.{input}"), what, "write dates as texts, in quotes"));
    }
    let times = times_of(written).map_err(|problem| problems.push(problem));
    let (Ok(times), true) = (times, problems.is_empty()) else { return Err(problems) };
    let schedule = Schedule {
        name: written.name.clone(),
        times,
        jitter: Millis::seconds(u64::from(written.jitter_seconds)),
        catch_up: written.catch_up,
        catch_up_max: written.catch_up_max.unwrap_or(CATCH_UP_DEFAULT),
        overlap: written.overlap,
        enabled: written.enabled,
        owner: written.owner.clone(),
        ask: written.request.clone(),
        at: at.to_owned(),
    };
    let in_request = |problem: Problem| {
        let field = problem.at.clone().unwrap_or_default();
        vec![problem.at(format!("request.{field}"))]
    };
    let first = schedule.times.after(Timestamp(0)).next().unwrap_or_default();
    nominal::fill(&schedule.ask.inputs, &schedule.times, first).map_err(in_request)?;
    schedule.request(first).map_err(in_request)?;
    Ok(schedule)
}

fn times_of(written: &Written) -> Result<Times, Problem> {
    let shown = text::shorten(&written.zone, 80);
    let zone = times::zone(&written.zone).ok_or_else(|| {
        let hint = "write the IANA name, such as Europe/Berlin or UTC";
        wrong("zone", format!("`{shown}` is not a time zone"), hint)
    })?;
    let hint = "write minute, hour, day of the month, month, day of the week: `0 9 * * thu`";
    Times::parse(&written.cron, (&written.zone, zone))
        .map_err(|why| wrong("cron", format!("`{}`: {why}", text::shorten(&written.cron, 80)), hint))
}
