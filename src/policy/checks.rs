//! Whether the checks that a template requires are green.

use std::collections::BTreeMap;

use crate::{job::pull::Checks, policy::template::RequiredChecks};

/// How the required checks of a commit stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    Green,
    /// Not all of them, yet; with what is missing, as a sentence.
    Waiting(String),
    /// One of them failed; which, as a sentence.
    Failed(String),
}

/// A check that is missing, under way or waits for a click is not green, however green the others are.
///
/// ```
/// use std::collections::BTreeMap;
/// use sluicegate::{job::{Checks, Millis}, policy::{checks::{Standing, standing}, template::RequiredChecks}};
/// let required = RequiredChecks { names: vec!["ci".into()], within: Millis::minutes(60) };
/// let other = BTreeMap::from([("lint".to_owned(), Checks::Green)]);
/// assert!(matches!(standing(&required, &other), Standing::Waiting(_)));
/// ```
pub fn standing(required: &RequiredChecks, found: &BTreeMap<String, Checks>) -> Standing {
    let of = |name: &String| found.get(name).copied().unwrap_or(Checks::None);
    let failed: Vec<&String> = required.names.iter().filter(|name| of(name) == Checks::Red).collect();
    if !failed.is_empty() {
        return Standing::Failed(sentence("failed", &failed));
    }
    let words = [
        (Checks::None, "did not report"),
        (Checks::Pending, "is not done"),
        (Checks::ActionRequired, "waits for a person to allow it"),
    ];
    let waiting: Vec<String> = words
        .into_iter()
        .filter_map(|(state, word)| {
            let names: Vec<&String> = required.names.iter().filter(|name| of(name) == state).collect();
            (!names.is_empty()).then(|| sentence(word, &names))
        })
        .collect();
    if waiting.is_empty() { Standing::Green } else { Standing::Waiting(waiting.join("; ")) }
}

fn sentence(word: &str, names: &[&String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("required check {word}: {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::time::Millis;

    #[test]
    fn one_failed_check_outweighs_all_others_and_only_all_of_them_green_are_green() {
        let required = RequiredChecks { names: vec!["ci".into(), "lint".into()], within: Millis::minutes(1) };
        let of = |ci, lint| {
            standing(&required, &BTreeMap::from([("ci".to_owned(), ci), ("lint".to_owned(), lint)]))
        };
        assert_eq!(of(Checks::Green, Checks::Green), Standing::Green);
        assert_eq!(of(Checks::Red, Checks::Pending), Standing::Failed("required check failed: `ci`".into()));
        let waiting = Standing::Waiting("required check waits for a person to allow it: `lint`".into());
        assert_eq!(of(Checks::Green, Checks::ActionRequired), waiting);
        assert!(matches!(of(Checks::None, Checks::Pending), Standing::Waiting(_)));
    }
}
