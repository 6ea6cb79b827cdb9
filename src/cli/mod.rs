//! The command line: one file per command. Most commands ask a running daemon over its HTTP interface; those that need the
//! parts themselves (`serve`, `simulate`, `doctor`, ...) are only parsed here and run by `boot`.

mod act;
mod audit;
mod breakers;
mod budgets;
mod client;
mod completions;
mod dead;
mod deliveries;
mod demo;
mod desk;
mod drain;
mod endpoint;
pub mod exit;
mod follow;
mod freeze;
mod gates;
mod identity;
mod jobs;
mod kill_switch;
mod limit;
pub mod local;
mod notify;
mod plan;
pub mod policy;
mod repository;
mod requests;
mod schedule;
mod screen;
mod show;
mod submit;
mod table;
mod template;
mod token;
mod waves;
mod why;
mod words;
mod workers;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use self::{
    audit::{AuditVerifyArgs, KeyNewArgs, Local as AuditLocal},
    exit::{CliError, Exit},
    local::{
        BenchArgs, BenchWhat, ConfigCheckArgs, DoctorArgs, HealthArgs, MigrateArgs, ServeArgs, SimulateArgs,
        WorkArgs,
    },
    screen::Color,
    template::{TemplateCheckArgs, TemplateCommand},
};
use self::{
    client::Client,
    exit::EXIT_CODES,
    screen::{Screen, complain},
};
use crate::config;

/// A durable queue and worker daemon in front of GitHub's Agent tasks API.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, after_help = EXIT_CODES, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    pub shared: Shared,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command takes.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Common options")]
pub struct Shared {
    /// Configuration file [default: sluice.toml, then config/sluice.toml]
    #[arg(long, global = true, env = "SLUICE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address of the daemon [default: `listen` in the configuration]
    #[arg(long, global = true, env = "SLUICE_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// File with the daemon's token [default: `token_file` in the configuration]
    #[arg(long, global = true, env = "SLUICE_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificates in PEM to trust besides the system's, for a daemon with one of your own issuer
    #[arg(long, global = true, env = "SLUICE_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colours; NO_COLOR is honoured
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        hide_possible_values = true
    )]
    pub color: Color,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon
    Serve(ServeArgs),
    /// Run a worker without the HTTP endpoint, beside others on the same ledger
    Work(WorkArgs),
    /// List the workers and what each one does
    Workers(workers::WorkersArgs),
    /// Hand in a request: a file, or a template with inputs
    Submit(submit::SubmitArgs),
    /// Show what a request would become, and what it would meet and cost; nothing starts
    Plan(plan::PlanArgs),
    /// Hand in what `plan --out` has written, if it still holds
    Apply(plan::ApplyArgs),
    /// List jobs with their states and what they wait for
    #[command(alias = "status")]
    Jobs(jobs::JobsArgs),
    /// Tell everything about a job, or about a request and what it left out
    Show(show::ShowArgs),
    /// Tell why a job does not move, and who holds what it waits for
    #[command(alias = "explain")]
    Why(why::WhyArgs),
    /// List requests, newest first
    Requests(requests::RequestsArgs),
    /// Repositories: the rules, what is known of one, entries for those without a rule
    #[command(subcommand)]
    Repository(repository::RepositoryCommand),
    /// Dead letters: list, show, retry, discard
    #[command(subcommand)]
    Dead(dead::DeadCommand),
    /// Templates: list, show, check, diff
    #[command(subcommand)]
    Template(template::TemplateCommand),
    /// What needs a person: list, acknowledge, snooze, reassign
    Desk(desk::DeskArgs),
    /// Notices: list, show, retry, test a receiver, see where one would go
    Notify(notify::NotifyArgs),
    /// List budgets, or who holds one
    Budgets(budgets::BudgetsArgs),
    /// Set the limit of a budget, or give it back to the configuration
    Limit(limit::LimitArgs),
    /// Identities: list, check, audit
    #[command(subcommand)]
    Identity(identity::IdentityCommand),
    /// Tokens of the HTTP interface: create, list, revoke, and what your own may do
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Freezes: add, list, lift, exempt, check
    #[command(subcommand)]
    Freeze(freeze::FreezeCommand),
    /// Schedules: list, next, run, pause, resume
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    /// Webhooks that came in: list, show, replay
    #[command(subcommand)]
    Deliveries(deliveries::DeliveriesCommand),
    /// Stop new starts of everything in a scope
    Pause(gates::PauseArgs),
    /// Allow starts again
    Resume(gates::ResumeArgs),
    /// Stop new starts, then wait for what the agent works on
    Drain(drain::DrainArgs),
    /// Stop every start and every other write at the provider
    KillSwitch(kill_switch::KillSwitchArgs),
    /// List what is closed, by whom and why
    Gates,
    /// Withdraw a job; a task that runs already is not stopped, but its result is not used
    Cancel(act::ActArgs),
    /// Give your approval to a held job, or to every held job of a request
    Approve(act::ApproveArgs),
    /// What stops after too many like failures: list, reset
    #[command(subcommand)]
    Breaker(breakers::BreakerCommand),
    /// Waves of a request: show, approve, hold, abort
    #[command(subcommand)]
    Wave(waves::WaveCommand),
    /// End a held job
    Refuse(act::ActArgs),
    /// Let a quarantined result go to its review
    Release(act::ActArgs),
    /// Throw a quarantined result away
    DiscardResult(act::ActArgs),
    /// The history: show, verify, export, checkpoint, key, archive, redact
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Check configuration, ledger, gate, token and clock
    Doctor(DoctorArgs),
    /// Tell whether a worker of this machine is alive, for health checks
    Health(HealthArgs),
    /// Bring the ledger's tables up to this version, and end
    Migrate(MigrateArgs),
    /// A policy: replay it over the history, run its tests
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// The configuration: check
    #[command(subcommand)]
    Config(local::ConfigCommand),
    /// Run a stand-in for GitHub
    Simulate(SimulateArgs),
    /// Show a whole request on this machine, in under a minute
    Demo(demo::DemoArgs),
    /// Measure this machine
    Bench(BenchArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
}

