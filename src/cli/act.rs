//! `sluice cancel|approve|refuse|release|discard-result JOB --reason TEXT`: what a person decides about one job. Each is
//! recorded with who did it and why.

use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::{
    cli::{
        Session,
        client::{Answer, Body},
        exit::{CliError, Exit},
        words,
    },
    client::ClientError,
    job::state::State,
    pipeline::view::{JobView, RequestView},
};

/// Who acts, and why.
#[derive(Args, Clone, Debug, Serialize)]
pub struct By {
    /// Why; it goes on the record
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Who acts [default: whose token it is, or the user of this machine with the daemon's own token]
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,
}

/// Who acts; a reason is kept if there is one.
#[derive(Args, Clone, Debug, Serialize)]
pub struct Who {
    /// Why; it goes on the record
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub reason: String,
    /// Who acts [default: whose token it is, or the user of this machine with the daemon's own token]
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub struct ActArgs {
    /// Id of the job, or the end of it (four characters or more)
    job: String,
    #[command(flatten)]
    by: By,
}

#[derive(Args, Clone, Debug)]
pub struct ApproveArgs {
    /// Id of the job, or the end of it (four characters or more)
    #[arg(required_unless_present = "request", conflicts_with = "request")]
    job: Option<String>,
    /// Every held job of this request
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// Digest of the plan that you looked at, or its first 12 characters; refused if the request goes by another plan
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
    #[command(flatten)]
    by: By,
}

/// What is done.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    Cancel,
    Refuse,
    Release,
    DiscardResult,
}

impl Act {
    const fn path(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
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
            Self::Refuse => "refused; it has ended",
            Self::Release => "released; its reviewer is asked next",
            Self::DiscardResult => "its result was thrown away; it is a dead letter now",
        }
    }
}

pub async fn run(act: Act, args: &ActArgs, session: &mut Session) -> Result<Exit, CliError> {
    let acted = session.client.post(&["v1", "jobs", &args.job, act.path()], Body::json(&args.by)?).await;
    let answer = of_job(acted, &args.job, session).await?;
    if session.screen.json {
        session.screen.answer(&answer)?;
    } else {
        session.screen.line(format!("job {}: {}", args.job, act.done()))?;
    }
    Ok(Exit::Ok)
}

/// What was answered for a job. Whoever named a request is told so.
pub async fn of_job(
    answer: Result<Answer, ClientError>,
    id: &str,
    session: &Session,
) -> Result<Answer, CliError> {
    let error = match answer {
        Ok(answer) => return Ok(answer),
        Err(error) => error,
    };
    let unknown = matches!(&error, ClientError::Refused(refusal) if refusal.code == "unknown-job");
    let error = CliError::from(error);
    if !unknown || session.client.get(&["v1", "requests", id], &[]).await.is_err() {
        return Err(error);
    }
    let hint = format!("name one of its jobs: `sluice jobs --request {id}` lists them");
    Err(CliError { what: format!("{id} is a request, not a job"), hint: Some(hint), ..error })
}

/// One person's word. It may complete what is asked for, or be one of several.
pub async fn approve(args: &ApproveArgs, session: &mut Session) -> Result<Exit, CliError> {
    let mut body = json!({ "actor": args.by.actor, "reason": args.by.reason });
    if let (Some(body), Some(digest)) = (body.as_object_mut(), &args.digest) {
        body.insert("digest".to_owned(), json!(digest));
    }
    let (kind, id) = match (&args.job, &args.request) {
        (Some(job), _) => ("jobs", job),
        (None, Some(request)) => ("requests", request),
        (None, None) => return Err(CliError::new(Exit::Usage, "neither a job nor a request is named")),
    };
    let acted = session.client.post(&["v1", kind, id, "approve"], Body::json(&body)?).await;
    let answer = of_job(acted, id, session).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
    } else if kind == "jobs" {
        let job: JobView = answer.read()?;
        let text = match job.wait.filter(|_| job.state == State::Held) {
            Some(wait) => format!("your approval is kept; it still {}", wait.text),
            None => "approved; it queues now".to_owned(),
        };
        screen.line(format!("job {id}: {}", words::clean(&text)))?;
    } else {
        let view: RequestView = answer.read()?;
        let held = view.states.iter().find(|count| count.state == State::Held).map_or(0, |count| count.jobs);
        screen
            .line(format!("request {id}: your approval is kept; {} still held", words::count(held, "job")))?;
    }
    Ok(Exit::Ok)
}
