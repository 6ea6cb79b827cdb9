//! `sluice bench`: how fast this is on this machine. Everything of ours runs in this process: the real pipeline, ledger and gate,
//! and a stand-in for GitHub called without a socket; Redis and PostgreSQL are servers of the benchmark's own. Ratios of one
//! run are worth more than numbers of two.

pub mod admission;
mod agent;
pub mod end_to_end;
pub mod gate;
pub mod idle;
pub mod intake;
pub mod machine;
mod raw;
pub mod replay;
mod servers;
pub mod submit;
pub mod tracking;
pub mod wake;
mod world;

use std::{path::Path, time::Duration};

use crate::job::{id::JobId, time::Timestamp};

/// What one benchmark found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Figure {
    pub name: String,
    /// Of several runs the one in the middle.
    pub value: f64,
    pub unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, min: None, max: None }
    }

    /// The median of several runs, with the least and the greatest.
    pub(crate) fn of(name: impl Into<String>, runs: &mut [f64], unit: &'static str) -> Self {
        runs.sort_by(f64::total_cmp);
        let middle = runs.get(runs.len() / 2).copied().unwrap_or_default();
        Self { min: runs.first().copied(), max: runs.last().copied(), ..Self::new(name, middle, unit) }
    }
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>12.3} {:<5} {}", self.value, self.unit, self.name)?;
        match (self.min, self.max) {
            (Some(min), Some(max)) => write!(f, " ({min:.3} to {max:.3})"),
            _ => Ok(()),
        }
    }
}

/// What was found so far; told at once, since benchmarks take minutes.
pub struct Report {
    tell: Option<fn(&str) -> anyhow::Result<()>>,
    pub figures: Vec<Figure>,
}

impl Report {
    /// `tell` gets each figure as a line.
    pub const fn new(tell: Option<fn(&str) -> anyhow::Result<()>>) -> Self {
        Self { tell, figures: Vec::new() }
    }

    pub fn add(&mut self, figures: Vec<Figure>) -> anyhow::Result<()> {
        for figure in figures {
            if let Some(tell) = self.tell {
                tell(&figure.to_string())?;
            }
            self.figures.push(figure);
        }
        Ok(())
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    Full,
    /// So little that the figures say nothing: only that the benchmark runs.
    Quick,
}

impl Sizes {
    pub const fn of(self, full: usize, quick: usize) -> usize {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }
    pub const fn runs(self) -> usize {
        self.of(5, 1)
    }
}

#[expect(clippy::cast_precision_loss, reason = "benchmarks count far below 2^52")]
pub(crate) fn number(value: usize) -> f64 {
    value as f64
}

/// An id of its own for each number below 2^56.
pub(crate) fn job_id(now: Timestamp, number: u64) -> JobId {
    // Some bits of the first three bytes are the id's version and variant, not ours.
    JobId::new(now, u128::from(number) << 24)
}

pub(crate) fn per_second(count: usize, took: Duration) -> f64 {
    number(count) / took.as_secs_f64().max(1e-9)
}

/// Resident memory of this process in MiB, where the system tells.
pub fn resident_mib() -> Option<f64> {
    let text = std::fs::read_to_string(Path::new("/proc/self/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_number_has_an_id_of_its_own() {
        let ids: HashSet<JobId> = (0..100_000).map(|number| job_id(Timestamp(7), number * 97)).collect();
        assert_eq!(ids.len(), 100_000);
    }

    #[test]
    fn of_several_runs_the_one_in_the_middle_is_told() {
        let figure = Figure::of("x", &mut [3.0, 1.0, 2.0], "s");
        assert_eq!((figure.value, figure.min, figure.max), (2.0, Some(1.0), Some(3.0)));
    }
}
