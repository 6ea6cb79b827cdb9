//! Templates against what the ledger says was first used: a released version never changes. The ledger is only read.

use std::sync::Arc;

use crate::{
    boot::{commands::say, wire},
    cli::{Exit, TemplateCheckArgs},
    config::{self, ConfigError, Loaded, Settings},
    ledger::{Ledger, rows::TemplateRow},
    policy::{Problem, Template, problem::Code},
};

/// Checks files one by one; all problems of all files are told.
pub async fn run(args: &TemplateCheckArgs) -> anyhow::Result<u8> {
    let mut problems = Vec::new();
    let mut templates = Vec::new();
    for path in &args.files {
        let found = config::read_text(path).map_err(|problem| vec![problem]);
        match found.and_then(|text| Template::parse(&path.display().to_string(), &text)) {
            Ok(template) => templates.push(template),
            Err(found) => problems.extend(found),
        }
    }
    let loaded = Settings::load(args.shared.config.as_deref(), &config::environment())?;
    let (used, word) = match used(&loaded).await {
        Ok(used) => (used, "compared with what was first used"),
        Err(_) => (Vec::new(), "the ledger cannot be read: not compared with what was first used"),
    };
    problems.extend(templates.iter().filter_map(|template| changed(template, &used)));
    if !problems.is_empty() {
        return Err(ConfigError(problems).into());
    }
    if args.shared.json {
        let ids: Vec<String> = templates.iter().map(Template::id).collect();
        say(&serde_json::json!({ "ok": true, "templates": ids, "ledger": word }).to_string())?;
    } else {
        for template in &templates {
            say(&format!(
                "{}: good; {} has the digest {}; {word}",
                template.path,
                template.id(),
                template.digest
            ))?;
        }
    }
    Ok(Exit::Ok.code())
}

/// What the ledger knows of templates. Err: there is no ledger, or it cannot be read.
pub(super) async fn used(loaded: &Loaded) -> anyhow::Result<Vec<TemplateRow>> {
    let location = wire::location(loaded, &config::environment())?;
    let ledger = Ledger::open_read_only(&location, Arc::default()).await?;
    let used = ledger.templates_used().await;
    ledger.close().await;
    Ok(used?)
}

/// The problem of a file that is not what its version was.
pub(super) fn changed(template: &Template, used: &[TemplateRow]) -> Option<Problem> {
    let id = template.id();
    let first = used.iter().find(|row| row.id == id && row.digest != template.digest)?;
    let what = format!(
        "{} was changed after its first use on {}: its digest was {}, is now {}",
        id, first.first_used_at, first.digest, template.digest
    );
    let next = template.version.saturating_add(1);
    let hint = format!(
        "put the old text back, and keep the new one as {}/{next}.toml with `replaces = \"{}\"`",
        template.name, id
    );
    Some(Problem::new(Code::TemplateChanged, what).at(&template.path).hint(hint))
}
