//! Takes a person's name out of texts and rows, and leaves a word that means nobody. Pure.

use serde_json::{Map, Value};

/// Fields of bodies that name something else than people, and that this program reads: a person who is called like a state or a
/// repository must not change what happened.
const KEPT: &[&str] = &[
    "to",
    "from",
    "kind",
    "state",
    "event",
    "class",
    "template",
    "repository",
    "model",
    "identity",
    "freeze",
    "entries",
    "documents",
    "hash",
    "key",
    "public_key",
    "signature",
];
/// Columns that hold the same, or that others refer to.
const KEPT_COLUMNS: &[&str] = &[
    "job_id",
    "request_id",
    "attempt_id",
    "worker_id",
    "notice_id",
    "digest_id",
    "sink",
    "handle",
    "state",
    "phase",
    "kind",
    "release",
    "repository",
    "template",
    "template_digest",
    "identity",
    "model",
    "model_used",
    "team",
    "hash",
    "prev",
    "salt",
    "digest",
    "nonce",
    "body_digest",
    "plan_digest",
    "prompt_digest",
    "task_id",
    "canary_job",
    "canary_attempt",
    "replay_of",
    "roles",
    "delivery_id",
    "sender_id",
    "fingerprint",
    "hook",
];
/// The fewest and most characters of a name.
const NAME: std::ops::RangeInclusive<usize> = 2..=100;

/// One person's name, and what stands in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eraser {
    /// In lower case.
    name: Vec<char>,
    reference: String,
}

impl Eraser {
    /// None: it is too short or too long, or has characters that are written in more than one way.
    pub fn new(name: &str, reference: &str) -> Option<Self> {
        let name: Vec<char> = name.trim().chars().map(lower).collect();
        let fit = |c: &char| !c.is_control() && !matches!(c, '"' | '\\');
        let good =
            NAME.contains(&name.len()) && name.iter().all(fit) && name.iter().any(|c| c.is_alphanumeric());
        good.then(|| Self { name, reference: reference.to_owned() })
    }

    /// What stands for the name from now on.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// In lower case, for looking where it may be.
    pub fn needle(&self) -> String {
        self.name.iter().collect()
    }

    /// True if the text is nothing but the name.
    pub fn is(&self, text: &str) -> bool {
        text.chars().map(lower).eq(self.name.iter().copied())
    }

    /// The text without the name; None: it is not in it as a word of its own.
    pub fn text(&self, text: &str) -> Option<String> {
        let characters: Vec<char> = text.chars().collect();
        let mut left = String::with_capacity(text.len());
        let (mut at, mut found) = (0, false);
        while let Some(character) = characters.get(at) {
            if self.stands_at(&characters, at) {
                found = true;
                left.push_str(&self.reference);
                at = at.saturating_add(self.name.len());
            } else {
                left.push(*character);
                at = at.saturating_add(1);
            }
        }
        found.then_some(left)
    }

    fn stands_at(&self, text: &[char], at: usize) -> bool {
        let end = at.saturating_add(self.name.len());
        let here = text
            .get(at..end)
            .is_some_and(|here| here.iter().map(|c| lower(*c)).eq(self.name.iter().copied()));
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        here && !before.is_some_and(|c| is_of_word(*c)) && !text.get(end).is_some_and(|c| is_of_word(*c))
    }

    /// JSON text without the name; what cannot be read is taken as a text.
    pub fn json(&self, text: &str) -> Option<String> {
        self.json_but(text, KEPT)
    }

    fn json_but(&self, text: &str, kept: &[&str]) -> Option<String> {
        match serde_json::from_str::<Value>(text) {
            Ok(mut value) => self.value(&mut value, kept).then(|| value.to_string()),
            Err(_) => self.text(text),
        }
    }

    /// True if something was changed.
    fn value(&self, value: &mut Value, kept: &[&str]) -> bool {
        match value {
            Value::String(text) => match self.text(text) {
                Some(left) => {
                    *text = left;
                    true
                }
                None => false,
            },
            Value::Array(list) => list.iter_mut().fold(false, |changed, one| self.value(one, kept) | changed),
            Value::Object(map) => {
                let open = map.iter_mut().filter(|(name, _)| !kept.contains(&name.as_str()));
                open.fold(false, |changed, (_, one)| self.value(one, kept) | changed)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    /// The row of a table without the name; None: there is nothing to change.
    pub fn row(&self, row: &Map<String, Value>) -> Option<Map<String, Value>> {
        let mut left = row.clone();
        let mut changed = false;
        for (column, value) in &mut left {
            let Value::String(text) = value else { continue };
            let new = match column.as_str() {
                kept if KEPT_COLUMNS.contains(&kept) => None,
                // Of others, who give these fields other meanings.
                "payload_json" => self.json_but(text, &[]),
                json if json.ends_with("_json") => self.json(text),
                _ => self.text(text),
            };
            if let Some(new) = new {
                *value = Value::String(new);
                changed = true;
            }
        }
        changed.then_some(left)
    }
}

/// Of one character; the few that become two in lower case are left as they are.
fn lower(c: char) -> char {
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// What a login may hold goes on with the word.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eraser(name: &str) -> Eraser {
        Eraser::new(name, "person-1").unwrap()
    }

    #[test]
    fn a_name_leaves_a_text_only_as_a_word_of_its_own() {
        let ana = eraser("Ana");
        let told = |text: &str| ana.text(text);
        assert_eq!(told("ana asked ANA's team").as_deref(), Some("person-1 asked person-1's team"));
        assert_eq!(told("pool/core/ana").as_deref(), Some("pool/core/person-1"));
        assert_eq!(told("@ana, ana@example.org").as_deref(), Some("@person-1, person-1@example.org"));
        for other in ["banana", "ana-bot", "ana_2", "diana", "analysis", ""] {
            assert_eq!(told(other), None, "{other}");
        }
        assert_eq!(eraser("Zoë Müller").text("by ZOË MÜLLER.").as_deref(), Some("by person-1."));
    }

    #[test]
    fn bodies_lose_the_name_and_keep_what_this_program_reads() {
        let dead = eraser("dead");
        let body = r#"{"reason":"dead said so","to":"dead","holds":[["pool/p/dead",1]]}"#;
        let left: Value = serde_json::from_str(&dead.json(body).unwrap()).unwrap();
        let wanted = serde_json::json!({"reason": "person-1 said so", "to": "dead", "holds": [["pool/p/person-1", 1]]});
        assert_eq!(left, wanted);
        assert_eq!(dead.json(r#"{"to":"dead"}"#), None);
        assert_eq!(eraser("ana").json("no json of ana").as_deref(), Some("no json of person-1"));
    }

    #[test]
    fn what_others_sent_loses_the_name_everywhere_and_the_ids_of_a_delivery_stay() {
        let row = serde_json::json!({
            "delivery_id": "ana", "payload_json": r#"{"repository":{"owner":{"login":"ana"}},"state":"ana"}"#,
        });
        let Value::Object(row) = row else { panic!() };
        let left = eraser("ana").row(&row).unwrap();
        assert_eq!(left["delivery_id"], "ana");
        assert_eq!(
            left["payload_json"],
            r#"{"repository":{"owner":{"login":"person-1"}},"state":"person-1"}"#
        );
    }

    #[test]
    fn a_name_that_could_be_written_in_two_ways_is_none() {
        for name in ["", "a", " ", "--", "a\"b", "a\\b", "a\nb", &"a".repeat(101)] {
            assert!(Eraser::new(name, "r").is_none(), "{name:?}");
        }
        assert!(Eraser::new(" ana ", "r").unwrap().is("ANA"));
    }
}
