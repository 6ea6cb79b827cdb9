//! What a notice says to people, before it takes the form that a receiver wants: what happened, to which job or request,
//! why, what to do, and whose it is. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{job::time::Timestamp, notify::Outgoing, policy::text::shorten};

/// The kind of a notice that stands for several.
pub const DIGEST: &str = "notices.digest";
/// The kind of a notice that is kept up to date for a request.
pub const SUMMARY: &str = "request.summary";
/// The kind of a notice that only tries the way.
pub const TEST: &str = "notices.test";

/// What a notice says. Every text may hold what outsiders wrote: a renderer takes the meaning out of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub id: String,
    /// One line.
    pub title: String,
    pub facts: Vec<(&'static str, String)>,
    pub why: Option<String>,
    pub to_do: String,
    pub owner: Option<String>,
    /// Words and an address that begins with http.
    pub links: Vec<(&'static str, String)>,
    /// Of a digest or a summary, one line each.
    pub lines: Vec<Line>,
    /// Where it comes from, in small print.
    pub footer: String,
}

/// One line of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    pub text: String,
    pub link: Option<String>,
}

/// Several notices in one; the data of a notice of the kind `notices.digest`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    pub notices: Vec<Digested>,
    /// Why they come together, such as `quiet hours`.
    pub because: String,
}

/// A notice in a digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Digested {
    pub id: String,
    pub kind: String,
    /// RFC 3339.
    pub occurred_at: String,
    pub subject: String,
    pub data: Value,
}

/// How a request stands; the data of a notice of the kind `request.summary`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestSummary {
    pub request: String,
    pub template: String,
    pub team: String,
    pub owner: String,
    /// Jobs by the word of their state.
    pub counts: BTreeMap<String, u64>,
    /// What needs somebody, the oldest first.
    pub attention: Vec<Attention>,
    /// More of them than are listed.
    #[serde(default)]
    pub more: u64,
    /// Credits, as people read them.
    pub spent: Option<String>,
    /// When it may be done, if that can be told; RFC 3339.
    pub done_by: Option<String>,
    /// Every job is at its end.
    pub over: bool,
    /// When this was so; RFC 3339.
    pub at: String,
}

/// One job that needs somebody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attention {
    pub job: String,
    pub repository: String,
    pub what: String,
    pub link: Option<String>,
}

/// Longest piece of somebody else's words, in characters.
const SAID_MAX: usize = 1_000;
const TITLE_MAX: usize = 140;
/// Lines of a digest or a summary.
const LINES_MAX: usize = 50;

/// What is told of the data, in this order, whatever the kind.
const FACTS: [(&str, &str); 24] = [
    ("job", "Job"),
    ("request", "Request"),
    ("repository", "Repository"),
    ("state", "State"),
    ("template", "Template"),
    ("model", "Model"),
    ("wanted", "Model asked for"),
    ("used", "Model at work"),
    ("breaker", "Breaker"),
    ("trips", "Trips"),
    ("one_is_tried_at", "One is tried at"),
    ("wave", "Wave"),
    ("schedule", "Schedule"),
    ("nominal", "Time"),
    ("identity", "Identity"),
    ("expires_at", "Ends"),
    ("reviewer", "Reviewer"),
    ("task", "Task"),
    ("tasks", "Tasks"),
    ("remote_state", "State at GitHub"),
    ("branch", "Branch"),
    ("started_at", "Started"),
    ("since", "Since"),
    ("due_at", "Due"),
];

impl Message {
    pub fn of(notice: &Outgoing) -> Self {
        let mut message = match notice.kind.as_str() {
            DIGEST => serde_json::from_value(notice.data.clone()).ok().map(|digest| of_digest(&digest)),
            SUMMARY => serde_json::from_value(notice.data.clone()).ok().map(|summary| of_summary(&summary)),
            _ => None,
        }
        .unwrap_or_else(|| single(&notice.kind, &notice.data));
        message.id.clone_from(&notice.id);
        message.footer = format!("Sluicegate notice {}, {}, {}", notice.id, notice.kind, notice.occurred_at);
        message
    }
}

fn single(kind: &str, data: &Value) -> Message {
    let told = Told(data);
    let (title, to_do) = words(kind, &told);
    let facts =
        FACTS.iter().filter_map(|(key, label)| Some((*label, shorten(&told.text(key)?, 200)))).collect();
    let whys = [told.failure(), told.text("note"), told.text("reason"), told.text("problem")];
    let why: Vec<String> = whys.into_iter().flatten().collect();
    let links = [("task_url", "task"), ("pull", "pull request"), ("link", "link")];
    let links = links.into_iter().filter_map(|(key, words)| Some((words, address(&told.text(key)?)?)));
    Message {
        title: one_line(&title, TITLE_MAX),
        facts,
        why: (!why.is_empty()).then(|| shorten(&why.join("; "), SAID_MAX)),
        to_do,
        owner: told.text("to").or_else(|| told.text("owner")),
        links: links.collect(),
        ..Message::default()
    }
}

