//! The rows of a webhook that came in: what is known of it, and beside it what it says.

use serde::{Deserialize, Serialize};

use crate::job::{
    id::{DeliveryId, RequestId},
    time::Timestamp,
};

/// How far a delivery has come.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Kept, and not looked at yet.
    Received,
    /// A request was made of it, or the jobs that it is about are looked at.
    Done,
    /// Nobody wants anything from it.
    Ignored,
    /// A rule wants a request from it, and none could be made.
    Unmapped,
    /// The request that was made of it was not accepted.
    Refused,
}

impl DeliveryState {
    pub const ALL: [Self; 5] = [Self::Received, Self::Done, Self::Ignored, Self::Unmapped, Self::Refused];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Done => "done",
            Self::Ignored => "ignored",
            Self::Unmapped => "unmapped",
            Self::Refused => "refused",
        }
    }
    /// Somebody should look at it.
    pub const fn is_trouble(self) -> bool {
        matches!(self, Self::Unmapped | Self::Refused)
    }
}

/// A delivery without what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRow {
    pub id: DeliveryId,
    pub hook: String,
    /// As its sender names it.
    pub sender_id: String,
    /// Of the signed bytes, where the signature does not cover the name.
    pub fingerprint: Option<String>,
    pub event: String,
    pub received_at: Timestamp,
    pub signed_at: Option<Timestamp>,
    /// Which of the hook's secrets it was signed with, from 0.
    pub secret: i64,
    pub bytes: i64,
    pub state: DeliveryState,
    pub reason: Option<String>,
    pub request_id: Option<RequestId>,
    /// How often it was begun anew after it had been left lying.
    pub attempts: i64,
    /// From then on anybody may go on with it.
    pub due_at: Option<Timestamp>,
    pub settled_at: Option<Timestamp>,
}

/// What a delivery says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadRow {
    pub delivery_id: DeliveryId,
    /// Some of them; never a signature or a secret.
    pub headers_json: String,
    /// As it came; not always JSON.
    pub payload_json: String,
}
