//! `sluice demo`: the whole way of twelve jobs on this machine, against the stand-in for GitHub. Stand-in and daemon run as
//! their own processes in a folder of their own; both are ended whatever happens.

mod cast;
mod checks;
mod document;
mod observe;
mod report;
mod scene;
mod trail;

use std::{collections::BTreeMap, time::Duration};

use clap::Args;
use tokio::time::Instant;

use self::{cast::Cast, document::Document, observe::Observed, scene::Scene};
use crate::{
    cli::{
        client::{Body, Client},
        exit::{CliError, Exit},
        screen::{Screen, Tone},
        words,
    },
    job::time::Millis,
    pipeline::view::Accepted,
};

#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// Keep the folder with ledger, configuration and logs
    #[arg(long)]
    keep: bool,
    /// Give up after so long
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(10..=3_600))]
    within: u64,
}

/// What the request of the demo says.
const REQUEST: &[u8] = include_bytes!("../../../config/demo/request.toml");

pub async fn run(
    args: &DemoArgs,
    screen: &mut Screen,
    env: &BTreeMap<String, String>,
) -> Result<Exit, CliError> {
    let start = Instant::now();
    let scene = Scene::build(args.keep)?;
    let mut cast = Cast::new(scene.folder(), env)?;
    let played = tokio::select! {
        played = play(&scene, &mut cast, screen, start) => played.map_err(|error| with_logs(error, &cast)),
        () = tokio::time::sleep(Duration::from_secs(args.within)) => {
            let what = format!("the demo has not ended within {} s", args.within);
            let error = CliError::new(Exit::Failure, what);
            Err(with_logs(error.hint("run it again with --keep and read serve.log in its folder"), &cast))
        }
        () = interrupted() => Err(CliError::new(Exit::Failure, "interrupted")),
    };
    cast.end().await;
    let document = played?;
    if screen.json {
        screen.line(document.to_json()?)?;
    } else {
        report::tell(&document, &scene, screen)?;
    }
    screen.flush()?;
    Ok(if document.ok { Exit::Ok } else { Exit::Failure })
}

/// What the processes said last usually says why.
fn with_logs(error: CliError, cast: &Cast) -> CliError {
    CliError { what: format!("{}{}", error.what, cast.last_words()), ..error }
}

/// From two new processes to a request that has ended, and everything that is known of it.
async fn play(
    scene: &Scene,
    cast: &mut Cast,
    screen: &mut Screen,
    start: Instant,
) -> Result<Document, CliError> {
    let simulator = cast.simulator().await?;
    scene.address(&simulator)?;
    let (server, daemon) = cast.daemon(&scene.token_file()).await?;
    if !screen.json {
        introduce(screen, &simulator, &server)?;
    }
    let body = Body::Toml { name: "config/demo/request.toml", bytes: REQUEST.to_vec() };
    let accepted: Accepted = daemon.post(&["v1", "requests"], body).await?.read()?;
    let mut observed = Observed::default();
    observe::until_ended(&daemon, &accepted, &mut observed, cast, screen).await?;
    observe::until_notices_are_out(&daemon).await?;
    let elapsed = Millis(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
    gather(&daemon, &simulator, &accepted, &observed, elapsed).await
}

async fn gather(
    daemon: &Client,
    simulator: &str,
    accepted: &Accepted,
    observed: &Observed,
    elapsed: Millis,
) -> Result<Document, CliError> {
    let mut details = Vec::new();
    for job in observed.jobs() {
        details.push(daemon.get(&["v1", "jobs", &job.to_string()], &[]).await?.read()?);
    }
    let stand_in = checks::StandIn::ask(simulator).await?;
    let broken = checks::invariants(daemon, &details, &stand_in).await?;
    Ok(document::build(accepted, &details, observed, &stand_in, (elapsed, broken)))
}

fn introduce(screen: &mut Screen, simulator: &str, server: &str) -> Result<(), CliError> {
    let paint = screen.paint;
    screen.line(
        paint.with(Tone::Strong, "one dependency upgrade, twelve repositories, three agents, two reviewers"),
    )?;
    let where_to =
        format!("stand-in for GitHub at {}, daemon at {}", words::clean(simulator), words::clean(server));
    screen.line(paint.with(Tone::Faint, &where_to))?;
    screen.line("")?;
    screen.flush()
}

/// Ctrl-C, or the signal that service managers send.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        // Without signals nobody can interrupt us this way.
        std::future::pending::<()>().await;
    }
}
