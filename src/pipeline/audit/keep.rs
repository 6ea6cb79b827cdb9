//! Signed checkpoints: made when they are due or asked for, and copied to a file that should be kept somewhere else.

use std::path::{Path, PathBuf};

use tokio::io::AsyncWriteExt as _;

use crate::{
    ledger::{Command, LedgerError, Reply},
    pipeline::{By, Context, OperateError, audit::Checkpoint, operate::done},
};

impl Context {
    /// Signs the history as it ends.
    pub async fn checkpoint(&self, by: By) -> Result<Checkpoint, OperateError> {
        let Some(signer) = self.tuning.audit.signer.clone() else {
            return Err(OperateError::Conflict(
                "there is no key to sign with: make one with `sluice audit key new --out FILE`, and name it as [audit] key \
                 in the configuration"
                    .to_owned(),
            ));
        };
        let point = match self.ledger.write(Command::Checkpoint { signer, by }).await? {
            Reply::Checkpoint(point) => *point,
            reply => {
                done(reply)?;
                return Err(OperateError::Conflict("no checkpoint was made".to_owned()));
            }
        };
        self.copy_checkpoints().await.map_err(|what| {
            OperateError::Conflict(format!("the checkpoint is in the ledger, but not in the file: {what}"))
        })?;
        Ok(point)
    }

    /// Makes one if it is due. Without a key nothing is asked.
    pub async fn keep_checkpoints(&self) -> Result<(), LedgerError> {
        let audit = &self.tuning.audit;
        if audit.signer.is_none() {
            return Ok(());
        }
        let (seq, now) = (self.ledger.head().await?.seq, self.now());
        let due = match self.ledger.last_checkpoint().await? {
            None => seq > 0,
            Some((last, at)) => {
                let new = seq.saturating_sub(last);
                new >= audit.every_entries || (new > 0 && now.since(at) >= audit.every)
            }
        };
        if !due {
            return Ok(());
        }
        match self.checkpoint(By::ourselves("")).await {
            Err(OperateError::Ledger(error)) => return Err(error),
            Err(error) => tracing::error!(%error, "a checkpoint was not kept as it should be"),
            Ok(point) => tracing::info!(entry = point.seq, key = point.key, "checkpoint"),
        }
        Ok(())
    }

    /// Adds what the file does not have yet.
    async fn copy_checkpoints(&self) -> Result<(), String> {
        let Some(path) = self.tuning.audit.file.clone() else { return Ok(()) };
        let told = |error: std::io::Error| format!("{}: {error}", path.display());
        let (whole, mut last) = read(&path).await.map_err(told)?;
        loop {
            let points = self.ledger.checkpoints(last).await.map_err(|error| error.to_string())?;
            let Some(newest) = points.last() else { return Ok(()) };
            // The position after it is its own.
            last = newest.seq.saturating_add(1);
            let lines: Result<Vec<String>, _> = points.iter().map(serde_json::to_string).collect();
            let lines = lines.map_err(|error| error.to_string())?;
            append(path.clone(), whole, format!("{}\n", lines.join("\n"))).await.map_err(told)?;
            if points.len() < 1_000 {
                return Ok(());
            }
        }
    }
}

/// Length of its whole lines, and the position of the entry of the newest checkpoint. What was cut off in writing does not count.
async fn read(path: &Path) -> std::io::Result<(Option<u64>, i64)> {
    let text = match tokio::fs::read_to_string(path).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        read => read?,
    };
    let whole = text.rfind('\n').map_or(0, |end| end.saturating_add(1));
    let torn = (whole < text.len()).then_some(whole as u64);
    let last = text.get(..whole).and_then(|text| text.lines().next_back());
    let last = last.and_then(|line| serde_json::from_str::<Checkpoint>(line).ok());
    Ok((torn, last.map_or(0, |point| point.seq.saturating_add(1))))
}

async fn append(path: PathBuf, torn: Option<u64>, lines: String) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        tokio::fs::create_dir_all(folder).await?;
    }
    let mut file = tokio::fs::OpenOptions::new().create(true).append(true).open(&path).await?;
    if let Some(whole) = torn {
        file.set_len(whole).await?;
    }
    file.write_all(lines.as_bytes()).await?;
    file.sync_all().await
}
