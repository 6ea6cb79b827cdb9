//! iCalendar files (RFC 5545), as far as a freeze needs them: events with a start and an end or a duration, by day or by
//! time, that come once, daily, weekly or yearly. Anything else that says when is refused with its line, since a freeze that
//! was understood half would let something start.

use jiff::{
    Span, ToSpan as _,
    civil::{Date, DateTime, Weekday},
    tz::TimeZone,
};

use super::{
    when::{LENGTH_MAX, Repeat, Rhythm},
    written::zone,
};
use crate::policy::{
    problem::{Code, Problem},
    text,
};

/// The most occurrences of a counted event.
const COUNT_MAX: u32 = 10_000;

/// A property with the number of its first line.
struct Line<'a> {
    number: usize,
    name: String,
    parameters: Vec<(String, String)>,
    value: &'a str,
}

/// Where a problem is told.
struct Place<'a> {
    path: &'a str,
}

impl Place<'_> {
    fn wrong(&self, line: usize, what: impl Into<String>) -> Problem {
        Problem::new(Code::BadCalendar, what).at(format!("{}:{line}", self.path)).hint(
            "docs/freezes.md lists what is understood of a calendar; write the rest as entries of their own",
        )
    }
}

/// The events of a calendar; times without a zone are in that of the freeze.
pub(super) fn read(path: &str, text: &str, floating: &TimeZone) -> Result<Vec<Repeat>, Problem> {
    let place = Place { path };
    let unfolded = unfold(text);
    let mut events = Vec::new();
    // What is open, outermost first.
    let mut open: Vec<String> = Vec::new();
    let mut event: Vec<Line<'_>> = Vec::new();
    let mut begun = 0;
    for (number, content) in &unfolded {
        let line = property(content).map(|(name, parameters, value)| Line {
            number: *number,
            name,
            parameters,
            value,
        });
        let line = line.ok_or_else(|| {
            place.wrong(*number, format!("`{}` is no property", text::shorten(content, 60)))
        })?;
        match line.name.as_str() {
            "BEGIN" => {
                if open.is_empty() && line.value != "VCALENDAR" {
                    return Err(place.wrong(*number, "a calendar begins with BEGIN:VCALENDAR"));
                }
                if line.value == "VEVENT" {
                    (event, begun) = (Vec::new(), *number);
                }
                open.push(line.value.to_owned());
            }
            "END" => {
                if open.pop().as_deref() != Some(line.value) {
                    return Err(
                        place.wrong(*number, format!("END:{} ends nothing", text::shorten(line.value, 40)))
                    );
                }
                if line.value == "VEVENT" {
                    events.extend(self::event(&place, &event, begun, floating)?);
                }
            }
            _ if open.is_empty() => {
                return Err(place.wrong(*number, "a calendar begins with BEGIN:VCALENDAR"));
            }
            _ if open.last().is_some_and(|last| last == "VEVENT") => event.push(line),
            _ => {}
        }
    }
    let last = unfolded.last().map_or(1, |(number, _)| *number);
    match open.last() {
        Some(left) => Err(place.wrong(last, format!("BEGIN:{left} has no end"))),
        None if unfolded.is_empty() => Err(place.wrong(1, "it is empty")),
        None => Ok(events),
    }
}

/// A line that begins with a space goes on with the one before it.
fn unfold(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some((_, before))) => before.push_str(rest),
            _ if line.trim().is_empty() => {}
            _ => lines.push((index.saturating_add(1), line.to_owned())),
        }
    }
    lines
}

type Property<'a> = (String, Vec<(String, String)>, &'a str);

/// `NAME;PARAMETER=VALUE:VALUE`; a quoted parameter may hold a colon.
fn property(line: &str) -> Option<Property<'_>> {
    let mut quoted = false;
    let colon = line.char_indices().find(|(_, c)| {
        quoted ^= *c == '"';
        *c == ':' && !quoted
    })?;
    let (head, value) = line.split_at_checked(colon.0)?;
    let mut parts = head.split(';');
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_uppercase();
    let parameter = |part: &str| {
        let (name, value) = part.split_once('=')?;
        Some((name.to_ascii_uppercase(), value.trim_matches('"').to_owned()))
    };
    let parameters = parts.map(parameter).collect::<Option<Vec<_>>>()?;
    Some((name, parameters, value.strip_prefix(':')?.trim_end()))
}

