//! Looks at the demo's jobs until all have ended, shows them, and keeps what only a look can tell: which job waited for what,
//! and for how long.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use serde::Deserialize;
use tokio::time::{Instant, sleep};

use crate::{
    budget::Key,
    cli::{
        budgets,
        client::Client,
        demo::cast::Cast,
        exit::CliError,
        follow::Board,
        jobs::{Page, last_word},
        screen::{Screen, Tone},
        table::{Cell, Table},
        words,
    },
    job::{id::JobId, state::State, time::Millis},
    pipeline::{
        notices::NoticeView,
        view::{Accepted, BudgetView, JobView, Wait},
    },
};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long notices may be on their way after the last job has ended.
const NOTICES_WITHIN: Duration = Duration::from_secs(5);

/// What was seen of the waits.
#[derive(Debug, Default)]
pub struct Observed {
    order: Vec<JobId>,
    waits: HashMap<JobId, BTreeMap<&'static str, Millis>>,
}

impl Observed {
    /// In order of acceptance.
    pub fn jobs(&self) -> &[JobId] {
        &self.order
    }
    pub fn waits_of(&self, job: JobId) -> BTreeMap<&'static str, Millis> {
        self.waits.get(&job).cloned().unwrap_or_default()
    }
    fn look(&mut self, jobs: &[JobView], span: Millis) {
        for job in jobs {
            if !self.order.contains(&job.id) {
                self.order.push(job.id);
            }
            let Some(cause) = job.wait.as_ref().and_then(cause) else { continue };
            let waited = self.waits.entry(job.id).or_default().entry(cause).or_default();
            *waited = Millis(waited.0.saturating_add(span.0));
        }
    }
}

/// What a job waits for, as one word; None while the agent or we work on it.
fn cause(wait: &Wait) -> Option<&'static str> {
    Some(match wait.reason.as_str() {
        "budget" => match wait.budget.as_ref().map_or("", |refusal| refusal.key.name()) {
            "slots" => "slot",
            "pool" => "reviewer",
            "starts" => "start_rate",
            "credits" => "credits",
            "unproven" => "unproven_changes",
            _ => "other_budget",
        },
        "closed" => "closed_gate",
        "time" => "retry_time",
        "lost_start" => "lost_start",
        "person" => "person",
        "review" => "review",
        "approval" => "approval",
        "quarantine" => "quarantine",
        _ => return None,
    })
}

pub async fn until_ended(
    daemon: &Client,
    accepted: &Accepted,
    observed: &mut Observed,
    cast: &mut Cast,
    screen: &mut Screen,
) -> Result<(), CliError> {
    let query = [("request", Some(accepted.request.to_string()))];
    let (start, mut board, mut before) = (Instant::now(), Board::default(), Instant::now());
    loop {
        cast.all_alive()?;
        let page: Page = daemon.get(&["v1", "jobs"], &query).await?.read()?;
        observed.look(&page.jobs, millis(before.elapsed()));
        before = Instant::now();
        let elapsed = millis(start.elapsed());
        if screen.json {
            // The document at the end says it all.
        } else if screen.is_terminal {
            let budgets: budgets::Listed = daemon.get(&["v1", "budgets"], &[]).await?.read()?;
            let mut lines = vec![head(&page.jobs, &budgets.budgets, elapsed)];
            lines.extend(table(&page.jobs, elapsed).lines(screen.paint));
            board.redraw(&lines, screen)?;
        } else {
            let changes = page.jobs.iter().filter_map(|job| board.change(job));
            let lines: Vec<String> =
                changes.map(|change| format!("{:>7}  {change}", words::seconds(elapsed))).collect();
            screen.lines(lines)?;
            screen.flush()?;
        }
        if !page.jobs.is_empty() && page.jobs.iter().all(|job| job.state.is_terminal()) {
            return Ok(());
        }
        sleep(LOOK_EVERY).await;
    }
}

fn millis(span: Duration) -> Millis {
    Millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

/// `12.3 s   3 of 3 slots   ana 2 of 2   ben 1 of 2   5 of 12 ended`.
fn head(jobs: &[JobView], budgets: &[BudgetView], elapsed: Millis) -> String {
    let mut parts = vec![words::seconds(elapsed)];
    let load = |budget: &BudgetView| {
        let limit = budget.limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
        format!("{} of {limit}", budget.used)
    };
    for budget in budgets {
        if budget.key == Key::new("slots/global") {
            parts.push(format!("agents {}", load(budget)));
        } else if let Some(login) = budget.key.member_login() {
            parts.push(format!("{} {}", words::clean(login), load(budget)));
        }
    }
    let ended = jobs.iter().filter(|job| job.state.is_terminal()).count();
    parts.push(format!("ended {ended} of {}", jobs.len()));
    parts.join("   ")
}

fn table(jobs: &[JobView], elapsed: Millis) -> Table {
    let mut table = Table::new(&["repository", "state", "elapsed", "try", "reviewer", "what it waits for"]);
    for job in jobs {
        let lived = if job.state.is_terminal() { job.state_since.since(job.created_at) } else { elapsed };
        table.row([
            Cell::new(job.repository.full_name()),
            Cell::toned(format!("{:<16}", job.state), Tone::of(job.state)),
            Cell::new(words::seconds(lived)),
            Cell::new(job.attempts.to_string()),
            Cell::new(job.reviewer.as_deref().unwrap_or_default()),
            Cell::toned(
                last_word(job),
                if job.state == State::Succeeded { Tone::Faint } else { Tone::Plain },
            ),
        ]);
    }
    table
}

#[derive(Debug, Deserialize)]
struct Notices {
    notices: Vec<NoticeView>,
}

/// Notices may be a moment behind the jobs that they are about.
pub async fn until_notices_are_out(daemon: &Client) -> Result<(), CliError> {
    let start = Instant::now();
    loop {
        let listed: Notices = daemon.get(&["v1", "notices"], &[]).await?.read()?;
        let out =
            listed.notices.iter().all(|notice| notice.delivered_at.is_some() || notice.dead_at.is_some());
        if out || start.elapsed() > NOTICES_WITHIN {
            return Ok(());
        }
        sleep(LOOK_EVERY).await;
    }
}
