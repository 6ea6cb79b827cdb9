//! A command in a comment, such as `/sluice upgrade tokio 1.54.1`, and who may give it.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::{Expression, Kind, Scope, written::compile};
use crate::policy::{
    hint,
    problem::{Code, Problem},
    text,
};

/// The longest command, in bytes.
const TEXT_BYTES_MAX: usize = 100;
/// The most words after a command that count.
const WORDS_MAX: usize = 20;
/// How GitHub says that an author stands to a repository.
const ASSOCIATIONS: [&str; 6] =
    ["OWNER", "MEMBER", "COLLABORATOR", "CONTRIBUTOR", "FIRST_TIME_CONTRIBUTOR", "FIRST_TIMER"];

/// `[hook.on.command]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenCommand {
    /// How the comment begins.
    pub text: String,
    /// Who may give it: logins at GitHub, account ids at Jira and Linear.
    #[serde(default)]
    pub people: Vec<String>,
    /// Of GitHub: or who stands so to the repository.
    #[serde(default)]
    pub associations: Vec<String>,
    /// Of `generic`: finds the text of the comment.
    pub body: Option<String>,
    /// Of `generic`: finds who wrote it.
    pub by: Option<String>,
}

/// One command that a rule waits for.
#[derive(Clone, Debug)]
pub struct Command {
    text: String,
    /// Finds the text of the comment.
    body: Expression,
    /// Finds who wrote it.
    by: Expression,
    /// Finds how the author stands to the repository, where the sender tells.
    association: Option<Expression>,
    /// Holds for a comment that is new: one that was changed into a command is none.
    fresh: Option<Expression>,
    /// Who may give it, in lower case.
    people: BTreeSet<String>,
    associations: BTreeSet<String>,
}

/// A comment, read as a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// Something else.
    No,
    /// Not by somebody who may; the sentence says who it was.
    Refused(String),
    /// The words after it.
    Yes(Vec<String>),
}

/// What it means. `at` names a field of the rule.
pub(super) fn read(
    kind: Kind,
    written: &WrittenCommand,
    at: &dyn Fn(&str) -> String,
    problems: &mut Vec<Problem>,
) -> Option<Command> {
    let before = problems.len();
    let at = |field: &str| at(&format!("command.{field}"));
    let mut wrong = |field: &str, what: &str, hint: &str| {
        problems.push(Problem::new(Code::BadHook, what).at(at(field)).hint(hint));
    };
    if written.text.trim().is_empty() || written.text.len() > TEXT_BYTES_MAX {
        wrong("text", "not a command", "write how the comment begins: \"/sluice upgrade\"");
    }
    if written.people.is_empty() && written.associations.is_empty() {
        let hint =
            "name who may: `people = [\"ana\"]`, or at GitHub `associations = [\"OWNER\", \"MEMBER\"]`";
        wrong("text", "nobody may give this command", hint);
    }
    if kind != Kind::Github && !written.associations.is_empty() {
        wrong("associations", "only GitHub says how people stand to a repository", "name them in `people`");
    }
    if let Some(other) = written.associations.iter().find(|one| !ASSOCIATIONS.contains(&one.as_str())) {
        let what = format!("`{}` is no association", text::shorten(other, 40));
        wrong("associations", &what, &hint::did_you_mean(other, &ASSOCIATIONS));
    }
    let (body, by, fresh) = match kind {
        Kind::Github => (
            "comment.body || review.body",
            "comment.user.login || review.user.login",
            Some("action == 'created' || action == 'submitted'"),
        ),
        Kind::Jira => ("comment.body", "comment.author.accountId", Some("webhookEvent == 'comment_created'")),
        Kind::Linear => ("data.body", "actor.id", Some("action == 'create'")),
        Kind::Generic => {
            (written.body.as_deref().unwrap_or_default(), written.by.as_deref().unwrap_or_default(), None)
        }
    };
    if kind != Kind::Generic && (written.body.is_some() || written.by.is_some()) {
        wrong("text", "where a comment stands is known for this kind", "leave `body` and `by` out");
    }
    let body = compile(body, &at("body"), problems);
    let by = compile(by, &at("by"), problems);
    let mut known = |text: &str| compile(text, &at("text"), problems);
    let association = known("comment.author_association || review.author_association");
    let fresh = fresh.and_then(known);
    let (Some(body), Some(by), true) = (body, by, before == problems.len()) else { return None };
    Some(Command {
        text: written.text.clone(),
        body,
        by,
        association: association.filter(|_| kind == Kind::Github),
        fresh,
        people: written.people.iter().map(|one| one.to_lowercase()).collect(),
        associations: written.associations.iter().cloned().collect(),
    })
}

impl Command {
    pub(super) fn given(&self, scope: &Scope) -> Result<Given, String> {
        // Nobody types a command that is anything else than text.
        let Some(words) = told(&self.body, scope)?.and_then(|body| self.words(&body)) else {
            return Ok(Given::No);
        };
        if let Some(fresh) = &self.fresh
            && !fresh.holds(scope)?
        {
            return Ok(Given::No);
        }
        let by = told(&self.by, scope)?;
        let association = self.association.as_ref().map(|one| told(one, scope)).transpose()?.flatten();
        let known = by.as_ref().is_some_and(|by| self.people.contains(&by.to_lowercase()));
        if known || association.as_ref().is_some_and(|one| self.associations.contains(one)) {
            return Ok(Given::Yes(words));
        }
        let who = text::shorten(by.as_deref().unwrap_or("somebody unnamed"), 80);
        let stands = association.map(|one| format!(" ({})", text::shorten(&one, 40))).unwrap_or_default();
        Ok(Given::Refused(format!("{who}{stands} may not give the command `{}`", self.text)))
    }

    /// The words after the command, if the first line that says anything begins with it.
    fn words(&self, body: &str) -> Option<Vec<String>> {
        let mut words = body.lines().find(|line| !line.trim().is_empty())?.split_whitespace();
        self.text.split_whitespace().all(|word| words.next() == Some(word)).then_some(())?;
        Some(words.take(WORDS_MAX).map(str::to_owned).collect())
    }
}

fn told(expression: &Expression, scope: &Scope) -> Result<Option<String>, String> {
    Ok(match expression.find(scope)? {
        Value::String(text) if !text.is_empty() => Some(text),
        _ => None,
    })
}
