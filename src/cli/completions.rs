//! `sluice completions SHELL`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::{
    Cli,
    exit::{CliError, Exit},
    screen::Screen,
};

#[derive(Args, Clone, Debug)]
#[command(
    after_help = "For bash: sluice completions bash > ~/.local/share/bash-completion/completions/sluice"
)]
pub struct CompletionsArgs {
    #[arg(value_enum)]
    shell: Shell,
}

pub fn run(args: &CompletionsArgs, screen: &mut Screen) -> Result<Exit, CliError> {
    // Written to memory first: the generator panics on a closed pipe.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "sluice", &mut script);
    screen.raw(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}