/// Reads the command line. Err: the exit code, 0 for `--help` and `--version`, 2 for a wrong one; what is to be said was said.
pub fn parse() -> Result<Cli, u8> {
    let words = config::command_line();
    match Cli::try_parse_from(&words) {
        Ok(mut cli) => {
            cli.hand_down();
            Ok(cli)
        }
        Err(error) if error.use_stderr() && words.iter().any(|word| word == "--json") => {
            Err(tell(&exit::of_usage(&error.render().to_string()), true))
        }
        Err(error) => {
            // Whoever read our output has gone: that is their choice.
            error.print().ok();
            Err(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage.code()))
        }
    }
}

impl Cli {
    /// Commands that run elsewhere get the common flags with their own.
    fn hand_down(&mut self) {
        let shared = self.shared.clone();
        match &mut self.command {
            Command::Serve(args) => args.shared = shared,
            Command::Work(args) => args.shared = shared,
            Command::Simulate(args) => args.shared = shared,
            Command::Doctor(args) => args.shared = shared,
            Command::Health(args) => args.shared = shared,
            Command::Migrate(args) => args.shared = shared,
            Command::Config(local::ConfigCommand::Check(args)) => args.shared = shared,
            Command::Template(template::TemplateCommand::Check(args)) => args.shared = shared,
            Command::Policy(command) => *command.shared_mut() = shared,
            Command::Bench(args) => args.shared = shared,
            Command::Audit(command) => command.hand_down(shared),
            _ => {}
        }
    }
}

/// A command at work: the daemon that it talks to and the screen that it writes on.
pub(crate) struct Session {
    client: Client,
    screen: Screen,
}

