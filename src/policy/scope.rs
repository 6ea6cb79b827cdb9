//! Which files a task may change. The agent is told in the prompt; afterwards every changed path is checked.

use std::collections::BTreeSet;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};

/// What a template allows to change. Globs: `*` stays inside one folder, `**` crosses folders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChangeScope {
    /// A changed path must fit one of these; an empty list allows nothing.
    pub may_change: Vec<String>,
    /// A changed path must fit none of these, whatever `may_change` says.
    pub must_not_change: Vec<String>,
    /// The most paths that may change; both names of a renamed file count.
    pub max_files: Option<u64>,
    /// The most lines that may change, added and removed together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_lines: Option<u64>,
    /// Sentences for the prompt; read by the agent, not checked.
    pub lines: Vec<String>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    InScope,
    /// Each path with why it is outside; `41 files` stands for all of them.
    OutOfScope(Vec<(String, String)>),
}

/// Checks changed paths. A scope that cannot be read allows nothing.
///
/// ```
/// use sluicegate::policy::scope::{ChangeScope, Verdict, check};
/// let scope = ChangeScope { may_change: vec!["**/*.lock".into()], ..ChangeScope::default() };
/// assert_eq!(check(&scope, &["api/Cargo.lock".into()]), Verdict::InScope);
/// assert!(matches!(check(&scope, &["src/main.rs".into()]), Verdict::OutOfScope(_)));
/// ```
pub fn check(scope: &ChangeScope, paths: &[String]) -> Verdict {
    let (may, must_not) = match (compile(&scope.may_change), compile(&scope.must_not_change)) {
        (Ok(may), Ok(must_not)) => (may, must_not),
        (Err(why), _) | (_, Err(why)) => return Verdict::OutOfScope(vec![("scope".to_owned(), why)]),
    };
    let paths: BTreeSet<&String> = paths.iter().collect();
    let mut outside: Vec<(String, String)> = Vec::new();
    let count = u64::try_from(paths.len()).unwrap_or(u64::MAX);
    if let Some(most) = scope.max_files.filter(|most| count > *most) {
        outside.push((format!("{count} files"), format!("at most {most} may change")));
    }
    for path in paths {
        let forbidden = must_not.matches(path).first().and_then(|index| scope.must_not_change.get(*index));
        let why = if !is_plain(path) {
            "not a plain path inside the repository".to_owned()
        } else if let Some(glob) = forbidden {
            format!("must not change (`{glob}`)")
        } else if !may.is_match(path) {
            "not among the files that may change".to_owned()
        } else {
            continue;
        };
        outside.push((path.clone(), why));
    }
    if outside.is_empty() { Verdict::InScope } else { Verdict::OutOfScope(outside) }
}

/// Checks the size of a change. One whose size nobody tells is too large.
pub fn check_size(scope: &ChangeScope, changed_lines: Option<u64>) -> Option<(String, String)> {
    let most = scope.max_lines?;
    match changed_lines {
        Some(lines) if lines <= most => None,
        Some(lines) => Some((format!("{lines} lines"), format!("at most {most} may change"))),
        None => Some(("size".to_owned(), format!("it is not known, and at most {most} lines may change"))),
    }
}

/// Why a list of globs cannot be used, or the set.
pub fn compile(globs: &[String]) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        let glob = GlobBuilder::new(glob).literal_separator(true).build();
        set.add(glob.map_err(|error| error.to_string())?);
    }
    set.build().map_err(|error| error.to_string())
}

fn is_plain(path: &str) -> bool {
    !path.is_empty() && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> ChangeScope {
        ChangeScope {
            may_change: vec!["Cargo.toml".into(), "**/Cargo.lock".into(), "src/**/*.rs".into()],
            must_not_change: vec![".github/**".into(), "**/secret*".into()],
            max_files: Some(3),
            ..ChangeScope::default()
        }
    }
    fn outside(paths: &[&str]) -> Vec<String> {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        match check(&scope(), &paths) {
            Verdict::InScope => Vec::new(),
            Verdict::OutOfScope(outside) => outside.into_iter().map(|(path, _)| path).collect(),
        }
    }

    #[test]
    fn globs_decide_which_paths_are_in_scope() {
        assert!(outside(&["Cargo.toml", "Cargo.lock", "api/Cargo.lock"]).is_empty());
        assert!(outside(&["src/main.rs", "src/a/b.rs"]).is_empty());
        assert_eq!(outside(&["api/Cargo.toml", "README.md"]), ["README.md", "api/Cargo.toml"]);
        assert_eq!(outside(&["src/secret.rs", ".github/workflows/ci.yml"]).len(), 2);
    }

    #[test]
    fn a_star_does_not_cross_folders() {
        let scope = ChangeScope { may_change: vec!["src/*.rs".into()], ..ChangeScope::default() };
        assert_eq!(check(&scope, &["src/main.rs".into()]), Verdict::InScope);
        assert_ne!(check(&scope, &["src/a/main.rs".into()]), Verdict::InScope);
    }

    #[test]
    fn paths_that_leave_the_repository_are_out_of_scope_even_when_everything_may_change() {
        let scope = ChangeScope { may_change: vec!["**".into()], ..ChangeScope::default() };
        for path in ["../x", "/etc/passwd", "a//b", "a/./b", ""] {
            assert_ne!(check(&scope, &[path.to_owned()]), Verdict::InScope, "{path}");
        }
    }

    #[test]
    fn too_many_files_are_out_of_scope_and_one_path_told_twice_counts_once() {
        assert_eq!(outside(&["src/a.rs", "src/b.rs", "src/c.rs", "src/d.rs"]), ["4 files"]);
        assert!(outside(&["src/a.rs", "src/a.rs", "src/b.rs", "src/c.rs"]).is_empty());
    }

    #[test]
    fn a_change_that_is_too_long_or_of_unknown_length_is_out_of_scope() {
        let of = |max_lines, lines| check_size(&ChangeScope { max_lines, ..scope() }, lines).is_some();
        assert!(!of(None, None) && !of(Some(10), Some(10)));
        assert!(of(Some(10), Some(11)) && of(Some(10), None));
    }

    #[test]
    fn an_empty_scope_allows_nothing_and_a_broken_one_neither() {
        assert_ne!(check(&ChangeScope::default(), &["a".into()]), Verdict::InScope);
        let broken = ChangeScope { may_change: vec!["a[".into()], ..ChangeScope::default() };
        assert_ne!(check(&broken, &["a".into()]), Verdict::InScope);
    }
}
