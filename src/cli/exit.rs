//! How a command ended, as its exit code, and the errors that people read: what, where, why, what to do. An error never
//! carries a secret.

use crate::config::ConfigError;

/// Exit codes. They are documented in `--help` and docs/cli.md; a number never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Ok = 0,
    Failure = 1,
    Usage = 2,
    Refused = 3,
    Conflict = 4,
    NotFound = 5,
    Unreachable = 6,
    EndedBadly = 7,
    Unauthorised = 8,
    TimedOut = 9,
    Differs = 10,
}

impl Exit {
    pub const fn code(self) -> u8 {
        self as u8
    }
    /// A word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failure => "failure",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::Conflict => "conflict",
            Self::NotFound => "not-found",
            Self::Unreachable => "unreachable",
            Self::EndedBadly => "ended-badly",
            Self::Unauthorised => "unauthorised",
            Self::TimedOut => "timed-out",
            Self::Differs => "differs",
        }
    }
}

/// What `--help` says about exit codes.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  the command line is wrong
  3  the input was refused; nothing of it was kept
  4  conflict: it cannot be done as things stand, or the idempotency key belongs to another request
  5  not found
  6  the daemon cannot be reached
  7  jobs ended badly (submit --wait)
  8  not authorised: the token is missing, wrong or may not do this
  9  not done in the time given; what was begun stays (drain --timeout)
  10  something differs (policy replay --detailed-exitcode)";

/// A command that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct CliError {
    pub exit: Exit,
    pub what: String,
    /// What to do.
    pub hint: Option<String>,
    /// The daemon's own answer, for programs.
    pub answer: Option<String>,
}

impl CliError {
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), hint: None, answer: None }
    }
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
    /// Whoever read our output has gone (`sluice jobs | head`): nobody is left to complain to.
    pub fn is_silent(&self) -> bool {
        self.exit == Exit::Ok
    }
    /// For people, or as one JSON object for programs.
    pub fn text(&self, json: bool) -> String {
        if json {
            let answer = self
                .answer
                .as_deref()
                .and_then(|answer| serde_json::from_str::<serde_json::Value>(answer).ok());
            let error = serde_json::json!({
                "error": self.exit.as_str(), "exit_code": self.exit.code(),
                "what": self.what, "hint": self.hint, "answer": answer,
            });
            return error.to_string();
        }
        let hint = self.hint.as_ref().map(|hint| format!("\n  what to do: {hint}")).unwrap_or_default();
        format!("error: {}{hint}", self.what)
    }
}

impl From<std::io::Error> for CliError {
    /// Only for writing to standard output.
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Ok, "");
        }
        Self::new(Exit::Failure, format!("writing to standard output failed: {error}"))
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Refused, format!("the configuration cannot be used:\n{error}"))
            .hint("correct it, then look with `sluice config check`")
    }
}

/// A wrong command line, as the parser tells it: what is wrong, an empty line, and what would be right.
pub fn of_usage(told: &str) -> CliError {
    let (what, rest) = told.trim().split_once("\n\n").unwrap_or((told.trim(), ""));
    let error = CliError::new(Exit::Usage, what.strip_prefix("error: ").unwrap_or(what));
    if rest.is_empty() { error } else { error.hint(rest.trim()) }
}

/// The exit code of a command that ran in this process and failed; what it says goes to standard error.
pub fn of_failure(error: &anyhow::Error) -> CliError {
    if let Some(known) = error.downcast_ref::<CliError>() {
        return known.clone();
    }
    match error.downcast_ref::<ConfigError>() {
        Some(config) => CliError::from(config.clone()),
        None => CliError::new(Exit::Failure, format!("{error:#}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_is_told_in_the_help() {
        for exit in [
            Exit::Ok,
            Exit::Failure,
            Exit::Usage,
            Exit::Refused,
            Exit::Conflict,
            Exit::NotFound,
            Exit::Unreachable,
            Exit::EndedBadly,
            Exit::Unauthorised,
            Exit::TimedOut,
        ] {
            assert!(EXIT_CODES.contains(&format!("\n  {}  ", exit.code())), "{exit:?}");
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error() {
        let gone = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert!(CliError::from(gone).is_silent());
        assert!(!CliError::from(std::io::Error::other("disk full")).is_silent());
    }

    #[test]
    fn an_error_says_what_to_do() {
        let error = CliError::new(Exit::NotFound, "there is no job 1234").hint("look with `sluice jobs`");
        assert_eq!(error.text(false), "error: there is no job 1234\n  what to do: look with `sluice jobs`");
        assert!(error.text(true).contains("\"exit_code\":5"));
    }
}