/// What happened, and what to do about it.
fn words(kind: &str, told: &Told<'_>) -> (String, String) {
    let word = |key: &str| told.text(key).unwrap_or_else(|| "?".to_owned());
    let (job, repository) = (word("job"), word("repository"));
    let given = told.text("what_to_do").map(|what| shorten(&what, 500));
    let see =
        |given: Option<String>| given.unwrap_or_else(|| format!("`sluice show {job}` tells the whole story"));
    match kind {
        "job.needs_user" => (
            format!("The agent waits for a person: {repository}"),
            format!("open its task and answer there, or `sluice cancel {job} --reason ...`"),
        ),
        "job.dead" => (
            format!("A job was given up: {repository}"),
            format!(
                "`sluice dead show {job}`, then `sluice dead retry {job} --reason ...` or `sluice dead discard {job} --reason ...`"
            ),
        ),
        "job.quarantined" => (
            format!("A result must not be used until somebody has looked: {repository}"),
            format!(
                "`sluice show {job}`, then `sluice release {job} --reason ...` or `sluice discard-result {job} --reason ...`"
            ),
        ),
        "job.duplicate_tasks" => (
            format!("One attempt has more than one task: {repository}"),
            format!("`sluice show {job}` names the task that is followed: stop the others at GitHub"),
        ),
        "job.late_result" => (
            format!("The task of a cancelled job has left a result: {repository}"),
            "it is not used: close what it left at GitHub, or take it over by hand".to_owned(),
        ),
        "job.overdue" => (
            format!("A task takes suspiciously long: {repository}"),
            format!("look at its task; `sluice cancel {job} --reason ...` gives it up"),
        ),
        "job.reviewer_refused" => (
            format!("GitHub does not ask the reviewer {}: {repository}", word("reviewer")),
            "ask them by other means, or give them access to the repository".to_owned(),
        ),
        "model.differs" => (
            format!("Another model works than was asked for: {repository}"),
            format!(
                "if it matters, `sluice cancel {job} --reason ...`; docs/models.md says how models are chosen"
            ),
        ),
        "breaker.opened" => (
            format!("A breaker has opened: {}", word("breaker")),
            format!(
                "look at its dead letters with `sluice dead list`, then `sluice breaker reset {} --reason ...`",
                word("breaker")
            ),
        ),
        "wave.paused" => (
            format!("The waves of a request are paused: {}", word("request")),
            given.map_or_else(|| see(None), |given| format!("`{given}`, then approve, hold or abort")),
        ),
        "schedule.refused" => (
            format!("The request of schedule {} was refused", word("schedule")),
            format!("correct it, then `sluice schedule run {} --reason ...`", word("schedule")),
        ),
        "identity.refused" => {
            (format!("GitHub refuses the token of identity {}", word("identity")), see(given))
        }
        "identity.expiring" => (
            format!("The token of identity {} ends within {} days", word("identity"), word("within_days")),
            see(given),
        ),
        "desk.reminder" => (format!("Still on the desk: {}", word("what")), see(given)),
        "desk.escalated" => (format!("Nobody has acted: {}", word("what")), see(given)),
        TEST => ("This is a test".to_owned(), "nothing: the way to this receiver is open".to_owned()),
        other => {
            let what = told.text("what").map(|what| format!(": {what}")).unwrap_or_default();
            let fallback = || match told.text("job") {
                Some(_) => see(None),
                None => "`sluice desk` lists what needs a person".to_owned(),
            };
            (format!("{}{what}", other.replace(['.', '_'], " ")), given.unwrap_or_else(fallback))
        }
    }
}

fn of_digest(digest: &Digest) -> Message {
    let count = digest.notices.len();
    let lines = digest.notices.iter().take(LINES_MAX).map(|notice| {
        let single = single(&notice.kind, &notice.data);
        let job = Told(&notice.data).text("job").map(|job| format!(" ({job})")).unwrap_or_default();
        let why = single.why.map(|why| format!("; {}", one_line(&why, 160))).unwrap_or_default();
        Line {
            text: format!("{} {}{job}{why}", notice.occurred_at, single.title),
            link: single.links.into_iter().next().map(|(_, link)| link),
        }
    });
    Message {
        title: one_line(&format!("{}, {}", counted(count, "notice"), digest.because), TITLE_MAX),
        to_do: "`sluice desk` lists what still needs a person; `sluice show JOB` tells the story of one"
            .to_owned(),
        lines: lines.chain(left_out(count.saturating_sub(LINES_MAX) as u64)).collect(),
        ..Message::default()
    }
}

