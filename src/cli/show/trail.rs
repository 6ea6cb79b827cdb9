//! What happened to a job: attempts, holds, notices, history.

use serde_json::Value;

use crate::{
    budget::Release,
    cli::{
        exit::CliError,
        screen::Tone,
        table::{Cell, Table},
        words,
    },
    pipeline::view::{EntryRecord, JobDetail},
};

use super::Page;

/// The most characters of an entry's content on one line.
const CONTENT_MAX: usize = 160;

pub fn attempts(detail: &JobDetail, page: &mut Page<'_>) -> Result<(), CliError> {
    page.section("attempts")?;
    if detail.attempts.is_empty() {
        return page.field("none yet", " ");
    }
    for attempt in &detail.attempts {
        let remote = attempt.remote_state.as_ref().map(|state| format!("task {state}")).unwrap_or_default();
        let end = attempt.end_reason.as_ref().map(|end| format!("ended by {end}")).unwrap_or_default();
        let free = if attempt.counted == 0 { "does not count" } else { "" };
        let parts = [remote, end, free.to_owned()];
        let said: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        page.field(&format!("number {}", attempt.number), &format!("{}  {}", attempt.id, said.join(", ")))?;
        page.field("  intent", &page.moment(attempt.intent_at))?;
        page.field("  started", &attempt.started_at.map(|at| page.moment(at)).unwrap_or_default())?;
        page.field("  ended", &attempt.ended_at.map(|at| page.moment(at)).unwrap_or_default())?;
        let task = attempt.task_id.as_ref().map(ToString::to_string).unwrap_or_default();
        page.field("  task", &task)?;
        page.field("  link", attempt.task_url.as_deref().unwrap_or_default())?;
        page.field(
            "  marker",
            &format!("nonce {}, worker {}, token {}", attempt.nonce, attempt.worker_id, attempt.token),
        )?;
        page.field("  branch", attempt.branch.as_deref().unwrap_or_default())?;
        page.field(
            "  model",
            attempt.model_used.as_deref().or(attempt.model.as_deref()).unwrap_or_default(),
        )?;
        let credits = attempt.nano_credits.map(|nano| format!("{} credits", words::credits(nano)));
        page.field("  usage", &credits.unwrap_or_default())?;
    }
    Ok(())
}

pub fn holds(detail: &JobDetail, page: &mut Page<'_>) -> Result<(), CliError> {
    if detail.holds.is_empty() {
        return Ok(());
    }
    page.section("holds")?;
    let mut table = Table::new(&["  budget", "amount", "taken", "given back"]);
    for hold in &detail.holds {
        let amount = match hold.release {
            Release::Settled => format!("{} credits", words::credits(hold.amount.get())),
            _ => hold.amount.to_string(),
        };
        let back = match (hold.released_at, &hold.released_by, hold.expires_at) {
            (Some(at), by, _) => format!("{} by {}", page.moment(at), by.as_deref().unwrap_or("its period")),
            (None, _, Some(at)) => format!("counts until {}", words::moment(at)),
            (None, _, None) => String::new(),
        };
        table.row([
            Cell::new(format!("  {}", hold.budget_id)),
            Cell::new(amount),
            Cell::new(words::moment(hold.taken_at)),
            Cell::new(back),
        ]);
    }
    let paint = page.screen.paint;
    page.screen.lines(table.lines(paint))
}

pub fn notices(detail: &JobDetail, page: &mut Page<'_>) -> Result<(), CliError> {
    if detail.notices.is_empty() {
        return Ok(());
    }
    page.section("notices")?;
    for notice in &detail.notices {
        let fate = match (notice.delivered_at, notice.dead_at) {
            (Some(at), _) => format!("delivered {}", page.moment(at)),
            (None, Some(at)) => format!("given up {}", page.moment(at)),
            (None, None) if notice.next_at.is_none() => {
                format!("told to nobody, by {}", notice.route.as_deref().unwrap_or_default())
            }
            (None, None) => format!("not yet delivered, tries so far: {}", notice.tries),
        };
        let error = notice.last_error.as_ref().filter(|_| notice.delivered_at.is_none());
        let error =
            error.map(|error| format!("; {}", words::shorten(error, CONTENT_MAX))).unwrap_or_default();
        page.field(&notice.kind, &format!("{fate}{error}"))?;
    }
    Ok(())
}

pub fn history(detail: &JobDetail, page: &mut Page<'_>) -> Result<(), CliError> {
    page.section("history")?;
    entries(&detail.history, page)
}

pub fn entries(history: &[EntryRecord], page: &mut Page<'_>) -> Result<(), CliError> {
    let mut table = Table::new(&["  entry", "at", "what", "by", ""]);
    for entry in history {
        table.row([
            Cell::toned(format!("  {}", entry.seq), Tone::Faint),
            Cell::new(entry.at.to_string()),
            Cell::new(&entry.kind),
            Cell::new(&entry.actor),
            Cell::toned(content(&entry.body_json), Tone::Faint),
        ]);
    }
    let paint = page.screen.paint;
    page.screen.lines(table.lines(paint))
}

/// What an entry says, in the words of its note, reason or failure, else its fields.
fn content(json: &str) -> String {
    let Ok(Value::Object(body)) = serde_json::from_str::<Value>(json) else { return String::new() };
    let failure = body.get("failure").and_then(|failure| failure.get("message"));
    let spoken = [failure, body.get("why"), body.get("note"), body.get("reason")];
    let said: Vec<&str> = spoken.into_iter().flatten().filter_map(Value::as_str).collect();
    if !said.is_empty() {
        return words::shorten(&said.join("; "), CONTENT_MAX);
    }
    let fields = body.iter().filter(|(name, _)| !matches!(name.as_str(), "from" | "to"));
    let fields = fields.map(|(name, value)| format!("{name} {}", plain(value)));
    words::shorten(&fields.collect::<Vec<_>>().join(", "), CONTENT_MAX)
}

/// A list of figures is told by the names that they are about.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => {
            let name = |entry: &Value| plain(entry.as_array().and_then(|list| list.first()).unwrap_or(entry));
            list.iter().map(name).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_told_in_its_own_words() {
        assert_eq!(
            content(
                r#"{"from":"running","to":"dead","failure":{"message":"tests failed"},"note":"mend it"}"#
            ),
            "tests failed; mend it"
        );
        assert_eq!(content(r#"{"task":"t-1","remote":"queued"}"#), "remote queued, task t-1");
        assert_eq!(
            content(r#"{"holds":[["slots/global",1,3],["starts/global",1,40]]}"#),
            "holds slots/global starts/global"
        );
        assert_eq!(content("no JSON"), "");
    }
}
