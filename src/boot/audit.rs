//! `sluice audit verify` of files and of a ledger without a daemon, and `sluice audit key new`. Nothing but the key's file is written.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    boot::{
        commands::{load, say},
        service::readable,
        wire,
    },
    cli::{AuditLocal, AuditVerifyArgs, CliError, Exit, KeyNewArgs},
    config,
    ledger::{
        self,
        rows::EntryRow,
        signing::{Signer, is_public_key, is_signed, key_id},
        verify::{Checker, Trust, Verified},
    },
    pipeline::audit::{END, HEAD, PAYLOAD_TYPE, pre_authenticated},
};

pub async fn run(command: AuditLocal<'_>) -> anyhow::Result<u8> {
    match command {
        AuditLocal::KeyNew(args) => key_new(args),
        AuditLocal::Verify(args) if args.files.is_empty() => verify_ledger(args).await,
        AuditLocal::Verify(args) => verify_files(args),
    }
}

fn refused(what: String) -> CliError {
    CliError::new(Exit::Refused, what)
}

/// Written for its owner alone, and never over another key.
fn key_new(args: &KeyNewArgs) -> anyhow::Result<u8> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let text = Signer::generate()?;
    let signer = Signer::parse(&text)?;
    let path = args.out.display();
    let file = File::options().write(true).create_new(true).mode(0o600).open(&args.out);
    let mut file =
        file.map_err(|error| refused(format!("{path}: {error}")).hint("name a file that is not there yet"))?;
    writeln!(file, "{text}").and_then(|()| file.sync_all()).with_context(|| format!("writing {path}"))?;
    let (id, public) = (signer.key_id(), signer.public_key());
    if args.shared.json {
        say(&serde_json::json!({ "file": args.out, "key": id, "public_key": public }).to_string())?;
    } else {
        say(&format!("{path} holds the new key {id}; its public half is {public}"))?;
        say(
            "next: name the file as [audit] key, and the public half of the key that it replaces in trusted_keys",
        )?;
    }
    Ok(Exit::Ok.code())
}

/// What the command line says, else what the configuration says.
fn trust(args: &AuditVerifyArgs) -> anyhow::Result<Trust> {
    let mut trust = Trust::default();
    if let Some(bad) = args.trust.iter().find(|key| !is_public_key(key)) {
        let hint = "write it as `sluice audit key new` has shown it: 32 bytes in base64";
        return Err(refused(format!("`{bad}` is no public key")).hint(hint).into());
    }
    trust.keys.extend(args.trust.iter().cloned());
    if trust.keys.is_empty()
        && let Ok(audit) = load(&args.shared).and_then(|loaded| wire::audit(&loaded, &config::environment()))
    {
        trust.keys = audit.trust.keys;
    }
    if let Some(path) = &args.checkpoints {
        let text =
            fs::read_to_string(path).map_err(|error| refused(format!("{}: {error}", path.display())))?;
        trust.add_file(&text).map_err(|why| {
            CliError::new(Exit::Failure, format!("{}: {why}", path.display()))
                .hint("the file was changed, or --trust names other keys")
        })?;
    }
    Ok(trust)
}

/// Checks the history of a ledger without a daemon; the ledger is only read.
async fn verify_ledger(args: &AuditVerifyArgs) -> anyhow::Result<u8> {
    let url = args.ledger.clone().unwrap_or_default();
    // The password of a PostgreSQL ledger comes from the configuration, if there is one for this ledger.
    let password = load(&args.shared)
        .ok()
        .filter(|loaded| loaded.settings.ledger.url == url)
        .and_then(|loaded| wire::location(&loaded, &config::environment()).ok())
        .and_then(|location| location.password);
    let location = ledger::Location { url, password, full_durability: true };
    let trust = trust(args)?;
    let opened = ledger::Ledger::open_read_only(&location, std::sync::Arc::default())
        .await
        .map_err(|e| readable(e.into()))?;
    let verified = opened.verify_with(&trust).await.map_err(|e| readable(e.into()))?;
    if args.shared.json {
        say(&serde_json::to_string(&verified)?)?;
    } else {
        tell(&verified)?;
    }
    Ok(if verified.broken.is_none() { Exit::Ok } else { Exit::Failure }.code())
}

fn tell(verified: &Verified) -> anyhow::Result<()> {
    if let Some(problem) = &verified.broken {
        return say(&format!("broken: {problem} ({} entries before it are good)", verified.entries));
    }
    say(&format!("{} entries, each follows the one before; last hash {}", verified.entries, verified.hash))?;
    if verified.redacted > 0 {
        say(&format!("  redacted: {}", verified.redacted))?;
    }
    if verified.untold > 0 {
        say(&format!("  of them told of only after the end of this file: {}", verified.untold))?;
    }
    if verified.checkpoints > 0 {
        let keys: Vec<&str> = verified.keys.iter().map(String::as_str).collect();
        say(&format!("  checkpoints: {}, signed with {}", verified.checkpoints, keys.join(", ")))?;
    }
    Ok(())
}

