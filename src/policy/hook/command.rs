//! A command in a comment: `/sluice upgrade tokio`, and who may give it.

use std::collections::BTreeSet;

use crate::policy::hook::Expression;

/// One command that a rule waits for.
#[derive(Clone, Debug)]
pub struct Command {
    /// How the comment begins, such as `/sluice upgrade`.
    pub text: String,
    /// Finds the text of the comment.
    pub body: Expression,
    /// Finds who wrote it.
    pub by: Expression,
    /// Finds how the author stands to the repository, where the sender tells.
    pub association: Option<Expression>,
    pub people: BTreeSet<String>,
    pub associations: BTreeSet<String>,
}
