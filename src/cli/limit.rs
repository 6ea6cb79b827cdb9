//! `sluice limit KEY N|default`: a live limit, on the record, until it is given back to the configuration.

use clap::Args;
use serde_json::json;

use crate::{
    budget::{Amount, Key},
    cli::{
        Session,
        act::By,
        budgets::{Listed, amount},
        client::Body,
        exit::{CliError, Exit},
    },
    pipeline::view::BudgetView,
    policy::credits,
};

#[derive(Args, Clone, Debug)]
pub struct LimitArgs {
    /// Key as `sluice budgets` shows it, such as slots/global
    key: String,
    /// A number (of credits, where credits are spent), or `default` for the configured limit
    #[arg(value_name = "N|default")]
    limit: String,
    #[command(flatten)]
    by: By,
}

pub async fn run(args: &LimitArgs, session: &mut Session) -> Result<Exit, CliError> {
    let limit = match args.limit.as_str() {
        "default" => None,
        number => Some(wanted(number, &Key::new(&args.key), session).await?),
    };
    let body = json!({ "key": args.key, "limit": limit, "actor": args.by.actor, "reason": args.by.reason });
    let answer = session.client.post(&["v1", "budgets", "limit"], Body::json(&body)?).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let view: BudgetView = answer.read()?;
    let shown = |figure: Amount| amount(figure, view.nano_credits);
    let limit =
        view.limit.map_or_else(|| "no limit".to_owned(), |limit| format!("the limit {}", shown(limit)));
    let from = if view.limit_set_by_operator { "" } else { " again, as configured" };
    screen.line(format!("{} has {limit}{from}; {} in use", view.key, shown(view.used)))?;
    Ok(Exit::Ok)
}

/// The number in the budget's own unit, which only the daemon knows.
async fn wanted(number: &str, key: &Key, session: &Session) -> Result<Amount, CliError> {
    let listed: Listed = session.client.get(&["v1", "budgets"], &[]).await?.read()?;
    let same_name = listed.budgets.iter().find(|budget| budget.key.name() == key.name());
    let Some(known) = same_name else {
        let what = format!("no budget is called `{}`", key.name());
        return Err(CliError::new(Exit::NotFound, what).hint("look with `sluice budgets`"));
    };
    parse(number, known.nano_credits)
}

fn parse(number: &str, nano_credits: bool) -> Result<Amount, CliError> {
    let usage = |what: String| CliError::new(Exit::Usage, what);
    if nano_credits {
        return credits::parse(number).map_err(usage);
    }
    let whole = number.parse::<u64>().ok().and_then(|number| Amount::new(number).ok());
    whole.ok_or_else(|| usage(format!("`{number}` is not a limit: write a whole number, or `default`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_read_in_the_budgets_own_unit() {
        assert_eq!(parse("3", false).unwrap(), Amount::from(3));
        assert_eq!(parse("2.5", true).unwrap().get(), 2_500_000_000);
        for (text, nano_credits) in
            [("2.5", false), ("-1", false), ("many", false), ("-1", true), ("9007199254740993", false)]
        {
            assert_eq!(parse(text, nano_credits).unwrap_err().exit, Exit::Usage, "{text}");
        }
    }
}
