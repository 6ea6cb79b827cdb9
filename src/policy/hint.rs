//! Finds what somebody probably meant. Says nothing rather than something far-fetched.

/// The known word nearest to `word`, if it is near enough to be a slip of the pen.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let allowed = (word.chars().count().saturating_add(1) / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (slips(&word, &candidate.to_lowercase()), candidate))
        .filter(|(far, candidate)| *far <= allowed || candidate.starts_with(&word) && word.len() >= 3)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `did you mean `x`?`, or the list of what is known.
pub fn did_you_mean(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "nothing is known here: remove it".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// Letters in the wrong order count as one slip.
fn slips(a: &str, b: &str) -> usize {
    let sorted = |word: &str| {
        let mut letters: Vec<char> = word.chars().collect();
        letters.sort_unstable();
        letters
    };
    let far = distance(a, b);
    if far > 1 && sorted(a) == sorted(b) { 1 } else { far }
}

/// Insertions, deletions and replacements between two words.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i.saturating_add(1);
        let mut next = vec![before];
        for (above, right) in row.iter().skip(1).zip(b.chars()) {
            let replaced = diagonal.saturating_add(usize::from(left != right));
            before = replaced.min(above.saturating_add(1)).min(before.saturating_add(1));
            diagonal = *above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_another_word_is_not() {
        let known = ["repositories", "requester", "reason", "hold"];
        assert_eq!(nearest("repositores", known), Some("repositories"));
        assert_eq!(nearest("repo", known), Some("repositories"));
        assert_eq!(nearest("Reason", known), Some("reason"));
        assert_eq!(nearest("hlod", known), Some("hold"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!((distance("kitten", "sitting"), distance("", "abc"), distance("abc", "")), (3, 3, 3));
    }
}
