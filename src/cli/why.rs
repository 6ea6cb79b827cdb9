//! `sluice why JOB`: the true reason in a sentence, who holds what it waits for, and its place in line; or why a repository of a
//! request was left out.

use clap::Args;

use crate::{
    cli::{
        Session,
        act::of_job,
        exit::{CliError, Exit},
        gates, jobs,
        screen::Tone,
        show::{Page, request},
        table::{Cell, Table},
        words,
    },
    job::{id::JobId, repository::Repository, state::State},
    pipeline::view::{RequestView, Why},
};

#[derive(Args, Clone, Debug)]
pub struct WhyArgs {
    /// Id of the job, or the end of it (four characters or more); with --repository, of the request
    id: String,
    /// The repository of the request that is meant, also one that was left out
    #[arg(long, value_name = "OWNER/NAME")]
    repository: Option<Repository>,
}

pub async fn run(args: &WhyArgs, session: &mut Session) -> Result<Exit, CliError> {
    let job = match &args.repository {
        None => args.id.clone(),
        Some(repository) => match of_request(&args.id, repository, session).await? {
            Some(job) => job.to_string(),
            None => return Ok(Exit::Ok),
        },
    };
    let asked = session.client.get(&["v1", "jobs", &job, "why"], &[]).await;
    let answer = of_job(asked, &job, session).await?;
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
        let what =
            if why.state == State::Held { "is given up if it waits until" } else { "changes by itself at" };
        screen.line(format!("  {what} {}", words::moment_and_age(at, answer.at)))?;
    }
    if why.state == State::Quarantined {
        let id = why.id.short();
        screen.line(format!("  lets it go to its review: sluice release {id} --reason ..."))?;
        screen.line(format!("  throws it away: sluice discard-result {id} --reason ..."))?;
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

/// The request's newest job in the repository. None: it was left out, and why was told.
async fn of_request(
    id: &str,
    repository: &Repository,
    session: &mut Session,
) -> Result<Option<JobId>, CliError> {
    let answer = session.client.get(&["v1", "requests", id], &[]).await?;
    let view: RequestView = answer.read()?;
    let skips = request::skips(&view.request.skipped_json)?;
    if let Some(skip) = skips.iter().find(|skip| skip.repository.eq_ignore_ascii_case(repository.full_name()))
    {
        let screen = &mut session.screen;
        if screen.json {
            screen.line(serde_json::json!({ "skipped": skip }).to_string())?;
        } else {
            screen.line(format!("{repository} was left out of request {}:", view.request.id))?;
            request::tell(skip, &mut Page { screen, now: answer.at })?;
        }
        return Ok(None);
    }
    let query =
        [("request", Some(view.request.id.to_string())), ("repository", Some(repository.to_string()))];
    let page: jobs::Page = session.client.get(&["v1", "jobs"], &query).await?.read()?;
    match page.jobs.last() {
        Some(job) => Ok(Some(job.id)),
        None => Err(CliError::new(
            Exit::NotFound,
            format!("request {} does not name {repository}", view.request.id),
        )
        .hint("`sluice show` lists what it left out, `sluice jobs --request` what it works on")),
    }
}
