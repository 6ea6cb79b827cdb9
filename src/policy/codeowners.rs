//! CODEOWNERS as GitHub reads it: one pattern with its owners per line, the last line that matches decides.

use globset::{GlobBuilder, GlobMatcher};

use crate::policy::glob::paths_overlap;

/// The rules of a file, in its order.
#[derive(Clone, Debug, Default)]
pub struct Codeowners {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    matchers: Vec<GlobMatcher>,
    /// The same as texts, for what may overlap.
    globs: Vec<String>,
    owners: Vec<String>,
}

impl Codeowners {
    /// Lines that GitHub would not understand are left out, as GitHub does.
    pub fn parse(text: &str) -> Self {
        Self { rules: text.lines().filter_map(rule).collect() }
    }

    /// Logins, teams (`@org/team`) and addresses, as written. Empty: nobody owns it.
    pub fn owners_of(&self, path: &str) -> &[String] {
        let found =
            self.rules.iter().rfind(|rule| rule.matchers.iter().any(|matcher| matcher.is_match(path)));
        found.map_or(&[], |rule| &rule.owners)
    }

    /// Everybody who may own a file that these globs cover, in the order of the file.
    pub fn owners_among(&self, globs: &[String]) -> Vec<String> {
        let mut found: Vec<&Rule> = Vec::new();
        for rule in self.rules.iter().rev() {
            let overlaps =
                |glob: &String| rule.globs.iter().any(|own| paths_overlap(own, glob.trim_start_matches('/')));
            if globs.iter().any(overlaps) {
                found.push(rule);
            }
            // No line above it can decide any more.
            if rule.globs.iter().any(|glob| glob == "**/*" || glob == "**") {
                break;
            }
        }
        let mut owners: Vec<String> = Vec::new();
        for owner in found.into_iter().rev().flat_map(|rule| &rule.owners) {
            if !owners.contains(owner) {
                owners.push(owner.clone());
            }
        }
        owners
    }
}

fn rule(line: &str) -> Option<Rule> {
    // A space that belongs to a path is written `\ `.
    let line = line.replace("\\ ", "\u{0}");
    let uncommented = line.split_once(" #").map_or(line.as_str(), |(before, _)| before);
    let mut words = uncommented.split_whitespace();
    let pattern = words.next().filter(|word| !word.starts_with('#'))?.replace('\u{0}', " ");
    let owners: Vec<String> = words.map(str::to_owned).collect();
    // GitHub knows neither negation nor sets here.
    if pattern.starts_with('!') || pattern.contains(['[', ']']) || owners.iter().any(|owner| !is_owner(owner))
    {
        return None;
    }
    let globs = globs(&pattern);
    let compile = |glob: &String| {
        let escaped = glob.replace('{', "\\{").replace('}', "\\}");
        GlobBuilder::new(&escaped).literal_separator(true).backslash_escape(true).build().ok()
    };
    let matchers: Option<Vec<GlobMatcher>> =
        globs.iter().map(|glob| compile(glob).map(|glob| glob.compile_matcher())).collect();
    Some(Rule { matchers: matchers?, globs, owners })
}

fn is_owner(word: &str) -> bool {
    word.starts_with('@') && word.len() > 1 || word.contains('@')
}

/// The pattern as globs from the root: the path itself, and what is below it.
fn globs(pattern: &str) -> Vec<String> {
    let (body, is_folder) = pattern.strip_suffix('/').map_or((pattern, false), |body| (body, true));
    let anchored = body.starts_with('/') || body.trim_end_matches("/**").contains('/');
    let body = body.trim_start_matches('/');
    let from_root = if anchored || body.starts_with("**") { body.to_owned() } else { format!("**/{body}") };
    if is_folder {
        return vec![format!("{from_root}/**")];
    }
    // `docs/*` means the files of that folder, and none below.
    if from_root.ends_with("**") || anchored && body.ends_with("/*") {
        return vec![from_root];
    }
    if from_root == "**/*" {
        return vec![from_root];
    }
    let below = format!("{from_root}/**");
    vec![from_root, below]
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
# everything else
*       @acme/everyone dana@example.org
*.js    @js-owner # with a remark
/build/logs/ @doctocat
docs/*  @docs
apps/   @octocat
/scripts/ @ana @ben
**/logs @logger
/apps/github
my\\ file.txt @spaced
!negated @nobody
sec[tion] @nobody
/broken owner
";

    #[test]
    fn the_last_line_that_matches_decides() {
        let owners = Codeowners::parse(FILE);
        for (path, expected) in [
            ("README.md", vec!["@acme/everyone", "dana@example.org"]),
            ("src/deep/a.js", vec!["@js-owner"]),
            ("build/logs/today.txt", vec!["@logger"]),
            ("docs/start.md", vec!["@docs"]),
            ("docs/more/start.md", vec!["@acme/everyone", "dana@example.org"]),
            ("src/apps/x/y.rs", vec!["@octocat"]),
            ("scripts/a/b.sh", vec!["@ana", "@ben"]),
            ("src/scripts/a.sh", vec!["@acme/everyone", "dana@example.org"]),
            ("deep/logs/x", vec!["@logger"]),
            ("apps/github/main.rs", vec![]),
            ("a/my file.txt", vec!["@spaced"]),
            ("broken", vec!["@acme/everyone", "dana@example.org"]),
        ] {
            assert_eq!(owners.owners_of(path), expected, "{path}");
        }
        assert!(Codeowners::parse("").owners_of("a").is_empty());
    }

    #[test]
    fn everybody_who_may_own_what_globs_cover_is_named_once() {
        let owners = Codeowners::parse(FILE);
        let among = |globs: &[&str]| {
            owners.owners_among(&globs.iter().map(|glob| (*glob).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(
            among(&["scripts/**"]),
            [
                "@acme/everyone",
                "dana@example.org",
                "@js-owner",
                "@octocat",
                "@ana",
                "@ben",
                "@logger",
                "@spaced"
            ]
        );
        assert_eq!(among(&["scripts/run.sh"]), ["@acme/everyone", "dana@example.org", "@ana", "@ben"]);
        let shadowed = Codeowners::parse("/src/ @old\n* @new\n");
        assert_eq!(shadowed.owners_among(&["src/main.rs".to_owned()]), ["@new"]);
    }
}
