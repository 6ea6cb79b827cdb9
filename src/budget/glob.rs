//! Globs of names: `*` stands for any run of characters, also across slashes. And which of several is the narrowest.

/// Matches a text against a glob.
pub fn matches(glob: &str, text: &str) -> bool {
    let Some((first, mut parts)) = glob.split_once('*') else { return glob == text };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    while let Some((part, later)) = parts.split_once('*') {
        match rest.find(part) {
            Some(at) => rest = rest.get(at.saturating_add(part.len())..).unwrap_or_default(),
            None => return false,
        }
        parts = later;
    }
    rest.ends_with(parts)
}

/// How narrow a glob is, from the widest to the narrowest: the one rule by which rules, routes, limits and identities that fit
/// the same thing are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Narrow {
    /// There is no glob.
    Everything,
    /// By its letters that are not `*`.
    Glob(usize),
    /// The very name.
    Exact,
}

impl Narrow {
    pub fn of(glob: &str) -> Self {
        if glob.contains('*') { Self::Glob(letters(glob)) } else { Self::Exact }
    }
}

/// Letters that are not free.
pub fn letters(glob: &str) -> usize {
    glob.bytes().filter(|byte| *byte != b'*').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_written() {
        for (glob, text, fits) in [
            ("acme/*", "acme/api", true),
            ("acme/*", "other/api", false),
            ("*", "x", true),
            ("*-svc", "pay-svc", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("a*b", "ab", true),
            ("aa*aa", "aaa", false),
            ("acme/api", "acme/api2", false),
            ("", "", true),
        ] {
            assert_eq!(matches(glob, text), fits, "{glob} {text}");
        }
    }

    #[test]
    fn a_name_is_narrower_than_a_glob_and_a_glob_than_none_and_stars_do_not_count() {
        assert!(Narrow::of("a") > Narrow::of("acme/pay-*"));
        assert!(Narrow::of("acme/pay-*") > Narrow::of("*acme/*"));
        assert!(Narrow::of("*") > Narrow::Everything);
        assert_eq!(Narrow::of("a*b*"), Narrow::of("*ab"));
    }
}
