//! The client as commands use it: where the daemon is, and what its refusals mean for people and for the exit code.

use std::collections::BTreeMap;

use crate::{
    cli::{
        Shared, endpoint,
        exit::{CliError, Exit},
        words,
    },
    client::{ClientError, Refusal},
    policy::Problem,
};

pub type Client = crate::client::Client;
pub type Answer = crate::client::Answer;
pub type Body<'a> = crate::client::Body<'a>;

pub fn connect(shared: &Shared, env: &BTreeMap<String, String>) -> Result<Client, CliError> {
    let client = Client::new(endpoint::find(shared, env)?)?;
    let user = env.get("USER").filter(|user| !user.is_empty());
    Ok(match user {
        Some(user) => client.acting_as(user),
        None => client,
    })
}

/// Writes a long answer as it comes.
pub async fn download(
    client: &Client,
    path: &[&str],
    query: &[(&str, Option<String>)],
    out: &mut (dyn std::io::Write + Send),
) -> Result<(), CliError> {
    let mut answer = client.download(path, query).await?;
    while let Some(piece) = answer.next().await? {
        out.write_all(&piece)?;
    }
    out.flush()?;
    Ok(())
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        let what = error.to_string();
        match error {
            ClientError::Address { .. } => {
                Self::new(Exit::Usage, what).hint("write it like http://127.0.0.1:4280, and use --token-file")
            }
            ClientError::Token => Self::new(Exit::Unauthorised, what),
            ClientError::Setup(_) | ClientError::Unwritable(_) => Self::new(Exit::Failure, what),
            ClientError::Unreadable(_) => Self::new(Exit::Failure, what).hint(
                "daemon and command may be of different versions: compare `sluice --version` with `sluice doctor`",
            ),
            ClientError::Unreachable { sent: false, ref why, ref server } if why.contains("certificate") => {
                let what = format!("the certificate of the daemon at {server} is not trusted: {why}");
                Self::new(Exit::Unreachable, what).hint(
                    "name the host that it is made out to with --server, and the certificate of its issuer with --ca-file",
                )
            }
            ClientError::Unreachable { sent: false, .. } => Self::new(Exit::Unreachable, what)
                .hint("start it with `sluice serve`, or name another one with --server"),
            ClientError::Unreachable { sent: true, .. } => Self::new(Exit::Unreachable, what)
                .hint("it may have been done all the same: look with `sluice jobs` before you try again"),
            ClientError::Refused(refusal) => refused(*refusal),
        }
    }
}

fn refused(refusal: Refusal) -> CliError {
    let exit = match refusal.status {
        400 | 408 | 413 | 415 | 422 => Exit::Refused,
        401 | 403 => Exit::Unauthorised,
        404 => Exit::NotFound,
        409 | 412 => Exit::Conflict,
        502 | 504 => Exit::Unreachable,
        _ => Exit::Failure,
    };
    let what = if refusal.problems.is_empty() {
        words::clean_lines(&refusal.to_string())
    } else {
        let problems: Vec<String> = refusal.problems.iter().map(indented).collect();
        let head = match refusal.code.as_str() {
            "plan-changed" => {
                "the plan does not hold any more, and nothing was started; what is different now:"
            }
            _ => "the input was refused, and nothing of it was kept:",
        };
        format!("{head}\n{}", problems.join("\n"))
    };
    let mut error = CliError::new(exit, what);
    error.hint = what_to_do(exit, &refusal.code).map(str::to_owned);
    error.answer = Some(refusal.body);
    error
}

/// None: what was said says it.
fn what_to_do(exit: Exit, code: &str) -> Option<&'static str> {
    Some(match (exit, code) {
        (Exit::Unauthorised, "role-missing" | "outside-reach") => {
            "see what your token may do with `sluice token me`, or ask for another one"
        }
        (Exit::Unauthorised, "actor-mismatch") => "leave --actor out",
        (Exit::Unauthorised, "token-expired" | "token-revoked") => {
            "ask whoever runs the daemon for a new token"
        }
        (Exit::Unauthorised, _) => {
            "name the daemon's token file, or the file with your token, with --token-file"
        }
        (_, "unknown-job") => "look for it with `sluice jobs`",
        (_, "unknown-request") => "look for it with `sluice requests`",
        (_, "unknown-identity") => "look for it with `sluice identity list`",
        (_, "unknown-template") => "look for it with `sluice template list`",
        (_, "plan-changed") => {
            "plan again with `sluice plan REQUEST --out FILE`, and look at what is different"
        }
        (_, "unknown-budget") => "look for it with `sluice budgets`",
        (_, "illegal-event") => "look at it with `sluice show`",
        (_, "ledger-unavailable" | "ledger-unreadable") => "look closer with `sluice doctor`",
        (_, "rate-limited") => "wait a moment; `--watch` and `--wait` learn of changes without asking again",
        _ => return None,
    })
}

fn indented(problem: &Problem) -> String {
    let text = words::clean_lines(&problem.to_string());
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, body: &str) -> CliError {
        let read: Refusal = serde_json::from_str(body).unwrap_or_default();
        refused(Refusal { status, body: body.to_owned(), ..read })
    }

    #[test]
    fn a_refusal_shows_each_problem_and_has_the_exit_code_of_its_status() {
        let body = r#"{"title":"refused","status":422,"code":"invalid","problems":[
            {"code":"wrong-input","what":"expected a text","at":"inputs.package","hint":"write it in quotes"}]}"#;
        let error = told(422, body);
        assert_eq!(error.exit, Exit::Refused);
        assert!(
            error
                .what
                .contains("  inputs.package: expected a text (wrong-input)\n    hint: write it in quotes")
        );
        for (status, exit) in [
            (401, Exit::Unauthorised),
            (404, Exit::NotFound),
            (409, Exit::Conflict),
            (413, Exit::Refused),
            (429, Exit::Failure),
            (500, Exit::Failure),
            (503, Exit::Failure),
            (504, Exit::Unreachable),
        ] {
            let error = told(status, "no JSON");
            assert_eq!((error.exit, error.what), (exit, format!("the daemon answered {status}")));
        }
    }
}
