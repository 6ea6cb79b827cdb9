//! Rules of repositories from a table that somebody exported: read strictly, since nobody knows what wrote it.

use std::collections::HashMap;

use crate::policy::{
    hint,
    problem::{Code, Problem},
    repositories::RepositoryRules,
    text,
};

/// Of one file.
pub const CSV_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Mistakes that are told one by one.
const TOLD_MAX: usize = 20;
const COLUMNS: [&str; 6] = ["repository", "team", "class", "criticality", "owners", "test_command"];

/// The entries that a CSV text stands for, as TOML, in its order. The first line names the columns; several owners stand in one
/// field, with spaces between. Every mistake is told with its line.
pub fn entries(name: &str, csv: &str) -> Result<Vec<(String, String)>, Vec<Problem>> {
    let wrong = |line: usize, what: String, hint: &str| {
        Problem::new(Code::BadConfig, what).at(format!("{name}:{line}")).hint(hint)
    };
    if csv.len() > CSV_BYTES_MAX {
        return Err(vec![wrong(1, "the file is over 16 MiB".to_owned(), "split it")]);
    }
    let rows = rows(csv).map_err(|(line, what)| vec![wrong(line, what, "quote fields as RFC 4180 says")])?;
    let mut rows = rows.into_iter();
    let Some((_, head)) = rows.next() else {
        return Err(vec![wrong(1, "the file is empty".to_owned(), "the first line names the columns")]);
    };
    let head: Vec<String> = head.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
    if let Some(unknown) = head.iter().find(|name| !COLUMNS.contains(&name.as_str())) {
        let what = format!("there is no column `{}`", text::shorten(unknown, 60));
        return Err(vec![wrong(1, what, &hint::did_you_mean(unknown, &COLUMNS))]);
    }
    if !head.iter().any(|name| name == "repository") {
        return Err(vec![wrong(1, "there is no column `repository`".to_owned(), "it holds owner/name")]);
    }
    let mut problems = Vec::new();
    let mut entries: Vec<(String, String)> = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (line, row) in rows {
        if problems.len() >= TOLD_MAX {
            break;
        }
        if row.len() != head.len() {
            let what = format!("{} fields, and the first line has {}", row.len(), head.len());
            problems.push(wrong(line, what, "a field with a comma or a line break stands in quotes"));
            continue;
        }
        let fields: Vec<(&str, &str)> =
            head.iter().map(String::as_str).zip(row.iter().map(|field| field.trim())).collect();
        match entry(&fields) {
            Ok((repository, toml)) => match seen.insert(repository.clone(), line) {
                Some(first) => problems.push(wrong(
                    line,
                    format!("`{repository}` stands on line {first} already"),
                    "keep one of them",
                )),
                None => entries.push((repository, toml)),
            },
            Err(what) => problems.push(wrong(line, what, "see docs/repositories.md for the columns")),
        }
    }
    if problems.is_empty() { Ok(entries) } else { Err(problems) }
}

/// One `[[repository]]`, proven by reading it as a rule.
fn entry(fields: &[(&str, &str)]) -> Result<(String, String), String> {
    let mut repository = String::new();
    let mut toml = "[[repository]]\n".to_owned();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        text::check(value, name).map_err(|problem| format!("{name}: {}", problem.what))?;
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let (key, value) = match *name {
            "repository" => {
                let full: crate::job::Repository = value
                    .parse()
                    .map_err(|error: crate::job::repository::InvalidRepository| error.to_string())?;
                repository = full.to_string();
                ("match", quoted(&repository))
            }
            "owners" => {
                let owners: Vec<String> = value
                    .split([' ', ';', ','])
                    .filter(|part| !part.is_empty())
                    .map(|login| quoted(login.trim_start_matches('@')))
                    .collect();
                ("owners", format!("[{}]", owners.join(", ")))
            }
            other => (other, quoted(value)),
        };
        toml.extend([key, " = ", value.as_str(), "\n"]);
    }
    if repository.is_empty() {
        return Err("no repository is named".to_owned());
    }
    match RepositoryRules::parse("entry", &toml) {
        Ok(_) => Ok((repository, toml)),
        Err(problems) => Err(problems.first().map(|problem| problem.what.clone()).unwrap_or_default()),
    }
}

