//! Blocks for Slack, and the same as text for receivers that know no blocks.

use serde_json::{Value, json};

use super::defused;
use crate::{
    notify::message::{Line, Message},
    policy::text::shorten,
};

/// Of one block of text, with room for what escaping adds; Slack takes 3,000.
const BLOCK_MAX: usize = 2_800;
/// Of somebody else's words in one block, written out, beside a heading of ours.
const WORDS_MAX: usize = 2_700;
/// Of one line, written out.
const LINE_MAX: usize = 400;
/// Blocks of lines; Slack takes 50 blocks of all kinds.
const SECTIONS_MAX: usize = 40;
/// Fields of one block.
const FIELDS_MAX: usize = 10;

/// The body of the post.
pub fn slack(message: &Message) -> Value {
    let mut blocks = vec![json!({
        "type": "header", "text": { "type": "plain_text", "text": shorten(&message.title, 145), "emoji": false },
    })];
    let fields: Vec<Value> = message
        .facts
        .iter()
        .map(|(label, value)| mrkdwn(&format!("*{label}*\n{}", escape(&shorten(value, 300)))))
        .collect();
    blocks.extend(fields.chunks(FIELDS_MAX).map(|fields| json!({ "type": "section", "fields": fields })));
    let mut sections: Vec<String> = Vec::new();
    sections.extend(message.why.as_ref().map(|why| format!("*Why*\n{}", fit(why, WORDS_MAX))));
    sections.extend(packed(&message.lines));
    sections.push(format!("*What to do*\n{}", fit(&message.to_do, WORDS_MAX)));
    let last = last_line(message);
    blocks.extend(sections.iter().map(|text| json!({ "type": "section", "text": mrkdwn(text) })));
    blocks.push(json!({ "type": "context", "elements": [mrkdwn(&last)] }));
    let facts =
        message.facts.iter().map(|(label, value)| format!("{label}: {}", escape(&shorten(value, 300))));
    let facts = facts.collect::<Vec<_>>().join(" · ");
    let title = format!("*{}*", escape(&message.title));
    let text = [title, facts].into_iter().filter(|line| !line.is_empty()).chain(sections).chain([last]);
    json!({ "text": text.collect::<Vec<_>>().join("\n"), "blocks": blocks })
}

/// Whose it is, the links, and the small print.
fn last_line(message: &Message) -> String {
    let owner = message.owner.iter().map(|owner| format!("Owner: {}", escape(owner)));
    let links = message.links.iter().map(|(words, url)| format!("<{}|{words}>", escape_url(url)));
    let parts: Vec<String> = owner.chain(links).chain([escape(&message.footer)]).collect();
    parts.join(" · ")
}

fn line(line: &Line) -> String {
    let link = line.link.as_ref().map(|url| format!(" <{}|open>", escape_url(url))).unwrap_or_default();
    format!("• {}{link}", fit(&line.text, LINE_MAX))
}

/// Lines together, as many as a block takes; of those that no block is left for, how many they are.
fn packed(lines: &[Line]) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    for (index, one) in lines.iter().enumerate() {
        let line = line(one);
        let full = blocks.len() >= SECTIONS_MAX;
        match blocks.last_mut() {
            Some(block) if block.chars().count().saturating_add(line.chars().count()) < BLOCK_MAX => {
                block.push('\n');
                block.push_str(&line);
            }
            _ if full => {
                let rest = lines.iter().skip(index).map(stands_for).fold(0, u64::saturating_add);
                blocks.push(format!("• and {rest} more"));
                break;
            }
            _ => blocks.push(line),
        }
    }
    blocks
}

/// The last line may itself say how many were left out.
fn stands_for(line: &Line) -> u64 {
    let more = line.text.strip_prefix("and ").and_then(|rest| rest.strip_suffix(" more"));
    more.and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// `verbatim`: Slack finds no names, channels and addresses by itself.
fn mrkdwn(text: &str) -> Value {
    json!({ "type": "mrkdwn", "text": text, "verbatim": true })
}

/// With the three characters that mean something to Slack written out: there is no `<!channel>` and no link.
fn escape(text: &str) -> String {
    defused(&text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

fn escape_url(url: &str) -> String {
    url.replace('&', "&amp;")
}

/// Escaped, and cut so that it is at most so long then.
fn fit(text: &str, most: usize) -> String {
    let mut room = most;
    let end = text.char_indices().find(|(_, c)| {
        let long = match c {
            '&' => 5,
            '<' | '>' => 4,
            '@' | '#' => 2,
            _ => 1,
        };
        let left = room.checked_sub(long);
        room = left.unwrap_or_default();
        left.is_none()
    });
    match end {
        Some((at, _)) => format!("{}...", escape(text.get(..at).unwrap_or_default())),
        None => escape(text),
    }
}
