//! When a window opens: the five fields of cron (minute, hour, day of the month, month, day of the week), in the freeze's
//! own zone. As in cron, when both days are given either may fit.

use jiff::civil::{Date, DateTime};

/// The most openings of one day.
const PER_DAY_MAX: u32 = 96;
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Each field as the set of its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Both days are restricted.
    either_day: bool,
}

impl Cron {
    /// Err: what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err(format!("`{text}` has {} fields, a window has five", fields.len()));
        };
        let weekdays_set = field("day of the week", weekdays, 0, 7, &DAYS)?;
        let cron = Self {
            minutes: field("minute", minutes, 0, 59, &[])?,
            hours: field("hour", hours, 0, 23, &[])?,
            days: field("day of the month", days, 1, 31, &[])?,
            months: field("month", months, 1, 12, &MONTHS)?,
            // Sunday is 0 and 7.
            weekdays: (weekdays_set | (weekdays_set >> 7)) & 0x7f,
            either_day: !days.starts_with('*') && !weekdays.starts_with('*'),
        };
        let per_day = cron.minutes.count_ones().saturating_mul(cron.hours.count_ones());
        if per_day > PER_DAY_MAX {
            return Err(format!("`{text}` opens {per_day} times a day, at most {PER_DAY_MAX} are allowed"));
        }
        Ok(cron)
    }

    /// The openings of a day.
    pub(super) fn on(&self, day: Date) -> Vec<DateTime> {
        let has = |set: u64, number: i8| u32::try_from(number).is_ok_and(|number| set >> number & 1 == 1);
        let in_month = has(self.days, day.day());
        let in_week = has(self.weekdays, day.weekday().to_sunday_zero_offset());
        let fits = if self.either_day { in_month || in_week } else { in_month && in_week };
        if !fits || !has(self.months, day.month()) {
            return Vec::new();
        }
        let hours = (0..24_i8).filter(|hour| has(self.hours, *hour));
        let times = hours.flat_map(|hour| (0..60_i8).map(move |minute| (hour, minute)));
        let open = times.filter(|(_, minute)| has(self.minutes, *minute));
        open.map(|(hour, minute)| day.at(hour, minute, 0, 0)).collect()
    }
}

/// `*`, `*/2`, `1-5`, `mon-fri`, `1,3`, `10-20/5`.
fn field(name: &str, text: &str, min: u32, max: u32, words: &[&str]) -> Result<u64, String> {
    let wrong = |why: &str| format!("`{text}` is no {name}: {why}");
    let number = |part: &str| -> Result<u32, String> {
        let lower = part.to_ascii_lowercase();
        let word = words.iter().position(|word| *word == lower);
        let found = match word {
            Some(at) => u32::try_from(at).unwrap_or(max).saturating_add(min.min(1)),
            None => part.parse().map_err(|_| wrong(&format!("`{part}` is not a number")))?,
        };
        let fits = (min..=max).contains(&found);
        fits.then_some(found).ok_or_else(|| wrong(&format!("write {min} to {max}")))
    };
    let mut set = 0_u64;
    for part in text.split(',') {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (min, max),
            Some((from, to)) => (number(from)?, number(to)?),
            None if step.is_some() => (number(range)?, max),
            None => number(range).map(|only| (only, only))?,
        };
        let step = match step.map(str::parse::<usize>) {
            None => 1,
            Some(Ok(step)) if step > 0 => step,
            Some(_) => return Err(wrong("a step is a number above 0")),
        };
        if from > to {
            return Err(wrong("a range begins with its smaller end"));
        }
        for number in (from..=to).step_by(step) {
            set |= 1 << number;
        }
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opens(cron: &str, day: &str) -> Vec<String> {
        let day: Date = day.parse().unwrap();
        Cron::parse(cron).unwrap().on(day).iter().map(|at| at.time().to_string()).collect()
    }

    #[test]
    fn a_window_opens_when_every_field_fits() {
        // The 20th of November 2026 is a Friday.
        assert_eq!(opens("0 16 * * fri", "2026-11-20"), ["16:00:00"]);
        assert_eq!(opens("0 16 * * 5", "2026-11-21"), [""; 0]);
        assert_eq!(opens("*/30 8-9 * * 1-5", "2026-11-20"), ["08:00:00", "08:30:00", "09:00:00", "09:30:00"]);
        assert_eq!(opens("0 0 1,15 * *", "2026-11-15"), ["00:00:00"]);
        assert_eq!(opens("0 0 * dec *", "2026-11-15"), [""; 0]);
        assert_eq!(opens("0 0 * * 7", "2026-11-22"), opens("0 0 * * sun", "2026-11-22"));
        // Either day, as in cron.
        assert_eq!(opens("0 0 1 * fri", "2026-11-20"), ["00:00:00"]);
    }

    #[test]
    fn what_is_no_window_is_told() {
        for (text, why) in [
            ("* * * *", "4 fields"),
            ("60 * * * *", "write 0 to 59"),
            ("0 0 * * funday", "not a number"),
            ("0 9-8 * * *", "smaller end"),
            ("0 */0 * * *", "above 0"),
            ("* * * * *", "1440 times a day"),
        ] {
            let told = Cron::parse(text).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
    }
}
