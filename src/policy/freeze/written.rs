//! A freeze as people write it, in `freezes.toml` or on the command line, and what it means. A mistake is told with the path
//! of its field, or with the line of the calendar.

use std::collections::BTreeMap;

use jiff::{
    civil::{Date, DateTime},
    tz::{TimeZone, TimeZoneDatabase},
};
use serde::{Deserialize, Serialize};

use super::{
    Freeze, Reach, calendar,
    cron::Cron,
    when::{LENGTH_MAX, When, early, late},
};
use crate::{
    job::{
        repository::Repository,
        time::{Millis, Timestamp},
    },
    policy::{
        problem::{Code, Problem},
        text,
    },
};

/// One freeze.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FreezeWritten)]
pub struct Written {
    pub name: String,
    pub reason: String,
    /// `global`, `organisation:NAME`, `repository:GLOB`, `team:NAME`, `template:NAME` or `class:NAME`.
    #[serde(default = "global")]
    pub scope: String,
    /// Scopes that it leaves alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// IANA name of the zone that its times are in.
    #[serde(default = "utc")]
    pub zone: String,
    #[serde(default)]
    pub entry: Vec<Entry>,
}

/// When: from and until, or a window, or a calendar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = FreezeEntry)]
pub struct Entry {
    /// A day, or a day and a time: `2026-12-18` or `2026-12-18T18:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// A day is included, a time is not; left out: until it is lifted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Five fields of cron: when a window opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// How long a window lasts: `90s`, `30m`, `60h`, `2d`.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub length: Option<String>,
    /// An iCalendar file, from the folder of the configuration file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
}

impl Written {
    /// Its first entry begins at an instant.
    pub fn begin(&mut self, now: Timestamp) -> Result<(), Problem> {
        let what = || format!("`{}` is not a time zone", text::shorten(&self.zone, 80));
        let zone = zone(&self.zone)
            .ok_or_else(|| wrong("zone", what(), "write the IANA name, such as Europe/Berlin or UTC"))?;
        let instant = jiff::Timestamp::from_millisecond(now.0);
        let local = instant.map(|at| zone.to_datetime(at).strftime("%Y-%m-%dT%H:%M:%S").to_string());
        match (self.entry.first_mut(), local) {
            (Some(Entry { from: from @ None, cron: None, calendar: None, .. }), Ok(local)) => {
                *from = Some(local);
                Ok(())
            }
            _ => Err(wrong("now", "it has another beginning", "leave `from`, `cron` and `calendar` out")),
        }
    }
}

fn global() -> String {
    "global".to_owned()
}
fn utc() -> String {
    "UTC".to_owned()
}

/// Texts of calendars, by the path that the entries name.
pub type Calendars = BTreeMap<String, String>;

fn wrong(at: &str, what: impl Into<String>, hint: &str) -> Problem {
    Problem::new(Code::BadFreeze, what).at(at).hint(hint)
}

/// What it means, or everything that is wrong with it.
pub fn read(written: &Written, calendars: &Calendars) -> Result<Freeze, Vec<Problem>> {
    let mut problems = Vec::new();
    if !text::is_name(&written.name) {
        let what = format!("`{}` is not a name", text::shorten(&written.name, 80));
        problems.push(wrong("name", what, "use lower-case letters, digits and `-`, at most 64"));
    }
    if written.reason.trim().is_empty() {
        problems.push(wrong("reason", "empty", "say why: whoever waits is told so"));
    }
    problems.extend(text::check(&written.reason, "reason").err());
    let mut keep = |found: Result<Reach, Problem>| found.map_err(|problem| problems.push(problem)).ok();
    let reach = keep(reach(&written.scope, "scope"));
    let except: Vec<Reach> = written
        .except
        .iter()
        .enumerate()
        .filter_map(|(index, scope)| keep(self::reach(scope, &format!("except.{index}"))))
        .collect();
    if written.entry.is_empty() {
        problems.push(wrong(
            "entry",
            "it has no time",
            "add [[freeze.entry]] with from and until, cron, or calendar",
        ));
    }
    let Some(zone) = zone(&written.zone) else {
        let what = format!("`{}` is not a time zone", text::shorten(&written.zone, 80));
        problems.push(wrong("zone", what, "write the IANA name, such as Europe/Berlin or UTC"));
        return Err(problems);
    };
    let mut whens = Vec::new();
    for (index, entry) in written.entry.iter().enumerate() {
        match when(entry, &zone, calendars) {
            Ok(found) => whens.extend(found),
            Err(problem) => {
                let inner = problem.at.clone().unwrap_or_default();
                // A line of a calendar is a place of its own.
                let at = if inner.contains(':') { inner } else { format!("entry.{index}.{inner}") };
                problems.push(problem.at(at));
            }
        }
    }
    let (true, Some(reach)) = (problems.is_empty(), reach) else { return Err(problems) };
    let (name, reason) = (written.name.clone(), written.reason.clone());
    Ok(Freeze { name, reason, reach, except, zone: written.zone.clone(), whens })
}

