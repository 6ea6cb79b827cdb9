//! The section of the configuration about what needs a person.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};

use crate::{
    config::sections::within,
    job::time::Millis,
    policy::desk::{Kind, Rules},
};

/// When people are told again.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Desk {
    /// Somebody should have acted within so many hours; 1 to 8,760.
    #[serde(deserialize_with = "within::<_, u64, 1, 8_760>")]
    pub act_within_hours: u64,
    /// The same for one kind of thing: `question`, `idle`, `approval`, `wave`, `quarantine`, `lost-start`, `token`, `breaker`,
    /// `schedule`, `delivery`.
    #[serde(deserialize_with = "hours_by_kind")]
    pub act_within_hours_by_kind: BTreeMap<Kind, u64>,
    /// After that, the owner is told again every so many hours; 0: never; 0 to 8,760.
    #[serde(deserialize_with = "within::<_, u64, 0, 8_760>")]
    pub remind_hours: u64,
    /// So many hours after that, this person is told, once; 0 to 8,760.
    #[serde(deserialize_with = "within::<_, u64, 0, 8_760>")]
    pub escalate_hours: u64,
    /// Left out: nobody else is told.
    pub escalate_to: Option<String>,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            act_within_hours: 8,
            act_within_hours_by_kind: BTreeMap::new(),
            remind_hours: 0,
            escalate_hours: 24,
            escalate_to: None,
        }
    }
}

impl Desk {
    pub fn rules(&self) -> Rules {
        let by_kind = self.act_within_hours_by_kind.iter();
        Rules {
            within: by_kind.map(|(kind, hours)| (*kind, Millis::hours(*hours))).collect(),
            within_default: Millis::hours(self.act_within_hours),
            remind: (self.remind_hours > 0).then(|| Millis::hours(self.remind_hours)),
            escalate: self.escalate_to.clone().map(|to| (Millis::hours(self.escalate_hours), to)),
        }
    }
}

fn hours_by_kind<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Kind, u64>, D::Error> {
    let hours = BTreeMap::<Kind, u64>::deserialize(from)?;
    match hours.values().find(|hours| !(1..=8_760).contains(*hours)) {
        Some(wrong) => Err(de::Error::custom(format!("{wrong} is out of range: write 1 to 8760"))),
        None => Ok(hours),
    }
}
