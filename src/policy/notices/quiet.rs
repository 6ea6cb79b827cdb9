//! Hours in which people want to hear of nothing but what is bad enough, by the clock on their wall. Where the clock is put
//! forward or back, the longer reading counts.

use jiff::{
    civil::{Time, Weekday},
    tz::TimeZone,
};

use super::Severity;
use crate::{
    job::time::Timestamp,
    policy::freeze::{early, late},
};

/// Windows that may stand end to end before somebody must have meant something else.
const CHAIN_MAX: usize = 100;

/// A window that comes again on some days.
#[derive(Clone, Debug)]
pub struct Quiet {
    pub zone: TimeZone,
    pub from: Time,
    /// On the next day, unless it is later than `from`.
    pub to: Time,
    /// On which it begins.
    pub days: Vec<Weekday>,
    /// What is at least so bad is told all the same.
    pub below: Severity,
}

impl Quiet {
    /// The first instant from `at` on that is in none of the windows.
    pub(super) fn end(windows: &[Self], severity: Severity, at: Timestamp) -> Timestamp {
        let mut free = at;
        for _ in 0..CHAIN_MAX {
            let ends = windows.iter().filter(|quiet| severity < quiet.below);
            match ends.filter_map(|quiet| quiet.around(free)).max() {
                Some(end) => free = end,
                None => break,
            }
        }
        free
    }

    /// When the window ends that an instant lies in.
    fn around(&self, at: Timestamp) -> Option<Timestamp> {
        let today = self.zone.to_datetime(jiff::Timestamp::from_millisecond(at.0).ok()?).date();
        let days = [today.yesterday().ok(), Some(today)].into_iter().flatten();
        let ends = days.filter(|day| self.days.contains(&day.weekday())).filter_map(|day| {
            let last = if self.to > self.from { day } else { day.tomorrow().ok()? };
            let (start, end) = (
                early(&self.zone, day.to_datetime(self.from))?,
                late(&self.zone, last.to_datetime(self.to))?,
            );
            (start <= at && at < end).then_some(end)
        });
        ends.max()
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZoneDatabase;

    use super::*;

    fn quiet(from: &str, to: &str, days: &[Weekday]) -> Quiet {
        let zone = TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap();
        let time = |text: &str| text.parse::<Time>().unwrap();
        Quiet { zone, from: time(from), to: time(to), days: days.to_vec(), below: Severity::Urgent }
    }

    fn every_day() -> Vec<Weekday> {
        Weekday::Monday.cycle_forward().take(7).collect()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_night_ends_in_the_morning_of_the_next_day_also_when_clocks_change() {
        let night = [quiet("20:00", "07:00", &every_day())];
        let end = |now| Quiet::end(&night, Severity::Warning, at(now)).to_string();
        assert_eq!(end("2026-11-20T18:59:59.999Z"), "2026-11-20T18:59:59.999Z");
        assert_eq!(end("2026-11-20T19:00:00Z"), "2026-11-21T06:00:00.000Z");
        assert_eq!(end("2026-11-21T05:59:59.999Z"), "2026-11-21T06:00:00.000Z");
        assert_eq!(end("2026-11-21T06:00:00Z"), "2026-11-21T06:00:00.000Z");
        assert_eq!(end("2026-10-24T20:00:00Z"), "2026-10-25T06:00:00.000Z", "an hour more");
        assert_eq!(end("2026-03-28T20:00:00Z"), "2026-03-29T05:00:00.000Z", "an hour less");
        let urgent = Quiet::end(&night, Severity::Urgent, at("2026-11-20T23:00:00Z"));
        assert_eq!(urgent, at("2026-11-20T23:00:00Z"));
    }

    #[test]
    fn a_reading_that_comes_twice_or_never_makes_the_window_longer() {
        let end = |from, to, now| Quiet::end(&[quiet(from, to, &every_day())], Severity::Info, at(now));
        assert_eq!(end("01:00", "02:30", "2026-10-25T01:00:00Z"), at("2026-10-25T01:30:00Z"));
        assert_eq!(end("01:00", "02:30", "2026-03-29T01:10:00Z"), at("2026-03-29T01:30:00Z"));
    }

    #[test]
    fn windows_that_meet_are_one() {
        let weekend = quiet("00:00", "00:00", &[Weekday::Saturday, Weekday::Sunday]);
        let nights = quiet("20:00", "07:00", &every_day());
        let friday = Quiet::end(&[weekend, nights], Severity::Info, at("2026-11-20T20:00:00Z"));
        assert_eq!(friday.to_string(), "2026-11-23T06:00:00.000Z");
        let always = quiet("00:00", "00:00", &every_day());
        let now = at("2026-11-20T20:00:00Z");
        assert!(Quiet::end(&[always], Severity::Info, now) > now, "and it ends");
    }
}
