//! What the writer of this process has done so far. Counted after a commit that stands, never before.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::{
    job::{
        id::{AttemptId, JobId, RequestId},
        state::State,
        time::Timestamp,
    },
    ledger::{
        Ledger,
        rows::{EntryRow, JobRow},
        working_set::WorkingSet,
    },
    telemetry::metrics::{Histogram, Page, QUICK, SLOW, Tally, catalogue},
};

/// Nano-credits of one AI credit.
const NANO: f64 = 1e9;
/// What an entry says of the start of an attempt.
const STARTS: [(&str, &str); 7] = [
    ("job.started", "started"),
    ("attempt.started_after_cancel", "started"),
    ("job.start_lost", "lost"),
    ("attempt.start_lost", "lost"),
    ("job.not_started", "not_started"),
    ("attempt.not_started", "not_started"),
    ("job.start_rejected", "rejected"),
];

/// A job has gone from one state to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    pub job: JobId,
    pub request: RequestId,
    pub attempt: Option<AttemptId>,
    pub from: State,
    pub to: State,
    /// When it had come to the state that it left.
    pub since: Timestamp,
    pub at: Timestamp,
}

/// The figures of a transaction that are no rows.
#[derive(Clone, Debug, Default)]
pub struct Happened {
    pub moved: Vec<Moved>,
    /// Told by the provider, beyond what was known before.
    pub nano_credits: u64,
    /// Entries by kind.
    pub entries: BTreeMap<String, u64>,
    /// Jobs that a webhook was about.
    pub concerned: Vec<JobId>,
}

impl Happened {
    pub(super) fn count(&mut self, entries: &[EntryRow]) {
        for entry in entries {
            match self.entries.get_mut(&entry.kind) {
                Some(count) => *count = count.saturating_add(1),
                None => drop(self.entries.insert(entry.kind.clone(), 1)),
            }
        }
    }
}

impl WorkingSet {
    /// Notes that a job goes from the state of `row` to another.
    pub fn moves(&mut self, row: &JobRow, attempt: Option<AttemptId>, to: State) {
        self.happened.moved.push(Moved {
            job: row.id,
            request: row.request_id,
            attempt,
            from: row.state,
            to,
            since: row.state_since,
            at: self.now,
        });
    }
}

/// Since the process began.
#[derive(Debug)]
pub(super) struct Meters {
    commits: Histogram,
    commands: AtomicU64,
    failures: AtomicU64,
    nano_credits: AtomicU64,
    entries: Tally<String>,
    states: BTreeMap<State, Histogram>,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            commits: Histogram::new(QUICK),
            commands: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            nano_credits: AtomicU64::new(0),
            entries: Tally::default(),
            states: State::ALL.into_iter().map(|state| (state, Histogram::new(SLOW))).collect(),
        }
    }
}

impl Meters {
    pub fn committed(&self, took: Duration, commands: usize) {
        self.commits.note(took);
        self.commands.fetch_add(u64::try_from(commands).unwrap_or_default(), Ordering::Relaxed);
    }
    pub fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
    pub fn stands(&self, happened: &Happened) {
        self.nano_credits.fetch_add(happened.nano_credits, Ordering::Relaxed);
        for moved in &happened.moved {
            if let Some(times) = self.states.get(&moved.from) {
                times.note(moved.at.since(moved.since).duration());
            }
        }
        for (kind, count) in &happened.entries {
            self.entries.add(kind.clone(), *count);
        }
    }
}

impl Ledger {
    /// What this process has written, on a page of metrics.
    #[expect(clippy::cast_precision_loss, reason = "a figure for charts")]
    pub fn meters(&self, page: &mut Page) {
        let meters = self.own_meters();
        page.histogram(&catalogue::LEDGER_COMMIT, &[], &meters.commits);
        page.count(&catalogue::LEDGER_COMMANDS, &[], meters.commands.load(Ordering::Relaxed));
        page.count(&catalogue::LEDGER_FAILURES, &[], meters.failures.load(Ordering::Relaxed));
        page.count(&catalogue::STALE_WRITES, &[], self.fenced_writes());
        let nano_credits = meters.nano_credits.load(Ordering::Relaxed);
        page.put(&catalogue::CREDITS, &[], nano_credits as f64 / NANO);
        for (state, times) in &meters.states {
            if !state.is_terminal() {
                page.histogram(&catalogue::STATE_TIME, &[state.as_str()], times);
            }
        }
        let mut starts: BTreeMap<&str, u64> = STARTS.iter().map(|(_, result)| (*result, 0)).collect();
        for (kind, count) in meters.entries.read() {
            page.count(&catalogue::ENTRIES, &[&kind], count);
            let result = STARTS.iter().find(|(entry, _)| *entry == kind).map(|(_, result)| *result);
            if let Some(sum) = result.and_then(|result| starts.get_mut(result)) {
                *sum = sum.saturating_add(count);
            }
        }
        for (result, count) in starts {
            page.count(&catalogue::STARTS, &[result], count);
        }
    }
}
