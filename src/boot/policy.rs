//! `sluice policy`: a policy that is not in force yet, over the ledger's history and against its own tests. Nothing is written, and
//! nobody is asked.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::json;

use crate::{
    boot::{
        commands::{load, say},
        service::readable,
        wire,
    },
    cli::{
        CliError, Exit,
        policy::{
            PolicyCommand, PolicyReplayArgs, PolicyTestArgs, difference_lines, taken_lines, tally_lines,
            tested_line,
        },
    },
    config::{self, candidate::Taken},
    job::{id::RequestId, time::Timestamp},
    ledger::Ledger,
    pipeline::replay::{Replay, Row, Span},
    policy::{
        Facts, Problem,
        cases::Cases,
        problem::Code,
        replay::{Tally, Verdict},
    },
};

/// Tests lie beside the policy, in this folder.
const TESTS: &str = "policy-tests";

pub async fn run(command: &PolicyCommand) -> anyhow::Result<u8> {
    match command {
        PolicyCommand::Replay(args) => replay(args).await,
        PolicyCommand::Test(args) => test(args),
    }
}

async fn replay(args: &PolicyReplayArgs) -> anyhow::Result<u8> {
    let env = config::environment();
    let in_force = load(&args.shared)?;
    let (loaded, taken) = config::candidate(&args.with, &in_force, &env)?;
    let policy = wire::policy(&loaded)?;
    let location = wire::location(&in_force, &env)?;
    let opened = Ledger::open_read_only(&location, Arc::default()).await;
    let ledger = opened.map_err(|error| readable(error.into()))?;
    let until = args.until.unwrap_or(Timestamp(i64::MAX));
    let span = Span { since: args.since, until, newest: args.newest_templates };
    let done = tell(args, &taken, Replay::new(&ledger, &policy, span)).await;
    ledger.close().await;
    let differs = done?.differs > 0 && args.detailed_exitcode;
    Ok(if differs { Exit::Differs } else { Exit::Ok }.code())
}

/// Goes through the history and tells of it on the way: nothing of it is kept but what a table shows.
async fn tell(args: &PolicyReplayArgs, taken: &[Taken], mut replay: Replay<'_>) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut shown: Vec<Row> = Vec::new();
    let json = args.shared.json;
    if json {
        say(&format!("{{\"taken\":{},\"decisions\":[", serde_json::to_string(taken)?))?;
    } else {
        taken_lines(taken).iter().try_for_each(|line| say(line))?;
    }
    let mut comma = "";
    while let Some(rows) = replay.next().await.map_err(|error| readable(error.into()))? {
        tally.add(rows.iter().map(|row| &row.compared));
        for row in rows.into_iter().filter(|row| row.compared.verdict != Verdict::Same) {
            if json {
                say(&format!("{comma}{}", serde_json::to_string(&row)?))?;
                comma = ",";
            } else if row.compared.verdict == Verdict::Differs && shown.len() < args.limit {
                shown.push(row);
            }
        }
    }
    if json {
        say(&format!("],\"tally\":{}}}", serde_json::to_string(&tally)?))?;
    } else {
        say("")?;
        difference_lines(&shown).iter().try_for_each(|line| say(line))?;
        tally_lines(&tally, shown.len()).iter().try_for_each(|line| say(line))?;
    }
    Ok(tally)
}

fn test(args: &PolicyTestArgs) -> anyhow::Result<u8> {
    let in_force = load(&args.shared)?;
    let (loaded, folder) = match &args.folder {
        None => (in_force.clone(), in_force.folder.clone()),
        Some(folder) => (config::candidate(folder, &in_force, &config::environment())?.0, folder.clone()),
    };
    let files = cases(&folder.strip_prefix(".").unwrap_or(&folder).join(TESTS))?;
    let policy = wire::policy(&loaded)?;
    let (nobody, nothing) = (RequestId::new(Timestamp(0), 0), Facts::default());
    let context = policy.plan_context(nobody, &nothing, Timestamp(0));
    let mut failures: Vec<Problem> = Vec::new();
    for file in &files {
        failures.extend(file.failures(&context, &policy.freezes));
    }
    let count: usize = files.iter().map(Cases::len).sum();
    if args.shared.json {
        let answer =
            json!({ "ok": failures.is_empty(), "cases": count, "files": files.len(), "failures": failures });
        say(&answer.to_string())?;
    } else {
        failures.iter().try_for_each(|failure| say(&failure.to_string()))?;
        say(&tested_line(count, files.len(), failures.len()))?;
    }
    Ok(if failures.is_empty() { Exit::Ok } else { Exit::Failure }.code())
}

/// Every file of cases, in the order of their names; all mistakes are told at once.
fn cases(folder: &Path) -> Result<Vec<Cases>, CliError> {
    let refused = |problems: &[Problem]| {
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        CliError::new(Exit::Refused, format!("the policy tests cannot be run:\n{}", told.join("\n")))
            .hint("docs/policy.md shows how they are written")
    };
    let place = folder.display().to_string();
    let none = |what: String| refused(&[Problem::new(Code::Unreadable, what).at(&place)]);
    let list =
        fs::read_dir(folder).and_then(|list| list.map(|entry| entry.map(|entry| entry.path())).collect());
    let mut paths: Vec<PathBuf> =
        list.map_err(|error: std::io::Error| none(format!("cannot be read: {error}")))?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    paths.sort_unstable();
    if paths.is_empty() {
        return Err(none("there are no tests".to_owned()));
    }
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for path in &paths {
        let read = config::read_text(path).and_then(|text| Cases::parse(&path.display().to_string(), &text));
        match read {
            Ok(cases) => good.push(cases),
            Err(problem) => bad.push(problem),
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(refused(&bad)) }
}