/// The line that it begins on, and its fields.
type Row = (usize, Vec<String>);

/// Each row with the line that it begins on; empty lines are left out. Err: the line, and what is wrong.
fn rows(csv: &str) -> Result<Vec<Row>, (usize, String)> {
    let csv = csv.strip_prefix('\u{feff}').unwrap_or(csv);
    let mut rows = Vec::new();
    let (mut line, mut begins) = (1_usize, 1_usize);
    let (mut row, mut field): (Vec<String>, String) = (Vec::new(), String::new());
    let mut quoted = false;
    let mut letters = csv.chars().peekable();
    while let Some(c) = letters.next() {
        line = line.saturating_add(usize::from(c == '\n'));
        match (c, quoted) {
            ('"', true) if letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            ('"', true) => {
                quoted = false;
                if !matches!(letters.peek(), None | Some(',' | '\n' | '\r')) {
                    return Err((line, "something follows a closing quote".to_owned()));
                }
            }
            ('"', false) if field.is_empty() => quoted = true,
            ('"', false) => return Err((line, "a quote in the middle of a field".to_owned())),
            (',', false) => row.push(std::mem::take(&mut field)),
            ('\r', false) if letters.peek() == Some(&'\n') => {}
            ('\n', false) => {
                row.push(std::mem::take(&mut field));
                let done = std::mem::take(&mut row);
                if done.iter().any(|field| !field.is_empty()) {
                    rows.push((begins, done));
                }
                begins = line;
            }
            (c, _) => field.push(c),
        }
    }
    if quoted {
        return Err((begins, "a quote is opened and never closed".to_owned()));
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push((begins, row));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_becomes_entries() {
        let csv = "\u{feff}Repository,team,owners,class,test_command\r\nAcme/API,pay,\"@ana, ben\",regulated,\"say \"\"hi\"\"\"\r\n\r\nacme/web,,,,\n";
        let entries = entries("r.csv", csv).unwrap();
        assert_eq!(
            entries[0].1,
            "[[repository]]\nmatch = \"acme/api\"\nteam = \"pay\"\nowners = [\"ana\", \"ben\"]\nclass = \"regulated\"\ntest_command = 'say \"hi\"'\n"
        );
        assert_eq!(entries[1], ("acme/web".to_owned(), "[[repository]]\nmatch = \"acme/web\"\n".to_owned()));
        let all: String = entries.iter().map(|(_, toml)| toml.as_str()).collect();
        assert_eq!(RepositoryRules::parse("r.toml", &all).unwrap().iter().count(), 2);
    }

    #[test]
    fn a_hostile_table_is_refused_with_its_line() {
        for (csv, line) in [
            ("", 1),
            ("name\nacme/api\n", 1),
            ("team\nx\n", 1),
            ("repository\nacme api\n", 2),
            ("repository\nacme/api\nACME/API\n", 3),
            ("repository,team\nacme/api\n", 2),
            ("repository,team\nacme/api,x,y\n", 2),
            ("repository,team\nacme/api,Big Team\n", 2),
            ("repository,team\nacme/a,x\nacme/b,\"x\n", 3),
            ("repository,team\nacme/a,\"x\"y\n", 2),
            ("repository,team\nacme/a,x\"y\n", 2),
            ("repository,test_command\nacme/a,\"one\ntwo\"\n", 2),
            ("repository,test_command\nacme/a,\u{202e}x\n", 2),
            ("repository,test_command\nacme/a,\"\u{0}\"\n", 2),
            ("repository,class\nacme/a,secret\n", 2),
            ("repository,owners\nacme/a,ana;-\u{7f}\n", 2),
            ("repository\n\"acme/a\"\"]\n[[x]]\"\n", 2),
        ] {
            let problems = entries("r.csv", csv).unwrap_err();
            assert_eq!(
                problems[0].at.as_deref(),
                Some(format!("r.csv:{line}").as_str()),
                "{csv:?}: {}",
                problems[0]
            );
        }
    }
}
