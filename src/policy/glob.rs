//! Whether two globs have anything in common. Errs on the side of yes.

/// One step of a glob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Letter(char),
    /// One character inside a folder.
    One,
    /// Any run inside a folder.
    Run,
    /// Any run, folders included.
    Deep,
}

/// Two globs of repositories, where `*` stands for any run of characters.
pub fn names_overlap(one: &str, other: &str) -> bool {
    let steps = |glob: &str| -> Vec<Step> {
        let step = |c| if c == '*' { Step::Deep } else { Step::Letter(c) };
        glob.chars().map(step).collect()
    };
    overlap(&steps(one), &steps(other))
}

/// Two globs of paths, where `*` stays inside one folder and `**` crosses folders.
pub fn paths_overlap(one: &str, other: &str) -> bool {
    overlap(&path_steps(one), &path_steps(other))
}

fn path_steps(glob: &str) -> Vec<Step> {
    let mut steps = Vec::with_capacity(glob.len());
    let mut rest = glob;
    while let Some(c) = rest.chars().next() {
        let (step, length) = match c {
            // `**/` also stands for no folder at all.
            '*' if rest.starts_with("**/") => (Step::Deep, 3),
            '*' if rest.starts_with("**") => (Step::Deep, 2),
            '*' => (Step::Run, 1),
            '?' => (Step::One, 1),
            // Sets and alternatives are taken for anything.
            '[' | '{' => (Step::Deep, rest.find([']', '}']).map_or(rest.len(), |at| at.saturating_add(1))),
            other => (Step::Letter(other), other.len_utf8()),
        };
        steps.push(step);
        rest = rest.get(length..).unwrap_or_default();
    }
    steps
}

/// Walks both at once: every pair of places that can be reached together, row by row.
fn overlap(one: &[Step], other: &[Step]) -> bool {
    let width = other.len().saturating_add(1);
    let mut row = vec![false; width];
    if let Some(first) = row.first_mut() {
        *first = true;
    }
    for i in 0..=one.len() {
        let mine = one.get(i).copied();
        let mut next = vec![false; width];
        for j in 0..width {
            if !row.get(j).copied().unwrap_or(false) {
                continue;
            }
            let theirs = other.get(j).copied();
            let reach = |row: &mut Vec<bool>, j: usize| {
                if let Some(place) = row.get_mut(j) {
                    *place = true;
                }
            };
            let after = j.saturating_add(1);
            if is_run(mine) || mine.is_some() && consumes(theirs, mine) {
                reach(&mut next, j);
            }
            if is_run(theirs) || theirs.is_some() && consumes(mine, theirs) {
                reach(&mut row, after);
            }
            if mine.is_some() && theirs.is_some() && meets(mine, theirs) {
                reach(&mut next, after);
            }
        }
        if i == one.len() {
            return row.last().copied().unwrap_or(false);
        }
        row = next;
    }
    false
}

const fn is_run(step: Option<Step>) -> bool {
    matches!(step, Some(Step::Run | Step::Deep))
}

/// True for a run that may take in the other step and stay where it is.
fn consumes(run: Option<Step>, step: Option<Step>) -> bool {
    match run {
        Some(Step::Deep) => true,
        Some(Step::Run) => step != Some(Step::Letter('/')),
        _ => false,
    }
}

fn meets(one: Option<Step>, other: Option<Step>) -> bool {
    match (one, other) {
        (Some(Step::Letter(a)), Some(Step::Letter(b))) => a == b,
        (Some(Step::One), Some(Step::Letter(c))) | (Some(Step::Letter(c)), Some(Step::One)) => c != '/',
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_overlap_where_some_name_fits_both() {
        for (one, other, expected) in [
            ("acme/*", "acme/api", true),
            ("acme/*", "*/api", true),
            ("acme/*-web", "acme/big-*", true),
            ("acme/a*", "acme/b*", false),
            ("acme/api", "acme/web", false),
            ("acme/*x", "acme/*y", false),
            ("*", "other/thing", true),
            ("acme/*a*", "acme/b*", true),
            ("", "*", true),
        ] {
            assert_eq!(names_overlap(one, other), expected, "{one} {other}");
            assert_eq!(names_overlap(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn paths_overlap_where_some_path_fits_both() {
        for (one, other, expected) in [
            ("**/Cargo.toml", "api/Cargo.toml", true),
            ("**/Cargo.toml", "Cargo.toml", true),
            ("src/*.rs", "src/deep/a.rs", false),
            ("src/**", "src/deep/a.rs", true),
            ("docs/**", "src/**", false),
            ("*.md", "docs/a.md", false),
            ("**/*.md", "docs/**", true),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("{a,b}/x", "b/x", true),
        ] {
            assert_eq!(paths_overlap(one, other), expected, "{one} {other}");
            assert_eq!(paths_overlap(other, one), expected, "{other} {one}");
        }
    }
}
