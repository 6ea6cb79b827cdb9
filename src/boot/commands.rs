//! The commands that run in this process and come to an end by themselves, and the stand-in: simulate, doctor, config check, bench.

use std::{io::Write as _, sync::Arc};

use anyhow::Context as _;

use crate::{
    boot::{
        self,
        bench::{Report, Sizes, machine::Machine},
        service::{readable, told_to_stop},
        sinks, template_check, wire,
    },
    cli::{
        CliError, Exit,
        local::{BenchArgs, BenchWhat, ConfigCheckArgs, DoctorArgs, MigrateArgs, SimulateArgs},
    },
    clock::{Clock as _, Entropy, SystemClock},
    config::{self, ConfigError, Loaded, Settings},
    job, ledger,
    policy::Problem,
    simulator,
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
    let mut summary =
        config::check(args.shared.config.as_deref(), &config::environment()).map_err(ConfigError)?;
    let loaded = load(&args.shared)?;
    let tls = boot::endpoint::tls(&loaded).map_err(ConfigError::from)?;
    let ending = tls.and_then(|files| boot::endpoint::ending(&files, SystemClock.now()));
    summary.warnings.extend(ending.map(|text| format!("[http] tls_certificate: {text}")));
    wire::audit(&loaded, &config::environment())?;
    sinks::check(&loaded, &config::environment())?;
    // Without a ledger nothing was used yet.
    if let Ok(used) = template_check::used(&loaded).await {
        let catalog = config::load_catalog(&loaded)?;
        let changed = catalog.iter().filter_map(|template| template_check::changed(template, &used));
        let changed: Vec<Problem> = changed.collect();
        if !changed.is_empty() {
            return Err(ConfigError(changed).into());
        }
    }
    if args.shared.json {
        say(&serde_json::to_string(&summary)?)?;
        return Ok(Exit::Ok.code());
    }
    say(&format!("{}: good", summary.file.as_deref().unwrap_or("no file; every key at its default")))?;
    say(&format!("  works as      {} (of {})", summary.identity, summary.identities.join(", ")))?;
    say(&format!("  repositories  {}", summary.repositories.join(", ")))?;
    say(&format!("  templates     {}", summary.templates.join(", ")))?;
    say(&format!("  budgets       {}; reviewer pools: {}", summary.budgets, summary.pools.join(", ")))?;
    say(&format!("  schedules     {}", counted(&summary.schedules)))?;
    say(&format!("  webhooks in   {}", counted(&summary.hooks)))?;
    say(&format!("  receivers     {}; routes: {}", counted(&summary.receivers), summary.notice_routes))?;
    for warning in &summary.warnings {
        say(&format!("  warning       {warning}"))?;
    }
    Ok(Exit::Ok.code())
}

/// How many, and their names.
fn counted(names: &[String]) -> String {
    if names.is_empty() { "0".to_owned() } else { format!("{}: {}", names.len(), names.join(", ")) }
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

/// Opens the ledger as a daemon would, which makes its tables those of this version, and closes it again.
pub async fn migrate(args: &MigrateArgs) -> anyhow::Result<u8> {
    let loaded = load(&args.shared)?;
    let location = wire::location(&loaded, &config::environment())?;
    let rules = Arc::new(loaded.settings.rules.clone());
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(Entropy::from_system()));
    let opened = ledger::Ledger::open_shared(&location, rules, clock, entropy).await;
    let opened = opened.map_err(|error| readable(error.into()))?;
    let head = opened.head().await;
    opened.close().await;
    let entries = head.map_err(|error| readable(error.into()))?.seq;
    if args.shared.json {
        say(&serde_json::json!({ "ledger": location.url, "entries": entries }).to_string())?;
    } else {
        say(&format!("{}: its tables are those of this version; {entries} entries", location.url))?;
    }
    Ok(Exit::Ok.code())
}

/// Runs the benchmarks and prints their figures with the machine.
pub async fn bench(args: &BenchArgs) -> anyhow::Result<u8> {
    let wants = |what| args.what.is_none_or(|wanted| wanted == what);
    let sizes = if args.quick { Sizes::Quick } else { Sizes::Full };
    let machine = Machine::here();
    let mut report = Report::new((!args.shared.json).then_some(say as fn(&str) -> anyhow::Result<()>));
    if !args.shared.json {
        say(&machine.to_string())?;
    }
    // First, before others have grown this process.
    if wants(BenchWhat::Idle) {
        report.add(boot::bench::idle::run().await?)?;
    }
    if wants(BenchWhat::Submit) {
        report.add(boot::bench::submit::run(sizes.of(10_000, 100), 2_048).await?)?;
    }
    if wants(BenchWhat::Track) {
        let live = if args.quick { 10 } else { 1_000 };
        report.add(boot::bench::tracking::run(live, job::Millis::seconds(10)).await?)?;
    }
    if wants(BenchWhat::Admission) {
        let waiting = [10, 10_000, sizes.of(1_000_000, 20_000)];
        report.add(boot::bench::admission::run(&waiting).await?)?;
    }
    if wants(BenchWhat::Replay) {
        report.add(boot::bench::replay::run(sizes.of(100_000, 1_000)).await?)?;
    }
    if wants(BenchWhat::Gate) {
        boot::bench::gate::run(sizes, &mut report).await?;
    }
    if wants(BenchWhat::Http) {
        boot::bench::http::run(sizes, &mut report).await?;
    }
    if wants(BenchWhat::Intake) {
        boot::bench::intake::run(sizes, &mut report).await?;
    }
    if wants(BenchWhat::EndToEnd) {
        boot::bench::end_to_end::run(sizes, &mut report).await?;
    }
    if wants(BenchWhat::Wake) {
        boot::bench::wake::run(sizes, &mut report).await?;
    }
    if args.shared.json {
        say(&serde_json::json!({ "machine": machine, "figures": report.figures }).to_string())?;
    }
    Ok(Exit::Ok.code())
}
