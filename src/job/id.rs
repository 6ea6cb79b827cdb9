//! Identifiers: UUID version 7 (RFC 9562), so that they sort by the time they were made. The time
//! and the random bits are handed in.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::job::time::Timestamp;

/// A text that is no identifier.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not an id (36 characters such as 0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11)")]
pub struct InvalidId(pub String);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Made at `now` from 80 drawn bits; two ids of one millisecond differ by those bits.
            pub fn new(now: Timestamp, drawn: u128) -> Self {
                Self(version_7(now, drawn))
            }
            /// The 16 bytes, which sort as the id does.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
            /// The id with these bytes.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
            /// The time that is written into it.
            pub fn made_at(&self) -> Timestamp {
                let [a, b, c, d, e, f, ..] = *self.0.as_bytes();
                Timestamp(i64::from_be_bytes([0, 0, a, b, c, d, e, f]))
            }
            /// The last eight characters: what tables show and commands accept.
            pub fn short(&self) -> String {
                let text = self.0.simple().to_string();
                text.get(24..).unwrap_or_default().to_owned()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId(text.to_owned()))
            }
        }
    };
}

id! {
    /// One repository's share of a request.
    JobId
}
id! {
    /// What a producer submitted.
    RequestId
}
id! {
    /// One try of a job.
    AttemptId
}
id! {
    /// A worker process in one life.
    WorkerId
}
id! {
    /// A message in the outbox; the receiver's de-duplication key.
    NoticeId
}
id! {
    /// A webhook that came in.
    DeliveryId
}

/// Position in the ledger's history, from 1, without gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(pub i64);

fn version_7(now: Timestamp, drawn: u128) -> Uuid {
    let millis = u64::try_from(now.0).unwrap_or(0);
    let mut bytes = [0_u8; 10];
    for (byte, drawn) in bytes.iter_mut().zip(drawn.to_le_bytes()) {
        *byte = drawn;
    }
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_the_time_they_were_made_and_survive_text() {
        let early = JobId::new(Timestamp(1_000), u128::MAX);
        let late = JobId::new(Timestamp(2_000), 0);
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(late.to_string().parse::<JobId>().unwrap(), late);
        assert_eq!((late.short().len(), late.made_at()), (8, Timestamp(2_000)));
    }

    #[test]
    fn a_text_that_is_no_id_is_named_in_the_error() {
        let error = "job-7".parse::<JobId>().unwrap_err();
        assert!(error.to_string().contains("`job-7`"));
    }
}
