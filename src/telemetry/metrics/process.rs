//! What the kernel tells of this process. Elsewhere than on Linux it tells nothing, and the figures are left out.

use std::fs;

use crate::telemetry::metrics::{Page, catalogue};

/// Of the kernel's interface to programs, whatever the machine's own clock rate is.
const TICKS_PER_SECOND: f64 = 100.0;
/// `utime` and `stime` of `/proc/self/stat`, counted after the program's name.
const TIMES_AT: usize = 11;
/// `starttime` of the same.
const STARTED_AT: usize = 19;

/// Puts the process' own figures on a page.
pub fn process(page: &mut Page) {
    if let Some((cpu, started)) = times() {
        page.put(&catalogue::PROCESS_CPU, &[], cpu);
        page.put(&catalogue::PROCESS_START, &[], started);
    }
    if let Some(bytes) = resident() {
        page.put(&catalogue::PROCESS_MEMORY, &[], bytes);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        page.count(&catalogue::PROCESS_FDS, &[], u64::try_from(open.count()).unwrap_or(u64::MAX));
    }
    if let Some(most) = line_of("/proc/self/limits", "Max open files") {
        let soft = most.split_whitespace().next().and_then(|number| number.parse().ok());
        page.put(&catalogue::PROCESS_FDS_MAX, &[], soft.unwrap_or(f64::INFINITY));
    }
}

/// Seconds of work so far, and when the process began, in seconds since 1970.
fn times() -> Option<(f64, f64)> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name may hold spaces; it ends with the last bracket.
    let fields: Vec<f64> =
        stat.rsplit_once(')')?.1.split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect();
    let ticks = fields.get(TIMES_AT)? + fields.get(TIMES_AT.saturating_add(1))?;
    let booted: f64 = line_of("/proc/stat", "btime")?.trim().parse().ok()?;
    Some((ticks / TICKS_PER_SECOND, booted + fields.get(STARTED_AT)? / TICKS_PER_SECOND))
}

/// Bytes of memory that the process has in use.
fn resident() -> Option<f64> {
    let line = line_of("/proc/self/status", "VmRSS:")?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1_024.0)
}

/// The rest of the line that begins so.
fn line_of(path: &str, begin: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(begin)).map(str::to_owned)
}
