//! The rules, each a function from one file to its offences (`file:line: what and why`).

use crate::{
    layers::{APALIS_HOME, ENVIRONMENT_READERS, IMPURE_CRATES, IMPURE_STD, PURE, layer_of, may_import},
    source::Source,
};

const LINES_MAX: usize = 500;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc"];

/// A path that starts at the crate's root: the module named, whether the path is re-exported, its line.
struct Import {
    module: String,
    exported: bool,
    line: usize,
}

/// Everything about who may import what.
pub fn layering(source: &Source) -> Vec<String> {
    let layer = layer_of(&source.file);
    let Some(allowed) = may_import(layer) else {
        return vec![format!(
            "{}:1: `{layer}` is in no layer: add it to tests/architecture/layers.rs",
            source.file
        )];
    };
    let mut offences = Vec::new();
    let mut offend = |line: usize, what: String| offences.push(format!("{}:{line}: {what}", source.file));
    for import in imports(source) {
        let module = import.module.as_str();
        if matches!(module, "self" | "*" | "as" | "") {
            offend(import.line, "names the whole crate: name the module".to_owned());
        } else if module != layer && !allowed.contains(&module) {
            offend(import.line, format!("`{layer}` must not import `{module}`"));
        } else if module != layer && import.exported {
            offend(import.line, format!("`{layer}` must not re-export `{module}`"));
        }
    }
    for (line, what) in forbidden(source, layer) {
        offend(line, what);
    }
    offences
}

/// Everything that does not depend on the layer.
pub fn house(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    if !source.first_line.starts_with("//! ") {
        found.push((1, "the first line must be `//!`: what the file is for".to_owned()));
    }
    if source.lines > LINES_MAX {
        found.push((LINES_MAX, format!("has {} lines, {LINES_MAX} are allowed", source.lines)));
    }
    let parts = source.file.split('/').map(|part| part.trim_end_matches(".rs"));
    if let Some(name) = parts.clone().find(|part| EMPTY_NAMES.contains(part)) {
        found.push((1, format!("`{name}` says nothing: name the file after what is inside")));
    }
    for (at, token) in source.tokens.iter().enumerate() {
        let attribute = if source.reads(at, &["#", "["]) { source.text(at + 2) } else { "" };
        match attribute {
            "ignore" | "should_panic" => {
                found.push((token.line, format!("`#[{attribute}]` is not used here")));
            }
            "path" if source.file.starts_with("src/") => {
                found.push((token.line, "`#[path]` hides where a module lives".to_owned()));
            }
            _ => {}
        }
    }
    found.into_iter().map(|(line, what)| format!("{}:{line}: {what}", source.file)).collect()
}

fn imports(source: &Source) -> Vec<Import> {
    let mut found = Vec::new();
    for at in 0..source.tokens.len() {
        if !roots_at_crate(source, at) {
            continue;
        }
        let exported = exported(source, at);
        let path = if source.text(at + 1) == "as" { at + 1 } else { at + 2 };
        for (module, line) in heads(source, path) {
            found.push(Import { module, exported, line });
        }
    }
    found
}

/// True where `crate::`, `sluicegate::`, or a `super::` that leads to the crate's root begins, and where
/// the crate itself is renamed.
fn roots_at_crate(source: &Source, at: usize) -> bool {
    let word = source.text(at);
    let path = source.text(at + 1) == "::" && source.before(at) != "::";
    match word {
        "crate" | "sluicegate" => path || (source.before(at) == "use" && source.text(at + 1) == "as"),
        "super" => path && is_top(&source.file) && !in_inline_module(source, at),
        _ => false,
    }
}

/// True for a file whose module is a child of the crate's root.
fn is_top(file: &str) -> bool {
    let parts: Vec<&str> = file.split('/').collect();
    matches!(parts.as_slice(), [_, _] | [_, _, "mod.rs"])
}

fn in_inline_module(source: &Source, at: usize) -> bool {
    let mut inside: Vec<bool> = Vec::new();
    for before in 0..at {
        match source.text(before) {
            "{" => inside.push(before >= 2 && source.text(before - 2) == "mod"),
            "}" => {
                inside.pop();
            }
            _ => {}
        }
    }
    inside.contains(&true)
}

/// True inside `pub use ..` and `pub(..) use ..`.
fn exported(source: &Source, at: usize) -> bool {
    let statement = (0..at).rev().take_while(|before| !matches!(source.text(*before), ";" | "}"));
    let Some(keyword) = statement.into_iter().find(|before| source.text(*before) == "use") else {
        return false;
    };
    matches!(source.before(keyword), "pub" | ")")
}

/// First names behind a path: one, or each of a group `{a::.., b}`.
fn heads(source: &Source, at: usize) -> Vec<(String, usize)> {
    let name = |at: usize| {
        let line = source.tokens.get(at).or(source.tokens.last()).map_or(0, |token| token.line);
        (source.text(at).to_owned(), line)
    };
    if source.text(at) != "{" {
        return vec![name(at)];
    }
    let mut found = Vec::new();
    let mut depth = 0;
    for inner in at..source.tokens.len() {
        match source.text(inner) {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        let starts = depth == 1 && matches!(source.text(inner), "{" | ",");
        if starts && !matches!(source.text(inner + 1), "}" | ",") {
            found.push(name(inner + 1));
        }
    }
    found
}

/// What a file must not name, whoever it comes from.
fn forbidden(source: &Source, layer: &str) -> Vec<(usize, String)> {
    let pure = PURE.contains(&layer);
    let mut found = Vec::new();
    for (at, token) in source.tokens.iter().enumerate() {
        let word = token.text.as_str();
        let starts_path = source.before(at) != "::"
            && (source.text(at + 1) == "::" || matches!(source.before(at), "use" | "crate"));
        let mut say = |what: String| found.push((token.line, what));
        if source.reads(at, &["super", "::", "super"]) {
            say("`super::super`: write the path from `crate`".to_owned());
        }
        if starts_path && word.starts_with("apalis") && layer != APALIS_HOME {
            say(format!("only src/{APALIS_HOME} may name apalis"));
        } else if pure && starts_path && IMPURE_CRATES.contains(&word) {
            say(format!("`{layer}` is pure and must not use `{word}`"));
        }
        if pure && matches!(word, "async" | "await") {
            say(format!("`{layer}` is pure and must not be `{word}`"));
        }
        if source.reads(at, &["std", "::"]) {
            let parts = heads(source, at + 2).into_iter();
            for (part, line) in parts.filter(|(part, _)| pure && IMPURE_STD.contains(&part.as_str())) {
                found.push((line, format!("`{layer}` is pure and must not use `std::{part}`")));
            }
        }
        if reads_environment(source, at) {
            found.push((token.line, "the environment is read in src/config only".to_owned()));
        }
    }
    found
}

fn reads_environment(source: &Source, at: usize) -> bool {
    let excused = ENVIRONMENT_READERS.iter().any(|(file, reason)| *file == source.file && !reason.is_empty());
    if excused || layer_of(&source.file) == "config" || !source.reads(at, &["env", "::"]) {
        return false;
    }
    let reader =
        |name: &str| matches!(name, "var" | "var_os" | "vars" | "vars_os" | "set_var" | "remove_var" | "*");
    heads(source, at + 2).iter().any(|(name, _)| reader(name))
}
