//! What a repository is like: its branch, owners, members and switches. As with stories, every
//! `[[repositories]]` table that matches is overlaid in file order; a repository exists when at
//! least one table matches.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::pattern::Pattern;

/// A pull request that stood open before anything happened.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StandingPull {
    pub title: String,
    /// Name of its branch; one that begins with `copilot/` is the agent's.
    pub head: String,
    /// The default branch when absent.
    pub base: Option<String>,
    /// Login; the agent when absent.
    pub author: Option<String>,
    #[serde(default)]
    pub labels: Vec<String>,
    #[serde(default)]
    pub draft: bool,
}

/// Declares the traits of a repository, the table that may replace them, and the overlay.
macro_rules! traits {
    ($($(#[$doc:meta])* $key:ident: $kind:ty = $value:expr;)+) => {
        /// What one repository is like.
        #[derive(Debug, Clone)]
        pub(crate) struct RepositoryTraits { $($(#[$doc])* pub $key: $kind,)+ }

        /// The traits that one table of a scenario sets.
        #[derive(Debug, Clone, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct RepositoryPatch {
            /// Repositories the table is for.
            #[serde(rename = "match")]
            pub covers: Pattern,
            $($(#[$doc])* pub $key: Option<$kind>,)+
        }

        impl Default for RepositoryTraits {
            fn default() -> RepositoryTraits { RepositoryTraits { $($key: $value,)+ } }
        }

        impl RepositoryTraits {
            /// Replaces what the patch sets.
            pub(crate) fn overlay(&mut self, patch: &RepositoryPatch) {
                $(if let Some(value) = &patch.$key { self.$key.clone_from(value); })+
            }
        }
    };
}

traits! {
    default_branch: Arc<str> = Arc::from("main");
    private: bool = true;
    archived: bool = false;
    /// Switched off by GitHub; writes answer 403.
    disabled: bool = false;
    /// False: nobody may write, whatever the token says.
    push: bool = true;
    size_kb: u64 = 1;
    /// Bytes of source by language.
    languages: Arc<BTreeMap<String, u64>> = Arc::new(BTreeMap::from([("Rust".to_owned(), 1_000)]));
    topics: Arc<[String]> = Arc::from([]);
    /// Text of each file of the default branch, by path.
    files: Arc<BTreeMap<String, String>> = Arc::new(BTreeMap::new());
    /// Names of the workflows.
    workflows: Arc<[String]> = Arc::from(["ci".to_owned()]);
    /// Custom agents that a task may name; "*" is any.
    custom_agents: Arc<[String]> = Arc::from(["*".to_owned()]);
    /// Pull requests that stand open from the beginning.
    open_pulls: Arc<[StandingPull]> = Arc::from([]);
    /// Issues 1 to this one are open, for comments.
    issues: u64 = 0;
    /// False: the agent tasks paths answer 404.
    agent_enabled: bool = true;
    /// Who may be asked for a review; "*" is anybody.
    collaborators: Arc<[String]> = Arc::from(["*".to_owned()]);
    /// Team slugs that may be asked for a review; "*" is any.
    teams: Arc<[String]> = Arc::from(["*".to_owned()]);
    /// Text of .github/CODEOWNERS; the file does not exist when empty.
    codeowners: Arc<str> = Arc::from("");
    /// Workflows wait in `action_required` and no check ever reports.
    workflow_approval: bool = false;
    firewall: bool = true;
}
