//! The line that travels in the prompt so that a task whose start was not answered can be found
//! again: `Sluicegate-Job: <job>/<attempt>/<nonce>`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::job::id::{AttemptId, JobId};

/// What the marker line starts with. Templates and inputs that contain it are refused.
pub const MARKER_LABEL: &str = "Sluicegate-Job:";

/// Names one attempt; the nonce keeps a copied prompt from being taken for ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Marker {
    pub job: JobId,
    pub attempt: AttemptId,
    pub nonce: u64,
}

/// A text that is no marker.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a marker")]
pub struct InvalidMarker;

impl Marker {
    /// The prompt as it is sent: the rendered text, then the marker on a line of its own.
    pub fn stamp(&self, prompt: &str) -> String {
        format!("{}\n\n{MARKER_LABEL} {self}\n", prompt.trim_end())
    }
    /// True if `prompt` carries this very marker on a line of its own.
    pub fn is_in(&self, prompt: &str) -> bool {
        prompt.lines().filter_map(Self::of_line).any(|found| found == *self)
    }
    fn of_line(line: &str) -> Option<Self> {
        line.trim().strip_prefix(MARKER_LABEL)?.trim().parse().ok()
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{:016x}", self.job, self.attempt, self.nonce)
    }
}
impl FromStr for Marker {
    type Err = InvalidMarker;
    fn from_str(text: &str) -> Result<Self, InvalidMarker> {
        let mut parts = text.split('/');
        let mut part = || parts.next().ok_or(InvalidMarker);
        let (job, attempt, nonce) = (part()?, part()?, part()?);
        if parts.next().is_some() || nonce.len() != 16 {
            return Err(InvalidMarker);
        }
        Ok(Self {
            job: job.parse().map_err(|_| InvalidMarker)?,
            attempt: attempt.parse().map_err(|_| InvalidMarker)?,
            nonce: u64::from_str_radix(nonce, 16).map_err(|_| InvalidMarker)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::time::Timestamp;

    #[test]
    fn a_stamped_prompt_carries_its_own_marker_and_no_other() {
        let job = JobId::new(Timestamp(1), 1);
        let one = Marker { job, attempt: AttemptId::new(Timestamp(2), 2), nonce: 7 };
        let other = Marker { nonce: 8, ..one };
        let prompt = one.stamp("Upgrade serde.\n");
        assert!(one.is_in(&prompt) && !other.is_in(&prompt));
        assert!(!one.is_in(&format!("text before {MARKER_LABEL} {one}")));
    }
}
