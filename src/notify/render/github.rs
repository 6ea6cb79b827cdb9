//! A comment at GitHub. A mention of the agent would put it to work, and a mention of a person or an issue reaches people
//! elsewhere: what outsiders wrote stands in code, where nothing is found, and is defused besides.

use super::{GAP, defused, plain_id};
use crate::{
    notify::message::{Line, Message},
    policy::text::shorten,
};

/// Of the comment, in characters; GitHub takes 65,536.
const BODY_MAX: usize = 60_000;

/// The last line of the comment of a notice, by which it is found again.
pub fn marker(id: &str) -> String {
    format!("<!-- sluicegate-notice: {} -->", plain_id(id))
}

pub fn github(message: &Message) -> String {
    let mut parts = vec![format!("### {}", prose(&message.title))];
    let facts = message.facts.iter().map(|(label, value)| format!("- {label}: {}", code(value)));
    parts.push(facts.collect::<Vec<_>>().join("\n"));
    parts.extend(message.why.as_ref().map(|why| format!("**Why**\n\n{}", fenced(why))));
    parts.push(message.lines.iter().map(line).collect::<Vec<_>>().join("\n"));
    parts.push(format!("**What to do**: {}", commands(&message.to_do)));
    let owner = message.owner.iter().map(|owner| format!("Owner: {}", code(owner)));
    let links = message.links.iter().map(|(words, url)| format!("[{words}]({url})"));
    parts.push(owner.chain(links).collect::<Vec<_>>().join(" · "));
    parts.push(format!("<sub>{}</sub>", prose(&message.footer)));
    parts.retain(|part| !part.is_empty());
    format!("{}\n\n{}", shorten(&parts.join("\n\n"), BODY_MAX), marker(&message.id))
}

fn line(line: &Line) -> String {
    let link = line.link.as_ref().map(|url| format!(" [open]({url})")).unwrap_or_default();
    format!("- {}{link}", code(&line.text))
}

/// One line in which nothing has a meaning.
fn code(text: &str) -> String {
    let line = shorten(&text.split_whitespace().collect::<Vec<_>>().join(" "), 500);
    let fence = "`".repeat(longest_run(&line).saturating_add(1));
    // A space keeps a backtick at the edge apart from the fence; it is not shown.
    let pad = if line.starts_with('`') || line.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{}{pad}{fence}", defused(&line))
}

/// Lines in which nothing has a meaning.
fn fenced(text: &str) -> String {
    let fence = "`".repeat(longest_run(text).saturating_add(1).max(3));
    format!("{fence}text\n{}\n{fence}", defused(text))
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}

/// Words among ours: every character that markdown, or GitHub, reads for more than itself is kept from it.
fn prose(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.split_whitespace().collect::<Vec<_>>().join(" ").chars() {
        if matches!(
            c,
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '!' | '&' | '$'
        ) {
            safe.push('\\');
        }
        safe.push(c);
    }
    // An address of another issue would tell people there.
    defused(&safe).replace("://", &format!(":{GAP}//"))
}

/// Words with commands in backticks; only the commands keep theirs.
fn commands(text: &str) -> String {
    // A backtick without another one begins no command.
    if !text.matches('`').count().is_multiple_of(2) {
        return prose(text);
    }
    let mut told = String::new();
    for (at, part) in text.split('`').enumerate().filter(|(_, part)| !part.is_empty()) {
        if at % 2 == 1 {
            told.push_str(&code(part));
            continue;
        }
        // The spaces between words and a command are kept.
        told.push_str(if part.starts_with(' ') { " " } else { "" });
        told.push_str(&prose(part));
        told.push_str(if part.ends_with(' ') { " " } else { "" });
    }
    told
}
