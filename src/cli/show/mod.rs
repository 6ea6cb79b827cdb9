//! `sluice show JOB`: the whole trail of one job, in sections for people.

mod sections;
mod trail;

use clap::Args;

use crate::{
    cli::{
        Session,
        exit::{CliError, Exit},
        screen::{Screen, Tone},
        words,
    },
    job::time::Timestamp,
    pipeline::view::JobDetail,
};

#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// Id of the job, or the end of it (four characters or more)
    job: String,
    /// Print the rendered prompt as well
    #[arg(long)]
    prompt: bool,
}

pub async fn run(args: &ShowArgs, session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.get(&["v1", "jobs", &args.job], &[]).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let detail: JobDetail = answer.read()?;
    let mut page = Page { screen, now: answer.at };
    sections::head(&detail, &mut page)?;
    sections::asked(&detail, &mut page)?;
    sections::work(&detail, &mut page)?;
    trail::attempts(&detail, &mut page)?;
    trail::holds(&detail, &mut page)?;
    trail::notices(&detail, &mut page)?;
    trail::history(&detail, &mut page)?;
    if args.prompt {
        page.section("prompt")?;
        let prompt = detail.prompt.as_deref().unwrap_or("it is not on the ledger");
        page.screen.line(words::clean_lines(prompt))?;
    }
    Ok(Exit::Ok)
}

/// The page being written.
struct Page<'a> {
    screen: &'a mut Screen,
    now: Option<Timestamp>,
}

impl Page<'_> {
    fn section(&mut self, name: &str) -> Result<(), CliError> {
        let name = self.screen.paint.with(Tone::Strong, name);
        self.screen.line("")?;
        self.screen.line(name)
    }
    /// A named value; nothing when it is empty.
    fn field(&mut self, name: &str, value: &str) -> Result<(), CliError> {
        if value.is_empty() {
            return Ok(());
        }
        let name = self.screen.paint.with(Tone::Faint, &format!("{name:<12}"));
        self.screen.line(format!("  {name} {}", words::clean(value)))
    }
    fn moment(&self, at: Timestamp) -> String {
        words::moment_and_age(at, self.now)
    }
}
