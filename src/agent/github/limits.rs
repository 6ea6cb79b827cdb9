//! What GitHub lets one identity do: its request budgets, its bans, the gap between its writes. Asks no
//! clock and sends nothing: `now` is handed in.
//!
//! Times that GitHub gives by its own clock are moved to ours by the answer's `Date`.

use std::collections::HashMap;

use http::HeaderMap;

use crate::job::time::{Millis, Timestamp};

/// Told to wait without being told how long: this, doubled each time in a row.
const WAIT_UNTOLD: Millis = Millis::seconds(60);
const WAIT_UNTOLD_MAX: Millis = Millis::hours(1);
/// Longest wait that is believed.
const WAIT_MAX: Millis = Millis::hours(24);
/// A request budget is filled again within an hour.
const RESET_AHEAD_MAX: Millis = Millis::hours(2);
/// How far GitHub's own clocks may be apart.
const RESET_LATE_MAX: Millis = Millis::minutes(1);
/// How long a write may stand in line for its turn; beyond, the caller hears of it.
const WRITE_LINE_MAX: Millis = Millis::seconds(10);
/// Request budgets that are told apart (GitHub has about a dozen).
const WINDOWS_MAX: usize = 32;
/// The budget of an endpoint that has not been called yet.
const CORE: &str = "core";

/// Who asks: only starts may use the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Start,
    Other,
}

/// One request budget, as last told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    limit: Option<u64>,
    remaining: u64,
    resets_at: Timestamp,
}

/// Of one identity.
#[derive(Debug, Default)]
pub(super) struct Limits {
    windows: HashMap<String, Window>,
    /// Which budget an endpoint was last charged to.
    charged_to: HashMap<&'static str, String>,
    banned_until: Timestamp,
    bans_in_a_row: u32,
    next_write_at: Timestamp,
    token_expires_at: Option<Timestamp>,
}

impl Limits {
    /// Until when this call must not be made; None: it may. `others` are requests under way that the
    /// last told figures do not know of.
    pub(super) fn refusal(
        &self,
        endpoint: &str,
        need: Need,
        reserve: u64,
        others: u64,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if now < self.banned_until {
            return Some(self.banned_until);
        }
        let resource = self.charged_to.get(endpoint).map_or(CORE, String::as_str);
        let window = self.windows.get(resource).filter(|window| now < window.resets_at)?;
        let kept = match need {
            Need::Start => 0,
            Need::Other => reserve.min(window.limit.unwrap_or(u64::MAX) / 2),
        };
        (window.remaining.saturating_sub(others) <= kept).then_some(window.resets_at)
    }

    /// When a write may go; Err: not soon, ask again at that time.
    pub(super) fn write_turn(&mut self, gap: Millis, now: Timestamp) -> Result<Timestamp, Timestamp> {
        let turn = now.max(self.next_write_at);
        if turn.since(now) > WRITE_LINE_MAX {
            return Err(turn);
        }
        self.next_write_at = turn.plus(gap);
        Ok(turn)
    }

    /// Takes in what every answer tells.
    pub(super) fn record(&mut self, endpoint: &'static str, headers: &HeaderMap, now: Timestamp) {
        if let Some(at) = text(headers, "github-authentication-token-expiration").and_then(expiry) {
            self.token_expires_at = Some(at);
        }
        let (Some(remaining), Some(resets_at)) =
            (number(headers, "x-ratelimit-remaining"), reset(headers, now))
        else {
            return;
        };
        let resource = text(headers, "x-ratelimit-resource").unwrap_or(CORE);
        if self.windows.contains_key(resource) || self.windows.len() < WINDOWS_MAX {
            let limit = number(headers, "x-ratelimit-limit");
            self.windows.insert(resource.to_owned(), Window { limit, remaining, resets_at });
            self.charged_to.insert(endpoint, resource.to_owned());
        }
    }

    /// An answer that was no refusal for a limit.
    pub(super) fn allowed(&mut self, now: Timestamp) {
        if now >= self.banned_until {
            self.bans_in_a_row = 0;
        }
    }

