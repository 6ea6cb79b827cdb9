//! The words of one notice, by its kind. A kind that is not known here is told by its name and its data.

use serde_json::Value;

use super::{Message, TEST, TITLE_MAX, address, one_line, visible};
use crate::policy::text::shorten;

/// Longest piece of somebody else's words, in characters.
const SAID_MAX: usize = 1_000;

/// What is told of the data, in this order, whatever the kind.
const FACTS: [(&str, &str); 26] = [
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
    ("certificate", "Certificate"),
    ("expires_at", "Ends"),
    ("reviewer", "Reviewer"),
    ("task", "Task"),
    ("tasks", "Tasks"),
    ("remote_state", "State at GitHub"),
    ("branch", "Branch"),
    ("item", "On the desk as"),
    ("started_at", "Started"),
    ("since", "Since"),
    ("due_at", "Due"),
];

pub(super) fn single(kind: &str, data: &Value) -> Message {
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
    if let Some(words) = of_job(kind, told) {
        return words;
    }
    let given = told.text("what_to_do").map(|what| shorten(&what, 500));
    let see = |given: Option<String>| given.unwrap_or_else(|| told.fallback());
    match kind {
        "breaker.opened" => (
            format!("A breaker has opened: {}", told.word("breaker")),
            format!(
                "look at its dead letters with `sluice dead list`, then `sluice breaker reset {} --reason ...`",
                told.word("breaker")
            ),
        ),
        "wave.paused" => (
            format!("The waves of a request are paused: {}", told.word("request")),
            given.map_or_else(|| told.fallback(), |given| format!("`{given}`, then approve, hold or abort")),
        ),
        "schedule.refused" => (
            format!("The request of schedule {} was refused", told.word("schedule")),
            format!("correct it, then `sluice schedule run {} --reason ...`", told.word("schedule")),
        ),
        "identity.refused" => {
            (format!("GitHub refuses the token of identity {}", told.word("identity")), see(given))
        }
        "identity.expiring" => (
            format!(
                "The token of identity {} ends within {} days",
                told.word("identity"),
                told.word("within_days")
            ),
            see(given),
        ),
        "desk.reminder" => (format!("Still on the desk: {}", told.word("what")), see(given)),
        "desk.escalated" => (format!("Nobody has acted: {}", told.word("what")), see(given)),
        TEST => ("This is a test".to_owned(), "nothing: the way to this receiver is open".to_owned()),
        other => {
            let what = told.text("what").map(|what| format!(": {what}")).unwrap_or_default();
            let mut title = other.replace(['.', '_'], " ");
            if let Some(first) = title.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            (format!("{title}{what}"), see(given))
        }
    }
}

/// The same of a job; None: no kind of theirs.
fn of_job(kind: &str, told: &Told<'_>) -> Option<(String, String)> {
    let (job, repository) = (told.word("job"), told.word("repository"));
    Some(match kind {
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
            format!("GitHub does not ask the reviewer {}: {repository}", told.word("reviewer")),
            "ask them by other means, or give them access to the repository".to_owned(),
        ),
        "model.differs" => (
            format!("Another model works than was asked for: {repository}"),
            format!(
                "if it matters, `sluice cancel {job} --reason ...`; docs/models.md says how models are chosen"
            ),
        ),
        _ => return None,
    })
}

/// The data of a notice, told as text.
pub(super) struct Told<'a>(pub(super) &'a Value);

impl Told<'_> {
    /// None: not there, or nothing that a line could hold.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        text(self.0.get(key)?)
    }

    fn word(&self, key: &str) -> String {
        self.text(key).unwrap_or_else(|| "?".to_owned())
    }

    /// What to do, where nothing better is known.
    fn fallback(&self) -> String {
        match self.text("job") {
            Some(job) => format!("`sluice show {job}` tells the whole story"),
            None => "`sluice desk` lists what needs a person".to_owned(),
        }
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
