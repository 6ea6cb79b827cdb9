//! `sluice show REQUEST`: who asked for what, how far it is, and which repositories were left out and why.

use crate::{
    cli::{
        Session,
        exit::{CliError, Exit},
        requests::states,
        screen::Tone,
        words,
    },
    pipeline::view::RequestView,
    policy::Skip,
};

use super::{Page, sections};

/// Repositories that were left out and are told one by one.
const SHOWN_MAX: usize = 200;

pub async fn show(id: &str, session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.get(&["v1", "requests", id], &[]).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let view: RequestView = answer.read()?;
    let request = &view.request;
    let skipped = skips(&request.skipped_json)?;
    let paint = screen.paint;
    screen.line(format!(
        "request {}: {}",
        paint.with(Tone::Strong, &request.id.to_string()),
        states(&view)
    ))?;
    let mut page = Page { screen, now: answer.at };
    page.field(
        "template",
        &format!("{}@{}, digest {}", request.template, request.template_version, request.template_digest),
    )?;
    page.field("plan", &format!("digest {}", request.plan_digest))?;
    sections::request(request, &mut page)?;
    page.section("skipped")?;
    if skipped.is_empty() {
        return page.field("none", " ").map(|()| Exit::Ok);
    }
    for skip in skipped.iter().take(SHOWN_MAX) {
        tell(skip, &mut page)?;
    }
    if skipped.len() > SHOWN_MAX {
        page.field("and", &format!("{} more (--json shows all)", skipped.len() - SHOWN_MAX))?;
    }
    page.screen.line("")?;
    page.screen.line(format!("its jobs: sluice jobs --request {}", request.id.short()))?;
    Ok(Exit::Ok)
}

/// As the ledger keeps them.
pub fn skips(json: &str) -> Result<Vec<Skip>, CliError> {
    serde_json::from_str(json).map_err(|error| {
        CliError::new(Exit::Failure, format!("what was skipped cannot be read: {error}"))
            .hint("daemon and command may be of different versions: compare `sluice --version` with `sluice doctor`")
    })
}

/// One repository with everything that was found of it.
pub fn tell(skip: &Skip, page: &mut Page<'_>) -> Result<(), CliError> {
    page.screen.line(format!(
        "  {}: {} ({})",
        skip.repository,
        words::clean(&skip.text),
        words::clean(&skip.reason)
    ))?;
    for finding in skip.findings.iter().filter(|finding| finding.text != skip.text) {
        page.screen.line(format!(
            "    {}: {} ({})",
            finding.outcome.as_str(),
            words::clean(&finding.text),
            words::clean(&finding.reason)
        ))?;
    }
    Ok(())
}
