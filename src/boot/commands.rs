//! The commands that run in this process: serve, simulate, doctor, config check, audit verify offline, bench.

use std::{io::Write as _, sync::Arc};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    boot::{self, Daemon, streams::Streams, token, wire},
    cli::{
        AuditVerifyArgs, CliError, Exit,
        local::{BenchArgs, BenchWhat, ConfigCheckArgs, DoctorArgs, ServeArgs, SimulateArgs},
    },
    clock::Entropy,
    config::{self, ConfigError, Loaded, Settings, sections},
    http, job, ledger, simulator, telemetry,
};

/// One line for whoever reads standard output.
pub(super) fn say(line: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{line}") {
        // Whoever read has gone: that is their choice.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done.context("writing to standard output"),
    }
}

pub(super) fn load(shared: &crate::cli::Shared) -> Result<Loaded, ConfigError> {
    Settings::load(shared.config.as_deref(), &config::environment())
}

/// Resolves at SIGTERM or SIGINT, also when one came before it was waited for.
fn told_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
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
    let loaded = load(&args.shared)?;
    let format = match loaded.settings.log.format {
        sections::LogFormat::Text => telemetry::LogFormat::Text,
        sections::LogFormat::Json => telemetry::LogFormat::Json,
    };
    telemetry::init(format, &loaded.settings.log.level)?;
    for warning in &loaded.warnings {
        tracing::warn!(warning, "configuration");
    }
    let env = config::environment();
    let listen = loaded.settings.http.listen;
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(|error| {
        CliError::new(Exit::Failure, format!("listening on {listen} failed: {error}"))
            .hint("another daemon may be running there: stop it, or change [http] listen")
    })?;
    let address = listener.local_addr()?;
    let token_file = &loaded.settings.http.token_file;
    let token = token::load_or_make(token_file, &Entropy::from_system())?;
    let mut daemon = Daemon::start(wire::parts(&loaded, &env)?).await.map_err(readable)?;
    let endpoint = http::router(Arc::clone(&daemon.context), token);
    let streams = Streams::open(&loaded, &env, &daemon.context)?;
    let http = tokio::spawn(http::serve(listener, endpoint, daemon.context.shutdown.clone()));
    std::fs::write(token_file.with_extension("url"), format!("http://{address}\n"))
        .with_context(|| format!("writing the address beside {}", token_file.display()))?;
    tracing::info!(%address, token_file = %token_file.display(), ledger = %loaded.settings.ledger.url, "ready");
    let ended = tokio::select! {
        () = stop => {
            tracing::info!("told to stop: no new starts, waiting for what is in flight");
            Ok(())
        }
        ended = daemon.ended() => ended,
    };
    // Requests that are being answered still need the ledger.
    daemon.context.shutdown.cancel();
    let answered = http.await?.context("the local endpoint");
    streams.ended().await;
    let stopped = daemon.stop().await;
    answered?;
    ended.and(stopped)?;
    tracing::info!("stopped");
    Ok(Exit::Ok.code())
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

/// Runs the stand-in for GitHub until it is told to stop.
pub async fn simulate(args: &SimulateArgs) -> anyhow::Result<u8> {
    let options = simulator::Options {
        listen: args.listen,
        scenario: args.scenario.clone(),
        seed: args.seed,
        port_file: args.port_file.clone(),
    };
    let refused = |error| CliError::new(Exit::Refused, format!("{:#}", anyhow::Error::from(error)));
    simulator::serve(options, told_to_stop()?).await.map_err(|error| {
        refused(error).hint("docs/simulator.md describes scenario files; --listen names another address")
    })?;
    Ok(Exit::Ok.code())
}

