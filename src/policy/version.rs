//! Versions as manifests write them, and the ranges that a template asks for. Lenient about form, since every ecosystem has its
//! own; strict about what it cannot read.

use std::cmp::Ordering;

/// `>=1.2, <2`: every part must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    parts: Vec<(Sign, Vec<u64>)>,
    written: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Less,
    AtMost,
    Exactly,
    AtLeast,
    More,
}

const SIGNS: [(&str, Sign); 5] =
    [(">=", Sign::AtLeast), ("<=", Sign::AtMost), (">", Sign::More), ("<", Sign::Less), ("=", Sign::Exactly)];

impl Range {
    /// None: not a range.
    pub fn parse(text: &str) -> Option<Self> {
        let part = |part: &str| {
            let part = part.trim();
            let signed = SIGNS.iter().find_map(|(word, sign)| Some((*sign, part.strip_prefix(word)?)));
            let (sign, number) = signed.unwrap_or((Sign::Exactly, part));
            let number = number.trim();
            let plain = number.split('.').map(|figure| figure.parse().ok()).collect::<Option<Vec<u64>>>()?;
            Some((sign, plain))
        };
        let parts = text.split(',').map(part).collect::<Option<Vec<_>>>()?;
        Some(Self { parts, written: text.trim().to_owned() })
    }

    /// False also for a text without any figure.
    pub fn covers(&self, version: &str) -> bool {
        let Some(version) = first_version(version) else { return false };
        self.parts.iter().all(|(sign, bound)| {
            let order = compare(&version, bound);
            match sign {
                Sign::Less => order == Ordering::Less,
                Sign::AtMost => order != Ordering::Greater,
                // `=1.2` covers 1.2.7: what is not written is free.
                Sign::Exactly => {
                    compare(version.get(..bound.len()).unwrap_or(&version), bound) == Ordering::Equal
                }
                Sign::AtLeast => order != Ordering::Less,
                Sign::More => order == Ordering::Greater,
            }
        })
    }

    pub fn written(&self) -> &str {
        &self.written
    }
}

/// The first run of figures and points: of `^17.0.2 || 18` it is 17.0.2.
fn first_version(text: &str) -> Option<Vec<u64>> {
    let from = text.find(|c: char| c.is_ascii_digit())?;
    let rest = text.get(from..)?;
    let to = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let figures = rest.get(..to)?.trim_end_matches('.').split('.');
    figures.map(|figure| figure.parse().ok()).collect()
}

/// What is left out counts as 0.
fn compare(one: &[u64], other: &[u64]) -> Ordering {
    let length = one.len().max(other.len());
    let figure = |of: &[u64], at: usize| of.get(at).copied().unwrap_or(0);
    (0..length)
        .map(|at| figure(one, at).cmp(&figure(other, at)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_covers_what_it_says_in_any_way_of_writing() {
        for (range, version, expected) in [
            (">=1.2, <2", "1.2.0", true),
            (">=1.2, <2", "^1.10", true),
            (">=1.2, <2", "2.0.0-rc1", false),
            (">=1.2, <2", "1.1.9", false),
            ("=1.2", "v1.2.7", true),
            ("1.2", "1.3", false),
            (">17", "~17.0.1 || 18", true),
            ("<=3", "3.0.0", true),
            (">=1", "workspace", false),
            ("=1.2.3", "1.2", false),
        ] {
            assert_eq!(Range::parse(range).unwrap().covers(version), expected, "{version} in {range}");
        }
        for text in ["", "abc", ">=", "1.x", ">=1,,", "~1.2"] {
            assert_eq!(Range::parse(text), None, "{text}");
        }
    }
}