/// Runs a command that talks to a daemon; gives the exit code.
pub async fn run(cli: &Cli) -> u8 {
    let env = config::environment();
    let mut screen = Screen::stdout(cli.shared.color, cli.shared.json, &env);
    let done = match &cli.command {
        Command::Demo(args) => demo::run(args, &mut screen, &env).await,
        Command::Completions(args) => completions::run(args, &mut screen),
        command => match client::connect(&cli.shared, &env) {
            Ok(client) => dispatch(command, &mut Session { client, screen }).await,
            Err(error) => Err(error),
        },
    };
    match done {
        Ok(exit) => exit.code(),
        Err(error) => tell(&error, cli.shared.json),
    }
}

async fn dispatch(command: &Command, session: &mut Session) -> Result<Exit, CliError> {
    use act::Act;
    match command {
        Command::Submit(args) => submit::run(args, session).await,
        Command::Plan(args) => plan::run(args, session).await,
        Command::Apply(args) => plan::apply(args, session).await,
        Command::Template(command) => template::run(command, session).await,
        Command::Jobs(args) => jobs::run(args, session).await,
        Command::Show(args) => show::run(args, session).await,
        Command::Why(args) => why::run(args, session).await,
        Command::Requests(args) => requests::run(args, session).await,
        Command::Repository(command) => repository::run(command, session).await,
        Command::Dead(command) => dead::run(command, session).await,
        Command::Desk(args) => desk::run(args, session).await,
        Command::Notify(args) => notify::run(args, session).await,
        Command::Budgets(args) => budgets::run(args, session).await,
        Command::Limit(args) => limit::run(args, session).await,
        Command::Identity(command) => identity::run(command, session).await,
        Command::Token(command) => token::run(command, session).await,
        Command::Freeze(command) => freeze::run(command, session).await,
        Command::Schedule(command) => schedule::run(command, session).await,
        Command::Deliveries(command) => deliveries::run(command, session).await,
        Command::Pause(args) => gates::pause(args, session).await,
        Command::Resume(args) => gates::resume(args, session).await,
        Command::Drain(args) => drain::run(args, session).await,
        Command::KillSwitch(args) => kill_switch::run(args, session).await,
        Command::Gates => gates::list(session).await,
        Command::Cancel(args) => act::run(Act::Cancel, args, session).await,
        Command::Approve(args) => act::approve(args, session).await,
        Command::Breaker(command) => breakers::run(command, session).await,
        Command::Wave(command) => waves::run(command, session).await,
        Command::Refuse(args) => act::run(Act::Refuse, args, session).await,
        Command::Release(args) => act::run(Act::Release, args, session).await,
        Command::DiscardResult(args) => act::run(Act::DiscardResult, args, session).await,
        Command::Audit(command) => audit::run(command, session).await,
        Command::Workers(args) => workers::run(args, session).await,
        Command::Serve(_)
        | Command::Work(_)
        | Command::Doctor(_)
        | Command::Health(_)
        | Command::Migrate(_)
        | Command::Config(_)
        | Command::Policy(_)
        | Command::Simulate(_)
        | Command::Demo(_)
        | Command::Bench(_)
        | Command::Completions(_) => {
            Err(CliError::new(Exit::Failure, "this command does not talk to a daemon"))
        }
    }
}

/// Tells of a command that ran in this process and failed; gives its exit code.
pub fn report(error: &anyhow::Error, shared: &Shared) -> u8 {
    tell(&exit::of_failure(error), shared.json)
}

fn tell(error: &CliError, json: bool) -> u8 {
    if !error.is_silent() {
        complain(&error.text(json));
    }
    error.exit.code()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn common_flags_may_stand_behind_the_command_and_reach_the_commands_that_run_elsewhere() {
        let mut cli = Cli::parse_from(["sluice", "serve", "--config", "x.toml", "--json"]);
        cli.hand_down();
        let Command::Serve(args) = cli.command else { panic!("not serve") };
        assert_eq!((args.shared.config, args.shared.json), (Some("x.toml".into()), true));
    }
}
