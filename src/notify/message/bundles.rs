//! Notices that stand for several: a digest, and how a request stands.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    DIGEST, Line, Message, SUMMARY, TITLE_MAX, address, one_line,
    single::{Told, single},
};
use crate::{job::time::Timestamp, notify::Outgoing};

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
    /// How long agents may still need, if that can be told; in words.
    pub left: Option<String>,
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

/// Lines of a digest or a summary.
const LINES_MAX: usize = 50;

impl Digest {
    /// As it goes out; `id` is the same at each try.
    pub fn outgoing(&self, id: String, at: Timestamp) -> Outgoing {
        outgoing(id, DIGEST, at, String::new(), serde_json::to_value(self))
    }

    pub(super) fn message(&self) -> Message {
        let count = self.notices.len();
        let lines = self.notices.iter().take(LINES_MAX).map(|notice| {
            let single = single(&notice.kind, &notice.data);
            let job = Told(&notice.data).text("job").map(|job| format!(" ({job})")).unwrap_or_default();
            let why = single.why.map(|why| format!("; {}", one_line(&why, 160))).unwrap_or_default();
            Line {
                text: format!("{} {}{job}{why}", notice.occurred_at, single.title),
                link: single.links.into_iter().next().map(|(_, link)| link),
            }
        });
        Message {
            title: one_line(&format!("{}, {}", counted(count, "notice"), self.because), TITLE_MAX),
            to_do: "`sluice desk` lists what still needs a person; `sluice show JOB` tells the story of one"
                .to_owned(),
            lines: lines.chain(left_out(count.saturating_sub(LINES_MAX) as u64)).collect(),
            ..Message::default()
        }
    }
}

impl RequestSummary {
    /// As it goes out; `id` is the same as long as there is one message for it, and `since` is before its first one.
    pub fn outgoing(&self, id: String, since: Timestamp) -> Outgoing {
        outgoing(id, SUMMARY, since, self.request.clone(), serde_json::to_value(self))
    }

    pub(super) fn message(&self) -> Message {
        let jobs: u64 = self.counts.values().sum();
        let counts: Vec<String> =
            self.counts.iter().map(|(state, jobs)| format!("{jobs} {}", state.replace('_', " "))).collect();
        let facts = [
            ("Request", Some(self.request.clone())),
            ("Template", Some(self.template.clone())),
            ("Team", Some(self.team.clone())),
            ("Jobs", Some(format!("{jobs}: {}", counts.join(", ")))),
            ("Credits", self.spent.clone()),
            ("Time left", self.left.clone()),
            ("As of", Some(self.at.clone())),
        ];
        let lines = self.attention.iter().take(LINES_MAX).map(|one| Line {
            text: format!("{} ({}): {}", one.repository, one.job, one_line(&one.what, 160)),
            link: one.link.as_deref().and_then(address),
        });
        let untold = self.attention.len().saturating_sub(LINES_MAX) as u64;
        let (title, to_do) = match (self.over, self.attention.is_empty()) {
            (true, _) => ("done", "nothing: every job is at its end".to_owned()),
            (false, true) => ("under way", "nothing: nobody is waited for".to_owned()),
            (false, false) => {
                ("needs somebody", format!("see above; `sluice show {}` tells more", self.request))
            }
        };
        Message {
            title: one_line(&format!("{} for {}: {title}", self.template, self.team), TITLE_MAX),
            facts: facts.into_iter().filter_map(|(label, value)| Some((label, value?))).collect(),
            to_do,
            owner: Some(self.owner.clone()),
            lines: lines.chain(left_out(untold.saturating_add(self.more))).collect(),
            ..Message::default()
        }
    }
}

fn left_out(count: u64) -> Option<Line> {
    (count > 0).then(|| Line { text: format!("and {count} more"), link: None })
}

fn counted(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
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
