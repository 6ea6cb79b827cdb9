//! Time in the story: the daemon and the stand-in have clocks of their own, and both move only when this tells them to. What
//! must be seen is waited for while time goes on in small steps, each when what the one before brought is dealt with, so that a
//! slow machine only needs more of our time.

use std::time::Duration;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::json;
use sluicegate::{
    clock::{Clock, SystemClock},
    job::time::Millis,
};

use crate::{stage::Stage, week::Week};

/// A step while something is at work, and one while nothing is.
pub const STEP_MS: i64 = 60_000;
const STRIDE_MS: i64 = 1_800_000;
/// Nothing asked of the provider for so long: the daemon has nothing to do at this time.
const QUIET: Duration = Duration::from_millis(10);
/// Of our own time; nothing takes longer unless something is wrong.
const PATIENCE: Millis = Millis::minutes(4);

pub fn ms(instant: &str) -> i64 {
    instant.parse::<Timestamp>().unwrap().as_millisecond()
}

/// Milliseconds of a local time in Berlin, such as `2026-03-26T09:00`.
fn berlin(local: &str) -> i64 {
    let local: DateTime = local.parse().unwrap();
    local.to_zoned(TimeZone::get("Europe/Berlin").unwrap()).unwrap().timestamp().as_millisecond()
}

/// Both clocks go on; gives what time it is then.
pub fn step(stage: &Stage, now_ms: i64, by_ms: i64) -> i64 {
    stage.direct("clock", &json!({ "advance_ms": by_ms }));
    let now_ms = now_ms + by_ms;
    stage.write("clock", now_ms.to_string());
    let asked = || stage.control("requests")["total"].as_u64().unwrap();
    let mut before = asked();
    loop {
        std::thread::sleep(QUIET);
        let now = asked();
        if now == before {
            return now_ms;
        }
        before = now;
    }
}

impl Week {
    fn step(&mut self, by_ms: i64) {
        self.now_ms = step(&self.stage, self.now_ms, by_ms);
    }

    /// Nothing is at work: goes on to a time of this day, which must be to come.
    pub fn at(&mut self, time: &str) {
        let until = berlin(&format!("{}T{time}", self.day));
        assert!(self.now_ms < until, "the story is late: {time} is over");
        while self.now_ms < until {
            self.step(STRIDE_MS.min(until - self.now_ms));
        }
        self.book.time(time);
    }

    /// Goes on until there is something to see.
    pub fn until<T>(&mut self, what: &str, look: impl Fn(&Stage) -> Option<T>) -> T {
        let patience = SystemClock.now().plus(PATIENCE);
        loop {
            if let Some(seen) = look(&self.stage) {
                return seen;
            }
            assert!(SystemClock.now() < patience, "not seen within {PATIENCE}: {what}");
            self.step(STEP_MS);
        }
    }
}
