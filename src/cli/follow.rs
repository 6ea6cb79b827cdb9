//! Shows what changes: rewrites a block of lines on a terminal, and says only what changed anywhere else. A daemon that is
//! away for a moment is waited for.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::{
    cli::{
        client::{Answer, Client},
        exit::{CliError, Exit},
        jobs::last_word,
        screen::{Screen, complain},
        words,
    },
    client::Events,
    job::{id::JobId, state::State},
    pipeline::view::JobView,
};

/// The most characters of a reason in a line of changes.
const TOLD_MAX: usize = 140;

/// Between two tries to reach a daemon.
const TRY_EVERY: Duration = Duration::from_secs(1);
/// A daemon that is away for longer is given up.
const AWAY_MAX: Duration = Duration::from_mins(1);

/// Asks until the daemon answers, for a while. `hint`: what to do when it does not.
pub async fn patiently(
    client: &Client,
    path: &[&str],
    query: &[(&str, Option<String>)],
    hint: &str,
) -> Result<Answer, CliError> {
    let start = Instant::now();
    let mut told = false;
    loop {
        match client.get(path, query).await.map_err(CliError::from) {
            Err(error) if error.exit == Exit::Unreachable && start.elapsed() < AWAY_MAX => {
                if !told {
                    complain(&format!("{error}; it is asked again for {} s", AWAY_MAX.as_secs()));
                    told = true;
                }
                tokio::time::sleep(TRY_EVERY).await;
            }
            Err(error) if error.exit == Exit::Unreachable => return Err(error.hint(hint)),
            answer => return answer,
        }
    }
}

/// Events that come close together are one change.
const TOGETHER: Duration = Duration::from_millis(200);
/// Without any event the daemon is asked again all the same: reasons for waiting change without one.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Tells when it is worth to look again: when something happened, or after a while. Where events cannot be read, each second.
#[derive(Default)]
pub struct Changes {
    request: Option<String>,
    events: Option<Events>,
}

impl Changes {
    /// Of one request, or of everything.
    pub fn of(request: Option<String>) -> Self {
        Self { request, events: None }
    }

    pub async fn next(&mut self, client: &Client) {
        if self.events.is_none() {
            let query = [("request", self.request.clone())];
            self.events = client.events(&query, None).await.ok();
            // What happened before is not told.
            tokio::time::sleep(if self.events.is_some() { TOGETHER } else { TRY_EVERY }).await;
            return;
        }
        let Some(events) = &mut self.events else { return };
        match tokio::time::timeout(LOOK_EVERY, events.next()).await {
            Ok(Ok(Some(_))) => {
                // Read on for a moment, so that many events make one look.
                let many = async { while let Ok(Some(_)) = events.next().await {} };
                // The time runs out as a rule; the end of the stream is found at the next call.
                drop(tokio::time::timeout(TOGETHER, many).await);
            }
            Ok(Ok(None) | Err(_)) => {
                self.events = None;
                tokio::time::sleep(TRY_EVERY).await;
            }
            Err(_) => {}
        }
    }
}

/// What was shown last.
#[derive(Debug, Default)]
pub struct Board {
    /// Lines of the block above the cursor.
    drawn: usize,
    seen: HashMap<JobId, (State, String)>,
}

impl Board {
    /// Writes the block over the one before. Lines are cut off by the terminal, not wrapped, so that their number is known.
    pub fn redraw(&mut self, lines: &[String], screen: &mut Screen) -> Result<(), CliError> {
        let up = if self.drawn > 0 { format!("\u{1b}[{}A", self.drawn) } else { String::new() };
        let mut frame = format!("{up}\u{1b}[?7l");
        for line in lines {
            frame.push_str("\r\u{1b}[2K");
            frame.push_str(line);
            frame.push('\n');
        }
        // What is left of a longer block before.
        frame.push_str("\u{1b}[0J\u{1b}[?7h");
        self.drawn = lines.len();
        screen.raw(&frame)
    }

    /// `acme/api  queued -> running: the agent works`; None when nothing changed since the last call.
    pub fn change(&mut self, job: &JobView) -> Option<String> {
        let now = (job.state, reason(job));
        let before = self.seen.insert(job.id, now.clone());
        if before.as_ref() == Some(&now) {
            return None;
        }
        let from = match before {
            Some((state, _)) if state != job.state => format!("{state} -> "),
            _ => String::new(),
        };
        let why = last_word(job);
        let why =
            if why.is_empty() { why } else { format!(": {}", words::shorten(&words::clean(&why), TOLD_MAX)) };
        Some(format!("{}  {from}{}{why}", job.repository, job.state))
    }
}

/// What must differ for a change to be told. Figures in the sentence change without news.
fn reason(job: &JobView) -> String {
    match &job.wait {
        Some(wait) => match &wait.budget {
            Some(budget) => format!("{} {}", wait.reason, budget.key),
            None => wait.reason.clone(),
        },
        None => String::new(),
    }
}
