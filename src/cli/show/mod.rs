//! `sluice show ID`: the whole trail of one job, or what became of a request, in sections for people.

pub mod request;
mod sections;
pub mod trail;

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
    /// Id of the job or request, or the end of it (four characters or more)
    id: String,
    /// Print the rendered prompt as well
    #[arg(long)]
    prompt: bool,
}

pub async fn run(args: &ShowArgs, session: &mut Session) -> Result<Exit, CliError> {
    let found = session.client.get(&["v1", "jobs", &args.id], &[]).await;
    let answer = match found {
        Err(error) if error.exit == Exit::NotFound => {
            // The end of an id does not tell of what it is.
            return match request::show(&args.id, session).await {
                Err(other) if other.exit == Exit::NotFound => Err(error),
                done => done,
            };
        }
        found => found?,
    };
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
pub struct Page<'a> {
    pub screen: &'a mut Screen,
    pub now: Option<Timestamp>,
}

impl Page<'_> {
    pub fn section(&mut self, name: &str) -> Result<(), CliError> {
        let name = self.screen.paint.with(Tone::Strong, name);
        self.screen.line("")?;
        self.screen.line(name)
    }
    /// A named value; nothing when it is empty.
    pub fn field(&mut self, name: &str, value: &str) -> Result<(), CliError> {
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
