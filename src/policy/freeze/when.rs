//! The times of one entry. Where a clock is put forward or back, the longer reading counts: a start that does not exist or
//! comes twice is taken early, an end late.

use jiff::{
    Span, ToSpan as _,
    civil::{Date, DateTime, Weekday},
    tz::TimeZone,
};

use super::cron::Cron;
use crate::job::time::{Millis, Timestamp};

/// From an instant (inclusive) to another (exclusive), or without end.
pub(super) type Stretch = (Timestamp, Option<Timestamp>);

/// The longest window or event.
pub(super) const LENGTH_MAX: Millis = Millis::hours(24 * 92);

#[derive(Clone, Debug)]
pub(super) enum When {
    Once(Stretch),
    Windows { cron: Cron, length: Millis, zone: TimeZone },
    Repeats(Repeat),
}

/// An event of a calendar that comes again.
#[derive(Clone, Debug)]
pub(super) struct Repeat {
    pub first: DateTime,
    pub length: Span,
    pub zone: TimeZone,
    pub rhythm: Rhythm,
    /// Of days, weeks or years: every so many.
    pub every: i32,
    /// No later than this day.
    pub last: Option<Date>,
    /// Days left out.
    pub without: Vec<Date>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rhythm {
    Daily,
    /// On these days.
    Weekly(Vec<Weekday>),
    Yearly,
}

impl When {
    /// Every stretch that has anything in common with the time between two instants, and perhaps some more.
    pub(super) fn around(&self, from: Timestamp, to: Timestamp) -> Vec<Stretch> {
        match self {
            Self::Once(stretch) => vec![*stretch],
            Self::Windows { cron, length, zone } => {
                let days = days(zone, from.minus(*length), to);
                let opens = days.flat_map(|day| cron.on(day));
                opens.filter_map(|at| Some((early(zone, at)?, Some(late(zone, at)?.plus(*length))))).collect()
            }
            Self::Repeats(repeat) => {
                let days = days(&repeat.zone, from.minus(LENGTH_MAX), to);
                days.filter(|day| repeat.is_on(*day)).filter_map(|day| repeat.stretch(day)).collect()
            }
        }
    }

    /// True if nothing of it is to come.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        match self {
            Self::Once((_, until)) => until.is_some_and(|until| until <= now),
            Self::Windows { .. } => false,
            Self::Repeats(repeat) => {
                let end = repeat.last.and_then(|last| repeat.stretch(last)).and_then(|(_, until)| until);
                end.is_some_and(|end| end <= now)
            }
        }
    }
}

impl Repeat {
    pub(super) fn is_on(&self, day: Date) -> bool {
        day >= self.first.date()
            && self.last.is_none_or(|last| day <= last)
            && !self.without.contains(&day)
            && self.is_on_rhythm(day)
    }

    pub(super) fn is_on_rhythm(&self, day: Date) -> bool {
        let first = self.first.date();
        let apart = |from: Date, to: Date| (to - from).get_days();
        match &self.rhythm {
            Rhythm::Daily => apart(first, day) % self.every == 0,
            Rhythm::Weekly(weekdays) => {
                // A week begins on Monday, as calendars have it unless they say otherwise.
                let monday = |day: Date| {
                    let back = i64::from(day.weekday().to_monday_zero_offset()).days();
                    day.checked_sub(back).unwrap_or(day)
                };
                let weeks = apart(monday(first), monday(day)) / 7;
                weekdays.contains(&day.weekday()) && weeks % self.every == 0
            }
            Rhythm::Yearly => {
                (day.month(), day.day()) == (first.month(), first.day())
                    && i32::from(day.year().saturating_sub(first.year())) % self.every == 0
            }
        }
    }

    pub(super) fn stretch(&self, day: Date) -> Option<Stretch> {
        let start = day.to_datetime(self.first.time());
        let end = start.checked_add(self.length).ok()?;
        Some((early(&self.zone, start)?, Some(late(&self.zone, end)?)))
    }
}

/// The local days between two instants, with one more on each side.
fn days(zone: &TimeZone, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Date> {
    let day =
        |at: Timestamp| jiff::Timestamp::from_millisecond(at.0).ok().map(|at| zone.to_datetime(at).date());
    let first = day(from).and_then(|day| day.yesterday().ok());
    let last = day(to).and_then(|day| day.tomorrow().ok());
    let days = first.map(|first| first.series(1.day())).into_iter().flatten();
    days.take_while(move |day| last.is_some_and(|last| *day <= last))
}

/// The instant of a local time; the earlier one when there are two readings.
pub(in crate::policy) fn early(zone: &TimeZone, at: DateTime) -> Option<Timestamp> {
    let instant = zone.to_ambiguous_timestamp(at).earlier().ok()?;
    Some(Timestamp(instant.as_millisecond()))
}

/// The later one.
pub(in crate::policy) fn late(zone: &TimeZone, at: DateTime) -> Option<Timestamp> {
    let instant = zone.to_ambiguous_timestamp(at).later().ok()?;
    Some(Timestamp(instant.as_millisecond()))
}
