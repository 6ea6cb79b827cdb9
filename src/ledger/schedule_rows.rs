//! The row of a schedule, and what became of its times.

use serde::{Deserialize, Serialize};

use crate::job::{id::RequestId, time::Timestamp};

/// How far a schedule has been considered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleRow {
    pub name: String,
    /// The line of cron and the zone that it was last read with; empty while it is switched off.
    pub times: String,
    /// No nominal time up to this one is looked at again.
    pub considered_at: Timestamp,
    pub paused_at: Option<Timestamp>,
    pub paused_by: Option<String>,
    pub paused_reason: Option<String>,
    /// The newest one that was handed in.
    pub last_request: Option<RequestId>,
    pub history_json: String,
}

/// What became of a nominal time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    /// A request.
    Taken,
    /// A request by a person, whatever the time was.
    Run,
    /// Nothing: nobody was there, or it was too late.
    Missed,
    /// Nothing: the request before had not ended.
    Skipped,
    /// Nothing: the request was not acceptable.
    Refused,
}

impl Became {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Run => "run",
            Self::Missed => "missed",
            Self::Skipped => "skipped",
            Self::Refused => "refused",
        }
    }
}

/// One nominal time with what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleTurn {
    pub nominal: Timestamp,
    pub at: Timestamp,
    pub became: Became,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Times held in the row.
const TURNS_MAX: usize = 30;

fn failing(turns: &[ScheduleTurn]) -> Vec<&ScheduleTurn> {
    let fails = |turn: &&ScheduleTurn| matches!(turn.became, Became::Refused | Became::Missed);
    let since =
        turns.iter().rposition(|turn| turn.request.is_some()).map_or(0, |last| last.saturating_add(1));
    turns.iter().skip(since).filter(fails).collect()
}

impl ScheduleRow {
    pub fn new(name: &str, now: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            times: String::new(),
            considered_at: now,
            paused_at: None,
            paused_by: None,
            paused_reason: None,
            last_request: None,
            history_json: "[]".to_owned(),
        }
    }
    /// The latest times, oldest first.
    pub fn history(&self) -> Vec<ScheduleTurn> {
        serde_json::from_str(&self.history_json).unwrap_or_default()
    }
    /// The times since the last request that came to nothing, though nobody wanted that; oldest first.
    pub fn failing(&self) -> Vec<ScheduleTurn> {
        failing(&self.history()).into_iter().cloned().collect()
    }
    pub(super) fn note(&mut self, turn: ScheduleTurn) {
        let mut turns = self.history();
        turns.push(turn);
        if turns.len() > TURNS_MAX {
            // Since when it fails is what people know the failure by.
            let begun = failing(&turns).first().is_some_and(|first| turns.first() == Some(*first));
            turns.remove(usize::from(begun));
        }
        self.history_json = serde_json::to_string(&turns).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(n: i64, became: Became) -> ScheduleTurn {
        let request = matches!(became, Became::Taken | Became::Run).then(|| RequestId::new(Timestamp(n), 1));
        ScheduleTurn { nominal: Timestamp(n), at: Timestamp(n), became, request, why: None }
    }

    #[test]
    fn a_schedule_fails_from_the_first_time_that_came_to_nothing_until_a_request() {
        use Became::{Missed, Refused, Run, Skipped, Taken};
        let mut row = ScheduleRow::new("weekly", Timestamp(0));
        let mut failing = |n: i64, became: Became| {
            row.note(turn(n, became));
            row.failing().iter().map(|turn| turn.nominal.0).collect::<Vec<_>>()
        };
        assert_eq!(failing(1, Refused), vec![1]);
        assert!(failing(2, Taken).is_empty());
        assert!(failing(3, Skipped).is_empty(), "as it was asked for");
        assert_eq!(failing(4, Missed), vec![4]);
        assert_eq!(failing(5, Skipped), vec![4]);
        assert_eq!(failing(6, Refused), vec![4, 6]);
        assert!(failing(7, Run).is_empty());
    }

    #[test]
    fn since_when_a_schedule_fails_is_not_forgotten_however_long_it_does() {
        let mut row = ScheduleRow::new("hourly", Timestamp(0));
        row.note(turn(1, Became::Taken));
        for n in 2..100 {
            row.note(turn(n, Became::Refused));
        }
        let failing = row.failing();
        let ends = (failing.first().unwrap().nominal.0, failing.last().unwrap().nominal.0);
        assert_eq!((row.history().len(), ends), (TURNS_MAX, (2, 99)));
    }
}
