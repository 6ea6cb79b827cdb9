//! What a producer submits, as it arrives. Only what can be told without templates is checked here.

use std::fmt;

use ring::digest::{SHA256, digest};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::policy::{
    document::{self, Document},
    problem::{Code, Problem},
    text, waves,
};

/// The most repositories of one request.
pub const REPOSITORIES_MAX: usize = 10_000;
/// The most bytes of all inputs together, as JSON.
pub const INPUT_BYTES_MAX: usize = 64 * 1024;
/// The lowest priority band; 0 is the highest.
pub const PRIORITY_MAX: u8 = 9;
/// The longest deadline: 90 days.
pub const DEADLINE_MINUTES_MAX: u32 = 90 * 24 * 60;

/// A template with inputs, for one or many repositories.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// `name`, which means the newest version, or `name@2`.
    pub template: String,
    /// `owner/name` each.
    pub repositories: Vec<String>,
    #[serde(default, deserialize_with = "unique")]
    pub inputs: Map<String, Value>,
    /// Login of the person who asks; never chosen as the reviewer.
    pub requester: String,
    /// None: the template's team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// For the record and for the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Band, 0 first, 9 last. None: the template's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// 1 to 200 printable ASCII characters. The same key with the same body is the same request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Minutes from acceptance by which a job must have started. None: the template's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_minutes: Option<u32>,
    /// Needs an approval before anything is queued.
    #[serde(default)]
    pub hold: bool,
    /// At least as strict as the template's. None: the template's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waves: Option<waves::Rule>,
    /// Another model than the routes give; it needs an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Why that model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_reason: Option<String>,
}

impl Request {
    pub fn parse_json(bytes: &[u8]) -> Result<Self, Problem> {
        Self::parse_json_file("request", bytes)
    }

    /// `name` is the file's, for messages.
    pub fn parse_json_file(name: &str, bytes: &[u8]) -> Result<Self, Problem> {
        // Read as a struct, a list of the fields' values would do as well.
        if bytes.trim_ascii_start().first() == Some(&b'[') {
            let what = "a request is an object, not a list";
            return Err(Problem::new(Code::BadRequest, what).at(format!("{name}:1")));
        }
        let request: Self = document::from_json(name, bytes, Code::BadRequest)?;
        request.checked()
    }

    /// `name` is the file's, for messages.
    pub fn parse_toml(name: &str, bytes: &[u8]) -> Result<Self, Problem> {
        let file = Document { name, text: document::utf8(name, bytes)? };
        let request: Self = file.parse(Code::BadRequest)?;
        if let Some((input, _)) = request.inputs.iter().find(|(_, value)| has_toml_date(value)) {
            let problem = Problem::new(Code::WrongInput, format!("the input `{input}` holds a bare date"));
            let problem = problem.hint("write dates as texts, in quotes");
            return Err(file.point_at(problem, &["inputs", input]));
        }
        request.checked()
    }

    /// Names the body, the idempotency key left out: SHA-256 of its JSON with sorted keys, in hex.
    pub fn body_digest(&self) -> String {
        let body = Self { idempotency_key: None, ..self.clone() };
        // A map with text keys and no other than JSON values always becomes JSON.
        sha256(serde_json::to_string(&body).unwrap_or_default().as_bytes())
    }

    /// Template name and wanted version.
    pub fn template_version(&self) -> Result<(&str, Option<u32>), Problem> {
        match self.template.split_once('@') {
            None => Ok((&self.template, None)),
            Some((name, version)) => match version.parse() {
                Ok(version) => Ok((name, Some(version))),
                Err(_) => Err(Problem::new(
                    Code::UnknownTemplate,
                    format!("`{}` does not name a template", text::shorten(&self.template, 80)),
                )
                .at("template")
                .hint("write `name` or `name@2`")),
            },
        }
    }

    /// Fields that need nothing but themselves; also for requests that were not read by `parse_*`.
    pub fn checked(self) -> Result<Self, Problem> {
        let wrong = |at: &str, what: &str, hint: &str| {
            Err(Problem::new(Code::BadRequest, what.to_owned()).at(at).hint(hint))
        };
        if !text::is_login(&self.requester) {
            return wrong("requester", "not a login", "write the GitHub login of the person who asks");
        }
        if self.team.as_deref().is_some_and(|team| !text::is_name(team)) {
            return wrong("team", "not a team's name", "use lower-case letters, digits and `-`, at most 64");
        }
        if self.priority.is_some_and(|band| band > PRIORITY_MAX) {
            return wrong("priority", "not a priority band", "write 0 (first) to 9 (last)");
        }
        if self.deadline_minutes.is_some_and(|minutes| !(1..=DEADLINE_MINUTES_MAX).contains(&minutes)) {
            return wrong("deadline_minutes", "out of range", "write 1 to 129600 (90 days)");
        }
        let printable = |key: &str| key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if self
            .idempotency_key
            .as_deref()
            .is_some_and(|key| !(1..=200).contains(&key.len()) || !printable(key))
        {
            let hint = "use 1 to 200 printable ASCII characters";
            return wrong("idempotency_key", "not an idempotency key", hint);
        }
        for (at, reason) in [("reason", &self.reason), ("model_reason", &self.model_reason)] {
            let Some(reason) = reason else { continue };
            if reason.len() > 2_000 {
                return wrong(at, "longer than 2000 bytes", "shorten it");
            }
            text::check(reason, at)?;
        }
        if let Some(model) = &self.model {
            text::check(model, "model")?;
            let graphic = model.chars().all(|c| c.is_ascii_graphic());
            if !(1..=100).contains(&model.len()) || !graphic {
                return wrong(
                    "model",
                    "not the name of a model",
                    "use 1 to 100 printable characters, no blanks",
                );
            }
        }
        Ok(self)
    }
}

/// SHA-256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// An object of which no name comes twice: which of the two was meant, nobody can tell.
fn unique<'de, D: Deserializer<'de>>(from: D) -> Result<Map<String, Value>, D::Error> {
    struct Unique;
    impl<'de> Visitor<'de> for Unique {
        type Value = Map<String, Value>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
            let mut map = Map::new();
            while let Some((name, value)) = fields.next_entry::<String, Value>()? {
                if map.contains_key(&name) {
                    return Err(A::Error::custom(format!("duplicate field `{}`", text::shorten(&name, 80))));
                }
                map.insert(name, value);
            }
            Ok(map)
        }
    }
    from.deserialize_map(Unique)
}

/// The toml crate hands a bare date over as a map with one private key.
pub(super) fn has_toml_date(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.contains_key("$__toml_private_datetime") || map.values().any(has_toml_date),
        Value::Array(list) => list.iter().any(has_toml_date),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
