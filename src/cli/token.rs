//! `sluice token create|list|revoke|me`: who may use the HTTP interface, and for what.

use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _, path::PathBuf, str::FromStr};

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;

use crate::{
    cli::{
        Session,
        act::By,
        client::Body,
        exit::{CliError, Exit},
        gates::Until,
        screen::Tone,
        table::{Cell, Table},
        words,
    },
    pipeline::access::TokenView,
    policy::access::{Grant, Role},
};

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token; it is shown once
    Create(CreateArgs),
    /// List the tokens: whose, what each may do, until when, when last used
    List {
        /// Also those that are expired or revoked
        #[arg(long)]
        all: bool,
    },
    /// Take a token back; it is refused everywhere within two seconds
    Revoke(RevokeArgs),
    /// Tell what your own token may do
    Me,
}

#[derive(Args, Clone, Debug)]
pub struct CreateArgs {
    /// Login of the person, or name of the system, that acts by it
    #[arg(long)]
    name: String,
    /// viewer, producer, approver, operator or admin; delegate in addition, to name others as those who act; may be given more than once
    #[arg(long = "role", value_name = "ROLE", required = true, value_delimiter = ',')]
    roles: Vec<Role>,
    /// Limit it to this team; may be given more than once
    #[arg(long = "team", value_name = "TEAM")]
    teams: Vec<String>,
    /// Limit it to these templates, by a glob of names; may be given more than once
    #[arg(long = "template", value_name = "GLOB")]
    templates: Vec<String>,
    /// When it ends: a time, a span such as 30d, or `never`
    #[arg(long, value_name = "TIME", default_value = "90d")]
    expires: Expiry,
    /// Though another token of this name is valid: to change over
    #[arg(long)]
    beside: bool,
    /// Write it to this new file, with mode 0600, instead of showing it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Why; it goes on the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Who acts [default: whose token it is, or the user of this machine with the daemon's own token]
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub struct RevokeArgs {
    /// Id of a token, or a name for every token of that name
    token: String,
    #[command(flatten)]
    by: By,
}

/// When a token ends.
#[derive(Clone, Copy, Debug)]
enum Expiry {
    Never,
    At(Until),
}

impl FromStr for Expiry {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" { Ok(Self::Never) } else { text.parse().map(Self::At) }
    }
}

#[derive(Deserialize)]
struct Created {
    token: String,
    about: TokenView,
}
#[derive(Deserialize)]
struct Listed {
    tokens: Vec<TokenView>,
}
#[derive(Deserialize)]
struct Me {
    name: Option<String>,
    grants: Vec<Grant>,
}

pub async fn run(command: &TokenCommand, session: &mut Session) -> Result<Exit, CliError> {
    match command {
        TokenCommand::Create(args) => create(args, session).await,
        TokenCommand::List { all } => list(*all, session).await,
        TokenCommand::Revoke(args) => revoke(args, session).await,
        TokenCommand::Me => me(session).await,
    }
}

async fn create(args: &CreateArgs, session: &mut Session) -> Result<Exit, CliError> {
    let expires_at = match args.expires {
        Expiry::Never => None,
        Expiry::At(until) => Some(until.at(session).await?.to_string()),
    };
    // Before the token is made: one that cannot be kept would have to be revoked.
    let out = args.out.as_ref().map(new_file).transpose()?;
    let body = json!({
        "name": args.name, "roles": args.roles, "teams": args.teams, "templates": args.templates,
        "expires_at": expires_at, "beside": args.beside, "reason": args.reason, "actor": args.actor,
    });
    let answer = session.client.post(&["v1", "tokens"], Body::json(&body)?).await;
    let answer = answer.inspect_err(|_| forget(args.out.as_ref()))?;
    let made: Created = answer.read()?;
    if let Some(mut file) = out {
        writeln!(file, "{}", made.token).map_err(|error| {
            let what = format!("the token was made and could not be written to a file: {error}");
            CliError::new(Exit::Failure, what)
                .hint(format!("revoke it: `sluice token revoke {}`", made.about.id))
        })?;
    }
    let screen = &mut session.screen;
    if screen.json {
        if args.out.is_none() {
            screen.answer(&answer)?;
        } else {
            screen.line(json!({ "about": made.about }).to_string())?;
        }
        return Ok(Exit::Ok);
    }
    let ends = made.about.expires_at.map_or_else(
        || "does not end by itself".to_owned(),
        |at| format!("ends {}", words::moment_and_age(at, answer.at)),
    );
    screen.line(format!(
        "token {} of {}: {}; {ends}",
        made.about.id,
        made.about.name,
        told(&made.about.grant)
    ))?;
    if let Some(file) = &args.out {
        screen.line(format!("it is in {}, and is not shown again", file.display()))?;
    } else {
        screen.line("it is shown this once:")?;
        screen.line(made.token)?;
    }
    Ok(Exit::Ok)
}

fn new_file(path: &PathBuf) -> Result<std::fs::File, CliError> {
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
        CliError::new(Exit::Failure, format!("{} cannot be made: {error}", path.display()))
            .hint("name a file that is not there yet")
    })
}

/// Nothing was written to it.
fn forget(path: Option<&PathBuf>) {
    if let Some(path) = path {
        std::fs::remove_file(path).ok();
    }
}

/// Roles and limits in a line.
fn told(grant: &Grant) -> String {
    let roles = grant.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
    let mut text = roles;
    for (what, list) in [("teams", &grant.reach.teams), ("templates", &grant.reach.templates)] {
        if !list.is_empty() {
            text = format!("{text}; {what} {}", list.join(", "));
        }
    }
    words::clean(&text)
}

async fn list(all: bool, session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.get(&["v1", "tokens"], &[("all", all.then(|| "true".to_owned()))]).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let listed: Listed = answer.read()?;
    if listed.tokens.is_empty() {
        screen.line("no tokens but the daemon's own")?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["token", "name", "may", "standing", "ends", "last used", "made by"]);
    for view in &listed.tokens {
        let tone = if view.standing == "valid" { Tone::Plain } else { Tone::Bad };
        let moment = |at, otherwise: &str| {
            Option::map_or_else(at, || otherwise.to_owned(), |at| words::moment_and_age(at, answer.at))
        };
        table.row([
            Cell::toned(&view.id, Tone::Strong),
            Cell::new(&view.name),
            Cell::new(told(&view.grant)),
            Cell::toned(&view.standing, tone),
            Cell::new(moment(view.expires_at, "never")),
            Cell::new(moment(view.used_at, "never")),
            Cell::new(&view.created_by),
        ]);
    }
    let paint = screen.paint;
    screen.lines(table.lines(paint))?;
    Ok(Exit::Ok)
}

async fn revoke(args: &RevokeArgs, session: &mut Session) -> Result<Exit, CliError> {
    let body = json!({ "token": args.token, "reason": args.by.reason, "actor": args.by.actor });
    let answer = session.client.post(&["v1", "tokens", "revoke"], Body::json(&body)?).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
    } else {
        screen.line(format!("{}: revoked; it is refused everywhere within two seconds", args.token))?;
    }
    Ok(Exit::Ok)
}

async fn me(session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.get(&["v1", "me"], &[]).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let me: Me = answer.read()?;
    let name = me.name.as_deref().unwrap_or("the local operator, who names whoever acts");
    screen.line(format!("acts as {}", words::clean(name)))?;
    for grant in &me.grants {
        screen.line(format!("  {}", told(grant)))?;
    }
    Ok(Exit::Ok)
}
