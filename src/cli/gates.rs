//! `sluice pause|resume SCOPE [VALUE]`: when `pause` returns, nothing behind the gate is started any more.

use clap::Args;
use serde_json::json;

use crate::{
    budget::Scope,
    cli::{
        Session,
        act::By,
        client::Body,
        exit::{CliError, Exit},
        words,
    },
    job::time::{Millis, Timestamp},
    pipeline::view::GateView,
};

/// What a gate stands before.
#[derive(Args, Clone, Debug)]
struct Before {
    /// global, organisation, team, identity, template, model, request or repository
    scope: Scope,
    /// Which one, such as acme/api or dependency-upgrade; nothing for global
    #[arg(default_value = "", hide_default_value = true)]
    value: String,
}

#[derive(Args, Clone, Debug)]
pub struct PauseArgs {
    #[command(flatten)]
    before: Before,
    #[command(flatten)]
    by: By,
    /// Opens by itself: a time such as 2026-12-01T08:00:00Z, or a span such as 30m, 2h, 1d
    #[arg(long, value_name = "TIME")]
    until: Option<Until>,
}

#[derive(Args, Clone, Debug)]
pub struct ResumeArgs {
    #[command(flatten)]
    before: Before,
    #[command(flatten)]
    by: By,
}

/// An instant, or so long from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    At(Timestamp),
    In(Millis),
}

impl std::str::FromStr for Until {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(at) = Timestamp::parse(text) {
            return Ok(Self::At(at));
        }
        let wrong =
            || format!("`{text}` is neither a time (2026-12-01T08:00:00Z) nor a span (90s, 30m, 2h, 1d)");
        let unit = text.chars().last().ok_or_else(wrong)?;
        let each: u64 = match unit {
            's' => 1_000,
            'm' => 60_000,
            'h' => 3_600_000,
            'd' => 86_400_000,
            _ => return Err(wrong()),
        };
        let number: u64 = text.strip_suffix(unit).and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
        if !(1..=1_000_000).contains(&number) {
            return Err(wrong());
        }
        Ok(Self::In(Millis(number.saturating_mul(each))))
    }
}

pub async fn pause(args: &PauseArgs, session: &mut Session) -> Result<Exit, CliError> {
    let until = match args.until {
        None => None,
        Some(Until::At(at)) => Some(at),
        Some(Until::In(span)) => Some(daemon_now(session).await?.plus(span)),
    };
    let body = json!({
        "scope": args.before.scope, "value": args.before.value, "reason": args.by.reason, "actor": args.by.actor,
        "until": until.map(|at| at.to_string()),
    });
    let answer = session.client.post(&["v1", "gates", "close"], Body::json(&body)?).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let gate: GateView = answer.read()?;
    let opens = gate.closure.and_then(|closure| closure.opens_at);
    let until = match opens {
        Some(at) => format!("until {}", words::moment_and_age(at, answer.at)),
        None => "until `sluice resume`".to_owned(),
    };
    screen.line(format!("{} is closed {until}; nothing behind it is being started any more", gate.key))?;
    Ok(Exit::Ok)
}

pub async fn resume(args: &ResumeArgs, session: &mut Session) -> Result<Exit, CliError> {
    let body = json!({
        "scope": args.before.scope, "value": args.before.value, "reason": args.by.reason, "actor": args.by.actor,
    });
    let answer = session.client.post(&["v1", "gates", "open"], Body::json(&body)?).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let gate: GateView = answer.read()?;
    screen.line(format!("{} is open", gate.key))?;
    Ok(Exit::Ok)
}

/// The gate opens by the daemon's clock, so the span begins by it.
async fn daemon_now(session: &Session) -> Result<Timestamp, CliError> {
    let answer = session.client.get(&["v1", "overview"], &[]).await?;
    let overview: crate::pipeline::view::Overview = answer.read()?;
    Ok(overview.now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn until_is_a_time_or_a_span() {
        assert_eq!("30m".parse(), Ok(Until::In(Millis::minutes(30))));
        assert_eq!("1d".parse(), Ok(Until::In(Millis::hours(24))));
        let at = Timestamp::parse("2026-12-01T08:00:00Z").unwrap();
        assert_eq!("2026-12-01T08:00:00Z".parse(), Ok(Until::At(at)));
        for text in ["", "m", "0m", "-3h", "tomorrow", "3w", "5mm", "99999999h"] {
            assert!(text.parse::<Until>().is_err(), "{text}");
        }
    }
}
