//! What a notice says to people, before it takes the form that a receiver wants: what happened, to which job or request,
//! why, what to do, and whose it is. Pure.

mod bundles;
mod single;

pub use bundles::{Attention, Digest, Digested, RequestSummary};

use crate::{notify::Outgoing, policy::text::shorten};

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

const TITLE_MAX: usize = 140;

impl Message {
    pub fn of(notice: &Outgoing) -> Self {
        let mut message = match notice.kind.as_str() {
            DIGEST => serde_json::from_value(notice.data.clone()).ok().map(|digest: Digest| digest.message()),
            SUMMARY => serde_json::from_value(notice.data.clone())
                .ok()
                .map(|summary: RequestSummary| summary.message()),
            _ => None,
        }
        .unwrap_or_else(|| single::single(&notice.kind, &notice.data));
        message.id.clone_from(&notice.id);
        message.footer = format!("Sluicegate notice {}, {}, {}", notice.id, notice.kind, notice.occurred_at);
        message
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
