//! The last page: what the history says that people did, and what was done without them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::book::Book;
use crate::aftermath::Books;

/// Told however often they happen; the rest of what is done without people depends on the machine.
const OF_ITSELF: [&str; 13] = [
    "breaker.closed",
    "breaker.half_opened",
    "breaker.opened",
    "job.closed",
    "job.gave_up",
    "job.start_lost",
    "job.start_rejected",
    "job.merged",
    "job.needs_user",
    "job.quarantined",
    "wave.opened",
    "wave.over",
    "wave.paused",
];

pub fn tell(book: &mut Book, books: &Books) {
    book.day("What the history says");
    book.tell("\nOf people:\n");
    let mut acts: Vec<(String, usize)> = Vec::new();
    for entry in &books.entries {
        if ["sluicegate", "breaker", "the freezes file"].contains(&entry.actor.as_str()) {
            continue;
        }
        let body: Value = serde_json::from_str(&entry.body_json).unwrap();
        let why = body["reason"].as_str().or(body["note"].as_str()).unwrap_or_default();
        let of = entry.request_id.map(|id| book.plain(&id.to_string(), false)).unwrap_or_default();
        let day = book.plain(&entry.at.to_string(), false);
        let line = format!("{day}  {:<8}{:<26}{of:<14}{why}", entry.actor, entry.kind);
        match acts.last_mut() {
            Some((last, times)) if *last == line => *times += 1,
            _ => acts.push((line, 1)),
        }
    }
    for (line, times) in acts {
        let times = if times > 1 { format!(" ({times} times)") } else { String::new() };
        book.tell(&format!("{}{times}", line.trim_end()));
    }
    book.tell("\nWithout them:\n");
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in
        books.entries.iter().filter(|entry| ["sluicegate", "breaker"].contains(&entry.actor.as_str()))
    {
        *kinds.entry(entry.kind.as_str()).or_default() += 1;
    }
    for (kind, times) in kinds.iter().filter(|(kind, _)| OF_ITSELF.contains(kind)) {
        book.tell(&format!("{kind:<26}{times:>4}"));
    }
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for job in &books.jobs {
        *states.entry(job.state.as_str()).or_default() += 1;
    }
    book.tell(&format!("\nOf {} jobs:\n", books.jobs.len()));
    for (state, jobs) in states {
        book.tell(&format!("{state:<26}{jobs:>4}"));
    }
    let mut told: BTreeMap<&str, usize> = BTreeMap::new();
    for notice in &books.notices {
        *told.entry(notice.kind.as_str()).or_default() += 1;
    }
    book.tell("\nNotices:\n");
    for (kind, times) in told {
        book.tell(&format!("{kind:<26}{times:>4}"));
    }
}
