//! Deliveries for people: what came in, what became of each, and going through one again.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    job::{
        id::{DeliveryId, RequestId},
        time::Timestamp,
    },
    ledger::{
        By, Command, DeliveryChange, LedgerError,
        rows::{DeliveryRow, DeliveryState as State},
    },
    pipeline::{
        context::Context,
        operate::{OperateError, done},
    },
};

/// Which deliveries, as the callers of the pipeline ask for them.
pub type DeliveryFilter = crate::ledger::deliveries::DeliveryFilter;
/// How far one has come, as they read it.
pub type DeliveryState = State;

/// A webhook that came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryView {
    pub id: DeliveryId,
    pub hook: String,
    /// As its sender names it.
    pub sender_id: String,
    /// Empty when its sender named none.
    pub event: String,
    pub received_at: Timestamp,
    /// None: its signature has no time.
    pub signed_at: Option<Timestamp>,
    /// Which of the hook's secrets it was signed with, from 1.
    pub secret: i64,
    pub bytes: i64,
    pub state: State,
    /// Why it is as it is.
    pub reason: Option<String>,
    /// That was made of it.
    pub request: Option<RequestId>,
    /// None: it has not come to its end.
    pub settled_at: Option<Timestamp>,
}

/// A webhook with what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeliveryDetail {
    pub delivery: DeliveryView,
    /// Some of them, without signatures.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub headers: Map<String, Value>,
    /// As JSON, or as a text if it is none.
    pub payload: Value,
}

impl From<DeliveryRow> for DeliveryView {
    fn from(row: DeliveryRow) -> Self {
        Self {
            id: row.id,
            hook: row.hook,
            sender_id: row.sender_id,
            event: row.event,
            received_at: row.received_at,
            signed_at: row.signed_at,
            secret: row.secret.saturating_add(1),
            bytes: row.bytes,
            state: row.state,
            reason: row.reason,
            request: row.request_id,
            settled_at: row.settled_at,
        }
    }
}

impl Context {
    /// Newest first; None: the delivery to go on after is not there.
    pub async fn list_deliveries(
        &self,
        filter: &DeliveryFilter,
    ) -> Result<Option<Vec<DeliveryView>>, LedgerError> {
        if let Some(before) = filter.before
            && self.ledger.delivery(before).await?.is_none()
        {
            return Ok(None);
        }
        let rows = self.ledger.deliveries(filter).await?;
        Ok(Some(rows.into_iter().map(DeliveryView::from).collect()))
    }

    /// With what it says.
    pub async fn delivery_detail(&self, row: DeliveryRow) -> Result<DeliveryDetail, LedgerError> {
        let kept = self.ledger.payload(row.id).await?;
        let (headers, payload) = kept.map(|kept| (kept.headers_json, kept.payload_json)).unwrap_or_default();
        let payload = serde_json::from_str(&payload).unwrap_or(Value::String(payload));
        let headers = serde_json::from_str(&headers).unwrap_or_default();
        Ok(DeliveryDetail { delivery: row.into(), headers, payload })
    }

    /// Goes through one again, by the mapping of today. A request that was made of it is not made again unless its key is another
    /// one today.
    pub async fn replay_delivery(&self, id: DeliveryId, by: By) -> Result<(), OperateError> {
        let row = self.ledger.delivery(id).await?;
        if let Some(hook) = row.map(|row| row.hook).filter(|hook| self.hooks.door(hook).is_none()) {
            let why = format!("there is no hook `{hook}` in the configuration: nothing says what it means");
            return Err(OperateError::Conflict(why));
        }
        done(self.ledger.write(Command::Delivery { id, change: DeliveryChange::Replay, by }).await?)?;
        self.queues.deliveries.push(id, self.now(), id);
        Ok(())
    }
}
