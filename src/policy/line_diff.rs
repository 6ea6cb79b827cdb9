//! Two texts compared line by line, for people.

use serde::{Deserialize, Serialize};

/// Equal lines shown around a difference.
const AROUND: usize = 3;
/// More lines than these are not compared: the table of all pairs would be too large.
const LINES_MAX: usize = 5_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    Same(String),
    Removed(String),
    Added(String),
    /// So many equal lines.
    LeftOut(usize),
}

/// The shortest list of removals and additions that leads from one text to the other.
pub fn line_diff(from: &str, to: &str) -> Vec<Line> {
    let (from, to): (Vec<&str>, Vec<&str>) = (from.lines().collect(), to.lines().collect());
    if from.len().max(to.len()) > LINES_MAX {
        let removed = from.iter().map(|line| Line::Removed((*line).to_owned()));
        return removed.chain(to.iter().map(|line| Line::Added((*line).to_owned()))).collect();
    }
    without_the_middle(&compared(&from, &to))
}

fn compared(from: &[&str], to: &[&str]) -> Vec<Line> {
    // Row by row from the end: how many lines the rests of both texts have in common.
    let mut common: Vec<Vec<u32>> = vec![vec![0; to.len().saturating_add(1)]];
    for left in from.iter().rev() {
        let below = common.last().cloned().unwrap_or_default();
        let mut row = vec![0_u32];
        for (at, right) in to.iter().enumerate().rev() {
            let diagonal = below.get(at.saturating_add(1)).copied().unwrap_or_default();
            let down = below.get(at).copied().unwrap_or_default();
            let here = row.last().copied().unwrap_or_default();
            row.push(if left == right { diagonal.saturating_add(1) } else { down.max(here) });
        }
        row.reverse();
        common.push(row);
    }
    common.reverse();
    let of = |i: usize, j: usize| common.get(i).and_then(|row| row.get(j)).copied().unwrap_or_default();
    let (mut i, mut j) = (0_usize, 0_usize);
    let mut lines = Vec::new();
    loop {
        let (next_i, next_j) = (i.saturating_add(1), j.saturating_add(1));
        match (from.get(i), to.get(j)) {
            (None, None) => return lines,
            (Some(left), Some(right)) if left == right => {
                lines.push(Line::Same((*left).to_owned()));
                (i, j) = (next_i, next_j);
            }
            (Some(left), right) if right.is_none() || of(next_i, j) >= of(i, next_j) => {
                lines.push(Line::Removed((*left).to_owned()));
                i = next_i;
            }
            (_, right) => {
                lines.extend(right.map(|right| Line::Added((*right).to_owned())));
                j = next_j;
            }
        }
    }
}

fn without_the_middle(lines: &[Line]) -> Vec<Line> {
    let differs = |line: &Line| !matches!(line, Line::Same(_));
    let near = |at: usize| {
        let range = at.saturating_sub(AROUND)..lines.len().min(at.saturating_add(AROUND).saturating_add(1));
        lines.get(range).is_some_and(|around| around.iter().any(differs))
    };
    let mut shown: Vec<Line> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if near(at) {
            shown.push(line.clone());
        } else if let Some(Line::LeftOut(count)) = shown.last_mut() {
            *count = count.saturating_add(1);
        } else {
            shown.push(Line::LeftOut(1));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_shown_with_a_few_lines_around_it() {
        let lines = |changed: &str| {
            (1..=9)
                .map(|n| if n == 9 { changed.to_owned() } else { n.to_string() })
                .collect::<Vec<_>>()
                .join("\n")
        };
        let same = |text: &str| Line::Same(text.to_owned());
        let wanted = vec![
            Line::LeftOut(5),
            same("6"),
            same("7"),
            same("8"),
            Line::Removed("9".into()),
            Line::Added("nine".into()),
        ];
        assert_eq!(line_diff(&lines("9"), &lines("nine")), wanted);
        assert_eq!(line_diff("a", "a"), [Line::LeftOut(1)]);
        assert_eq!(line_diff("", "a"), [Line::Added("a".into())]);
    }
}
