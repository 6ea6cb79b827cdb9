//! A message in the form that a receiver wants. Pure. What outsiders wrote is shown, and means nothing: it calls nobody,
//! links to nothing, and begins no line of ours.

mod github;
mod mail;
mod slack;

pub use github::{github, marker};
pub use mail::{Letter, mail};
pub use slack::slack;

/// Of the characters of an id, those that may stand in a marker and in a header.
fn plain_id(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '.' };
    id.chars().map(plain).take(120).collect()
}

/// Between the sign that calls somebody and the name, so that nobody is called.
const GAP: char = '\u{200b}';

/// `@` and `#` lead to nobody and nothing.
fn defused(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        safe.push(c);
        if matches!(c, '@' | '#') {
            safe.push(GAP);
        }
    }
    safe
}
