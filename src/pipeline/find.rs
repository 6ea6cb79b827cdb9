//! What people name by the whole id or by the end of it.

use std::{fmt::Display, str::FromStr};

use crate::{
    job::id::{DeliveryId, JobId, NoticeId, RequestId},
    ledger::{
        LedgerError,
        rows::{DeliveryRow, JobRow},
    },
    pipeline::context::Context,
};

/// Fewer characters than these name nothing.
const SUFFIX_MIN: usize = 4;

/// A name that does not lead to one thing.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    #[error("{0}")]
    Unknown(String),
    #[error("{0}")]
    Ambiguous(String),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl FindError {
    /// As if nothing had this name, whatever has it.
    pub fn unknown(named: &str, noun: &str) -> Self {
        let named = named.trim().to_ascii_lowercase();
        match uuid::Uuid::try_parse(&named) {
            Ok(_) => missing(noun, named),
            Err(_) => Self::Unknown(format!("there is no {noun} whose id ends with `{named}`")),
        }
    }
}

/// A whole id, or the characters at its end.
enum Name<T> {
    Whole(T),
    End(String),
}

fn read<T: FromStr>(text: &str, noun: &str) -> Result<Name<T>, FindError> {
    let text = text.trim().to_ascii_lowercase();
    if let Ok(id) = text.parse() {
        return Ok(Name::Whole(id));
    }
    // Nothing else may reach the pattern of the query.
    let plain = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if plain && (SUFFIX_MIN..=36).contains(&text.len()) {
        return Ok(Name::End(text));
    }
    let shown = crate::policy::text::shorten(&text, 60);
    Err(FindError::Unknown(format!(
        "`{shown}` is no {noun} id: give the whole id, or at least its last {SUFFIX_MIN} characters"
    )))
}

fn only<T>(mut found: Vec<T>, end: &str, noun: &str) -> Result<T, FindError> {
    match (found.pop(), found.len()) {
        (Some(one), 0) => Ok(one),
        (None, _) => Err(FindError::Unknown(format!("there is no {noun} whose id ends with `{end}`"))),
        (Some(_), others) => Err(FindError::Ambiguous(format!(
            "{} {noun}s have an id that ends with `{end}`: give more of it",
            others.saturating_add(1)
        ))),
    }
}

fn missing(noun: &str, id: impl Display) -> FindError {
    FindError::Unknown(format!("there is no {noun} {id}"))
}

impl Context {
    /// A job by its id or by the end of it.
    pub async fn find_job(&self, text: &str) -> Result<JobRow, FindError> {
        match read::<JobId>(text, "job")? {
            Name::Whole(id) => self.ledger.job(id).await?.ok_or_else(|| missing("job", id)),
            Name::End(end) => only(self.ledger.jobs_ending(&end).await?, &end, "job"),
        }
    }

    /// A delivery by its id or by the end of it.
    pub async fn find_delivery(&self, text: &str) -> Result<DeliveryRow, FindError> {
        match read::<DeliveryId>(text, "delivery")? {
            Name::Whole(id) => self.ledger.delivery(id).await?.ok_or_else(|| missing("delivery", id)),
            Name::End(end) => only(self.ledger.deliveries_ending(&end).await?, &end, "delivery"),
        }
    }

    /// A notice by its id or by the end of it.
    pub async fn find_notice(&self, text: &str) -> Result<NoticeId, FindError> {
        match read::<NoticeId>(text, "notice")? {
            Name::Whole(id) => {
                self.ledger.notice(id).await?.map(|row| row.id).ok_or_else(|| missing("notice", id))
            }
            Name::End(end) => only(self.ledger.notices_ending(&end).await?, &end, "notice").map(|row| row.id),
        }
    }

    /// A request by its id or by the end of it.
    pub async fn find_request(&self, text: &str) -> Result<RequestId, FindError> {
        match read::<RequestId>(text, "request")? {
            Name::Whole(id) => match self.ledger.request(id).await? {
                Some(_) => Ok(id),
                None => Err(missing("request", id)),
            },
            Name::End(end) => {
                only(self.ledger.requests_ending(&end).await?, &end, "request").map(|row| row.id)
            }
        }
    }
}
