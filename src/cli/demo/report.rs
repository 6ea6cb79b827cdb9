//! The demo's report for people.

use crate::{
    cli::{
        demo::{
            document::{Document, Job},
            scene::Scene,
            trail,
        },
        exit::CliError,
        screen::{Screen, Tone},
        table::{Cell, Table},
        words,
    },
    job::time::Millis,
};

pub fn tell(document: &Document, scene: &Scene, screen: &mut Screen) -> Result<(), CliError> {
    outcomes(document, screen)?;
    waits(document, screen)?;
    trails(document, screen)?;
    notices(document, screen)?;
    spent(document, screen)?;
    showed(document, screen)?;
    promises(document, screen)?;
    look_closer(document, scene, screen)
}

fn section(name: &str, screen: &mut Screen) -> Result<(), CliError> {
    let name = screen.paint.with(Tone::Strong, name);
    screen.line("")?;
    screen.line(name)
}

fn outcomes(document: &Document, screen: &mut Screen) -> Result<(), CliError> {
    section("outcomes", screen)?;
    let counts = document.outcomes.iter().map(|(state, jobs)| format!("{jobs} {state}"));
    let counts = counts.collect::<Vec<_>>().join(", ");
    let elapsed = words::seconds(Millis(document.elapsed_ms));
    screen.line(format!("  {} in {elapsed}: {counts}", words::count(document.jobs.len(), "job")))
}

/// What a word of `waits` means.
fn told(cause: &str) -> &str {
    match cause {
        "slot" => "for a free agent",
        "reviewer" => "for a reviewer with room",
        "start_rate" => "for the start rate",
        "credits" => "for credits",
        "unproven_changes" => "for unproven changes to be merged or closed",
        "closed_gate" => "for a closed gate (GitHub asked for a pause)",
        "retry_time" => "for the time of a retry",
        "lost_start" => "for a lost start to be found",
        "person" => "for a person to answer the agent",
        "review" => "for the review",
        other => other,
    }
}

fn waits(document: &Document, screen: &mut Screen) -> Result<(), CliError> {
    section("waits", screen)?;
    let mut table = Table::new(&["  waited", "jobs", "in all", "longest", "by"]);
    for (cause, waited) in &document.waits {
        table.row([
            Cell::new(format!("  {}", told(cause))),
            Cell::new(waited.jobs.to_string()),
            Cell::new(words::seconds(Millis(waited.total_ms))),
            Cell::new(words::seconds(Millis(waited.longest_ms))),
            Cell::new(&waited.longest),
        ]);
    }
    let paint = screen.paint;
    screen.lines(table.lines(paint))
}

fn trails(document: &Document, screen: &mut Screen) -> Result<(), CliError> {
    section("the way of each job, in seconds since the request", screen)?;
    let mut table = Table::new(&["  job", "repository", "ended", "reviewer", "credits", "way"]);
    for job in &document.jobs {
        table.row([
            Cell::new(format!("  {}", short(job))),
            Cell::new(&job.repository),
            Cell::toned(job.state.as_str(), Tone::of(job.state)),
            Cell::new(job.reviewer.as_deref().unwrap_or("-")),
            Cell::new(words::credits(job.nano_credits)),
            Cell::toned(trail::line(&job.trail), Tone::Faint),
        ]);
    }
    let paint = screen.paint;
    screen.lines(table.lines(paint))
}

/// The end of the id, which every command takes.
fn short(job: &Job) -> String {
    job.id.chars().skip(job.id.len().saturating_sub(8)).collect()
}

fn notices(document: &Document, screen: &mut Screen) -> Result<(), CliError> {
    section("notices", screen)?;
    let mut table = Table::new(&["  notice", "repository", "fate"]);
    for notice in &document.notices {
        let fate = match (notice.delivered, notice.signed) {
            (true, true) => "delivered, signature verified",
            (true, false) => "delivered, but not with a signature that fits",
            (false, _) => "not delivered",
        };
        let tone = if notice.signed { Tone::Plain } else { Tone::Bad };
        let kind = format!("  {}", notice.kind);
        table.row([Cell::new(kind), Cell::new(&notice.repository), Cell::toned(fate, tone)]);
    }
    let paint = screen.paint;
    screen.lines(table.lines(paint))
}

fn spent(document: &Document, screen: &mut Screen) -> Result<(), CliError> {
    section("spent", screen)?;
    let attempts = words::count(document.invariants.attempts, "attempt");
    screen.line(format!("  {} credits in {attempts}", words::credits(document.nano_credits)))
}

fn showed(document: &Document, screen: &mut Screen) -> Result<(), CliError> {
    section("shown", screen)?;
    let mut table = Table::default();
    for (name, seen) in document.showed.all() {
        let (mark, tone) = if seen.is_empty() { ("missing", Tone::Bad) } else { ("seen", Tone::Good) };
        let repositories = words::shorten(&seen.join(" "), 90);
        table.row([
            Cell::new(""),
            Cell::toned(mark, tone),
            Cell::new(name.replace('_', " ")),
            Cell::toned(repositories, Tone::Faint),
        ]);
    }
    let paint = screen.paint;
    screen.lines(table.lines(paint).into_iter().skip(1))
}

fn promises(document: &Document, screen: &mut Screen) -> Result<(), CliError> {
    section("promises", screen)?;
    let paint = screen.paint;
    let invariants = &document.invariants;
    for broken in &invariants.broken {
        screen.line(format!("  {}", paint.with(Tone::Bad, &format!("broken: {}", words::clean(broken)))))?;
    }
    if invariants.broken.is_empty() {
        let kept = paint.with(Tone::Good, "kept");
        screen.line(format!(
            "  {kept}: budgets, holds, notices and the chained history agree with each other"
        ))?;
        screen.line(format!(
            "  {kept}: the stand-in created {} for {}, each at most once",
            words::count(invariants.creates, "task"),
            words::count(invariants.attempts, "authorised attempt")
        ))?;
    }
    Ok(())
}

fn look_closer(document: &Document, scene: &Scene, screen: &mut Screen) -> Result<(), CliError> {
    section("look closer", screen)?;
    if !scene.is_kept() {
        screen.line("  sluice demo --keep    keeps the ledger, the configuration and the logs")?;
        return screen.line("  sluice demo --json    says all of this to a program");
    }
    let job = document.jobs.iter().find(|job| job.attempts > 1).or(document.jobs.first());
    screen.line(format!("  cd {}", scene.folder().display()))?;
    screen.line("  sluice audit verify --ledger sqlite:ledger.db    checks the history")?;
    screen.line("  less serve.log                                   what the daemon did")?;
    screen.line("  sluice serve &                                   opens the ledger again; then:")?;
    screen.line("  sluice jobs")?;
    screen.line(format!("  sluice show {}", job.map(short).unwrap_or_default()))?;
    screen.line("  sluice dead list")
}
