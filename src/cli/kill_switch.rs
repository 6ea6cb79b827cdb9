//! `sluice kill-switch on|off`: when `on` returns, nothing is started and nothing is written at the provider any more, by
//! anyone, until `off`. What runs there is still followed.

use clap::{Args, ValueEnum};

use crate::{
    budget::Closure,
    cli::{
        Session,
        act::By,
        client::Body,
        exit::{CliError, Exit},
        screen::{Screen, Tone},
        words,
    },
    job::time::Timestamp,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Turn {
    On,
    Off,
}

#[derive(Args, Clone, Debug)]
pub struct KillSwitchArgs {
    #[arg(value_enum)]
    turn: Turn,
    #[command(flatten)]
    by: By,
}

pub async fn run(args: &KillSwitchArgs, session: &mut Session) -> Result<Exit, CliError> {
    let (path, said) = match args.turn {
        Turn::On => (
            "on",
            "the kill switch is on: nothing is started and nothing is written at the provider any more; what runs there is \
             still followed; only `sluice kill-switch off` ends it",
        ),
        Turn::Off => {
            ("off", "the kill switch is off; gates that were closed besides it stay closed (`sluice gates`)")
        }
    };
    let answer = session.client.post(&["v1", "kill-switch", path], Body::json(&args.by)?).await?;
    if session.screen.json {
        session.screen.answer(&answer)?;
    } else {
        session.screen.line(said)?;
    }
    Ok(Exit::Ok)
}

/// Said before anything else while it is on.
pub fn banner(closure: Option<&Closure>, now: Option<Timestamp>, screen: &Screen) -> Option<String> {
    let closure = closure?;
    let text = format!(
        "THE KILL SWITCH IS ON: {} (thrown by {}, {})",
        words::clean(&closure.reason),
        words::clean(&closure.actor),
        words::moment_and_age(closure.since, now)
    );
    Some(screen.paint.with(Tone::Bad, &text))
}
