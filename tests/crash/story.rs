//! What happens to each repository of a test, as the simulator plays it.

/// What the agent and the people do in one repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// Completed, merged.
    Plain,
    /// The first task fails for a reason that goes away.
    Again,
    /// The agent asks something and waits until a person answers.
    Asks,
    /// The task was made, and the answer to its start says that something broke.
    Lost,
    /// No task was made, and the answer to its start says that something broke.
    Gone,
    /// The task cannot be done.
    Fails,
    /// The reviewer says no.
    Closed,
}

impl Story {
    /// One of each that costs no look-up window.
    pub const QUICK: [Self; 6] =
        [Self::Plain, Self::Again, Self::Asks, Self::Lost, Self::Fails, Self::Closed];

    /// The state that a job of it ends in.
    pub const fn end(self) -> &'static str {
        match self {
            Self::Plain | Self::Again | Self::Asks | Self::Lost | Self::Gone => "succeeded",
            Self::Fails => "dead",
            Self::Closed => "rejected",
        }
    }

    /// Tasks that it takes.
    pub const fn tasks(self) -> usize {
        if matches!(self, Self::Again) { 2 } else { 1 }
    }

    /// Its part of the scenario.
    pub fn tables(self, repository: &str) -> String {
        let story = |keys: &str| format!("[[stories]]\nmatch = \"{repository}\"\n{keys}\n");
        let spoiled = |when: &str| {
            format!(
                "[[faults]]\nwhen = \"{when}\"\nstatus = 502\ntimes = 1\n[faults.match]\nmethod = \"POST\"\n\
                 route = \"{CREATE}\"\nrepository = \"{repository}\"\n"
            )
        };
        match self {
            Self::Plain => String::new(),
            Self::Again => story(
                "attempt = 1\noutcome = \"failed\"\nleaves = \"nothing\"\nmessage = \"The agent encountered an internal \
                 error, please retry\"",
            ),
            Self::Asks => story("outcome = \"waiting_for_user\"\nwaits_after_ms = 30"),
            Self::Lost => spoiled("after"),
            Self::Gone => spoiled("before"),
            Self::Fails => {
                story("outcome = \"failed\"\nleaves = \"nothing\"\nmessage = \"tests failed: 3 of 214\"")
            }
            Self::Closed => story("review = \"closed\""),
        }
    }
}

/// How the simulator names the route of a start.
pub const CREATE: &str = "/agents/repos/{owner}/{repo}/tasks";
