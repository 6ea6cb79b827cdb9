//! `sluice audit show ID`: the sentence, then who did what, when and why, with the digests.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::{
    cli::{
        Session,
        exit::{CliError, Exit},
        screen::Tone,
        show::{Page, request, trail},
        words,
    },
    pipeline::audit::{JobStory, RequestStory},
};

use super::archive::{file_of, read_back};

#[derive(Args, Clone, Debug)]
pub struct AuditShowArgs {
    /// Id of the job or request, or the end of it (four characters or more)
    id: String,
    /// Folder of archived documents, if they are not where the record says
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
    /// Print prompts and evidence as well, also those that were moved to files
    #[arg(long)]
    documents: bool,
}

pub async fn run(args: &AuditShowArgs, session: &mut Session) -> Result<Exit, CliError> {
    let found = session.client.get(&["v1", "audit", "jobs", &args.id], &[]).await;
    let answer = match found {
        Err(error) if error.exit == Exit::NotFound => {
            // The end of an id does not tell of what it is.
            return match of_request(&args.id, session).await {
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
    let story: JobStory = answer.read()?;
    let detail = &story.detail;
    screen.line(words::clean(&story.sentence))?;
    let mut page = Page { screen, now: answer.at };
    page.section("digests")?;
    page.field("template", &detail.request.template_digest)?;
    page.field("plan", &detail.request.plan_digest)?;
    page.field("prompt", &detail.prompt_digest)?;
    page.field("request", &detail.request.body_digest)?;
    trail::attempts(detail, &mut page)?;
    trail::notices(detail, &mut page)?;
    trail::history(detail, &mut page)?;
    page.section("documents")?;
    let kept = detail
        .evidence
        .iter()
        .map(|row| (format!("evidence/{} ({})", row.id, row.kind), row.body_json.clone()));
    let prompt = detail.prompt.iter().map(|text| (format!("prompt/{}", detail.job.id), text.clone()));
    for (name, text) in prompt.chain(kept) {
        page.field(&name, "in the ledger")?;
        if args.documents {
            page.screen.line(words::clean_lines(&text))?;
        }
    }
    for row in &story.archived {
        let folder = args.archive.as_deref().unwrap_or(Path::new(&row.place));
        let (told, text) = match read_back(folder, &row.digest) {
            Ok(text) => (format!("in {}, as it was", file_of(folder, &row.digest).display()), Some(text)),
            Err(why) => (format!("moved to {} on {}: {why}", row.place, words::moment(row.at)), None),
        };
        page.field(&row.id, &told)?;
        if let Some(text) = text.filter(|_| args.documents) {
            page.screen.line(words::clean_lines(&text))?;
        }
    }
    Ok(Exit::Ok)
}

async fn of_request(id: &str, session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.get(&["v1", "audit", "requests", id], &[]).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let story: RequestStory = answer.read()?;
    screen.line(words::clean(&story.sentence))?;
    let mut page = Page { screen, now: answer.at };
    page.section("jobs")?;
    for job in &story.jobs {
        let state = page.screen.paint.with(Tone::of(job.state), job.state.as_str());
        page.screen.line(format!("  {} {state}: {}", job.id.short(), words::clean(&job.sentence)))?;
    }
    page.section("skipped")?;
    let skips = request::skips(&story.request.skipped_json)?;
    if skips.is_empty() {
        page.field("none", " ")?;
    }
    for skip in &skips {
        request::tell(skip, &mut page)?;
    }
    page.section("history")?;
    trail::entries(&story.history, &mut page)?;
    Ok(Exit::Ok)
}
