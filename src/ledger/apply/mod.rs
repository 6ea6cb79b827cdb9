//! What each command does to the rows. Pure: no I/O, no clock; checks first, changes last, so that a command that is refused
//! leaves no trace.

mod admission;
mod attempt;
mod operator;
mod step;
mod submit;

use crate::ledger::{
    command::{Command, Reply},
    working_set::WorkingSet,
};

/// Applies one command.
pub fn apply(set: &mut WorkingSet, command: Command) -> Reply {
    match command {
        Command::Submit { request, jobs } => submit::submit(set, *request, jobs),
        Command::Admit { job, attempt, nonce, fence } => admission::admit(set, job, attempt, nonce, fence),
        Command::Started { job, attempt, fence, task, found } => {
            attempt::started(set, attempt::Target { job, attempt, fence }, &task, found)
        }
        Command::StartLost { job, attempt, fence, why } => {
            attempt::start_lost(set, attempt::Target { job, attempt, fence }, &why)
        }
        Command::NotStarted { job, attempt, fence, why, counts, due_at, close } => {
            let end = attempt::NotStarted { why, counts, due_at, close };
            attempt::not_started(set, attempt::Target { job, attempt, fence }, end)
        }
        Command::StartRejected { job, attempt, fence, failure, advice } => {
            attempt::start_rejected(set, attempt::Target { job, attempt, fence }, &failure, &advice)
        }
        Command::Doubles { job, attempt, tasks } => attempt::doubles(set, job, attempt, &tasks),
        Command::Seen { job, attempt, fence, seen } => {
            attempt::seen(set, attempt::Target { job, attempt, fence }, &seen)
        }
        Command::Step { job, event, pull, failure, note, due_at } => {
            step::step(set, job, event, step::Detail { pull: pull.map(|pull| *pull), failure, note, due_at })
        }
        Command::TakeOver { job, attempt, fence } => {
            attempt::take_over(set, attempt::Target { job, attempt, fence })
        }
        Command::Act { job, event, by } => operator::act(set, job, event, &by),
        Command::Replay { job, new, by } => operator::replay(set, job, new, &by),
        Command::Discard { job, by } => operator::discard(set, job, &by),
        Command::Budget { key, change, by } => operator::budget(set, &key, change, &by),
        Command::RollOver => operator::roll_over(set),
        Command::Register { worker, name, lease_until } => operator::register(set, worker, name, lease_until),
        Command::Renew { worker, lease_until } => operator::renew(set, worker, lease_until),
        Command::Stop { worker } => operator::stop(set, worker),
        Command::Evidence { rows } => {
            set.new_evidence.extend(rows);
            Reply::Done
        }
        Command::Notice { dedup, kind, job, body } => operator::notice(set, dedup, &kind, job, body),
        Command::Delivered { notice } => operator::delivered(set, notice),
        Command::Undelivered { notice, error, next_at } => operator::undelivered(set, notice, error, next_at),
    }
}
