//! A glob on `owner/name` or on a path. `*` stays inside one segment, `**` crosses them; letter
//! case does not matter, as it does not in GitHub's names.

use globset::{GlobBuilder, GlobMatcher};
use serde::de::{Deserialize, Deserializer, Error};

/// A compiled glob and the text it came from.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    text: String,
    matcher: GlobMatcher,
}

impl Pattern {
    /// Compiles the text.
    pub(crate) fn new(text: &str) -> Result<Pattern, globset::Error> {
        let glob = GlobBuilder::new(text).literal_separator(true).case_insensitive(true).build()?;
        Ok(Pattern { text: text.to_owned(), matcher: glob.compile_matcher() })
    }

    /// Does the glob cover the name?
    pub(crate) fn covers(&self, name: &str) -> bool {
        self.matcher.is_match(name)
    }

    /// The text as written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
        let text = String::deserialize(deserializer)?;
        Pattern::new(&text).map_err(|error| D::Error::custom(format!("not a glob pattern: {error}")))
    }
}
