//! Which requests are summed up for whom.

use crate::budget::glob::matches;

/// One message for each request that fits, kept up to date at one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub to: String,
    /// Globs; none: any.
    pub teams: Vec<String>,
    pub templates: Vec<String>,
}

impl Summary {
    pub fn fits(&self, team: &str, template: &str) -> bool {
        let any =
            |globs: &[String], text: &str| globs.is_empty() || globs.iter().any(|glob| matches(glob, text));
        any(&self.teams, team) && any(&self.templates, template)
    }
}
