//! A letter in plain text.

use super::plain_id;
use crate::notify::message::{Message, one_line};

/// A letter, without the addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// One line without control characters: it begins no other header.
    pub subject: String,
    /// The part of `Message-ID` before the `@`; the same at each try.
    pub id: String,
    pub body: String,
}

pub fn mail(message: &Message) -> Letter {
    let width = message.facts.iter().map(|(label, _)| label.chars().count()).max().unwrap_or_default();
    let mut parts = vec![message.title.clone()];
    let facts = message.facts.iter().map(|(label, value)| {
        let gap = " ".repeat(width.saturating_sub(label.chars().count()));
        format!("{label}:{gap} {}", one_line(value, 300))
    });
    parts.push(facts.collect::<Vec<_>>().join("\n"));
    parts.extend(message.why.as_ref().map(|why| format!("Why:\n{}", indented(why))));
    let lines = message.lines.iter().map(|line| {
        let link = line.link.as_ref().map(|url| format!("\n  {url}")).unwrap_or_default();
        format!("- {}{link}", one_line(&line.text, 500))
    });
    parts.push(lines.collect::<Vec<_>>().join("\n"));
    parts.push(format!("What to do: {}", one_line(&message.to_do, 700)));
    let owner = message.owner.iter().map(|owner| format!("Owner: {}", one_line(owner, 100)));
    let links = message.links.iter().map(|(words, url)| format!("The {words}: {url}"));
    parts.push(owner.chain(links).collect::<Vec<_>>().join("\n"));
    parts.retain(|part| !part.is_empty());
    Letter {
        subject: format!("[sluicegate] {}", one_line(&message.title, 160)),
        id: plain_id(&message.id),
        body: format!("{}\n\n-- \n{}\n", parts.join("\n\n"), one_line(&message.footer, 300)),
    }
}

/// Every line of somebody else's words is seen to be theirs.
fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n")
}
