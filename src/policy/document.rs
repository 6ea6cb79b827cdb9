//! A text that somebody wrote, in TOML or JSON, and how its mistakes are told: with line, column, the line
//! itself and a caret. A line that may hold a secret is shown without its value.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use crate::policy::{
    hint,
    problem::{Code, Problem},
};

/// Reads bytes as text, or says where they stop being text.
pub fn utf8<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, Problem> {
    std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = good.split(|byte| *byte == b'\n').count();
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        let what = format!("not UTF-8: byte 0x{byte:02x} at position {}", error.valid_up_to());
        Problem::new(Code::NotUtf8, what).at(format!("{name}:{line}")).hint("save it as UTF-8")
    })
}

/// A TOML text with the name that people know it by.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    pub name: &'a str,
    pub text: &'a str,
}

impl Document<'_> {
    /// Reads it strictly; a mistake is told with its place.
    pub fn parse<T: DeserializeOwned>(&self, code: Code) -> Result<T, Problem> {
        toml::from_str(self.text).map_err(|error| {
            let problem = reworded(code, error.message());
            match error.span() {
                Some(span) => self.point(problem, &span),
                None => problem.at(self.name),
            }
        })
    }

    /// Adds the place of some bytes of the text to a problem.
    #[must_use]
    pub fn point(&self, problem: Problem, span: &Range<usize>) -> Problem {
        // An error at the very end of the text is told at the end of its last line.
        let start = span.start.min(self.text.trim_end().len());
        let (before, after) = self.text.split_at_checked(start).unwrap_or((self.text, ""));
        let number = before.matches('\n').count().saturating_add(1);
        let head = before.rsplit('\n').next().unwrap_or_default();
        let tail = after.split('\n').next().unwrap_or_default();
        let column = head.chars().count().saturating_add(1);
        let shown = without_secret(&format!("{head}{tail}"));
        let length = span.end.saturating_sub(start).min(tail.len());
        let marked = tail.get(..length).map_or(1, |part| part.chars().count()).max(1);
        let caret = if column > shown.chars().count() { "^".to_owned() } else { "^".repeat(marked) };
        let (gutter, indent) = (" ".repeat(number.to_string().len()), " ".repeat(column.saturating_sub(1)));
        let excerpt = format!("  {number} | {shown}\n  {gutter} | {indent}{caret}");
        let at = format!("{}:{number}:{column}", self.name);
        Problem { excerpt: Some(excerpt), ..problem }.at(at)
    }

    /// Adds the place of a value to a problem: of the longest part of `path` that the text has. A part is a
    /// key, or a number for the place in a list. Without any, the file alone is named.
    #[must_use]
    pub fn point_at(&self, problem: Problem, path: &[&str]) -> Problem {
        let Ok(root) = DeTable::parse(self.text) else { return problem.at(self.name) };
        let mut span = None;
        let mut here: Option<&DeValue<'_>> = None;
        for part in path {
            let next = match here {
                None => root.get_ref().get(*part),
                Some(DeValue::Table(table)) => table.get(*part),
                Some(DeValue::Array(list)) => part.parse().ok().and_then(|index: usize| list.get(index)),
                Some(_) => None,
            };
            let Some(next) = next else { break };
            span = Some(next.span());
            here = Some(next.get_ref());
        }
        match span {
            Some(span) => self.point(problem, &span),
            None => problem.at(self.name),
        }
    }
}

impl Document<'_> {
    /// A problem that names a field (`inputs.count`, `repositories[3]`), at the place of that field if the text has it.
    #[must_use]
    pub fn locate(&self, problem: Problem) -> Problem {
        let field = problem.at.clone().unwrap_or_default();
        let path: Vec<&str> = field.split(['.', '[', ']']).filter(|part| !part.is_empty()).collect();
        let root = DeTable::parse(self.text).ok();
        let known = root.zip(path.first()).is_some_and(|(root, first)| root.get_ref().get(*first).is_some());
        if known { self.point_at(problem, &path) } else { problem }
    }
}

/// A problem from serde's message; its list of expected names becomes a hint.
pub fn reworded(code: Code, message: &str) -> Problem {
    let (what, hint) = reword(message);
    Problem { hint, ..Problem::new(code, what) }
}

