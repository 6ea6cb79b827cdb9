//! The transcript: what is told, asked and answered, without anything that another run would have otherwise: ids become names,
//! and times that depend on how fast the machine is become days.

use std::{collections::BTreeMap, fmt::Write as _};

use jiff::{Timestamp, tz::TimeZone};
use regex::{Captures, Regex};

pub struct Book {
    pub text: String,
    /// What ids are called.
    names: BTreeMap<String, String>,
    ids: Regex,
    times: Regex,
    gaps: Regex,
    numbers: Regex,
}

impl Book {
    pub fn new() -> Self {
        Self {
            text: String::new(),
            names: BTreeMap::new(),
            ids: Regex::new(r"\b([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|[0-9a-f]{8}|[0-9a-f]{32,64})\b").unwrap(),
            times: Regex::new(
                r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z| UTC)(?: \((?:in [^)]*|[^)]* ago|just now)\))?( {2,})?",
            )
            .unwrap(),
            gaps: Regex::new(r"(\S) {2,}").unwrap(),
            numbers: Regex::new(r"\d+ (requests left)").unwrap(),
        }
    }

    /// From now on an id, whole or by its end, is called so.
    pub fn name(&mut self, id: &str, name: &str) {
        let short = id.replace('-', "")[24..].to_owned();
        for id in [id.to_owned(), short] {
            self.names.insert(id, format!("<{name}>"));
        }
    }

    pub fn day(&mut self, title: &str) {
        let line = "=".repeat(title.chars().count());
        let gap = if self.text.is_empty() { "" } else { "\n\n" };
        write!(self.text, "{gap}{title}\n{line}\n").unwrap();
    }

    pub fn time(&mut self, time: &str) {
        writeln!(self.text, "\n{time}").unwrap();
    }

    pub fn tell(&mut self, text: &str) {
        let after_an_answer = self.text.lines().last().is_some_and(|line| line.starts_with("    "));
        writeln!(self.text, "{}{text}", if after_an_answer { "\n" } else { "" }).unwrap();
    }

    /// A command as somebody types it.
    pub fn command(&mut self, line: &[&str]) {
        let word = |word: &&str| {
            if word.contains(' ') { format!("\"{word}\"") } else { (*word).to_owned() }
        };
        let line = line.iter().map(word).collect::<Vec<_>>().join(" ");
        let line = self.named(&line);
        writeln!(self.text, "\n    $ sluice {line}").unwrap();
    }

    /// What is answered to it: the lines that begin with one of these, or all; where others are left out stands `...`.
    pub fn answer(&mut self, answer: &str, exact: bool, beginnings: &[&str]) {
        let wanted = |line: &str| {
            beginnings.is_empty() || beginnings.iter().any(|word| line.trim_start().starts_with(word))
        };
        let mut left_out = false;
        for line in self.plain(answer, exact).lines() {
            if wanted(line) {
                writeln!(self.text, "{}", format!("    {line}").trim_end()).unwrap();
            } else if !left_out {
                self.text.push_str("    ...\n");
            }
            left_out = !wanted(line);
        }
    }

    pub fn exit_code(&mut self, code: i32) {
        writeln!(self.text, "    (exit code {code})").unwrap();
    }

    /// Without ids and ages, and unless `exact` with days instead of times.
    pub fn plain(&self, text: &str, exact: bool) -> String {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let time = |found: &Captures<'_>| {
            let at: Timestamp = format!("{}T{}Z", &found[1], &found[2]).parse().unwrap();
            let format = if exact { "%a %d %b %H:%M %Z" } else { "%a %d %b" };
            at.to_zoned(zone.clone()).strftime(format).to_string()
        };
        let named = self.named(text);
        // How wide a column of a table is depends on the times in it.
        let narrow = self.times.captures_iter(&named).any(|found| found.get(3).is_some());
        let named = if narrow { self.gaps.replace_all(&named, "$1  ") } else { named.into() };
        let text = self.times.replace_all(&named, |found: &Captures<'_>| {
            format!("{}{}", time(found), found.get(3).map_or("", |gap| gap.as_str()))
        });
        let text = self.numbers.replace_all(&text, "many $1");
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    fn named(&self, text: &str) -> String {
        let name = |found: &Captures<'_>| {
            let known = self.names.get(&found[0]).map(String::as_str);
            let other = if found[0].contains('-') { "<id>" } else { "<digest>" };
            // Eight letters may be anything.
            let short = if found[0].len() == 8 { &found[0] } else { other };
            known.unwrap_or(short).to_owned()
        };
        self.ids.replace_all(text, name).into_owned()
    }
}
