//! What [[notices.route]] and [[notices.summary]] mean.

use crate::{
    config::{
        limits::Faults,
        notices::{BUILT_IN, Kind},
        sections::Settings,
    },
    policy::{
        notices::{
            Rules,
            written::{self, Receiver},
        },
        problem::Problem,
    },
};

impl Faults<'_> {
    /// After the receivers have been checked.
    pub(super) fn notice_routes(&mut self, settings: &mut Settings) {
        let notices = &settings.notices;
        let written = notices
            .written_sinks
            .iter()
            .map(|sink| Receiver { name: sink.name.as_str(), edits: sink.kind == Kind::GithubComment });
        let unnamed = notices.webhook.iter().map(|_| Receiver { name: "webhook", edits: false });
        let log = std::iter::once(Receiver { name: BUILT_IN, edits: false });
        let receivers: Vec<Receiver<'_>> = written.chain(unnamed).chain(log).collect();
        let (mut rules, mut found) = (Rules::default(), Vec::new());
        for (index, one) in notices.written_routes.iter().enumerate() {
            match written::route(one, index.saturating_add(1), &receivers) {
                Ok(route) => rules.routes.push(route),
                Err(problems) => found.extend(problems.into_iter().map(|problem| ("route", index, problem))),
            }
        }
        for (index, one) in notices.written_summaries.iter().enumerate() {
            match written::summary(one, &receivers) {
                Ok(summary) => rules.summaries.push(summary),
                Err(problems) => {
                    found.extend(problems.into_iter().map(|problem| ("summary", index, problem)));
                }
            }
        }
        for (table, index, problem) in found {
            self.in_table(table, index, problem);
        }
        settings.notices.rules = rules;
    }

    fn in_table(&mut self, table: &str, index: usize, problem: Problem) {
        let (index, field) = (index.to_string(), problem.at.clone().unwrap_or_default());
        let path = ["notices", table, &index].into_iter().chain(field.split(['.', '[', ']']));
        let path: Vec<&str> = path.filter(|part| !part.is_empty()).collect();
        self.told(&path, problem);
    }
}