/// A point of a calendar.
struct Moment {
    at: DateTime,
    zone: TimeZone,
    /// A whole day.
    day: bool,
}

fn moment(place: &Place<'_>, line: &Line<'_>, value: &str, floating: &TimeZone) -> Result<Moment, Problem> {
    let unclear =
        || place.wrong(line.number, format!("`{}` is not a day or a time", text::shorten(value, 40)));
    let named = line.parameters.iter().find(|(name, _)| name == "TZID").map(|(_, value)| value);
    if value.len() == 8 {
        let day = Date::strptime("%Y%m%d", value).map_err(|_| unclear())?;
        return Ok(Moment {
            at: day.to_datetime(jiff::civil::Time::midnight()),
            zone: floating.clone(),
            day: true,
        });
    }
    let (local, zone) = match (value.strip_suffix('Z'), named) {
        (Some(local), _) => (local, TimeZone::UTC),
        (None, None) => (value, floating.clone()),
        (None, Some(name)) => {
            let what = || format!("the zone `{}` is not known by an IANA name", text::shorten(name, 60));
            (value, zone(name).ok_or_else(|| place.wrong(line.number, what()))?)
        }
    };
    let at = DateTime::strptime("%Y%m%dT%H%M%S", local).map_err(|_| unclear())?;
    Ok(Moment { at, zone, day: false })
}

