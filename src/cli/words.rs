//! How times, amounts and foreign texts are written for people. It must not tell the time: `now` is handed in, and is the
//! daemon's, so that ages are right on a machine whose clock is wrong.

use crate::job::time::{Millis, Timestamp};

/// `2026-11-20 10:00:00 UTC`.
pub fn moment(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => at.to_string(),
    }
}

/// `2026-11-20 10:00:00 UTC (3 min 20 s ago)`; without the age when the present is not known. An answer tells its time in whole
/// seconds, so that what has just happened may seem to be to come.
pub fn moment_and_age(at: Timestamp, now: Option<Timestamp>) -> String {
    match now {
        Some(now) if at > now && at.since(now) < Millis::seconds(1) => format!("{} (just now)", moment(at)),
        Some(now) if at > now => format!("{} (in {})", moment(at), at.since(now)),
        Some(now) => format!("{} ({})", moment(at), age(at, now)),
        None => moment(at),
    }
}

/// `3 min 20 s ago`.
pub fn age(at: Timestamp, now: Timestamp) -> String {
    let age = now.since(at);
    if age < Millis::seconds(1) { "just now".to_owned() } else { format!("{age} ago") }
}

/// A span without the word `ago`; empty when the present is not known.
pub fn span(since: Timestamp, now: Option<Timestamp>) -> String {
    now.map(|now| now.since(since).to_string()).unwrap_or_default()
}

/// Seconds with one decimal: `12.3 s`.
pub fn seconds(span: Millis) -> String {
    let tenths = span.0 / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

/// Nano-credits as credits with one decimal, rounded.
pub fn credits(nano: u64) -> String {
    let tenths = nano.saturating_add(50_000_000) / 100_000_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// `3 jobs`, `1 job`.
pub fn count(number: impl TryInto<u64>, one: &str) -> String {
    let number = number.try_into().unwrap_or(0);
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// A text that others wrote, fit for a terminal: no control characters, none that turn the direction of writing.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if is_unfit(c) { '\u{fffd}' } else { c }).collect()
}

/// The same with line breaks left in, for longer texts.
pub fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

fn is_unfit(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// At most so many characters, with `…` where something was cut off.
pub fn shorten(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    let kept: String = text.chars().take(characters.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc_with_their_age() {
        let at = Timestamp::parse("2026-11-20T10:00:00Z").unwrap();
        let now = at.plus(Millis::seconds(200));
        assert_eq!(moment_and_age(at, Some(now)), "2026-11-20 10:00:00 UTC (3 min 20 s ago)");
        assert_eq!(moment_and_age(now, Some(at)), "2026-11-20 10:03:20 UTC (in 3 min 20 s)");
        assert_eq!(age(at, at), "just now");
        assert_eq!(moment_and_age(at.plus(Millis(999)), Some(at)), "2026-11-20 10:00:00 UTC (just now)");
        assert_eq!(seconds(Millis(12_345)), "12.3 s");
    }

    #[test]
    fn credits_have_one_decimal_and_are_rounded() {
        for (nano, shown) in
            [(0, "0.0"), (1_500_000_000, "1.5"), (1_449_999_999, "1.4"), (1_950_000_000, "2.0")]
        {
            assert_eq!(credits(nano), shown);
        }
    }

    #[test]
    fn foreign_texts_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\nc\u{202e}d"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
        assert_eq!(clean_lines("a\nb\u{7}"), "a\nb\u{fffd}");
        assert_eq!(shorten("abcdef", 4), "abc…");
        assert_eq!((count(1_usize, "job"), count(0_usize, "job")), ("1 job".into(), "0 jobs".into()));
    }
}
