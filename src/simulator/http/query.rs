//! Query strings: parameters as GitHub reads them, pages, and the `Link` header.

use super::reply::{Flaw, Reply};
use super::route::decode;
use crate::simulator::clock;

/// The parameters of a request, in order, decoded.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

/// Which page of a list is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    pub number: usize,
    pub size: usize,
}

impl Page {
    /// Items before this page.
    pub(crate) fn skip(self) -> usize {
        self.number.saturating_sub(1).saturating_mul(self.size)
    }

    /// One page of a list that is at hand, and whether more follows.
    pub(crate) fn cut<T>(self, items: impl Iterator<Item = T>) -> (Vec<T>, bool) {
        let mut found: Vec<T> = items.skip(self.skip()).take(self.size.saturating_add(1)).collect();
        let more = found.len() > self.size;
        found.truncate(self.size);
        (found, more)
    }
}

impl Query {
    /// Reads the part of the address after the question mark.
    pub(crate) fn parse(text: &str) -> Query {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (plain(name), plain(value))
        });
        Query { pairs: pairs.collect() }
    }

    /// The last value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a repeated parameter; `name[]` counts too.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs
            .iter()
            .filter(move |(key, _)| key == name || key.strip_suffix("[]") == Some(name))
            .map(|(_, value)| value.as_str())
    }

    /// `page` and `per_page`, strictly from 1 and 1 to 100.
    pub(crate) fn page(&self) -> Result<Page, Reply> {
        let number = self.number("page", 1, usize::MAX)?.unwrap_or(1);
        let size = self.number("per_page", 1, 100)?.unwrap_or(30);
        Ok(Page { number, size })
    }

    /// A parameter that is one of a few words.
    pub(crate) fn word(
        &self,
        name: &'static str,
        words: &[&'static str],
    ) -> Result<Option<&'static str>, Reply> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match words.iter().find(|word| **word == value) {
            Some(word) => Ok(Some(word)),
            None => Err(bad(name, &format!("must be one of: {}", words.join(", ")))),
        }
    }

    /// A parameter that is true or false.
    pub(crate) fn flag(&self, name: &'static str) -> Result<Option<bool>, Reply> {
        Ok(self.word(name, &["true", "false"])?.map(|word| word == "true"))
    }

    /// A parameter that is a point in time.
    pub(crate) fn time(&self, name: &'static str) -> Result<Option<i64>, Reply> {
        let Some(value) = self.get(name) else { return Ok(None) };
        clock::parse(value).map(Some).ok_or_else(|| bad(name, "must be a time in ISO 8601 format"))
    }

    fn number(&self, name: &'static str, low: usize, high: usize) -> Result<Option<usize>, Reply> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.parse().ok().filter(|number| (low..=high).contains(number));
        number.map(Some).ok_or_else(|| bad(name, "is out of range"))
    }

    /// `Link` as the agent tasks paths give it: `last` appears only on the final page.
    pub(crate) fn link(&self, base: &str, path: &str, page: Page, more: bool) -> String {
        let mut parts = vec![self.relation(base, path, 1, "first")];
        if page.number > 1 {
            parts.push(self.relation(base, path, page.number - 1, "prev"));
        }
        let (number, relation) = if more { (page.number + 1, "next") } else { (page.number, "last") };
        parts.push(self.relation(base, path, number, relation));
        parts.join(", ")
    }

    /// `Link` as the older paths give it: nothing at all when there is only one page.
    pub(crate) fn plain_link(&self, base: &str, path: &str, page: Page, more: bool) -> Option<String> {
        let mut parts = Vec::new();
        if page.number > 1 {
            parts.push(self.relation(base, path, page.number - 1, "prev"));
        }
        if more {
            parts.push(self.relation(base, path, page.number + 1, "next"));
        }
        if page.number > 1 {
            parts.push(self.relation(base, path, 1, "first"));
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    fn relation(&self, base: &str, path: &str, number: usize, relation: &str) -> String {
        let others = self.pairs.iter().filter(|(key, _)| key != "page");
        let mut pairs: Vec<String> =
            others.map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect();
        pairs.push(format!("page={number}"));
        let query = pairs.join("&");
        format!("<{base}{path}?{query}>; rel=\"{relation}\"")
    }
}

/// A 422 about one parameter.
pub(crate) fn bad(name: &str, why: &str) -> Reply {
    Reply::invalid(&[Flaw {
        resource: None,
        field: None,
        code: "invalid",
        message: Some(format!("{name} {why}")),
    }])
}

fn plain(text: &str) -> String {
    let spaced = text.replace('+', " ");
    decode(&spaced).map_or_else(|| spaced.clone(), std::borrow::Cow::into_owned)
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b',' | b':' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