fn event(
    place: &Place<'_>,
    lines: &[Line<'_>],
    begun: usize,
    floating: &TimeZone,
) -> Result<Option<Repeat>, Problem> {
    let find = |name: &str| lines.iter().find(|line| line.name == name);
    if find("STATUS").is_some_and(|line| line.value.eq_ignore_ascii_case("CANCELLED")) {
        return Ok(None);
    }
    if let Some(line) =
        lines.iter().find(|line| ["RDATE", "RECURRENCE-ID", "EXRULE"].contains(&line.name.as_str()))
    {
        return Err(place.wrong(line.number, format!("{} is not understood", line.name)));
    }
    let start = find("DTSTART").ok_or_else(|| place.wrong(begun, "the event has no DTSTART"))?;
    let first = moment(place, start, start.value, floating)?;
    let length = length(place, (find("DTEND"), find("DURATION")), (start, &first), floating)?;
    let mut repeat = Repeat {
        first: first.at,
        length,
        zone: first.zone.clone(),
        rhythm: Rhythm::Daily,
        every: 1,
        last: Some(first.at.date()),
        without: Vec::new(),
    };
    for line in lines.iter().filter(|line| line.name == "EXDATE") {
        for value in line.value.split(',') {
            let out = moment(place, line, value, floating)?;
            if !out.day && (out.at.time() != first.at.time() || out.zone != first.zone) {
                return Err(place.wrong(line.number, "EXDATE names a time at which the event does not begin"));
            }
            repeat.without.push(out.at.date());
        }
    }
    if let Some(rule) = find("RRULE") {
        recur(place, rule, &mut repeat)?;
    }
    Ok(Some(repeat))
}

fn length(
    place: &Place<'_>,
    (end, duration): (Option<&Line<'_>>, Option<&Line<'_>>),
    (start, first): (&Line<'_>, &Moment),
    floating: &TimeZone,
) -> Result<Span, Problem> {
    let (line, last) = match (end, duration) {
        (Some(end), _) => {
            let last = moment(place, end, end.value, floating)?;
            if last.zone != first.zone || last.day != first.day {
                return Err(place
                    .wrong(end.number, "DTEND is written differently from DTSTART (zone, or day and time)"));
            }
            (end, last.at)
        }
        (None, Some(line)) => {
            let span: Span = line.value.parse().map_err(|_| place.wrong(line.number, "not a duration"))?;
            let last = first.at.checked_add(span);
            (line, last.map_err(|_| place.wrong(line.number, "not a duration"))?)
        }
        (None, None) if first.day => return Ok(1.day()),
        (None, None) => return Err(place.wrong(start.number, "the event has no DTEND and no DURATION")),
    };
    if last <= first.at {
        return Err(place.wrong(line.number, "the event ends before it begins"));
    }
    let span = last - first.at;
    let hours = (last.duration_since(first.at)).as_secs() / 3_600;
    if u64::try_from(hours).is_ok_and(|hours| hours > LENGTH_MAX.0 / 3_600_000) {
        return Err(place.wrong(line.number, "the event lasts longer than 92 days"));
    }
    Ok(span)
}

fn recur(place: &Place<'_>, line: &Line<'_>, repeat: &mut Repeat) -> Result<(), Problem> {
    let refuse =
        |part: &str| place.wrong(line.number, format!("`{}` is not understood", text::shorten(part, 60)));
    let first = repeat.first.date();
    let (mut count, mut until, mut days) = (None, None, Vec::new());
    let mut rhythm = None;
    for part in line.value.split(';').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').ok_or_else(|| refuse(part))?;
        match name.to_ascii_uppercase().as_str() {
            "FREQ" => {
                rhythm = Some(match value {
                    "DAILY" => Rhythm::Daily,
                    "WEEKLY" => Rhythm::Weekly(vec![first.weekday()]),
                    "YEARLY" => Rhythm::Yearly,
                    _ => return Err(refuse(part)),
                });
            }
            "INTERVAL" => {
                let every = value.parse().ok().filter(|every| (1..=1_000).contains(every));
                repeat.every = every.ok_or_else(|| refuse(part))?;
            }
            "COUNT" => {
                let number = value.parse().ok().filter(|count| (1..=COUNT_MAX).contains(count));
                count = Some(number.ok_or_else(|| refuse(part))?);
            }
            "UNTIL" => until = Some(last_day(value, repeat).ok_or_else(|| refuse(part))?),
            "BYDAY" => {
                let found: Option<Vec<Weekday>> = value.split(',').map(weekday).collect();
                days = found.ok_or_else(|| refuse(part))?;
            }
            // What many programs write beside a yearly event, and says nothing new.
            "BYMONTH" if value.parse() == Ok(first.month()) => {}
            "BYMONTHDAY" if value.parse() == Ok(first.day()) => {}
            "WKST" if value == "MO" => {}
            _ => return Err(refuse(part)),
        }
    }
    repeat.rhythm = match (rhythm, days.is_empty()) {
        (Some(Rhythm::Weekly(_)), false) => Rhythm::Weekly(days),
        (Some(rhythm), true) => rhythm,
        (None, _) => return Err(refuse("a rule without FREQ")),
        (Some(_), false) => return Err(refuse("BYDAY of a rule that is not weekly")),
    };
    let yearly_only = line.value.contains("BYMONTH") && repeat.rhythm != Rhythm::Yearly;
    if yearly_only || (count.is_some() && until.is_some()) {
        return Err(refuse(line.value));
    }
    // Programs read such a rule differently.
    if !repeat.is_on_rhythm(first) {
        return Err(place.wrong(line.number, "the event begins on a day that its own rule leaves out"));
    }
    repeat.last = until;
    if let Some(count) = count {
        repeat.last = Some(counted(repeat, count).ok_or_else(|| refuse("COUNT"))?);
    }
    Ok(())
}

/// The day of the last one of so many.
fn counted(repeat: &Repeat, count: u32) -> Option<Date> {
    // EXDATE takes away from the count's days, not from the count.
    let all = Repeat { without: Vec::new(), ..repeat.clone() };
    let days = repeat.first.date().series(1.day()).filter(|day| all.is_on(*day));
    let nth = usize::try_from(count.saturating_sub(1)).ok()?;
    days.take(nth.saturating_add(1)).last()
}

/// The local day that UNTIL falls on.
fn last_day(value: &str, repeat: &Repeat) -> Option<Date> {
    if value.len() == 8 {
        return Date::strptime("%Y%m%d", value).ok();
    }
    let local = DateTime::strptime("%Y%m%dT%H%M%S", value.strip_suffix('Z').unwrap_or(value)).ok()?;
    let last = if value.ends_with('Z') {
        let at = TimeZone::UTC.to_ambiguous_timestamp(local).compatible().ok()?;
        repeat.zone.to_datetime(at)
    } else {
        local
    };
    // An occurrence later on that day is after it.
    if last.time() < repeat.first.time() { last.date().yesterday().ok() } else { Some(last.date()) }
}

fn weekday(text: &str) -> Option<Weekday> {
    Some(match text {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job::time::{Millis, Timestamp},
        policy::freeze::when::When,
    };

    fn calendar(event: &str) -> String {
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nSUMMARY:x\r\n{event}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        )
    }
    fn stretches(event: &str, from: &str, days: u64) -> Vec<String> {
        let events = read("c.ics", &calendar(event), &zone("Europe/Berlin").unwrap()).unwrap();
        let from = Timestamp::parse(from).unwrap();
        let to = from.plus(Millis::hours(24 * days));
        let around = events.into_iter().flat_map(|event| When::Repeats(event).around(from, to));
        let inside = around.filter(|(start, end)| *start < to && end.unwrap() > from);
        inside.map(|(start, end)| format!("{start}/{}", end.unwrap()).replace(":00.000Z", "")).collect()
    }

    #[test]
    fn events_come_once_or_again() {
        let once = "DTSTART;VALUE=DATE:20261224\r\nDTEND;VALUE=DATE:20261227";
        assert_eq!(stretches(once, "2026-12-01T00:00:00Z", 60), ["2026-12-23T23:00/2026-12-26T23:00"]);
        let utc = "DTSTART:20261224T100000Z\r\nDURATION:PT2H";
        assert_eq!(stretches(utc, "2026-12-01T00:00:00Z", 60), ["2026-12-24T10:00/2026-12-24T12:00"]);
        let weekly = "DTSTART;TZID=America/New_York:20261102T180000\r\nDTEND;TZID=America/New_York:20261102T200000\r\n\
            RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;COUNT=3\r\nEXDATE;TZID=America/New_York:20261104T180000";
        assert_eq!(
            stretches(weekly, "2026-11-01T00:00:00Z", 60),
            ["2026-11-02T23:00/2026-11-03T01:00", "2026-11-16T23:00/2026-11-17T01:00"]
        );
        let yearly = "DTSTART;VALUE=DATE:20201224\r\nRRULE:FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24";
        assert_eq!(stretches(yearly, "2030-01-01T00:00:00Z", 365), ["2030-12-23T23:00/2030-12-24T23:00"]);
        let daily =
            "DTSTART:20261101T080000\r\nDTEND:20261101T090000\r\nRRULE:FREQ=DAILY;UNTIL=20261103T065959Z";
        assert_eq!(stretches(daily, "2026-10-01T00:00:00Z", 90).len(), 2);
        assert_eq!(stretches(&format!("{once}\r\nSTATUS:CANCELLED"), "2026-12-01T00:00:00Z", 60), [""; 0]);
        let folded = "DTSTART;VALUE=DATE:2026\r\n 1224";
        assert_eq!(stretches(folded, "2026-12-01T00:00:00Z", 60).len(), 1);
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_line() {
        let start = "DTSTART;VALUE=DATE:20261224";
        for (event, line, why) in [
            ("SUMMARY:y", 3, "no DTSTART"),
            ("DTSTART:20261224T100000", 5, "no DTEND"),
            ("DTSTART;TZID=Mars/Base:20261224T100000", 5, "Mars/Base"),
            ("DTSTART:2026", 5, "not a day"),
            ("DTSTART;VALUE=DATE:20261224\r\nDTEND;VALUE=DATE:20261224", 6, "before it begins"),
            ("DTSTART;VALUE=DATE:20261224\r\nDTEND;VALUE=DATE:20271224", 6, "92 days"),
            ("DTSTART;VALUE=DATE:20261224\r\nRRULE:FREQ=MONTHLY", 6, "FREQ=MONTHLY"),
            ("DTSTART;VALUE=DATE:20261224\r\nRRULE:FREQ=WEEKLY;BYDAY=1MO", 6, "BYDAY=1MO"),
            ("DTSTART;VALUE=DATE:20261224\r\nRRULE:FREQ=WEEKLY;BYDAY=MO", 6, "leaves out"),
            ("DTSTART;VALUE=DATE:20261224\r\nRDATE:20261225", 6, "RDATE"),
            ("DTSTART;VALUE=DATE:20261224\r\nnonsense", 6, "no property"),
        ] {
            let problem = read("c.ics", &calendar(event), &TimeZone::UTC).unwrap_err();
            assert_eq!(
                (problem.code, problem.at.as_deref()),
                (Code::BadCalendar, Some(format!("c.ics:{line}").as_str())),
                "{event}"
            );
            assert!(problem.what.contains(why), "{event}: {}", problem.what);
        }
        let open = format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\n{start}\n");
        for text in ["", "hello", open.as_str(), "END:VCALENDAR"] {
            assert!(read("c.ics", text, &TimeZone::UTC).is_err(), "{text}");
        }
    }
}
