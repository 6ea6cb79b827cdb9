//! When a schedule comes: a line of cron, read in a time zone whose data the program carries. A time that the clock leaves
//! out comes at the end of the gap; one that the clock shows twice comes once, unless the line means every so often.

use std::fmt;

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{
    Zoned,
    tz::{TimeZone, TimeZoneDatabase},
};

use crate::job::time::{Millis, Timestamp};

/// How far is looked back at first for the newest times.
const NEAR: Millis = Millis::hours(1);

/// The nominal times of one schedule.
#[derive(Clone, Debug)]
pub struct Times {
    cron: Cron,
    written: String,
    zone: TimeZone,
    zone_name: String,
}

impl Times {
    /// Err: what is wrong with it, such as that it never comes.
    pub fn parse(cron: &str, zone: (&str, TimeZone)) -> Result<Self, String> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let fields = cron.split_whitespace().count();
        if fields != 5 {
            return Err(format!("it has {fields} fields, and should have five"));
        }
        let read = parser.parse(cron).map_err(|error| error.to_string())?;
        let (name, zone) = zone;
        let times = Self { cron: read, written: cron.to_owned(), zone, zone_name: name.to_owned() };
        times.after(Timestamp(0)).next().ok_or("it never comes")?;
        Ok(times)
    }

    pub fn cron(&self) -> &str {
        &self.written
    }
    pub fn zone(&self) -> &str {
        &self.zone_name
    }

    /// The clock on the wall of its zone.
    pub fn local(&self, at: Timestamp) -> Option<Zoned> {
        jiff::Timestamp::from_millisecond(at.0).ok().map(|at| at.to_zoned(self.zone.clone()))
    }

    /// Every time after an instant, in order.
    pub fn after(&self, at: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        let mut last = self.local(at);
        std::iter::from_fn(move || {
            let next = self.cron.find_next_occurrence(last.as_ref()?, false).ok();
            last.clone_from(&next);
            next.map(|next| Timestamp(next.timestamp().as_millisecond()))
        })
    }

    /// The newest times after an instant that `fits` takes, in order: `count` of them, if there are so many, and perhaps more.
    /// However long ago the instant is, it is not read from there on.
    pub fn newest(
        &self,
        after: Timestamp,
        now: Timestamp,
        count: usize,
        fits: impl Fn(Timestamp) -> bool,
    ) -> Vec<Timestamp> {
        let mut span = NEAR;
        loop {
            let from = after.max(now.minus(span));
            let found: Vec<Timestamp> = self.after(from).take_while(|at| *at <= now && fits(*at)).collect();
            if found.len() >= count || from == after {
                return found;
            }
            span = Millis(span.0.saturating_mul(8));
        }
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.written, self.zone_name)
    }
}

/// From the data that the program carries: the same on every machine.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}
