//! Reads the file of freezes and the calendars that it names.

use std::path::Path;

use serde::Deserialize;

use crate::{
    config::{ConfigError, Loaded, read_text},
    policy::{
        document::Document,
        freeze::{Freeze, Reach, Written, written},
        hint,
        problem::{Code, Problem},
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    freeze: Vec<Written>,
}

/// Every freeze of the installation; none when no file is named. `templates` are the names that a scope may use.
pub fn load_freezes(loaded: &Loaded, templates: &[&str]) -> Result<Vec<Freeze>, ConfigError> {
    let Some(path) = &loaded.settings.policy.freezes_file else { return Ok(Vec::new()) };
    let path = loaded.folder.join(path);
    let text = read_text(&path)?;
    let name = path.display().to_string();
    let document = Document { name: &name, text: &text };
    let file: File = document.parse(Code::BadFreeze)?;
    let mut problems = Vec::new();
    let mut freezes: Vec<Freeze> = Vec::new();
    for (index, written) in file.freeze.iter().enumerate() {
        let at = |problem: Problem| placed(&document, index, problem);
        let calendars = calendars(&loaded.folder, written, &mut problems);
        match written::read(written, &calendars) {
            Ok(freeze) => {
                if freezes.iter().any(|other| other.name == freeze.name) {
                    let what = format!("the freeze `{}` is there twice", freeze.name);
                    let problem = Problem::new(Code::BadFreeze, what).at("name");
                    problems.push(at(problem.hint("give one of them another name, or join their entries")));
                }
                problems.extend(unknown_templates(&freeze, templates).map(at));
                freezes.push(freeze);
            }
            Err(found) => problems.extend(found.into_iter().map(at)),
        }
    }
    if problems.is_empty() { Ok(freezes) } else { Err(ConfigError(problems)) }
}

/// The texts that its entries name; what cannot be read is told once here.
fn calendars(folder: &Path, written: &Written, problems: &mut Vec<Problem>) -> written::Calendars {
    let mut calendars = written::Calendars::new();
    for path in written.entry.iter().filter_map(|entry| entry.calendar.as_ref()) {
        let file = folder.join(path);
        match read_text(&file) {
            Ok(text) => drop(calendars.insert(path.clone(), text)),
            Err(problem) => problems.push(problem),
        }
    }
    calendars
}

/// A scope that names no template would freeze nothing.
fn unknown_templates<'a>(freeze: &'a Freeze, templates: &'a [&str]) -> impl Iterator<Item = Problem> + 'a {
    std::iter::once(("scope".to_owned(), &freeze.reach))
        .chain(freeze.except.iter().enumerate().map(|(index, reach)| (format!("except.{index}"), reach)))
        .filter_map(|(at, reach)| match reach {
            Reach::Template(name) if !templates.contains(&name.as_str()) => Some(
                Problem::new(Code::UnknownTemplate, format!("there is no template `{name}`"))
                    .at(at)
                    .hint(hint::did_you_mean(name, templates)),
            ),
            _ => None,
        })
}

/// With the line of the field; a line of a calendar is told as it is.
fn placed(document: &Document<'_>, index: usize, problem: Problem) -> Problem {
    let field = problem.at.clone().unwrap_or_default();
    if field.contains(':') {
        return problem;
    }
    let index = index.to_string();
    let path: Vec<&str> = ["freeze", &index].into_iter().chain(field.split('.')).collect();
    let path: Vec<&str> = path.into_iter().filter(|part| !part.is_empty()).collect();
    document.point_at(problem, &path)
}
