//! `sluice workers`: who works on the ledger, and what each one does.

use clap::Args;

use crate::{
    cli::{
        Session,
        exit::{CliError, Exit},
        kill_switch,
        screen::Tone,
        table::{Cell, Table},
        words,
    },
    job::time::Timestamp,
    pipeline::view::{FleetView, GateStanding, WorkerView},
};

#[derive(Args, Clone, Debug)]
pub struct WorkersArgs {
    /// Also those that ended within a day
    #[arg(long)]
    pub all: bool,
}

pub async fn run(args: &WorkersArgs, session: &mut Session) -> Result<Exit, CliError> {
    let all = args.all.then(|| "true".to_owned());
    let answer = session.client.get(&["v1", "workers"], &[("all", all)]).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let fleet: FleetView = answer.read()?;
    let banner = kill_switch::banner(fleet.kill_switch.as_ref(), answer.at, screen);
    screen.lines(banner)?;
    let mut table = Table::new(&["worker", "roles", "since", "life", "drives", "does alone"]);
    for worker in &fleet.workers {
        let row = &worker.worker;
        let this = if worker.this { " (this one)" } else { "" };
        let tone = if worker.lives { Tone::Plain } else { Tone::Attention };
        table.row([
            Cell::new(format!("{}{this}", row.name)),
            Cell::new(row.roles.to_string()),
            Cell::new(words::span(row.started_at, answer.at)),
            Cell::toned(life(worker, answer.at), tone),
            Cell::new(drives(worker)),
            Cell::new(worker.leases.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        ]);
    }
    let paint = screen.paint;
    screen.lines(table.lines(paint))?;
    screen.line(gate(&fleet.gate, answer.at))?;
    Ok(Exit::Ok)
}

fn life(worker: &WorkerView, now: Option<Timestamp>) -> String {
    match (worker.worker.stopped_at, now) {
        (Some(at), _) => format!("ended {}", words::moment_and_age(at, now)),
        (None, Some(now)) if worker.lives => format!("for {} more", worker.worker.lease_until.since(now)),
        (None, _) if worker.lives => "lives".to_owned(),
        (None, now) => format!("silent since {}", words::moment_and_age(worker.worker.lease_until, now)),
    }
}

fn drives(worker: &WorkerView) -> String {
    let mut parts = Vec::new();
    for driven in &worker.drives {
        let figures = [(driven.starts, "start"), (driven.tasks, "task"), (driven.results, "result")];
        let figures: Vec<String> =
            figures.iter().filter(|(n, _)| *n > 0).map(|(n, word)| words::count(*n, word)).collect();
        parts.push(format!("{}: {}", driven.identity, figures.join(", ")));
    }
    if parts.is_empty() { "nothing".to_owned() } else { parts.join("; ") }
}

fn gate(gate: &GateStanding, now: Option<Timestamp>) -> String {
    match (&gate.reason, gate.since) {
        (Some(why), Some(since)) => {
            format!("the gate is closed since {}: {why}", words::moment_and_age(since, now))
        }
        _ => "the gate is open".to_owned(),
    }
}
