//! `sluice audit archive`: prompts and evidence of old, ended requests go to files named after their content, then leave the
//! ledger. A document is taken out only after its file is on the disk and the daemon has compared the digest; whatever dies, nothing
//! is lost, and the same command goes on.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::json;

use crate::{
    cli::{
        Session,
        act::By,
        client::Body,
        exit::{CliError, Exit},
        words,
    },
    job::time::Timestamp,
    pipeline::audit::MovableDocument,
};

/// Documents that leave the ledger together.
const TOGETHER: usize = 200;

#[derive(Args, Clone, Debug)]
pub struct ArchiveArgs {
    /// Only of requests that have ended, and jobs that nothing has happened to since: 2026-05-01 or 2026-05-01T10:00:00Z
    #[arg(long, value_name = "DATE")]
    before: String,
    /// Folder for the files; may hold those of earlier runs
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    by: By,
}

#[derive(Deserialize)]
struct Page {
    documents: Vec<MovableDocument>,
    next: Option<i64>,
}

pub async fn run(args: &ArchiveArgs, session: &mut Session) -> Result<Exit, CliError> {
    let before = Timestamp::parse(&args.before)
        .or_else(|| Timestamp::parse(&format!("{}T00:00:00Z", args.before)))
        .ok_or_else(|| {
            let what = format!("--before `{}` is no date", args.before);
            CliError::new(Exit::Usage, what).hint("write it as 2026-05-01")
        })?;
    let failed = |error: io::Error| CliError::new(Exit::Failure, format!("{}: {error}", args.to.display()));
    fs::create_dir_all(&args.to).map_err(failed)?;
    let place = fs::canonicalize(&args.to).map_err(failed)?;
    let (mut documents, mut bytes, mut after) = (0_usize, 0_usize, None);
    loop {
        let query = [("before", Some(before.to_string())), ("after", after.map(|at: i64| at.to_string()))];
        let page: Page = session.client.get(&["v1", "audit", "documents"], &query).await?.read()?;
        for part in page.documents.chunks(TOGETHER) {
            let mut moved = Vec::with_capacity(part.len());
            for document in part {
                write(&place, document).map_err(failed)?;
                bytes = bytes.saturating_add(document.text.len());
                moved.push(json!({ "id": document.id, "digest": document.digest }));
            }
            let told = json!({
                "documents": moved, "place": place.to_string_lossy(), "actor": args.by.actor, "reason": args.by.reason,
            });
            session.client.post(&["v1", "audit", "archive"], Body::json(&told)?).await?;
            documents = documents.saturating_add(part.len());
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let screen = &mut session.screen;
    if screen.json {
        screen.line(json!({ "documents": documents, "bytes": bytes, "place": place }).to_string())?;
    } else {
        let count = words::count(documents, "document");
        screen.line(format!("{count} moved to {}, {}", place.display(), words::count(bytes, "byte")))?;
    }
    Ok(Exit::Ok)
}

/// Where a document is in a folder.
pub fn file_of(folder: &Path, digest: &str) -> PathBuf {
    let begin = digest.get(..2).unwrap_or("00");
    folder.join(begin).join(digest)
}

fn sha256(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The document as it was; Err: why it cannot be had.
pub fn read_back(folder: &Path, digest: &str) -> Result<String, String> {
    let bytes = match fs::read(file_of(folder, digest)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err("the file is not there".to_owned());
        }
        read => read.map_err(|error| format!("the file cannot be read: {error}"))?,
    };
    if sha256(&bytes) != digest {
        return Err("the file is not what was moved: its digest differs".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "the file is not what was moved: it is no text".to_owned())
}

/// On the disk when this returns. A file that is there as it should be stays.
fn write(folder: &Path, document: &MovableDocument) -> io::Result<()> {
    if sha256(document.text.as_bytes()) != document.digest {
        return Err(io::Error::other(format!("the daemon's copy of {} was damaged on its way", document.id)));
    }
    let path = file_of(folder, &document.digest);
    if read_back(folder, &document.digest).is_ok() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(folder);
    fs::create_dir_all(parent)?;
    let part = path.with_extension("part");
    let mut file = File::create(&part)?;
    file.write_all(document.text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&part, &path)?;
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::id::JobId;

    #[test]
    fn a_document_is_read_back_only_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let text = "Upgrade serde.".to_owned();
        let digest = sha256(text.as_bytes());
        let document = MovableDocument {
            id: "prompt/x".into(),
            job: JobId::new(Timestamp(1), 1),
            digest: digest.clone(),
            text,
        };
        assert!(read_back(folder.path(), &digest).unwrap_err().contains("not there"));
        // What an earlier run was killed in the middle of.
        fs::create_dir_all(file_of(folder.path(), &digest).parent().unwrap()).unwrap();
        fs::write(file_of(folder.path(), &digest), "Upgr").unwrap();
        assert!(read_back(folder.path(), &digest).unwrap_err().contains("digest differs"));
        for _ in 0..2 {
            write(folder.path(), &document).unwrap();
            assert_eq!(read_back(folder.path(), &digest).unwrap(), "Upgrade serde.");
        }
        let damaged = MovableDocument { text: "Upgrade".into(), ..document };
        assert!(write(folder.path(), &damaged).is_err());
    }
}