/// Reads and checks everything, starts nothing.
pub async fn config_check(args: &ConfigCheckArgs) -> anyhow::Result<u8> {
    let summary =
        config::check(args.shared.config.as_deref(), &config::environment()).map_err(ConfigError)?;
    if args.shared.json {
        say(&serde_json::to_string(&summary)?)?;
        return Ok(Exit::Ok.code());
    }
    say(&format!("{}: good", summary.file.as_deref().unwrap_or("no file; every key at its default")))?;
    say(&format!("  works as      {} (of {})", summary.identity, summary.identities.join(", ")))?;
    say(&format!("  repositories  {}", summary.repositories.join(", ")))?;
    say(&format!("  templates     {}", summary.templates.join(", ")))?;
    say(&format!("  budgets       {}; reviewer pools: {}", summary.budgets, summary.pools.join(", ")))?;
    for warning in &summary.warnings {
        say(&format!("  warning       {warning}"))?;
    }
    Ok(Exit::Ok.code())
}

/// Checks configuration, ledger, gate, token and clock, and says what to do about each.
pub async fn doctor(args: &DoctorArgs) -> anyhow::Result<u8> {
    let findings = boot::doctor::examine(args.shared.config.as_deref(), &config::environment()).await;
    let well = findings.iter().all(|finding| finding.state != boot::doctor::State::Bad);
    if args.shared.json {
        say(&serde_json::to_string(&serde_json::json!({ "ok": well, "findings": findings }))?)?;
    } else {
        for finding in &findings {
            say(&format!("{:<5} {:<10} {}", finding.state.as_str(), finding.what, finding.text))?;
            if let Some(advice) = &finding.advice {
                say(&format!("                 what to do: {advice}"))?;
            }
        }
    }
    Ok(if well { Exit::Ok } else { Exit::Failure }.code())
}

/// Checks the history of a ledger without a daemon; the ledger is only read.
pub async fn audit_verify_offline(args: &AuditVerifyArgs) -> anyhow::Result<u8> {
    let url = args.ledger.clone().unwrap_or_default();
    // The password of a PostgreSQL ledger comes from the configuration, if there is one for this ledger.
    let password = load(&args.shared)
        .ok()
        .filter(|loaded| loaded.settings.ledger.url == url)
        .and_then(|loaded| wire::location(&loaded, &config::environment()).ok())
        .and_then(|location| location.password);
    let location = ledger::Location { url, password, full_durability: true };
    let opened =
        ledger::Ledger::open_read_only(&location, Arc::default()).await.map_err(|e| readable(e.into()))?;
    let verified = opened.verify().await.map_err(|e| readable(e.into()))?;
    if args.shared.json {
        say(&serde_json::to_string(&verified)?)?;
    } else {
        match &verified.broken {
            None => say(&format!(
                "{} entries, each follows the one before; last hash {}",
                verified.entries, verified.hash
            ))?,
            Some(problem) => {
                say(&format!("broken: {problem} ({} entries before it are good)", verified.entries))?;
            }
        }
    }
    Ok(if verified.broken.is_none() { Exit::Ok } else { Exit::Failure }.code())
}

/// Runs the benchmarks and prints their figures with the machine.
pub async fn bench(args: &BenchArgs) -> anyhow::Result<u8> {
    let wants = |what| args.what.is_none_or(|wanted| wanted == what);
    let mut figures = Vec::new();
    // First, before others have grown this process.
    if wants(BenchWhat::Idle) {
        figures.extend(boot::bench::idle::run().await?);
    }
    if wants(BenchWhat::Submit) {
        figures.extend(boot::bench::submit::run(10_000, 2_048).await?);
    }
    if wants(BenchWhat::Track) {
        figures.extend(boot::bench::tracking::run(1_000, job::Millis::seconds(10)).await?);
    }
    if wants(BenchWhat::Admission) {
        figures.extend(boot::bench::admission::run(&[10, 10_000, 1_000_000]).await?);
    }
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    if args.shared.json {
        say(&serde_json::json!({ "cores": cores, "build": build, "figures": figures }).to_string())?;
    } else {
        say(&format!("{cores} cores, {build} build"))?;
        for figure in figures {
            say(&format!("{:>12.3} {:<5} {}", figure.value, figure.unit, figure.name))?;
        }
    }
    Ok(Exit::Ok.code())
}
