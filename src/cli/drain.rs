//! `sluice drain SCOPE [VALUE]`: closes a gate, then waits until nothing behind it is worked on any more, telling each change.
//! The gate stays closed whatever happens here.

use std::{collections::HashMap, time::Duration};

use clap::Args;
use serde_json::json;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};

use crate::{
    cli::{
        Session,
        act::By,
        client::Answer,
        exit::{CliError, Exit},
        follow::{Board, patiently},
        gates::{Before, Span, Until, close, remark},
        screen::complain,
        words,
    },
    job::id::JobId,
    pipeline::view::{Behind, GateView, JobView},
};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Args, Clone, Debug)]
pub struct DrainArgs {
    #[command(flatten)]
    before: Before,
    #[command(flatten)]
    by: By,
    /// The gate opens by itself: a time such as 2026-12-01T08:00:00Z, or a span such as 2h, 1d
    #[arg(long, value_name = "TIME")]
    until: Option<Until>,
    /// Wait so long at most, such as 30m [default: until nothing is worked on any more]
    #[arg(long, value_name = "SPAN")]
    timeout: Option<Span>,
    /// Close the gate, tell what it would wait for, and end
    #[arg(long, conflicts_with = "timeout")]
    no_wait: bool,
}

/// How the wait went.
enum End {
    Drained,
    /// The time given was over.
    TimeOut,
    /// Not to be waited for.
    Left,
    /// Somebody opened the gate, or its time came: more may start at any moment.
    Opened,
    Interrupted,
}

pub async fn run(args: &DrainArgs, session: &mut Session) -> Result<Exit, CliError> {
    let by = By { reason: format!("drain: {}", args.by.reason), actor: args.by.actor.clone() };
    let closed: GateView = close(&args.before, &by, args.until, session).await?.read()?;
    if !session.screen.json {
        remark(&closed.remarks, &mut session.screen)?;
    }
    // From here on an interruption is heard, also one that comes while the daemon is asked.
    let mut interrupted = signal(SignalKind::interrupt())
        .map_err(|error| CliError::new(Exit::Failure, format!("interruptions cannot be heard: {error}")))?;
    let begun = Instant::now();
    let mut told = Told::default();
    loop {
        let (answer, behind) = look(&args.before, session).await?;
        if !session.screen.json {
            told.tell(&answer, &behind, session).await?;
        }
        let in_time = args.timeout.is_none_or(|span| begun.elapsed() < span.as_duration());
        let end = if behind.closure.is_none() {
            End::Opened
        } else if behind.working.is_empty() {
            End::Drained
        } else if args.no_wait {
            End::Left
        } else if !in_time {
            End::TimeOut
        } else {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => continue,
                _ = interrupted.recv() => End::Interrupted,
            }
        };
        return finish(&end, &args.before, &behind, session);
    }
}

async fn look(before: &Before, session: &Session) -> Result<(Answer, Behind), CliError> {
    let query = before.query();
    let hint = "the gate stays closed: start the daemon, then give the same command again";
    let answer = patiently(&session.client, &["v1", "gates", "behind"], &query, hint).await?;
    let behind = answer.read()?;
    Ok((answer, behind))
}

fn finish(end: &End, before: &Before, behind: &Behind, session: &mut Session) -> Result<Exit, CliError> {
    let resume = format!("`sluice resume {before} --reason TEXT` opens it");
    let left = words::count(behind.working.len(), "job");
    let (exit, said) = match end {
        End::Drained => {
            (Exit::Ok, format!("drained: nothing behind {} is worked on any more; {resume}", behind.key))
        }
        End::Left => (Exit::Ok, format!("not waited for; {} stays closed; {resume}", behind.key)),
        End::TimeOut => (
            Exit::TimedOut,
            format!("not drained in time: {left} still worked on; {} stays closed; {resume}", behind.key),
        ),
        End::Interrupted => (
            Exit::Failure,
            format!("stopped waiting: {left} still worked on; {} stays closed; {resume}", behind.key),
        ),
        End::Opened => (Exit::Conflict, format!("{} was opened while it was drained", behind.key)),
    };
    let screen = &mut session.screen;
    if screen.json {
        let drained = matches!(end, End::Drained);
        let answer = json!({
            "key": behind.key, "closure": behind.closure, "drained": drained, "working": behind.working,
            "waiting_for_people": behind.waiting_for_people,
        });
        screen.line(answer.to_string())?;
    }
    match exit {
        Exit::Ok if screen.json => {}
        Exit::Ok => screen.line(said)?,
        _ => complain(&said),
    }
    Ok(exit)
}

/// What was said so far.
#[derive(Default)]
struct Told {
    board: Board,
    /// Those of the last look: one that is missing now is asked for once more, to tell where it went.
    known: HashMap<JobId, JobView>,
    waiting_for_people: Option<u64>,
}

impl Told {
    async fn tell(
        &mut self,
        answer: &Answer,
        behind: &Behind,
        session: &mut Session,
    ) -> Result<(), CliError> {
        let mut lines = Vec::new();
        if self.waiting_for_people.is_none() {
            let waits = match behind.working.len() {
                0 => "nothing is worked on behind it".to_owned(),
                jobs => format!("waiting for {} behind it", words::count(jobs, "job")),
            };
            lines.push(format!("{} is closed; {waits}", behind.key));
        }
        let now: HashMap<JobId, JobView> = behind.working.iter().map(|job| (job.id, job.clone())).collect();
        for gone in self.known.values().filter(|job| !now.contains_key(&job.id)) {
            let path = ["v1", "jobs", &gone.id.to_string(), "why"];
            let moved: crate::pipeline::view::Why = session.client.get(&path, &[]).await?.read()?;
            let job = JobView { state: moved.state, wait: moved.wait, ..gone.clone() };
            lines.extend(self.board.change(&job));
        }
        lines.extend(behind.working.iter().filter_map(|job| self.board.change(job)));
        let people = behind.waiting_for_people;
        if self.waiting_for_people.is_some_and(|before| before != people)
            || (self.waiting_for_people.is_none() && people > 0)
        {
            let jobs = words::count(people, "job");
            lines.push(format!("{jobs} not waited for: the agent waits for a person there"));
        }
        (self.known, self.waiting_for_people) = (now, Some(people));
        let stamp = answer.at.map(words::moment).unwrap_or_default();
        session.screen.lines(lines.into_iter().map(|line| format!("{stamp}  {line}")))?;
        session.screen.flush()
    }
}
