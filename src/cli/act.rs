//! `sluice cancel|approve|refuse|release|discard-result JOB --reason TEXT`: what a person decides about one job. Each is
//! recorded with who did it and why.

use clap::Args;
use serde::Serialize;

use crate::cli::{
    Session,
    client::Body,
    exit::{CliError, Exit},
};

/// Who acts, and why.
#[derive(Args, Clone, Debug, Serialize)]
pub struct By {
    /// Why; it goes on the record
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Who acts
    #[arg(long, env = "USER", hide_env_values = true, value_name = "NAME", default_value = "operator")]
    pub actor: String,
}

#[derive(Args, Clone, Debug)]
pub struct ActArgs {
    /// Id of the job, or the end of it (four characters or more)
    job: String,
    #[command(flatten)]
    by: By,
}

/// What is done.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    Cancel,
    Approve,
    Refuse,
    Release,
    DiscardResult,
}

impl Act {
    const fn path(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Approve => "approve",
            Self::Refuse => "refuse",
            Self::Release => "release",
            Self::DiscardResult => "discard-result",
        }
    }
    const fn done(self) -> &'static str {
        match self {
            Self::Cancel => {
                "cancelled; a task that runs already is not stopped, and its result will not be used"
            }
            Self::Approve => "approved; it queues now",
            Self::Refuse => "refused; it has ended",
            Self::Release => "released; its reviewer is asked next",
            Self::DiscardResult => "its result was thrown away; it is a dead letter now",
        }
    }
}

pub async fn run(act: Act, args: &ActArgs, session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.post(&["v1", "jobs", &args.job, act.path()], Body::json(&args.by)?).await?;
    if session.screen.json {
        session.screen.answer(&answer)?;
    } else {
        session.screen.line(format!("job {}: {}", args.job, act.done()))?;
    }
    Ok(Exit::Ok)
}
