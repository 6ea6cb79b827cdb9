//! `sluice why JOB`: the true reason in a sentence, who holds what it waits for, and its place in line.

use clap::Args;

use crate::{
    cli::{
        Session,
        exit::{CliError, Exit},
        gates,
        screen::Tone,
        table::{Cell, Table},
        words,
    },
    pipeline::view::Why,
};

#[derive(Args, Clone, Debug)]
pub struct WhyArgs {
    /// Id of the job, or the end of it (four characters or more)
    job: String,
}

pub async fn run(args: &WhyArgs, session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.get(&["v1", "jobs", &args.job, "why"], &[]).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let why: Why = answer.read()?;
    let paint = screen.paint;
    let state = paint.with(Tone::of(why.state), why.state.as_str());
    screen.line(format!("job {} in {}: {state}", why.id, why.repository))?;
    let Some(wait) = &why.wait else {
        screen.line("  it has ended and waits for nothing")?;
        return Ok(Exit::Ok);
    };
    screen.line(format!("  {}", paint.with(Tone::Strong, &words::clean(&wait.text))))?;
    screen.line(format!("  since {}", words::moment_and_age(wait.since, answer.at)))?;
    if let Some(at) = wait.clears_at {
        screen.line(format!("  changes by itself at {}", words::moment_and_age(at, answer.at)))?;
    }
    match why.ahead {
        Some(0) => screen.line("  it is the next of those that ask for the same")?,
        Some(ahead) => {
            screen.line(format!("  {} that ask for the same go first", words::count(ahead, "job")))?;
        }
        None => {}
    }
    let closures = || why.gates.iter().flat_map(|gate| &gate.closed_by);
    // One alone has been told above.
    if closures().nth(1).is_some() {
        screen.line("  all that is closed before it:")?;
        for gate in &why.gates {
            for closed in &gate.closed_by {
                screen.line(format!("    {} for {}", gate.key, gates::told(closed, answer.at)))?;
            }
        }
    }
    if why.holders.is_empty() {
        return Ok(Exit::Ok);
    }
    screen.line("  held by:")?;
    let mut table = Table::new(&["  budget", "job", "repository", "state", "for"]);
    for holder in &why.holders {
        table.row([
            Cell::new(format!("  {}", holder.budget)),
            Cell::new(holder.job.short()),
            Cell::new(holder.repository.full_name()),
            Cell::toned(holder.state.as_str(), Tone::of(holder.state)),
            Cell::new(words::span(holder.since, answer.at)),
        ]);
    }
    screen.lines(table.lines(paint))?;
    Ok(Exit::Ok)
}
