//! What each command does to the rows. Pure: no I/O, no clock; checks first, changes last, so that a command that is refused
//! leaves no trace.

mod admission;
mod approvals;
mod attempt;
mod audit;
pub mod breakers;
mod deliveries;
mod desk;
mod freezes;
mod holds;
mod mail;
mod notices;
mod operator;
mod retries;
mod schedules;
mod sighting;
mod step;
mod submit;
mod tokens;
mod waves;
mod workers;

pub use audit::REDACTION_ENDED;
pub use deliveries::CONCERNS;
pub use schedules::refusal;
pub use sighting::model_dedup;

use crate::ledger::{
    command::{Command, Reply},
    working_set::{About, WorkingSet},
};

/// Applies one command.
pub fn apply(set: &mut WorkingSet, command: &Command) -> Reply {
    set.through = command.by().and_then(|by| by.through.clone());
    match command {
        Command::Submit { request, jobs } => submit::submit(set, request, jobs),
        &Command::Admit { job, attempt, nonce, fence } => {
            admission::admit(set, admission::Intent { job, attempt, nonce, fence })
        }
        Command::Started { job, attempt, fence, task, found } => {
            attempt::started(set, attempt::Target::new(*job, *attempt, *fence), task, *found)
        }
        Command::StartLost { job, attempt, fence, why } => {
            attempt::start_lost(set, attempt::Target::new(*job, *attempt, *fence), why)
        }
        Command::NotStarted { job, attempt, fence, why, counts, due_at, close } => {
            let end = attempt::NotStarted { why, counts: *counts, due_at: *due_at, close: close.as_ref() };
            attempt::not_started(set, attempt::Target::new(*job, *attempt, *fence), &end)
        }
        Command::StartRejected { job, attempt, fence, failure, advice } => {
            attempt::start_rejected(set, attempt::Target::new(*job, *attempt, *fence), failure, advice)
        }
        Command::Doubles { job, attempt, tasks } => notices::doubles(set, *job, *attempt, tasks),
        Command::Seen { job, attempt, fence, seen } => {
            sighting::seen(set, attempt::Target::new(*job, *attempt, *fence), seen)
        }
        Command::Step { job, event, pull, failure, note, due_at, warrant } => {
            let (pull, failure) = (pull.as_deref(), failure.as_ref());
            let detail = step::Detail { pull, failure, note: note.as_deref(), due_at: *due_at };
            step::step(set, *job, *event, detail, warrant)
        }
        &Command::TakeOver { job, attempt, fence } => {
            workers::take_over(set, attempt::Target::new(job, attempt, fence))
        }
        Command::Evidence { rows } => {
            set.new_evidence.extend(rows.iter().cloned());
            Reply::Done
        }
        Command::Act { job, event, by } => operator::act(set, *job, *event, by),
        Command::Approve(word) => approvals::approve(set, word),
        Command::ResetBreaker { id, by, .. } => breakers::reset(set, id, by),
        Command::Widen { request, worker } => waves::widen(set, *request, *worker),
        Command::Waves { request, change, by } => waves::change(set, *request, *change, by),
        Command::Checks { job, seen, warrant } => waves::checks(set, *job, seen, warrant),
        Command::Replay { job, new, by } => operator::replay(set, *job, *new, by),
        Command::Discard { job, by } => operator::discard(set, *job, by),
        Command::Budget { key, change, by } => operator::budget(set, key, change, by),
        Command::Freeze { change, by } => freezes::freeze(set, change, by),
        Command::Token { change, by } => tokens::token(set, change, by),
        Command::TokenUsed { id, at } => tokens::used(set, id, *at),
        Command::Schedule { name, change, by } => schedules::schedule(set, name, change, by),
        Command::Delivery { id, change, by } => deliveries::delivery(set, *id, change, by),
        Command::Desk { item, request, job, act, by } => {
            desk::desk(set, item, About { request: *request, job: *job, attempt: None }, act, by)
        }
        Command::Checkpoint { signer, by } => audit::checkpoint(set, signer, by),
        Command::Redact { table, eraser, by, .. } => audit::redact(set, table, eraser, by),
        Command::RedactionEnded { reference, rows, by } => audit::redaction_ended(set, reference, *rows, by),
        Command::Archive { documents, place, by } => audit::archive(set, documents, place, by),
        Command::RollOver => holds::roll_over(set),
        Command::Register { worker, name, roles, lease_until } => {
            workers::register(set, *worker, (name, roles), *lease_until)
        }
        Command::Renew { worker, lease_until, seen } => workers::renew(set, *worker, *lease_until, *seen),
        Command::Stop { worker } => workers::stop(set, *worker),
        Command::Expire { worker } => workers::expire(set, *worker),
        Command::Claim { name, fence } => workers::claim(set, name, *fence),
        Command::Notice { dedup, kind, job, body } => notices::notice(set, dedup, kind, *job, body.clone()),
        Command::Mail(mail) => mail::mail(set, mail),
        Command::NoticeAct { act, by } => mail::act(set, act, by),
    }
}
