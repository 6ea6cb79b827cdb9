//! `--wait`: follows a request to its end. The request is safe in the ledger whatever happens here, so a daemon that is away
//! for a moment is waited for.

use crate::{
    cli::{
        Session,
        client::Answer,
        exit::{CliError, Exit},
        follow::{Board, Changes, patiently},
        jobs::{Page, last_word},
        requests::states,
        screen::Tone,
        table::{Cell, Table},
        words,
    },
    job::state::State,
    pipeline::view::{Accepted, RequestView},
};

/// Jobs that did not succeed and are told one by one.
const TOLD_MAX: &str = "1000";

pub async fn until_ended(accepted: &Accepted, session: &mut Session) -> Result<Exit, CliError> {
    let id = accepted.request.to_string();
    let mut board = Board::default();
    let mut shown = String::new();
    let mut changes = Changes::of(Some(id.clone()));
    loop {
        let hint = "the request is safe in the ledger: start the daemon, then look with `sluice jobs`";
        let answer = patiently(&session.client, &["v1", "requests", &id], &[], hint).await?;
        let view: RequestView = answer.read()?;
        let line = states(&view);
        if session.screen.json {
            // Progress would mix with the answer.
        } else if session.screen.is_terminal {
            board.redraw(std::slice::from_ref(&line), &mut session.screen)?;
        } else if line != shown {
            session.screen.line(&line)?;
            session.screen.flush()?;
        }
        shown = line;
        if view.ended {
            return end(&id, &view, &answer, session).await;
        }
        tokio::select! {
            () = changes.next(&session.client) => {}
            _ = tokio::signal::ctrl_c() => {
                let what = format!("stopped waiting; request {id} goes on");
                return Err(CliError::new(Exit::Failure, what)
                    .hint(format!("follow it with: sluice jobs --request {} --watch", accepted.request.short())));
            }
        }
    }
}

async fn end(id: &str, view: &RequestView, answer: &Answer, session: &mut Session) -> Result<Exit, CliError> {
    let well = view.states.iter().all(|count| count.state == State::Succeeded || count.jobs == 0);
    let exit = if well { Exit::Ok } else { Exit::EndedBadly };
    if session.screen.json {
        session.screen.answer(answer)?;
        return Ok(exit);
    }
    if well {
        let paint = session.screen.paint;
        let jobs = words::count(view.request.jobs, "job");
        session.screen.line(format!("{}: {jobs} succeeded", paint.with(Tone::Good, "done")))?;
        return Ok(exit);
    }
    let query = [("request", Some(id.to_owned())), ("limit", Some(TOLD_MAX.to_owned()))];
    let page: Page = session.client.get(&["v1", "jobs"], &query).await?.read()?;
    let mut table = Table::new(&["job", "repository", "state", "why"]);
    for job in page.jobs.iter().filter(|job| job.state != State::Succeeded) {
        table.row([
            Cell::toned(job.id.short(), Tone::Strong),
            Cell::new(job.repository.full_name()),
            Cell::toned(job.state.as_str(), Tone::of(job.state)),
            Cell::new(last_word(job)),
        ]);
    }
    let paint = session.screen.paint;
    session.screen.lines(table.lines(paint))?;
    Ok(exit)
}