    /// A refusal for a limit: until when, by GitHub's order of rules.
    pub(super) fn limited(&mut self, headers: &HeaderMap, now: Timestamp) -> Timestamp {
        let soonest = now.plus(Millis::seconds(1));
        if let Some(wait) = retry_after(headers, now) {
            let until = now.plus(wait.min(WAIT_MAX)).max(soonest);
            self.banned_until = self.banned_until.max(until);
            return until;
        }
        if number(headers, "x-ratelimit-remaining") == Some(0)
            && let Some(resets_at) = reset(headers, now)
        {
            // Only this budget is empty, and `record` knows it: other endpoints may still be called.
            return resets_at.max(soonest);
        }
        // Several requests under way may hear of the same ban: it grows once.
        if now >= self.banned_until {
            let doubled = WAIT_UNTOLD.0.saturating_mul(1_u64 << self.bans_in_a_row.min(16));
            self.bans_in_a_row = self.bans_in_a_row.saturating_add(1);
            self.banned_until = now.plus(Millis(doubled).min(WAIT_UNTOLD_MAX));
        }
        self.banned_until
    }

    /// Another token is in use: what was told of the one before no longer counts.
    pub(super) const fn forget_token(&mut self) {
        self.token_expires_at = None;
    }

    /// Each request budget with its limit and what is left of it, as last told.
    pub(super) fn windows(&self, now: Timestamp) -> Vec<(&str, Option<u64>, u64)> {
        let left = |window: &Window| match window.limit {
            Some(limit) if now >= window.resets_at => limit,
            _ => window.remaining,
        };
        self.windows.iter().map(|(name, window)| (name.as_str(), window.limit, left(window))).collect()
    }

    /// How long no request may be made.
    pub(super) fn banned_for(&self, now: Timestamp) -> Millis {
        self.banned_until.since(now)
    }

    pub(super) const fn token_expires_at(&self) -> Option<Timestamp> {
        self.token_expires_at
    }
}

/// True if a 403 with these headers and this message is a limit, not a missing permission.
pub(super) fn is_limit(headers: &HeaderMap, message: &str) -> bool {
    let lower = message.to_lowercase();
    headers.contains_key(http::header::RETRY_AFTER)
        || number(headers, "x-ratelimit-remaining") == Some(0)
        || lower.contains("secondary rate limit")
        || lower.contains("rate limit exceeded")
        || lower.contains("abuse detection")
}

/// GitHub's clock when it answered.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    text(headers, "date").and_then(http_date)
}

/// When the request budget is filled again, by our clock.
fn reset(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let seconds = number(headers, "x-ratelimit-reset")?;
    let at = Timestamp(i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX));
    Some(ours(at, headers, now))
}

