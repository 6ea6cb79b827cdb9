//! The TLS certificate of this interface ends: people are told in time. Each process looks at the one that it shows itself.

use std::sync::{
    OnceLock,
    atomic::{AtomicI64, Ordering},
};

use serde_json::json;

use crate::{
    job::time::Timestamp,
    ledger::{Command, LedgerError},
    pipeline::{
        context::Context,
        tokens::{LOOKED, WARNED_OF_ACCESS, due},
    },
};

/// When what is shown now ends; None: that cannot be told.
type Ends = Box<dyn Fn() -> Option<Timestamp> + Send + Sync>;

/// What this process shows to those who connect, if it speaks TLS.
#[derive(Default)]
pub struct Certificate {
    /// Its file, and when it ends.
    shown: OnceLock<(String, Ends)>,
    /// When it was last looked at.
    looked: AtomicI64,
}

impl Certificate {
    /// Told once, when the interface is opened.
    pub fn follow(&self, file: String, ends: impl Fn() -> Option<Timestamp> + Send + Sync + 'static) {
        drop(self.shown.set((file, Box::new(ends))));
    }

    /// Its file and its end.
    pub(super) fn end(&self) -> Option<(&str, Timestamp)> {
        let (file, ends) = self.shown.get()?;
        Some((file, ends()?))
    }
}

impl Context {
    /// Tells once at each of the days that the certificate ends.
    pub async fn watch_certificate(&self) -> Result<(), LedgerError> {
        let now = self.now();
        if now.since(Timestamp(self.certificate.looked.load(Ordering::Relaxed))) < LOOKED {
            return Ok(());
        }
        if let Some((file, ends)) = self.certificate.end()
            && let Some(days) = due(ends.since(now), WARNED_OF_ACCESS)
        {
            let dedup = format!("certificate/{file}/expires/{}/{days}", ends.0);
            let body = json!({
                "certificate": file, "what": format!("the TLS certificate of this interface ends on {ends}"),
                "expires_at": ends.to_string(), "within_days": days,
                "what_to_do": "put the renewed certificate and its key in place of the old ones: no restart is needed",
            });
            let kind = "certificate.expiring".to_owned();
            self.ledger.write(Command::Notice { dedup, kind, job: None, body }).await?;
        }
        self.certificate.looked.store(now.0, Ordering::Relaxed);
        Ok(())
    }
}
