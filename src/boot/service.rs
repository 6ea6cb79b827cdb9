//! The commands that run until they are told to stop: serve and work. A worker whose life was ended by others, because it was silent for
//! longer than its lease, begins a new one in the same process, with everything built anew.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    boot::{Daemon, Parts, commands::load, doors::Doors, endpoint::Endpoint, streams::Streams, wire},
    cli::{
        CliError, Exit,
        local::{ServeArgs, WorkArgs},
    },
    config::{self, Loaded, sections},
    ledger,
    telemetry::{self, traces::Exporter},
};

/// Resolves at SIGTERM or SIGINT, also when one came before it was waited for.
pub(super) fn told_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Runs the daemon until it is told to stop.
pub async fn serve(args: &ServeArgs) -> anyhow::Result<u8> {
    let stop = told_to_stop()?;
    let loaded = prepare(load(&args.shared)?)?;
    let endpoint = Endpoint::bind(&loaded).await?;
    let token_file = loaded.settings.http.token_file.clone();
    let (address, url) = (endpoint.address()?, endpoint.url()?);
    let ready = || {
        std::fs::write(token_file.with_extension("url"), format!("{url}\n"))
            .with_context(|| format!("writing the address beside {}", token_file.display()))?;
        tracing::info!(%address, token_file = %token_file.display(), ledger = %loaded.settings.ledger.url, "ready");
        Ok(())
    };
    live(&loaded, Some(endpoint), ready, stop).await
}

/// Runs a worker without an endpoint until it is told to stop.
pub async fn work(args: &WorkArgs) -> anyhow::Result<u8> {
    let stop = told_to_stop()?;
    let mut loaded = load(&args.shared)?;
    if !args.roles.is_empty() {
        loaded.settings.worker.roles.clone_from(&args.roles);
    }
    let loaded = prepare(loaded)?;
    let ready = || {
        tracing::info!(ledger = %loaded.settings.ledger.url, gate = %loaded.settings.gate.url, "ready");
        Ok(())
    };
    live(&loaded, None, ready, stop).await
}

/// The log, and what looks unintended.
fn prepare(loaded: Loaded) -> anyhow::Result<Loaded> {
    let format = match loaded.settings.log.format {
        sections::LogFormat::Text => telemetry::LogFormat::Text,
        sections::LogFormat::Json => telemetry::LogFormat::Json,
    };
    telemetry::init(format, &loaded.settings.log.level)?;
    for warning in &loaded.warnings {
        tracing::warn!(warning, "configuration");
    }
    Ok(loaded)
}

type Env = BTreeMap<String, String>;

/// Between two tries to begin a new life.
const RETRY: Duration = Duration::from_secs(1);

/// A life. A later one needs what the first one had, and may find it out of reach for a while: the same fault that ended the life before.
async fn begin(
    loaded: &Loaded,
    env: &Env,
    exporter: Option<&Exporter>,
    again: bool,
) -> anyhow::Result<Daemon> {
    loop {
        let tracer = exporter.map(|exporter| exporter.tracer.clone());
        let error = match Daemon::start(Parts { tracer, ..wire::parts(loaded, env)? }).await {
            Ok(daemon) => return Ok(daemon),
            Err(error) => readable(error),
        };
        if !again {
            return Err(error);
        }
        tracing::warn!(error = format!("{error:#}"), "a new life cannot begin yet; trying again");
        tokio::time::sleep(RETRY).await;
    }
}

/// Runs until it is told to stop, with everything that outlives a life.
async fn live(
    loaded: &Loaded,
    endpoint: Option<Endpoint>,
    ready: impl Fn() -> anyhow::Result<()>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<u8> {
    let env = config::environment();
    let doors = Doors::bind(loaded, endpoint).await?;
    let exporter = wire::exporter(loaded, &env)?;
    let lived = lives(loaded, &env, exporter.as_ref(), &doors, (ready, stop)).await;
    if let Some(exporter) = exporter {
        exporter.finish().await;
    }
    lived
}

/// One life after the other, until it is told to stop or a life ends for another reason than being succeeded.
async fn lives(
    loaded: &Loaded,
    env: &Env,
    exporter: Option<&Exporter>,
    doors: &Doors,
    (ready, stop): (impl Fn() -> anyhow::Result<()>, impl Future<Output = ()>),
) -> anyhow::Result<u8> {
    let stopping = CancellationToken::new();
    let told = stopping.clone();
    let mut stop = std::pin::pin!(async move {
        stop.await;
        told.cancel();
    });
    let mut lives = 0_u32;
    loop {
        let begun = tokio::select! {
            begun = begin(loaded, env, exporter, lives > 0) => Some(begun?),
            () = &mut stop, if lives > 0 => None,
        };
        let Some(mut daemon) = begun else { return Ok(Exit::Ok.code()) };
        lives = lives.saturating_add(1);
        let streams = Streams::open(loaded, env, &daemon.context)?;
        let serving = doors.open(&daemon)?;
        ready()?;
        let ended = tokio::select! {
            () = &mut stop => {
                tracing::info!("told to stop: no new starts, waiting for what is in flight");
                Ok(())
            }
            ended = daemon.ended() => ended,
        };
        // Requests that are being answered still need the ledger.
        daemon.context.shutdown.cancel();
        let mut answered = Ok(());
        for door in serving {
            answered = answered.and(door.await?.context("a local endpoint"));
        }
        streams.ended().await;
        let succeeded = daemon.was_succeeded();
        let stopped = daemon.stop().await;
        answered?;
        ended.and(stopped)?;
        if stopping.is_cancelled() || !succeeded {
            tracing::info!("stopped");
            return Ok(Exit::Ok.code());
        }
        tracing::warn!("beginning a new life as a worker");
    }
}

/// A ledger that cannot be used is refused input, not a broken program.
pub(super) fn readable(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<ledger::LedgerError>() {
        Some(known) => {
            let hint = known.advice().map(str::to_owned);
            CliError { hint, ..CliError::new(Exit::Failure, known.to_string()) }.into()
        }
        None => error,
    }
}