fn reword(message: &str) -> (String, Option<String>) {
    for (start, word) in [("unknown field `", "key"), ("unknown variant `", "word")] {
        let Some((found, rest)) = message.strip_prefix(start).and_then(|rest| rest.split_once('`')) else {
            continue;
        };
        let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
        return (format!("unknown {word} `{found}`"), Some(hint::did_you_mean(found, &known)));
    }
    if let Some(key) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return (format!("the key `{key}` is missing"), Some(format!("add `{key} = ...`")));
    }
    (message.trim_end().replace('\n', ", "), None)
}

/// The line up to a value that may be secret. Also hides an address with a password in it.
fn without_secret(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let named = ["token", "secret", "password"].iter().filter_map(|word| {
        let at = lower.find(word)?;
        lower.get(at..)?.find('=').map(|equals| at.saturating_add(equals))
    });
    let address = (lower.contains("://") && lower.contains('@')).then(|| lower.find('=').unwrap_or(0));
    match named.chain(address).min().and_then(|at| line.get(..at)) {
        Some(shown) => format!("{shown}= (hidden)"),
        None => line.to_owned(),
    }
}

/// Reads JSON strictly; a mistake is told with the path of its field, line and column.
pub fn from_json<T: DeserializeOwned>(name: &str, bytes: &[u8], code: Code) -> Result<T, Problem> {
    let text = utf8(name, bytes)?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let told = |path: String, error: serde_json::Error| {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        let path = if path == "." { String::new() } else { format!(" {path}") };
        let at = format!("{name}:{}:{}{path}", error.line(), error.column());
        reworded(code, message).at(at)
    };
    let value = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| told(error.path().to_string(), error.into_inner()))?;
    reader.end().map_err(|error| told(".".to_owned(), error))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Sample {
        name: String,
        count: u8,
        #[serde(default)]
        token: Option<u8>,
    }

    fn wrong(text: &str) -> Problem {
        Document { name: "a.toml", text }.parse::<Sample>(Code::BadConfig).unwrap_err()
    }

    #[test]
    fn a_mistake_is_told_with_its_place_and_its_line() {
        let told = wrong("name = \"x\"\ncuont = 3\n").to_string();
        assert_eq!(
            told,
            "a.toml:2:1: unknown key `cuont` (bad-config)\n  2 | cuont = 3\n    | ^^^^^\n  hint: did you mean `count`?"
        );
        let told = wrong("name = \"x\"\ncount = \"many\"\n").to_string();
        assert!(told.contains("a.toml:2:9:") && told.contains("        ^^^^^^"), "{told}");
    }

    #[test]
    fn a_line_that_may_hold_a_secret_is_shown_without_its_value() {
        for text in [
            "name=\"x\"\ntoken = \"hunter2\"",
            "token = \"hunter2",
            "x = { secret = \"hunter2\" }",
            "url = \"a://b:hunter2@c",
        ] {
            let told = wrong(text);
            assert!(!told.excerpt.unwrap_or_default().contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_told_with_their_position() {
        let problem = utf8("a.toml", b"one\ntw\xff").unwrap_err();
        assert_eq!((problem.code, problem.at.as_deref()), (Code::NotUtf8, Some("a.toml:2")));
        assert!(problem.what.contains("0xff at position 6"));
    }

    #[test]
    fn a_place_is_found_by_its_path_as_far_as_it_exists() {
        let text = "[a]\nb = [1, { c = 2 }]\n";
        let at = |path: &[&str]| {
            let document = Document { name: "x", text };
            document.point_at(Problem::new(Code::BadConfig, ""), path).at.unwrap()
        };
        assert_eq!(at(&["a", "b", "1", "c"]), "x:2:15");
        assert_eq!(at(&["a", "b", "1", "d"]), "x:2:9");
        assert_eq!(at(&["z"]), "x");
    }

    #[test]
    fn a_field_that_the_text_does_not_have_keeps_its_name() {
        let document = Document { name: "x", text: "names = [\"a\", \"b\"]\n" };
        let at = |field: &str| document.locate(Problem::new(Code::BadConfig, "").at(field)).at.unwrap();
        assert_eq!((at("names[1]").as_str(), at("prompt").as_str()), ("x:1:15", "prompt"));
    }

    #[test]
    fn a_json_mistake_is_told_with_the_path_of_its_field() {
        let problem = from_json::<Sample>("request", br#"{"name": "x", "count": 300}"#, Code::BadRequest);
        let problem = problem.unwrap_err();
        assert!(problem.at.unwrap().ends_with(" count"), "{:?}", problem.what);
        assert!(from_json::<Sample>("request", br#"{"name":"x","count":3} x"#, Code::BadRequest).is_err());
    }
}