fn of_summary(summary: &RequestSummary) -> Message {
    let jobs: u64 = summary.counts.values().sum();
    let counts: Vec<String> =
        summary.counts.iter().map(|(state, jobs)| format!("{jobs} {}", state.replace('_', " "))).collect();
    let facts = [
        ("Request", Some(summary.request.clone())),
        ("Template", Some(summary.template.clone())),
        ("Team", Some(summary.team.clone())),
        ("Jobs", Some(format!("{jobs}: {}", counts.join(", ")))),
        ("Credits", summary.spent.clone()),
        ("Done by", summary.done_by.clone()),
        ("As of", Some(summary.at.clone())),
    ];
    let lines = summary.attention.iter().take(LINES_MAX).map(|one| Line {
        text: format!("{} ({}): {}", one.repository, one.job, one_line(&one.what, 160)),
        link: one.link.as_deref().and_then(address),
    });
    let untold = summary.attention.len().saturating_sub(LINES_MAX) as u64;
    let (title, to_do) = match (summary.over, summary.attention.is_empty()) {
        (true, _) => ("done", "nothing: every job is at its end".to_owned()),
        (false, true) => ("under way", "nothing: nobody is waited for".to_owned()),
        (false, false) => {
            ("needs somebody", format!("see below; `sluice show {}` tells more", summary.request))
        }
    };
    Message {
        title: one_line(&format!("{} for {}: {title}", summary.template, summary.team), TITLE_MAX),
        facts: facts.into_iter().filter_map(|(label, value)| Some((label, value?))).collect(),
        to_do,
        owner: Some(summary.owner.clone()),
        lines: lines.chain(left_out(untold.saturating_add(summary.more))).collect(),
        ..Message::default()
    }
}

fn left_out(count: u64) -> Option<Line> {
    (count > 0).then(|| Line { text: format!("and {count} more"), link: None })
}

fn counted(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// The data of a notice, told as text.
struct Told<'a>(&'a Value);

impl Told<'_> {
    /// None: not there, or nothing that a line could hold.
    fn text(&self, key: &str) -> Option<String> {
        text(self.0.get(key)?)
    }

    /// Class and words of a failure.
    fn failure(&self) -> Option<String> {
        let failure = self.0.get("failure").filter(|failure| failure.is_object()).map(Told)?;
        match (failure.text("class"), failure.text("message")) {
            (Some(class), Some(message)) => Some(format!("{}: {message}", class.replace('_', " "))),
            (class, message) => message.or(class),
        }
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(visible(text)),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Array(items) if !items.is_empty() => {
            Some(items.iter().filter_map(text).collect::<Vec<_>>().join(", "))
        }
        _ => None,
    }
}

/// Without what cannot be seen or changes how the rest is shown.
pub(super) fn visible(text: &str) -> String {
    let hidden = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    text.chars().filter(|c| !hidden(*c)).collect::<String>().trim().to_owned()
}

pub(super) fn one_line(text: &str, most: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    shorten(&visible(&words.join(" ")), most)
}

/// Only what a browser opens, and without what could end a link early.
fn address(text: &str) -> Option<String> {
    let web = text.starts_with("https://") || text.starts_with("http://");
    let plain = text
        .chars()
        .all(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '|' | '(' | ')' | '"' | '`' | '\\'));
    (web && plain && text.len() <= 500).then(|| text.to_owned())
}

impl Digest {
    /// As it goes out; `id` is the same at each try.
    pub fn outgoing(&self, id: String, at: Timestamp) -> Outgoing {
        outgoing(id, DIGEST, at, String::new(), serde_json::to_value(self))
    }
}

impl RequestSummary {
    /// As it goes out; `id` is the same as long as there is one message for it, and `since` is before its first one.
    pub fn outgoing(&self, id: String, since: Timestamp) -> Outgoing {
        outgoing(id, SUMMARY, since, self.request.clone(), serde_json::to_value(self))
    }
}

fn outgoing(
    id: String,
    kind: &str,
    occurred_at: Timestamp,
    subject: String,
    data: serde_json::Result<Value>,
) -> Outgoing {
    // Structs of texts and numbers always become a value.
    Outgoing { id, kind: kind.to_owned(), occurred_at, subject, data: data.unwrap_or_default(), pull: None }
}
