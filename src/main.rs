//! `sluice`: reads the command line, runs the command, gives its exit code.

use std::process::ExitCode;

use sluicegate::{
    boot,
    cli::{self, Cli, Command, TemplateCommand, local::ConfigCommand},
};

/// A sixth of the daemon's time went into the system's allocator: docs/adr/0020-mimalloc.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(code) => return ExitCode::from(code),
    };
    ExitCode::from(match here(&cli).await {
        None => cli::run(&cli).await,
        Some(Ok(code)) => code,
        Some(Err(error)) => cli::report(&error, &cli.shared),
    })
}

/// Commands that run in this process; None: the command talks to a daemon.
async fn here(cli: &Cli) -> Option<anyhow::Result<u8>> {
    Some(match &cli.command {
        Command::Serve(args) => boot::serve(args).await,
        Command::Work(args) => boot::work(args).await,
        Command::Simulate(args) => boot::simulate(args).await,
        Command::Doctor(args) => boot::doctor(args).await,
        Command::Migrate(args) => boot::migrate(args).await,
        Command::Health(args) => boot::health::run(args).await,
        Command::Config(ConfigCommand::Check(args)) => boot::config_check(args).await,
        Command::Template(TemplateCommand::Check(args)) => boot::template_check::run(args).await,
        Command::Policy(command) => boot::policy::run(command).await,
        Command::Bench(args) => boot::bench(args).await,
        Command::Audit(command) => boot::audit::run(command.local()?).await,
        _ => return None,
    })
}