/// From the data that the program carries: the same on every machine.
pub(in crate::policy) fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

/// Reads a scope.
pub fn reach(text: &str, at: &str) -> Result<Reach, Problem> {
    const SCOPES: &str = "write global, organisation:NAME, repository:OWNER/NAME (with `*`), team:NAME, template:NAME or class:NAME";
    let unknown = || wrong(at, format!("`{}` is not a scope", text::shorten(text, 80)), SCOPES);
    if text == "global" {
        return Ok(Reach::Global);
    }
    let (kind, value) = text.split_once(':').ok_or_else(unknown)?;
    let named = |make: fn(String) -> Reach| {
        let fits = text::is_name(value).then(|| make(value.to_owned()));
        fits.ok_or_else(|| wrong(at, format!("`{}` names no {kind}", text::shorten(value, 80)), SCOPES))
    };
    match kind {
        "organisation" if text::is_login(value) => Ok(Reach::Organisation(value.to_ascii_lowercase())),
        "repository" => {
            // With its stars filled in, a glob is a name.
            let plain = value.replace('*', "x").parse::<Repository>();
            plain.map_err(|error| wrong(at, error.to_string(), SCOPES))?;
            Ok(Reach::Repository(value.to_ascii_lowercase()))
        }
        "team" => named(Reach::Team),
        "template" => named(Reach::Template),
        "class" if ["standard", "sensitive", "regulated"].contains(&value) => {
            Ok(Reach::Class(value.to_owned()))
        }
        "class" => {
            let what = format!("there is no class `{}`", text::shorten(value, 80));
            Err(wrong(at, what, "write standard, sensitive or regulated"))
        }
        _ => Err(unknown()),
    }
}

fn when(entry: &Entry, zone: &TimeZone, calendars: &Calendars) -> Result<Vec<When>, Problem> {
    match entry {
        Entry { from: Some(from), until, cron: None, length: None, calendar: None } => {
            once(from, until.as_deref(), zone).map(|when| vec![when])
        }
        Entry { from: None, until: None, cron: Some(cron), length: Some(length), calendar: None } => {
            let hint = "write minute, hour, day of the month, month, day of the week: `0 16 * * fri`";
            let cron = Cron::parse(cron).map_err(|why| wrong("cron", why, hint))?;
            Ok(vec![When::Windows { cron, length: span(length)?, zone: zone.clone() }])
        }
        Entry { cron: Some(_), length: None, .. } => {
            Err(wrong("for", "a window has no end", "add `for = \"2h\"`"))
        }
        Entry { from: None, until: None, cron: None, length: None, calendar: Some(path) } => {
            let text = calendars.get(path).ok_or_else(|| {
                wrong(
                    "calendar",
                    format!("the calendar {path} was not read"),
                    "name a calendar in freezes.toml only",
                )
            })?;
            Ok(calendar::read(path, text, zone)?.into_iter().map(When::Repeats).collect())
        }
        _ => Err(wrong(
            "",
            "an entry has from and until, or cron and for, or calendar",
            "keep one of the three; put the others into entries of their own",
        )),
    }
}

/// A day or a time; the day after it, if it is the last day of something.
fn moment(text: &str, at: &str, last: bool) -> Result<DateTime, Problem> {
    let hint = "write a day such as 2026-12-18, or with a time, 2026-12-18T18:00, in the freeze's zone and without an offset";
    let unclear = || wrong(at, format!("`{}` is not a day or a time", text::shorten(text, 80)), hint);
    if text.contains('T') {
        let has_offset = text.ends_with('Z') || text.contains('+');
        return if has_offset { Err(unclear()) } else { text.parse().map_err(|_| unclear()) };
    }
    let day: Date = text.parse().map_err(|_| unclear())?;
    let day = if last { day.tomorrow().map_err(|_| unclear())? } else { day };
    Ok(day.to_datetime(jiff::civil::Time::midnight()))
}

