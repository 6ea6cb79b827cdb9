//! Columns of text. Widths are counted in characters before colours are added; the last column is free.

use crate::cli::{
    screen::{Paint, Tone},
    words::clean,
};

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub fn new(text: impl AsRef<str>) -> Self {
        Self::toned(text, Tone::Plain)
    }
    pub fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { text: clean(text.as_ref()), tone }
    }
}

/// Rows under a head.
#[derive(Clone, Debug, Default)]
pub struct Table {
    head: Vec<Cell>,
    rows: Vec<Vec<Cell>>,
}

/// Between two columns.
const GAP: usize = 2;

impl Table {
    pub fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|name| Cell::toned(name, Tone::Faint)).collect(), rows: Vec::new() }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The head and every row as lines.
    pub fn lines(&self, paint: Paint) -> Vec<String> {
        let all = || std::iter::once(&self.head).chain(&self.rows);
        let columns = all().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            all().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        all().map(|row| line(row, &widths, paint)).collect()
    }
}

fn line(row: &[Cell], widths: &[usize], paint: Paint) -> String {
    let mut text = String::new();
    let mut owed = 0;
    for (cell, width) in row.iter().zip(widths) {
        if !cell.text.is_empty() {
            // Padding is written only before something, so that no line ends in spaces.
            text.extend(std::iter::repeat_n(' ', owed));
            owed = 0;
            text.push_str(&paint.with(cell.tone, &cell.text));
        }
        owed += width.saturating_sub(cell.text.chars().count()) + GAP;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_with_and_without_colours() {
        let mut table = Table::new(&["id", "state", "why"]);
        table.row([Cell::new("1"), Cell::toned("succeeded", Tone::Good), Cell::new("")]);
        table.row([Cell::new("12345"), Cell::new(""), Cell::new("waits\nhere")]);
        let plain = table.lines(Paint(false));
        assert_eq!(
            plain,
            ["id     state      why", "1      succeeded", "12345             waits\u{fffd}here"]
        );
        let coloured = table.lines(Paint(true));
        assert!(coloured.iter().any(|line| line.contains("\u{1b}[32msucceeded\u{1b}[0m")));
    }
}
