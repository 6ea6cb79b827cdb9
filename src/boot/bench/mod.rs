//! `sluice bench`: how fast this is on this machine. Everything runs in this process: the real pipeline and ledger, and the stand-in
//! for GitHub called without a socket. Ratios of one run are worth more than numbers of two.

pub mod admission;
pub mod idle;
pub mod submit;
pub mod tracking;
mod world;

use std::path::Path;

/// What one benchmark found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Figure {
    pub name: String,
    pub value: f64,
    pub unit: &'static str,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit }
    }
}

/// Resident memory of this process in MiB, where the system tells.
pub fn resident_mib() -> Option<f64> {
    let text = std::fs::read_to_string(Path::new("/proc/self/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
