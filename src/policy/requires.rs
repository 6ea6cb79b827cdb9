//! What a template asks of a repository before it may work there: `[requires]` in its file.

use regex::Regex;
use serde::Deserialize;

use crate::policy::{facts::Wanted, version::Range};

/// The table as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Table {
    pub files: Vec<String>,
    pub manifest: Option<ManifestTable>,
    pub green_checks: bool,
    pub owners: bool,
}

/// One file that must say something.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManifestTable {
    pub file: String,
    pattern: Option<String>,
    key: Option<String>,
    version: Option<String>,
}

/// Checked and ready to be held against a repository.
#[derive(Clone, Debug, Default)]
pub struct Requires {
    /// Paths that must be there.
    pub files: Vec<String>,
    pub manifest: Option<Manifest>,
    /// Its work counts only with green checks.
    pub green_checks: bool,
    /// Somebody other than the requester must own what it may change.
    pub owners: bool,
}

/// A file, and what it must say.
#[derive(Clone, Debug)]
pub struct Manifest {
    pub file: String,
    pub says: Says,
}

/// What a manifest must say.
#[derive(Clone, Debug)]
pub enum Says {
    /// A text that the expression matches.
    Matching(Regex),
    /// Something under a key, such as `dependencies.react` in JSON or TOML; in a range, if there is one.
    Key { key: String, range: Option<Range> },
}

impl Requires {
    /// Err: the key below `requires` that is wrong, and why.
    pub(super) fn check(table: Table) -> Result<Self, (Vec<&'static str>, String)> {
        if let Some(path) = table.files.iter().find(|path| !is_path(path)) {
            return Err((vec!["requires", "files"], format!("`{path}` is not a path inside a repository")));
        }
        let manifest = table.manifest.map(manifest).transpose();
        let manifest = manifest.map_err(|(key, why)| (vec!["requires", "manifest", key], why))?;
        let Table { files, green_checks, owners, .. } = table;
        Ok(Self { files, manifest, green_checks, owners })
    }

    /// What must be known to judge it.
    pub fn wanted(&self) -> Wanted {
        let manifest = self.manifest.iter().map(|manifest| manifest.file.clone());
        let files = self.files.iter().cloned().chain(manifest).collect();
        let mut wanted =
            Wanted { files, agent: self.green_checks, codeowners: self.owners, ..Wanted::default() };
        wanted.about = !wanted.is_nothing();
        wanted.agent |= wanted.about;
        wanted
    }
}

fn manifest(table: ManifestTable) -> Result<Manifest, (&'static str, String)> {
    let ManifestTable { file, pattern, key, version } = table;
    if !is_path(&file) {
        return Err(("file", format!("`{file}` is not a path inside a repository")));
    }
    let range = version.map(|version| {
        let why = || ("version", format!("`{version}` is not a range: write \">=1.2, <2\""));
        Range::parse(&version).ok_or_else(why)
    });
    let says = match (pattern, key, range.transpose()?) {
        (Some(pattern), None, None) => Says::Matching(
            Regex::new(&pattern)
                .map_err(|error| ("pattern", format!("not a regular expression: {error}")))?,
        ),
        (None, Some(key), range) => {
            let readable = [".json", ".toml"].iter().any(|end| file.ends_with(end));
            if !readable {
                return Err((
                    "key",
                    "a key is looked for in .json and .toml files only: use `pattern`".to_owned(),
                ));
            }
            Says::Key { key, range }
        }
        (None, None, _) => {
            return Err(("file", "say what it must say: `pattern`, or `key` with `version`".to_owned()));
        }
        (Some(_), _, _) => {
            return Err(("pattern", "write either `pattern`, or `key` with `version`".to_owned()));
        }
    };
    Ok(Manifest { file, says })
}

/// A plain path from the root of a repository.
pub(super) fn is_path(path: &str) -> bool {
    (1..=200).contains(&path.len())
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && !path.chars().any(|c| c.is_control() || matches!(c, '*' | '?' | '\\'))
}