fn verify_files(args: &AuditVerifyArgs) -> anyhow::Result<u8> {
    let trust = trust(args)?;
    let mut good = true;
    for path in &args.files {
        let checked = check_file(path, &trust)?;
        let (name, broken) = (path.display().to_string(), checked.verified.broken.clone());
        good = good && broken.is_none();
        if args.shared.json {
            let told = serde_json::json!({ "file": name, "statements": checked.statements, "verified": checked.verified });
            say(&told.to_string())?;
            continue;
        }
        match (broken, checked.statements) {
            (Some(broken), _) => say(&format!("{name}: broken: {broken}"))?,
            (None, Some(statements)) => {
                say(&format!("{name}: {statements} statements, each signed as it should be"))?
            }
            (None, None) => {
                say(&format!("{name}:"))?;
                tell(&checked.verified)?;
            }
        }
    }
    Ok(if good { Exit::Ok } else { Exit::Failure }.code())
}

/// What a file holds.
#[derive(Default)]
struct Checked {
    verified: Verified,
    /// None: it is a part of the history.
    statements: Option<u64>,
}

impl Checked {
    fn broken(verified: Verified, line: u64, problem: &str) -> Self {
        let broken = Some(format!("line {line}: {problem}"));
        Self { verified: Verified { broken, ..verified }, statements: None }
    }
}

#[derive(Deserialize)]
struct End {
    entries: i64,
    hash: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload_type: String,
    payload: String,
    signatures: Vec<Signature>,
}
#[derive(Deserialize)]
struct Signature {
    keyid: String,
    sig: String,
}

/// Reads line by line, so that a file may be as long as it likes.
fn check_file(path: &Path, trust: &Trust) -> anyhow::Result<Checked> {
    let unreadable = |error: std::io::Error| refused(format!("{}: {error}", path.display()));
    let mut lines = BufReader::new(File::open(path).map_err(unreadable)?).lines();
    let first = lines.next().transpose().map_err(unreadable)?.unwrap_or_default();
    let head: Value = serde_json::from_str(&first).unwrap_or_default();
    if head.get("payloadType").is_some() {
        return Ok(statements(std::iter::once(Ok(first)).chain(lines), trust));
    }
    let Some(about) = head.get(HEAD) else {
        let what = format!("{}: this is no export that can be verified", path.display());
        return Err(refused(what)
            .hint("export it with --format jsonl, or with --format intoto and a key")
            .into());
    };
    let gaps = !about.get("request").is_none_or(Value::is_null);
    let mut checker: Option<Checker<'_>> = None;
    let mut number = 1_u64;
    for line in lines {
        number = number.saturating_add(1);
        let line = line.map_err(unreadable)?;
        let so_far =
            |checker: &Option<Checker<'_>>| checker.as_ref().map(|c| c.verified(None)).unwrap_or_default();
        let Ok(value) = serde_json::from_str::<Value>(&line) else {
            return Ok(Checked::broken(so_far(&checker), number, "this is no entry"));
        };
        if let Some(end) = value.get(END) {
            let verified = checker.as_ref().map(Checker::end).unwrap_or_default();
            let fits = serde_json::from_value::<End>(end.clone())
                .is_ok_and(|end| end.entries == verified.entries && end.hash == verified.hash);
            if !fits {
                return Ok(Checked::broken(
                    verified,
                    number,
                    "the end tells of other entries than those before it",
                ));
            }
            return Ok(Checked { verified, statements: None });
        }
        let Ok(entry) = serde_json::from_value::<EntryRow>(value) else {
            return Ok(Checked::broken(so_far(&checker), number, "this is no entry"));
        };
        let known = checker.get_or_insert_with(|| begin(trust, &entry, gaps));
        if let Err(found) = known.take(&entry) {
            return Ok(Checked::broken(known.verified(None), number, &found.problem));
        }
    }
    let verified = checker.map(|checker| checker.verified(None)).unwrap_or_default();
    Ok(Checked::broken(verified, number, "the end is missing: the file was cut off"))
}

/// A part of the history begins where it begins; the whole of it begins at the beginning.
fn begin<'a>(trust: &'a Trust, first: &EntryRow, gaps: bool) -> Checker<'a> {
    let before = first.seq.saturating_sub(1);
    let hash = if before == 0 { ledger::chain::GENESIS } else { first.prev.as_str() };
    let checker = Checker::after(trust, before, hash).of_a_part();
    if gaps { checker.with_gaps() } else { checker }
}

fn statements(lines: impl Iterator<Item = std::io::Result<String>>, trust: &Trust) -> Checked {
    let mut signed = 0;
    for (line, number) in lines.zip(1_u64..) {
        let envelope = line.ok().and_then(|line| serde_json::from_str::<Envelope>(&line).ok());
        let broken = |why: &str| Checked::broken(Verified::default(), number, why);
        let Some(envelope) = envelope.filter(|envelope| envelope.payload_type == PAYLOAD_TYPE) else {
            return broken("this is no signed statement");
        };
        if trust.keys.is_empty() {
            return broken("whose signature is to be trusted? Name the public key with --trust");
        }
        let payload = STANDARD.decode(&envelope.payload).unwrap_or_default();
        let message = pre_authenticated(&envelope.payload_type, &payload);
        let good = |signature: &Signature| {
            let mut keys = trust.keys.iter().filter(|key| key_id(key) == signature.keyid);
            keys.any(|key| is_signed(key, &message, &signature.sig))
        };
        if !envelope.signatures.iter().any(good) {
            return broken("the statement is not signed with a key that is trusted, or was changed");
        }
        signed = number;
    }
    Checked { statements: Some(signed), ..Checked::default() }
}
