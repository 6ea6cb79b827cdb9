//! Cuts waiting commands into runs that may share a transaction.

use std::collections::HashSet;

use crate::{
    job::id::{JobId, RequestId},
    ledger::command::{About, Command, DeliveryChange, ScheduleChange},
};

/// The lengths of the runs, in order. What changes rows in bulk goes alone. A run ends before a command that speaks of a job
/// or request that an earlier command of the run brings: what it needs was not loaded, and an empty budget would be taken for
/// a free one.
pub fn runs<'a>(commands: impl Iterator<Item = &'a Command>) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut brought: HashSet<JobId> = HashSet::new();
    let mut asked: HashSet<RequestId> = HashSet::new();
    let mut length = 0_usize;
    let mut after_bulk = false;
    for command in commands {
        let of_job = !brought.is_empty() && job_of(command).is_some_and(|job| brought.contains(&job));
        let of_request =
            !asked.is_empty() && request_of(command).is_some_and(|request| asked.contains(&request));
        let bulk = is_bulk(command);
        if of_job || of_request || (length > 0 && (bulk || after_bulk)) {
            lengths.push(length);
            length = 0;
            brought.clear();
            asked.clear();
        }
        after_bulk = bulk;
        length = length.saturating_add(1);
        match command {
            Command::Submit { request, jobs }
            | Command::Schedule {
                change: ScheduleChange::Take { request, jobs, .. } | ScheduleChange::Run { request, jobs },
                ..
            }
            | Command::Delivery { change: DeliveryChange::Take { request, jobs, .. }, .. } => {
                asked.insert(request.id);
                brought.extend(jobs.iter().map(|job| job.row.id));
            }
            Command::Replay { new, .. } => brought.extend([*new]),
            _ => {}
        }
    }
    lengths.push(length);
    lengths
}

const fn is_bulk(command: &Command) -> bool {
    matches!(command, Command::Redact { .. } | Command::Archive { .. })
}

/// The job that a command needs to find.
fn job_of(command: &Command) -> Option<JobId> {
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
        | Command::Checks { job, .. }
        | Command::Replay { job, .. }
        | Command::Discard { job, .. }
        | Command::TakeOver { job, .. } => Some(*job),
        Command::Notice { job, .. } => *job,
        Command::Approve(word) => match word.about {
            About::Job(job) => Some(job),
            About::Request | About::Wave(_) => None,
        },
        Command::Submit { .. }
        | Command::Widen { .. }
        | Command::Waves { .. }
        | Command::ResetBreaker { .. }
        | Command::Budget { .. }
        | Command::Freeze { .. }
        | Command::Token { .. }
        | Command::TokenUsed { .. }
        | Command::Schedule { .. }
        | Command::Delivery { .. }
        | Command::Desk { .. }
        | Command::Checkpoint { .. }
        | Command::Redact { .. }
        | Command::RedactionEnded { .. }
        | Command::Archive { .. }
        | Command::RollOver
        | Command::Register { .. }
        | Command::Renew { .. }
        | Command::Stop { .. }
        | Command::Expire { .. }
        | Command::Claim { .. }
        | Command::Evidence { .. }
        | Command::Mail(_)
        | Command::NoticeAct { .. } => None,
    }
}

/// The request that a command needs to find with all its jobs.
fn request_of(command: &Command) -> Option<RequestId> {
    match command {
        Command::Approve(word) => Some(word.request),
        Command::Widen { request, .. } | Command::Waves { request, .. } => Some(*request),
        Command::Schedule { change: ScheduleChange::Take { replaces, .. }, .. } => *replaces,
        _ => None,
    }
}
