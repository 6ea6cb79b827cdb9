//! From the payload of a delivery to a request. Total: whatever the payload is, the answer is one of the three.

use serde_json::Value;

use crate::policy::hook::{Delivery, Hook, Outcome};

/// What a delivery becomes by the first rule that fits.
pub fn map(hook: &Hook, delivery: Delivery<'_>, payload: &Value) -> Outcome {
    let _ = (hook, payload);
    Outcome::Ignored { reason: format!("no rule is for `{}`", delivery.event) }
}
