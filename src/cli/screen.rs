//! Standard output: lines, colours and the API's own JSON. Everything that a command says goes through here, so that a
//! reader that has gone ends the command quietly. Colours only where somebody can see them.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Write},
};

use clap::ValueEnum;

use crate::{
    cli::{client::Answer, exit::CliError},
    job::state::State,
};

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    Always,
    Never,
}

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Faint,
    Strong,
    Good,
    Bad,
    Attention,
    Busy,
}

impl Tone {
    pub const fn of(state: State) -> Self {
        match state {
            State::Succeeded => Self::Good,
            State::Dead | State::Rejected | State::Quarantined => Self::Bad,
            State::WaitingForUser | State::StartUnknown => Self::Attention,
            State::Starting | State::Running | State::Verifying | State::InReview => Self::Busy,
            State::Held | State::Queued | State::Cancelled => Self::Plain,
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Faint => "2",
            Self::Strong => "1",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Attention => "33",
            Self::Busy => "36",
        }
    }
}

/// Colours text, or leaves it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint(pub bool);

impl Paint {
    pub fn with(self, tone: Tone, text: &str) -> String {
        if !self.0 || tone == Tone::Plain {
            return text.to_owned();
        }
        format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code())
    }
}

/// Where a command writes to.
pub struct Screen {
    out: Box<dyn Write + Send>,
    pub paint: Paint,
    /// Lines can be rewritten.
    pub is_terminal: bool,
    /// The answers are for programs.
    pub json: bool,
}

impl Screen {
    pub fn stdout(color: Color, json: bool, env: &BTreeMap<String, String>) -> Self {
        let capable = env.get("TERM").is_none_or(|term| term != "dumb");
        let is_terminal = io::stdout().is_terminal() && capable;
        let paint = Paint(wants_colour(color, is_terminal, env));
        Self { out: Box::new(io::stdout()), paint, is_terminal, json }
    }

    pub fn line(&mut self, text: impl AsRef<str>) -> Result<(), CliError> {
        writeln!(self.out, "{}", text.as_ref())?;
        Ok(())
    }

    pub fn lines(&mut self, lines: impl IntoIterator<Item = String>) -> Result<(), CliError> {
        lines.into_iter().try_for_each(|line| self.line(line))
    }

    /// Without a line break, and at once.
    pub fn raw(&mut self, text: &str) -> Result<(), CliError> {
        self.out.write_all(text.as_bytes())?;
        self.flush()
    }

    /// The API's answer as it came.
    pub fn answer(&mut self, answer: &Answer) -> Result<(), CliError> {
        self.line(answer.body.trim_end())
    }

    pub fn flush(&mut self) -> Result<(), CliError> {
        self.out.flush()?;
        Ok(())
    }
}

fn wants_colour(color: Color, is_terminal: bool, env: &BTreeMap<String, String>) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => is_terminal && env.get("NO_COLOR").is_none_or(String::is_empty),
    }
}

/// Standard error, for complaints and progress. A closed one is nobody's loss.
pub fn complain(text: &str) {
    writeln!(io::stderr(), "{text}").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_and_no_color_forbids_them() {
        let none = BTreeMap::new();
        let forbidden = BTreeMap::from([("NO_COLOR".to_owned(), "1".to_owned())]);
        let empty = BTreeMap::from([("NO_COLOR".to_owned(), String::new())]);
        assert!(wants_colour(Color::Auto, true, &none) && !wants_colour(Color::Auto, false, &none));
        assert!(!wants_colour(Color::Auto, true, &forbidden) && wants_colour(Color::Auto, true, &empty));
        assert!(wants_colour(Color::Always, false, &forbidden) && !wants_colour(Color::Never, true, &none));
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        assert_eq!(Paint(false).with(Tone::Bad, "x"), "x");
        assert_eq!(Paint(true).with(Tone::Bad, "x"), "\u{1b}[31mx\u{1b}[0m");
    }
}