impl Manifest {
    /// Why the text does not say it; None: it does.
    pub fn contradiction(&self, text: &str) -> Option<String> {
        match &self.says {
            Says::Matching(pattern) if pattern.is_match(text) => None,
            Says::Matching(pattern) => Some(format!("`{}` has nothing that matches `{pattern}`", self.file)),
            Says::Key { key, range } => {
                let found = value_of(&self.file, text, key);
                match (found, range) {
                    (Some(_), None) => None,
                    (Some(found), Some(range)) if range.covers(&found) => None,
                    (Some(found), Some(range)) => Some(format!(
                        "`{}` has {key} at `{}`, and {} is required",
                        self.file,
                        crate::policy::text::shorten(&found, 60),
                        range.written()
                    )),
                    (None, _) => Some(format!("`{}` has no `{key}`", self.file)),
                }
            }
        }
    }
}

/// The text of a value under dotted keys; of a table, its `version`.
fn value_of(file: &str, text: &str, key: &str) -> Option<String> {
    let root: serde_json::Value = if file.rsplit('.').next() == Some("toml") {
        toml::from_str(text).ok()?
    } else {
        serde_json::from_str(text).ok()?
    };
    let mut here = &root;
    let mut rest = key;
    // A key may hold points itself: the longest name that is there goes first.
    while !rest.is_empty() {
        let table = here.as_object()?;
        let name = std::iter::once(rest.len())
            .chain(rest.rmatch_indices('.').map(|(at, _)| at))
            .filter_map(|end| rest.get(..end))
            .find(|name| table.contains_key(*name))?;
        here = table.get(name)?;
        rest = rest.get(name.len()..)?.trim_start_matches('.');
    }
    match here {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Object(table) => {
            let version = table.get("version").and_then(serde_json::Value::as_str);
            Some(version.unwrap_or_default().to_owned())
        }
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requires(text: &str) -> Result<Requires, (Vec<&'static str>, String)> {
        Requires::check(toml::from_str(text).unwrap())
    }

    #[test]
    fn a_manifest_is_held_against_what_it_must_say() {
        let manifest = |text: &str| requires(text).unwrap().manifest.unwrap();
        let react = manifest(
            "manifest = { file = \"package.json\", key = \"dependencies.react\", version = \">=17\" }",
        );
        assert_eq!(react.contradiction(r#"{"dependencies": {"react": "^18.2.0"}}"#), None);
        let old = react.contradiction(r#"{"dependencies": {"react": "16.8.0"}}"#).unwrap();
        assert!(old.contains("16.8.0") && old.contains(">=17"), "{old}");
        assert!(react.contradiction("{}").unwrap().contains("no `dependencies.react`"));
        assert!(react.contradiction("not json").is_some());
        let serde =
            manifest("manifest = { file = \"Cargo.toml\", key = \"dependencies.serde\", version = \"=1\" }");
        assert_eq!(serde.contradiction("[dependencies.serde]\nversion = \"1.0.2\"\n"), None);
        let points = manifest("manifest = { file = \"a.json\", key = \"dependencies.a.b\" }");
        assert_eq!(points.contradiction(r#"{"dependencies": {"a.b": "1"}}"#), None);
        let pattern = manifest("manifest = { file = \"go.mod\", pattern = '(?m)^go 1\\.2\\d' }");
        assert_eq!(pattern.contradiction("module x\ngo 1.22\n"), None);
        assert!(pattern.contradiction("module x\ngo 1.19\n").is_some());
    }

    #[test]
    fn what_cannot_be_held_against_anything_is_refused_with_its_key() {
        for (text, key) in [
            ("files = [\"../x\"]", "files"),
            ("files = [\"*.rs\"]", "files"),
            ("manifest = { file = \"/x\", pattern = \"a\" }", "file"),
            ("manifest = { file = \"x.toml\" }", "file"),
            ("manifest = { file = \"x\", pattern = \"(\" }", "pattern"),
            ("manifest = { file = \"go.mod\", key = \"go\" }", "key"),
            ("manifest = { file = \"a.json\", key = \"a\", version = \"new\" }", "version"),
            ("manifest = { file = \"a.json\", key = \"a\", pattern = \"a\" }", "pattern"),
        ] {
            assert_eq!(requires(text).unwrap_err().0.last(), Some(&key), "{text}");
        }
    }

    #[test]
    fn what_is_required_is_what_is_asked_for() {
        assert!(requires("").unwrap().wanted().is_nothing());
        let wanted = requires("green_checks = true\nfiles = [\"a\"]").unwrap().wanted();
        assert!(wanted.about && wanted.agent && !wanted.codeowners && wanted.files.contains("a"));
    }
}
