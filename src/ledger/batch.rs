//! Cuts waiting commands into runs that may share a transaction.

use std::collections::HashSet;

use crate::{job::id::JobId, ledger::command::Command};

/// The lengths of the runs, in order. A run ends before a command that speaks of a job which an earlier command of the run
/// brings: what that job needs was not loaded, and an empty budget would be taken for a free one.
pub fn runs<'a>(commands: impl Iterator<Item = &'a Command>) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut brought: HashSet<JobId> = HashSet::new();
    let mut length = 0_usize;
    for command in commands {
        if !brought.is_empty() && job_of(command).is_some_and(|job| brought.contains(&job)) {
            lengths.push(length);
            length = 0;
            brought.clear();
        }
        length = length.saturating_add(1);
        match command {
            Command::Submit { jobs, .. } => brought.extend(jobs.iter().map(|job| job.row.id)),
            Command::Replay { new, .. } => brought.extend([*new]),
            _ => {}
        }
    }
    lengths.push(length);
    lengths
}

/// The job that a command needs to find.
const fn job_of(command: &Command) -> Option<JobId> {
    match command {
        Command::Admit { job, .. }
        | Command::Started { job, .. }
        | Command::StartLost { job, .. }
        | Command::NotStarted { job, .. }
        | Command::StartRejected { job, .. }
        | Command::Doubles { job, .. }
        | Command::Seen { job, .. }
        | Command::Step { job, .. }
        | Command::Act { job, .. }
        | Command::Replay { job, .. }
        | Command::Discard { job, .. }
        | Command::TakeOver { job, .. } => Some(*job),
        Command::Notice { job, .. } => *job,
        Command::Submit { .. }
        | Command::Budget { .. }
        | Command::Freeze { .. }
        | Command::RollOver
        | Command::Register { .. }
        | Command::Renew { .. }
        | Command::Stop { .. }
        | Command::Expire { .. }
        | Command::Claim { .. }
        | Command::Evidence { .. }
        | Command::Delivered { .. }
        | Command::Undelivered { .. } => None,
    }
}