/// A time of GitHub's clock by ours. The answer's `Date` is GitHub's present, unless the two are too far apart to
/// come from one clock.
fn ours(at: Timestamp, headers: &HeaderMap, now: Timestamp) -> Timestamp {
    let present = date(headers).filter(|date| {
        let around = date.minus(RESET_LATE_MAX)..=date.plus(RESET_AHEAD_MAX);
        around.contains(&at)
    });
    now.plus(at.since(present.unwrap_or(now)).min(WAIT_MAX))
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Millis> {
    if let Some(seconds) = number(headers, "retry-after") {
        return Some(Millis::seconds(seconds));
    }
    let at = text(headers, "retry-after").and_then(http_date)?;
    Some(at.since(date(headers).unwrap_or(now)))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.parse().ok()
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<Timestamp> {
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Timestamp(at.as_millisecond()))
}

/// `2021-10-07 19:07:53 UTC`, or an offset in place of `UTC`.
fn expiry(text: &str) -> Option<Timestamp> {
    let text = text.replace("UTC", "+0000");
    let at = jiff::Timestamp::strptime("%Y-%m-%d %H:%M:%S %z", &text).ok()?;
    Some(Timestamp(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn an_untold_wait_doubles_up_to_an_hour_and_starts_over_after_an_answer() {
        let (mut limits, mut now) = (Limits::default(), NOW);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let until = limits.limited(&HeaderMap::new(), now);
            assert_eq!(limits.limited(&HeaderMap::new(), now), until, "the same ban heard twice");
            waits.push(until.since(now).0 / 1_000);
            now = until;
        }
        assert_eq!(waits, [60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
        limits.allowed(now);
        assert_eq!(limits.limited(&HeaderMap::new(), now).since(now), Millis::seconds(60));
    }

    #[test]
    fn a_wait_beyond_belief_is_cut_and_one_of_nothing_is_a_second() {
        for (wait, seconds) in [("18446744073709551615", 86_400), ("0", 1), ("7", 7)] {
            let until = Limits::default().limited(&headers(&[("retry-after", wait)]), NOW);
            assert_eq!(until.since(NOW), Millis::seconds(seconds), "{wait}");
        }
    }

    #[test]
    fn times_of_a_remote_clock_that_is_wrong_are_moved_to_ours() {
        let told = headers(&[
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "784111837"),
        ]);
        assert_eq!(Limits::default().limited(&told, NOW).since(NOW), Millis::minutes(1));
        let dated = headers(&[
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"),
        ]);
        assert_eq!(Limits::default().limited(&dated, NOW).since(NOW), Millis::seconds(30));
    }

    #[test]
    fn a_date_from_another_clock_than_the_reset_is_left_aside() {
        let reset = (NOW.0 / 1_000 + 90).to_string();
        let told = headers(&[
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", &reset),
        ]);
        assert_eq!(Limits::default().limited(&told, NOW).since(NOW), Millis::seconds(90));
    }

    #[test]
    fn budgets_of_different_resources_do_not_mix() {
        let mut limits = Limits::default();
        let reset = (NOW.0 / 1_000 + 100).to_string();
        let of = |resource: &'static str, remaining: &'static str| {
            headers(&[
                ("x-ratelimit-resource", resource),
                ("x-ratelimit-remaining", remaining),
                ("x-ratelimit-reset", &reset),
            ])
        };
        limits.record("tasks", &of("agents", "0"), NOW);
        limits.record("pulls", &of("core", "4000"), NOW);
        let until = Some(NOW.plus(Millis::seconds(100)));
        assert_eq!(limits.refusal("tasks", Need::Start, 0, 0, NOW), until);
        assert_eq!(limits.refusal("pulls", Need::Other, 500, 0, NOW), None);
        assert_eq!(limits.refusal("pulls", Need::Other, 500, 3_600, NOW), until, "requests under way count");
        assert_eq!(limits.refusal("tasks", Need::Other, 500, 0, NOW.plus(Millis::seconds(100))), None);
    }

    #[test]
    fn a_reserve_larger_than_the_limit_leaves_half_to_reads() {
        let mut limits = Limits::default();
        let reset = (NOW.0 / 1_000 + 100).to_string();
        for (remaining, refused) in [("31", false), ("30", true)] {
            let told = headers(&[
                ("x-ratelimit-limit", "60"),
                ("x-ratelimit-remaining", remaining),
                ("x-ratelimit-reset", &reset),
            ]);
            limits.record("tasks", &told, NOW);
            assert_eq!(limits.refusal("tasks", Need::Other, 500, 0, NOW).is_some(), refused, "{remaining}");
            assert_eq!(limits.refusal("tasks", Need::Start, 500, 0, NOW), None);
        }
    }

    #[test]
    fn writes_take_turns_and_a_long_line_is_refused() {
        let mut limits = Limits::default();
        let gap = Millis::seconds(4);
        let turns: Vec<_> = (0..4).map(|_| limits.write_turn(gap, NOW).map(|at| at.since(NOW).0)).collect();
        assert_eq!(turns, [Ok(0), Ok(4_000), Ok(8_000), Err(NOW.plus(Millis::seconds(12)))]);
        assert_eq!(limits.write_turn(gap, NOW.plus(Millis::hours(1))), Ok(NOW.plus(Millis::hours(1))));
    }

    #[test]
    fn the_expiry_of_a_token_is_read_with_and_without_an_offset() {
        let at = Timestamp::parse("2021-10-07T19:07:53Z");
        assert_eq!(expiry("2021-10-07 19:07:53 UTC"), at);
        assert_eq!(expiry("2021-10-07 21:07:53 +0200"), at);
        assert_eq!(expiry("soon"), None);
    }
}