fn once(from: &str, until: Option<&str>, zone: &TimeZone) -> Result<When, Problem> {
    let outside =
        |at: &str| wrong(at, "a time outside the years that can be counted", "use a year from 1970 to 9999");
    let start = early(zone, moment(from, "from", false)?).ok_or_else(|| outside("from"))?;
    let Some(until) = until else { return Ok(When::Once((start, None))) };
    let end = late(zone, moment(until, "until", true)?).ok_or_else(|| outside("until"))?;
    if end <= start {
        let what = format!("it ends ({until}) before it begins ({from})");
        return Err(wrong("until", what, "a day is included, a time is not: the end must be later"));
    }
    Ok(When::Once((start, Some(end))))
}

fn span(text: &str) -> Result<Millis, Problem> {
    let unclear =
        || wrong("for", format!("`{}` is not a span", text::shorten(text, 80)), "write 90s, 30m, 60h or 2d");
    let each = match text.chars().last() {
        Some('s') => Millis::seconds(1),
        Some('m') => Millis::minutes(1),
        Some('h') => Millis::hours(1),
        Some('d') => Millis::hours(24),
        _ => return Err(unclear()),
    };
    let number: u64 =
        text.get(..text.len().saturating_sub(1)).and_then(|n| n.parse().ok()).ok_or_else(unclear)?;
    let span = Millis(number.saturating_mul(each.0));
    if span.0 == 0 || span > LENGTH_MAX {
        return Err(wrong(
            "for",
            format!("{span} is out of range"),
            "a window lasts from 1 second to 92 days",
        ));
    }
    Ok(span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::freeze::{Exempt, Exemption, Frozen, Subject, active, in_force};

    fn entry(from: &str, until: Option<&str>) -> Entry {
        Entry { from: Some(from.into()), until: until.map(Into::into), ..Entry::default() }
    }
    fn window(cron: &str, length: &str) -> Entry {
        Entry { cron: Some(cron.into()), length: Some(length.into()), ..Entry::default() }
    }
    fn written(zone: &str, entry: Entry) -> Written {
        Written {
            name: "f".into(),
            reason: "accounts".into(),
            scope: "global".into(),
            except: Vec::new(),
            zone: zone.into(),
            entry: vec![entry],
        }
    }
    fn until(written: &Written, at: &str) -> Option<String> {
        let freeze = read(written, &Calendars::new()).unwrap();
        let end = freeze.until(Timestamp::parse(at).unwrap())?;
        Some(end.map_or_else(|| "lifted".to_owned(), |at| at.to_string()))
    }

    #[test]
    fn a_day_is_included_and_a_time_is_not() {
        let days = written("Europe/Berlin", entry("2026-12-18", Some("2026-12-31")));
        assert_eq!(until(&days, "2026-12-17T22:59:59Z"), None);
        assert_eq!(until(&days, "2026-12-17T23:00:00Z").as_deref(), Some("2026-12-31T23:00:00.000Z"));
        assert_eq!(until(&days, "2026-12-31T23:00:00Z"), None);
        let times = written("UTC", entry("2026-12-18T18:00", Some("2026-12-18T20:00")));
        assert_eq!(until(&times, "2026-12-18T20:00:00Z"), None);
        assert_eq!(
            until(&written("UTC", entry("2026-12-18", None)), "2030-01-01T00:00:00Z").as_deref(),
            Some("lifted")
        );
    }

    #[test]
    fn a_window_that_meets_a_change_of_the_clock_is_read_long() {
        // In Berlin, 02:30 does not exist on the 29th of March 2026 and comes twice on the 25th of October.
        let gap = written("Europe/Berlin", entry("2026-03-29T02:30", Some("2026-03-29T04:00")));
        assert!(until(&gap, "2026-03-29T00:30:00Z").is_some(), "the early reading of what does not exist");
        let fold = written("Europe/Berlin", entry("2026-10-25T01:00", Some("2026-10-25T02:30")));
        assert_eq!(until(&fold, "2026-10-25T00:45:00Z").as_deref(), Some("2026-10-25T01:30:00.000Z"));
        let night = written("Europe/Berlin", window("30 2 * * *", "10m"));
        assert!(
            until(&night, "2026-10-25T00:35:00Z").is_some()
                && until(&night, "2026-10-25T01:35:00Z").is_some()
        );
    }

    #[test]
    fn windows_that_touch_are_one_freeze() {
        let weekend = written("UTC", window("0 0 * * sat,sun", "1d"));
        assert_eq!(until(&weekend, "2026-11-21T10:00:00Z").as_deref(), Some("2026-11-23T00:00:00.000Z"));
        assert_eq!(until(&weekend, "2026-11-20T23:59:59Z"), None);
        let freeze = read(&weekend, &Calendars::new()).unwrap();
        let friday = Timestamp::parse("2026-11-20T12:00:00Z").unwrap();
        assert_eq!(freeze.begins(friday, Millis::hours(24)).unwrap().to_string(), "2026-11-21T00:00:00.000Z");
    }

    #[test]
    fn a_freeze_that_means_nothing_is_told_with_its_field() {
        let told = |written: &Written| {
            let problems = read(written, &Calendars::new()).unwrap_err();
            problems.into_iter().map(|problem| (problem.at.unwrap(), problem.what)).collect::<Vec<_>>()
        };
        for (entry, at, why) in [
            (entry("2026-12-18", Some("2026-12-17")), "entry.0.until", "before it begins"),
            (entry("2026-12-18T10:00", Some("2026-12-18T10:00")), "entry.0.until", "before it begins"),
            (entry("soon", None), "entry.0.from", "not a day or a time"),
            (entry("2026-12-18T10:00Z", None), "entry.0.from", "not a day or a time"),
            (window("0 0 * *", "2h"), "entry.0.cron", "4 fields"),
            (window("0 0 * * *", "0h"), "entry.0.for", "out of range"),
            (window("0 0 * * *", "100d"), "entry.0.for", "out of range"),
            (Entry::default(), "entry.0.", "from and until"),
        ] {
            let problems = told(&written("UTC", entry));
            assert_eq!(problems[0].0, at);
            assert!(problems[0].1.contains(why), "{problems:?}");
        }
        assert_eq!(told(&written("Europe/Atlantis", entry("2026-12-18", None)))[0].0, "zone");
        for scope in ["everything", "repository:acme", "team:", "class:A", "planet:earth"] {
            let written = Written { scope: scope.into(), ..written("UTC", entry("2026-12-18", None)) };
            assert_eq!(told(&written)[0].0, "scope", "{scope}");
        }
        let silent = Written { reason: " ".into(), ..written("UTC", entry("2026-12-18", None)) };
        assert_eq!(told(&silent)[0].0, "reason");
    }

    #[test]
    fn a_freeze_reaches_what_it_says_and_lets_exceptions_through() {
        let (now, repository) =
            (Timestamp::parse("2026-12-20T00:00:00Z").unwrap(), "acme/api".parse().unwrap());
        let job = crate::job::id::JobId::new(now, 1);
        let subject = Subject {
            repository: &repository,
            template: "upgrade",
            team: "pay",
            class: Some("regulated"),
            request: None,
            job: Some(job),
        };
        let frozen = |scope: &str, except: &[&str], exemptions: &[Exemption]| {
            let except = except.iter().map(|scope| (*scope).to_owned()).collect();
            let scope = scope.to_owned();
            let written =
                Written { scope, except, ..written("UTC", entry("2026-12-18", Some("2026-12-31"))) };
            let freezes = [read(&written, &Calendars::new()).unwrap()];
            active(&in_force(&freezes, now), exemptions, &subject, now)
        };
        for scope in [
            "global",
            "organisation:Acme",
            "repository:ACME/*",
            "team:pay",
            "template:upgrade",
            "class:regulated",
        ] {
            let Frozen { until, reason, .. } = frozen(scope, &[], &[]).unwrap();
            assert_eq!(
                (reason.as_str(), until.unwrap().to_string().as_str()),
                ("accounts", "2027-01-01T00:00:00.000Z")
            );
        }
        for scope in
            ["organisation:other", "repository:acme/web", "team:web", "template:new", "class:standard"]
        {
            assert_eq!(frozen(scope, &[], &[]), None, "{scope}");
        }
        assert_eq!(frozen("global", &["repository:acme/a*"], &[]), None);
        let exemption = |freeze: Option<&str>, exempt, until: &str| Exemption {
            freeze: freeze.map(Into::into),
            exempt,
            until: Timestamp::parse(until).unwrap(),
            reason: "hot fix".into(),
            actor: "ben".into(),
        };
        let late = "2027-01-01T00:00:00Z";
        assert_eq!(frozen("global", &[], &[exemption(None, Exempt::Job(job), late)]), None);
        assert_eq!(frozen("global", &[], &[exemption(Some("f"), Exempt::Everything, late)]), None);
        assert!(frozen("global", &[], &[exemption(Some("g"), Exempt::Everything, late)]).is_some());
        assert!(
            frozen("global", &[], &[exemption(None, Exempt::Job(job), "2026-12-20T00:00:00Z")]).is_some()
        );
    }
}
