//! Why an attempt failed: a class that says whether another try can help, and a fingerprint that
//! lets the same failure be recognised across jobs.

use serde::{Deserialize, Serialize};

/// A closed set; templates name the classes that they retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The provider or its infrastructure broke; waiting may help.
    Infrastructure,
    /// The agent ran into a usage or model limit; waiting may help.
    RateLimited,
    /// The wanted model cannot be had.
    ModelUnavailable,
    /// The work itself failed: tests, build, instructions.
    Work,
    /// Ran out of time: the scope is too big.
    TimedOut,
    /// Someone stopped it.
    Stopped,
    /// It said it was done and left nothing to review.
    NoResult,
    /// The provider read the start and will not take it.
    Refused,
    /// The message fits no known class.
    Unknown,
}

impl FailureClass {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Infrastructure => "infrastructure",
            Self::RateLimited => "rate_limited",
            Self::ModelUnavailable => "model_unavailable",
            Self::Work => "work",
            Self::TimedOut => "timed_out",
            Self::Stopped => "stopped",
            Self::NoResult => "no_result",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }

    /// True if the same attempt may succeed later, with nothing changed but the time.
    pub const fn may_pass(self) -> bool {
        matches!(self, Self::Infrastructure | Self::RateLimited | Self::ModelUnavailable | Self::Unknown)
    }
}

const SIGNS: [(FailureClass, &[&str]); 4] = [
    (FailureClass::RateLimited, &["rate limit", "rate-limit", "too many requests", "quota", "429"]),
    (FailureClass::ModelUnavailable, &["model not available", "requested model", "unsupported model"]),
    (
        FailureClass::Infrastructure,
        &[
            "internal error",
            "infrastructure",
            "please retry",
            "try again",
            "service unavailable",
            "connection",
            "502",
            "503",
        ],
    ),
    (FailureClass::Work, &["test", "build failed", "compile", "lint", "conflict", "could not complete"]),
];

/// The class of a failed session's message. The provider gives no error code, so words decide.
pub fn classify(message: &str) -> FailureClass {
    let lower = message.to_lowercase();
    SIGNS
        .iter()
        .find(|(_, words)| words.iter().any(|word| lower.contains(word)))
        .map_or(FailureClass::Unknown, |(class, _)| *class)
}

/// The message with numbers, ids and quoted parts taken out, at most 120 characters: equal for the
/// same failure of different jobs.
pub fn fingerprint(class: FailureClass, message: &str) -> String {
    let mut plain = String::with_capacity(message.len().min(160));
    let mut quoted = false;
    for word in message.to_lowercase().split_whitespace() {
        let opens = word.starts_with(['`', '"', '\'']);
        let closes = word.ends_with(['`', '"', '\'']);
        let skip = quoted || opens || word.chars().any(|c| c.is_ascii_digit());
        quoted = if opens { !closes || word.len() == 1 } else { quoted && !closes };
        if !plain.is_empty() {
            plain.push(' ');
        }
        plain.push_str(if skip { "#" } else { word });
    }
    let short: String = plain.chars().take(120).collect();
    format!("{}: {short}", class.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_fall_into_the_class_that_decides_on_a_retry() {
        for (message, class) in [
            ("The agent encountered an internal error, please retry", FailureClass::Infrastructure),
            ("CAPIError: 400 Requested model not available for session", FailureClass::ModelUnavailable),
            ("You have hit a rate limit", FailureClass::RateLimited),
            ("tests failed: 3 of 214", FailureClass::Work),
            ("something else", FailureClass::Unknown),
            ("", FailureClass::Unknown),
        ] {
            assert_eq!(classify(message), class, "{message}");
        }
    }

    #[test]
    fn the_same_failure_of_two_jobs_has_one_fingerprint() {
        let of = |message| fingerprint(FailureClass::Work, message);
        assert_eq!(
            of("tests failed: 3 of 214 in `acme api`"),
            of("tests failed: 9 of 80 in `acme web two`").replace("# # #", "# #")
        );
        assert_eq!(of("job 7 failed"), of("job 8 failed"));
        assert_ne!(of("build failed"), of("tests failed"));
    }
}
