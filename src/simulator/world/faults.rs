//! Decides which faults strike a request. Each fault counts the requests it matches, so "the third
//! create" is the third one whatever else happens in between.

use crate::simulator::draw::Draw;
use crate::simulator::scenario::Fault;

/// What a fault looks at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'r> {
    pub method: &'r str,
    pub path: &'r str,
    /// Route template, such as `/agents/tasks/{task_id}`.
    pub template: &'r str,
    pub repository: Option<&'r str>,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    matched: u64,
    struck: u64,
}

/// The faults in force.
#[derive(Debug)]
pub(crate) struct Faults {
    seed: u64,
    armed: Vec<Armed>,
}

impl Faults {
    /// The scenario's faults, none of which has struck.
    pub(crate) fn new(seed: u64, faults: &[Fault]) -> Faults {
        let mut all = Faults { seed, armed: Vec::new() };
        for fault in faults {
            all.add(fault.clone());
        }
        all
    }

    /// One more fault.
    pub(crate) fn add(&mut self, fault: Fault) {
        self.armed.push(Armed { fault, matched: 0, struck: 0 });
    }

    /// No more faults.
    pub(crate) fn clear(&mut self) {
        self.armed.clear();
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.armed.len()
    }

    /// The faults that strike this request.
    pub(crate) fn strike(&mut self, seen: Seen<'_>) -> Vec<Fault> {
        let seed = self.seed;
        let struck = self
            .armed
            .iter_mut()
            .enumerate()
            .filter_map(|(at, armed)| armed.strikes(seed, at, seen).then(|| armed.fault.clone()));
        struck.collect()
    }
}

impl Armed {
    fn strikes(&mut self, seed: u64, at: usize, seen: Seen<'_>) -> bool {
        let matches = &self.fault.matches;
        let method = matches.method.as_deref().is_none_or(|method| method.eq_ignore_ascii_case(seen.method));
        let route = matches
            .route
            .as_ref()
            .is_none_or(|route| route.covers(seen.path) || route.text() == seen.template);
        let repository = matches
            .repository
            .as_ref()
            .is_none_or(|pattern| seen.repository.is_some_and(|repository| pattern.covers(repository)));
        if !(method && route && repository) {
            return false;
        }
        self.matched += 1;
        let spent = self.fault.times.is_some_and(|times| self.struck >= times);
        let nth = matches.nth.is_none_or(|nth| nth == self.matched);
        let every = matches.every.is_none_or(|every| self.matched.is_multiple_of(every));
        let lucky = matches.probability.is_none_or(|share| {
            let ordinal = self.matched ^ (u64::try_from(at).unwrap_or(0) << 48);
            Draw::new(seed, "fault", ordinal).chance(parts_per_million(share))
        });
        let strikes = !spent && nth && every && lucky;
        self.struck += u64::from(strikes);
        strikes
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the share is between 0 and 1")]
fn parts_per_million(share: f64) -> u64 {
    (share.clamp(0.0, 1.0) * 1_000_000.0) as u64
}
