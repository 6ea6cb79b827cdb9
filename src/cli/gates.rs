//! `sluice pause|resume SCOPE [VALUE]`: when `pause` returns, nothing behind the gate is started any more. `sluice gates`
//! lists what is closed.

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use crate::{
    budget::{Scope, Source},
    cli::{
        Session,
        act::By,
        client::{Answer, Body},
        exit::{CliError, Exit},
        screen::{Screen, Tone},
        table::{Cell, Table},
        words,
    },
    job::time::{Millis, Timestamp},
    pipeline::view::{ClosedFor, GateView},
};

/// What a gate stands before.
#[derive(Args, Clone, Debug)]
pub struct Before {
    /// global, organisation, team, identity, template, model, request or repository
    scope: Scope,
    /// Which one, such as acme/api or dependency-upgrade; nothing for global
    #[arg(default_value = "", hide_default_value = true)]
    value: String,
}

impl Before {
    pub fn query(&self) -> [(&'static str, Option<String>); 2] {
        let value = Some(self.value.clone()).filter(|value| !value.is_empty());
        [("scope", Some(self.scope.to_string())), ("value", value)]
    }
}

/// As it is written behind a command.
impl std::fmt::Display for Before {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.scope)?;
        if self.value.is_empty() { Ok(()) } else { write!(f, " {}", words::clean(&self.value)) }
    }
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

/// So long: 90s, 30m, 2h, 1d.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Millis);

impl Span {
    pub const fn as_duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0.0)
    }

    fn read(text: &str) -> Option<Self> {
        let unit = text.chars().last()?;
        let each: u64 = match unit {
            's' => 1_000,
            'm' => 60_000,
            'h' => 3_600_000,
            'd' => 86_400_000,
            _ => return None,
        };
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        (1..=1_000_000).contains(&number).then(|| Self(Millis(number.saturating_mul(each))))
    }
}

impl std::str::FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::read(text).ok_or_else(|| format!("`{text}` is not a span (90s, 30m, 2h, 1d)"))
    }
}

/// An instant, or so long from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    At(Timestamp),
    In(Millis),
}

impl Until {
    /// The instant, by the daemon's clock.
    pub async fn at(self, session: &Session) -> Result<Timestamp, CliError> {
        match self {
            Self::At(at) => Ok(at),
            Self::In(span) => Ok(daemon_now(session).await?.plus(span)),
        }
    }
}

impl std::str::FromStr for Until {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let at = Timestamp::parse(text).map(Self::At);
        at.or_else(|| Span::read(text).map(|span| Self::In(span.0))).ok_or_else(|| {
            format!("`{text}` is neither a time (2026-12-01T08:00:00Z) nor a span (90s, 30m, 2h, 1d)")
        })
    }
}

/// Closes a gate; answers when no start behind it is on its way any more.
pub async fn close(
    before: &Before,
    by: &By,
    until: Option<Until>,
    session: &Session,
) -> Result<Answer, CliError> {
    let until = match until {
        None => None,
        Some(until) => Some(until.at(session).await?),
    };
    let body = json!({
        "scope": before.scope, "value": before.value, "reason": by.reason, "actor": by.actor,
        "until": until.map(|at| at.to_string()),
    });
    Ok(session.client.post(&["v1", "gates", "close"], Body::json(&body)?).await?)
}

pub async fn pause(args: &PauseArgs, session: &mut Session) -> Result<Exit, CliError> {
    let answer = close(&args.before, &args.by, args.until, session).await?;
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
    remark(&gate.remarks, screen)?;
    Ok(Exit::Ok)
}

/// What may not have been meant.
pub fn remark(remarks: &[String], screen: &mut Screen) -> Result<(), CliError> {
    let paint = screen.paint;
    screen.lines(remarks.iter().map(|remark| paint.with(Tone::Attention, &words::clean(remark))))
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
    if gate.closed_by.is_empty() {
        screen.line(format!("{} is open", gate.key))?;
    } else {
        screen.line(format!("{} is no longer closed by a person, and still closed:", gate.key))?;
    }
    for closed in &gate.closed_by {
        screen.line(format!("  {}", told(closed, answer.at)))?;
    }
    remark(&gate.remarks, screen)?;
    Ok(Exit::Ok)
}

#[derive(Deserialize)]
struct Closed {
    gates: Vec<GateView>,
}

/// One closure in a line.
pub fn told(closed: &ClosedFor, now: Option<Timestamp>) -> String {
    let ClosedFor { source, closure } = closed;
    let opens = closure.opens_at.map(|at| format!(", until {}", words::moment_and_age(at, now)));
    let (source, reason) = (words::clean(&source.to_string()), words::clean(&closure.reason));
    format!("{source}: {reason} ({}{})", words::clean(&closure.actor), opens.unwrap_or_default())
}

/// What is closed, by whom and why: one line for each who closes a gate.
pub async fn list(session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.get(&["v1", "gates"], &[]).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let closed: Closed = answer.read()?;
    if closed.gates.is_empty() {
        screen.line("every gate is open")?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["gate", "for", "closed", "by", "opens", "why"]);
    let closures =
        closed.gates.iter().flat_map(|gate| gate.closed_by.iter().map(move |closed| (gate, closed)));
    for (gate, ClosedFor { source, closure }) in closures {
        let opens = match (closure.opens_at, source) {
            (Some(at), _) => words::moment_and_age(at, answer.at),
            (None, Source::Token) => "by a new token".to_owned(),
            (None, Source::Freeze(_)) => "by `sluice freeze lift`".to_owned(),
            (None, Source::Breaker(_)) => "by `sluice breaker reset`".to_owned(),
            (None, _) if gate.key.is_kill_switch() => "by `sluice kill-switch off`".to_owned(),
            (None, _) => "by `sluice resume`".to_owned(),
        };
        let tone = if gate.key.is_kill_switch() { Tone::Bad } else { Tone::Attention };
        table.row([
            Cell::toned(gate.key.as_str(), tone),
            Cell::new(source.to_string()),
            Cell::new(words::moment_and_age(closure.since, answer.at)),
            Cell::new(&closure.actor),
            Cell::new(opens),
            Cell::new(&closure.reason),
        ]);
    }
    let paint = screen.paint;
    screen.lines(table.lines(paint))?;
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
