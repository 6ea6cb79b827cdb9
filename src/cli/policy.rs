//! `sluice policy replay|test`: a policy held against history and against its tests. Only the flags, and how answers read; `boot`
//! runs both, without a daemon.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::{
    cli::{
        Shared,
        screen::{Paint, Tone},
        table::{Cell, Table},
        words,
    },
    config::candidate::Taken,
    job::time::Timestamp,
    pipeline::replay::Row,
    policy::replay::{Aspect, Tally, note_text},
};

#[derive(Clone, Debug, Subcommand)]
pub enum PolicyCommand {
    /// Decide the ledger's requests again under another policy, and show what differs; the ledger is only read
    Replay(PolicyReplayArgs),
    /// Run the tests that lie beside a policy, in policy-tests/*.toml
    Test(PolicyTestArgs),
}

impl PolicyCommand {
    pub fn shared_mut(&mut self) -> &mut Shared {
        match self {
            Self::Replay(args) => &mut args.shared,
            Self::Test(args) => &mut args.shared,
        }
    }
}

/// `sluice policy replay`.
#[derive(Args, Clone, Debug)]
pub struct PolicyReplayArgs {
    /// The first day (UTC), or a time such as 2026-11-20T10:00:00Z
    #[arg(long, value_name = "DATE", value_parser = first)]
    pub since: Timestamp,
    /// The last day, included, or a time, which is not [default: everything so far]
    #[arg(long, value_name = "DATE", value_parser = last)]
    pub until: Option<Timestamp>,
    /// Folder of the other policy, laid out like config/, or with some of its files
    #[arg(long, value_name = "DIR")]
    pub with: PathBuf,
    /// By the newest version of each template, instead of the one that was used
    #[arg(long)]
    pub newest_templates: bool,
    /// Differences that are shown; all are counted, and --json has all
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// End with 10 if any decision differs
    #[arg(long)]
    pub detailed_exitcode: bool,
    #[arg(skip)]
    pub shared: Shared,
}

/// `sluice policy test`.
#[derive(Args, Clone, Debug, Default)]
pub struct PolicyTestArgs {
    /// Folder of the policy, laid out like config/ [default: that of the configuration]
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
    #[arg(skip)]
    pub shared: Shared,
}

fn first(text: &str) -> Result<Timestamp, String> {
    let day = || Timestamp::parse(&format!("{text}T00:00:00Z"));
    let wrong =
        || format!("`{text}` is neither a day such as 2026-11-20 nor a time such as 2026-11-20T10:00:00Z");
    Timestamp::parse(text).or_else(day).ok_or_else(wrong)
}

fn last(text: &str) -> Result<Timestamp, String> {
    let at = first(text)?;
    Ok(if text.contains('T') { at } else { at.next_day() })
}

/// Where the policy comes from.
pub fn taken_lines(taken: &[Taken]) -> Vec<String> {
    let mut table = Table::new(&["policy", "taken from"]);
    for part in taken {
        table.row([Cell::new(part.part), Cell::new(part.from.as_deref().unwrap_or("none"))]);
    }
    table.lines(Paint(false))
}

/// Differences as a table.
pub fn difference_lines(rows: &[Row]) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(&["request", "at", "template", "repository", "was -> would be"]);
    for row in rows {
        table.row([
            Cell::toned(row.request.short(), Tone::Strong),
            Cell::new(words::moment(row.at)),
            Cell::new(&row.template),
            Cell::new(&row.compared.repository),
            Cell::new(told(row)),
        ]);
    }
    table.lines(Paint(false))
}

fn told(row: &Row) -> String {
    let Some(is) = &row.compared.is else { return String::new() };
    let was = &row.compared.was;
    let list =
        |reasons: &std::collections::BTreeSet<String>| reasons.iter().cloned().collect::<Vec<_>>().join(", ");
    let outcome = |stand: &crate::policy::replay::Stand| match list(&stand.reasons) {
        none if none.is_empty() => stand.outcome.as_str().to_owned(),
        reasons => format!("{} ({reasons})", stand.outcome.as_str()),
    };
    let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "not routed".to_owned());
    let change = |aspect: &Aspect| match aspect {
        Aspect::Outcome | Aspect::Reasons => format!("{} -> {}", outcome(was), outcome(is)),
        Aspect::Model => format!("model {} -> {}", word(&was.model), word(&is.model)),
        Aspect::Identity => format!("identity {} -> {}", word(&was.identity), word(&is.identity)),
        Aspect::PullRequest => {
            let pull = |wanted: Option<bool>| if wanted == Some(true) { "yes" } else { "no" };
            format!("pull request {} -> {}", pull(was.pull_request), pull(is.pull_request))
        }
        Aspect::Wave => format!("wave {} -> {}", was.wave, is.wave),
    };
    row.compared.changed.iter().map(change).collect::<Vec<_>>().join("; ")
}

/// How the tests ended.
pub fn tested_line(cases: usize, files: usize, failures: usize) -> String {
    let end = if failures == 0 { "all as expected".to_owned() } else { words::count(failures, "failure") };
    format!("{} in {}: {end}", words::count(cases, "case"), words::count(files, "file"))
}

/// The figures, and what they rest on.
pub fn tally_lines(tally: &Tally, shown: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let more = tally.differs.saturating_sub(u64::try_from(shown).unwrap_or(u64::MAX));
    if more > 0 {
        lines.push(format!("... and {} (--limit, or --json for all)", words::count(more, "more difference")));
    }
    lines.push(format!(
        "{} in {}: {} the same, {} different, {} cannot be told",
        words::count(tally.decisions, "decision"),
        words::count(tally.requests, "request"),
        tally.same,
        tally.differs,
        tally.unknown
    ));
    lines.extend(tally.outcomes.iter().map(|(turn, count)| format!("  {count:>7}  {turn}")));
    for (aspect, count) in tally.aspects.iter().filter(|(aspect, _)| **aspect != Aspect::Outcome) {
        lines.push(format!("  {count:>7}  another {}", aspect.as_str()));
    }
    if !tally.notes.is_empty() {
        lines.push("what this rests on:".to_owned());
    }
    for (note, count) in &tally.notes {
        lines.push(format!("  {count:>7}  {note}: {}", note_text(note)));
    }
    lines
}
