//! The terms of a template beside its prompt: where it comes from, when the agent stops, what is run and must be green, and how
//! the change is described and taken back. Everything here may be left out.

use crate::policy::{
    inputs,
    template_file::{Faults, File},
    text,
};

/// Checks of one template at most.
const CHECKS_MAX: usize = 50;
/// The longest wait for them: seven days.
const CHECKS_MINUTES_MAX: u32 = 7 * 24 * 60;
/// Of one text.
const LINE_MAX: usize = 500;
/// Of a body, in characters.
const BODY_MAX: usize = 8_000;

impl Faults<'_> {
    pub(super) fn terms(&mut self, file: &File) {
        self.lineage(file);
        let stops = file.stop_conditions.iter().map(|line| ("stop_conditions", line, LINE_MAX));
        let commands = file.commands.iter().map(|line| ("commands", line, LINE_MAX));
        let single = [("deprecated", &file.deprecated), ("roll_back", &file.roll_back)];
        let single = single.iter().filter_map(|(key, line)| Some((*key, line.as_ref()?, LINE_MAX)));
        for (key, line, most) in stops.chain(commands).chain(single) {
            self.line(&[key], line, most);
        }
        self.checks(file);
        self.pull_request_text(file);
        if let Some(fallback) = &file.fallback {
            self.text(&["fallback", "prompt"], &fallback.prompt);
            if let Some(scope) = &fallback.scope {
                self.scope(&["fallback", "scope"], scope);
            }
        }
        for name in inputs::secrets(&file.inputs) {
            let what = format!(
                "the input `{name}` is a secret, and everything that is put in is kept on the ledger"
            );
            let hint = "let the agent find the secret in its own environment, and take the input out";
            self.add(&["inputs", "properties", &name], &what, hint);
        }
    }

    fn lineage(&mut self, file: &File) {
        let Some(replaced) = &file.replaces else { return };
        let hint = "write `name@version`, such as \"dependency-upgrade@1\"";
        match replaced.split_once('@').map(|(name, version)| (name, version.parse::<u32>())) {
            Some((name, Ok(version))) if name == file.name && version == file.version => {
                self.add(&["replaces"], "a template cannot replace itself", hint);
            }
            Some((name, Ok(version))) if text::is_name(name) && version > 0 => {}
            _ => self.add(&["replaces"], "not a template with its version", hint),
        }
    }

    fn checks(&mut self, file: &File) {
        for (index, name) in file.required_checks.iter().enumerate() {
            let index = index.to_string();
            self.line(&["required_checks", &index], name, 255);
            if file.required_checks.iter().filter(|other| *other == name).count() > 1 {
                self.add(&["required_checks", &index], &format!("`{name}` is there twice"), "keep one");
            }
        }
        if file.required_checks.len() > CHECKS_MAX {
            self.add(
                &["required_checks"],
                "more than 50 checks",
                "require the one that stands for the others",
            );
        }
        if !file.required_checks.is_empty() && !file.pull_request {
            let hint = "leave `required_checks` out, or set `pull_request = true`";
            self.add(&["required_checks"], "without a pull request no check is looked at", hint);
        }
        if !(1..=CHECKS_MINUTES_MAX).contains(&file.checks_within_minutes) {
            self.add(&["checks_within_minutes"], "out of range", "write 1 to 10080 (a week)");
        }
    }

    fn pull_request_text(&mut self, file: &File) {
        let text = &file.pull_request_text;
        if let Some(title) = &text.title {
            self.line(&["pull_request_text", "title"], title, 250);
        }
        if let Some(body) = &text.body {
            self.text(&["pull_request_text", "body"], body);
        }
        if !file.pull_request && (text.title.is_some() || text.body.is_some()) {
            let hint = "leave `pull_request_text` out, or set `pull_request = true`";
            self.add(&["pull_request_text"], "there is no pull request to describe", hint);
        }
    }

    /// A text of several lines.
    fn text(&mut self, path: &[&str], value: &str) {
        if value.trim().is_empty() || value.chars().count() > BODY_MAX {
            self.add(path, "empty, or longer than 8000 characters", "shorten it, or leave it out");
        }
        if let Err(problem) = text::check(value, path.last().copied().unwrap_or_default()) {
            let problem = self.document.point_at(problem, path);
            self.problems.push(problem);
        }
    }
}
