//! Reads JSON bodies as strictly as the schema allows: unknown fields and wrong types are refused.

use serde_json::{Map, Value};

use crate::simulator::http::reply::{Flaw, Reply};

/// A JSON object being read field by field; what is left at the end is unknown.
#[derive(Debug)]
pub(crate) struct Fields {
    fields: Map<String, Value>,
    flaws: Vec<Flaw>,
}

impl Fields {
    /// Reads a body; an empty one is an object without fields.
    pub(crate) fn read(body: &[u8]) -> Result<Fields, Reply> {
        if body.is_empty() {
            return Ok(Fields { fields: Map::new(), flaws: Vec::new() });
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Fields { fields, flaws: Vec::new() }),
            Ok(_) => Err(Reply::error(400, "Body should be a JSON object")),
            Err(_) => Err(Reply::error(400, "Problems parsing JSON")),
        }
    }

    /// A text that may be absent; null counts as absent.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        match self.fields.remove(name)? {
            Value::String(text) => Some(text),
            Value::Null => None,
            _ => self.flaw(name, "is not a string"),
        }
    }

    /// A text that must be there and not empty.
    pub(crate) fn needed_text(&mut self, name: &str) -> Option<String> {
        let there = self.fields.contains_key(name);
        let text = self.text(name);
        if !there {
            let message = Some(format!("{name} is required"));
            self.flaws.push(Flaw {
                resource: None,
                field: Some(name.to_owned()),
                code: "missing_field",
                message,
            });
        }
        match text {
            Some(text) if text.trim().is_empty() => self.flaw(name, "is empty"),
            text => text,
        }
    }

    /// True or false.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.fields.remove(name)? {
            Value::Bool(flag) => Some(flag),
            Value::Null => None,
            _ => self.flaw(name, "is not a boolean"),
        }
    }

    /// A list of texts, or of objects with a `name`.
    pub(crate) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let Value::Array(items) = self.fields.remove(name)? else {
            return self.flaw(name, "is not an array");
        };
        let texts: Option<Vec<String>> = items
            .iter()
            .map(|item| item.as_str().or_else(|| item.get("name")?.as_str()).map(str::to_owned))
            .collect();
        match texts {
            Some(texts) => Some(texts),
            None => self.flaw(name, "is not an array of strings"),
        }
    }

    /// Takes a field without looking at it.
    pub(crate) fn ignore(&mut self, name: &str) {
        self.fields.remove(name);
    }

    /// Refuses the body if anything was wrong or is left over.
    pub(crate) fn end(mut self) -> Result<(), Reply> {
        for name in std::mem::take(&mut self.fields).keys() {
            self.flaw::<()>(name, "is not a known field");
        }
        if self.flaws.is_empty() { Ok(()) } else { Err(Reply::invalid(&self.flaws)) }
    }

    fn flaw<T>(&mut self, name: &str, why: &str) -> Option<T> {
        let message = Some(format!("{name} {why}"));
        self.flaws.push(Flaw { resource: None, field: Some(name.to_owned()), code: "invalid", message });
        None
    }
}
