//! What is wrong with something that people wrote: a template, a request, a configuration. One problem is one
//! clear message: what, where, why, what to do. It must never carry a secret.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $token:literal,)*) => {
        /// Names a kind of problem for machines; a token never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "kebab-case")]
        #[schema(as = ProblemCode)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$name,)*];
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $token,)* }
            }
        }
    };
}

codes! {
    /// No template of that name or version.
    UnknownTemplate = "unknown-template",
    /// A template file that cannot be used.
    BadTemplate = "bad-template",
    /// Two files hold the same template and version.
    DuplicateTemplate = "duplicate-template",
    /// A prompt names something that it is not given.
    UndefinedVariable = "undefined-variable",
    /// A prompt cannot be compiled or rendered.
    BadPrompt = "bad-prompt",
    /// A request that cannot be read, or a field of it that is wrong.
    BadRequest = "bad-request",
    /// An input that the template's schema does not accept.
    WrongInput = "wrong-input",
    /// A text that is no owner/name.
    BadRepository = "bad-repository",
    /// Outside the allow-list of the installation or of the template.
    RepositoryNotAllowed = "repository-not-allowed",
    DuplicateRepository = "duplicate-repository",
    TooManyRepositories = "too-many-repositories",
    /// Nothing is left to do.
    NoRepositories = "no-repositories",
    PromptTooLong = "prompt-too-long",
    PromptEmpty = "prompt-empty",
    /// All prompts of a request together are too large.
    RequestTooLarge = "request-too-large",
    #[serde(rename = "not-utf-8")]
    NotUtf8 = "not-utf-8",
    /// The line that names our attempts appears in a text that is not ours.
    MarkerInInput = "marker-in-input",
    /// Something that looks like a credential where everything is kept for ever.
    SecretInInput = "secret-in-input",
    /// A character that cannot be seen, or that changes how others are shown.
    ControlCharacter = "control-character",
    /// Templates that replace each other in a circle, or one that replaces what is not there.
    BadLineage = "bad-lineage",
    /// A file that is not what its version was at its first use.
    TemplateChanged = "template-changed",
    /// Two routes that fit the same job and name different models.
    ContradictoryRoutes = "contradictory-routes",
    /// A model is asked for without saying why.
    ReasonMissing = "reason-missing",
    /// What was planned and what would be done now are different.
    PlanChanged = "plan-changed",
    /// A plan file that cannot be read, or was changed by hand.
    BadPlan = "bad-plan",
    /// A reviewer pool that is not configured.
    UnknownPool = "unknown-pool",
    /// The pool has nobody but the requester.
    NobodyMayReview = "nobody-may-review",
    /// Too few people could give an approval that is asked for.
    NobodyMayApprove = "nobody-may-approve",
    /// Waves that are no waves.
    BadWaves = "bad-waves",
    /// A request's waves let more out than the template's do.
    LooserWaves = "looser-waves",
    /// A model outside the list of the installation.
    ModelNotAllowed = "model-not-allowed",
    /// An identity that is not configured.
    UnknownIdentity = "unknown-identity",
    /// A configuration file or variable that cannot be used.
    BadConfig = "bad-config",
    /// A secret that is missing, empty, or written down where only a reference may be.
    BadSecret = "bad-secret",
    /// A file of policy tests that cannot be read.
    BadPolicyTest = "bad-policy-test",
    /// A policy decides otherwise than its test expects.
    PolicyTestFailed = "policy-test-failed",
    /// Roles, teams or templates of a token that let nobody do anything, or more than they say.
    BadAccess = "bad-access",
    /// A freeze that means nothing, or not what was meant.
    BadFreeze = "bad-freeze",
    /// A schedule that means nothing, or never comes.
    BadSchedule = "bad-schedule",
    /// A webhook that means nothing, or lets in whoever comes.
    BadHook = "bad-hook",
    /// A delivery that holds no JSON.
    BadPayload = "bad-payload",
    /// A delivery of which a rule wants a request that cannot be made.
    Unmapped = "unmapped",
    /// A calendar that is not understood.
    BadCalendar = "bad-calendar",
    /// An address that is not public where one is wanted.
    PrivateAddress = "private-address",
    /// A file or folder that cannot be read.
    Unreadable = "unreadable",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    pub code: Code,
    /// What is wrong, and why.
    pub what: String,
    /// `file:line:column`, the path of a field (`repositories[3]`, `inputs.version`), or a variable's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The offending line and a caret under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), at: None, excerpt: None, hint: None }
    }
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.at = Some(place.into());
        self
    }
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    /// `where: what (code)`, then the excerpt and the hint on lines of their own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.at {
            write!(f, "{at}: ")?;
        }
        write!(f, "{} ({})", self.what, self.code)?;
        if let Some(excerpt) = &self.excerpt {
            write!(f, "\n{excerpt}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_same_token_in_text_and_in_json() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn a_problem_says_where_what_and_what_to_do() {
        let problem =
            Problem::new(Code::WrongInput, "expected a whole number").at("inputs.count").hint("write 3");
        assert_eq!(
            problem.to_string(),
            "inputs.count: expected a whole number (wrong-input)\n  hint: write 3"
        );
    }
}
