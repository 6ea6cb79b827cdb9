//! What may need a person, and within which time somebody should act.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::job::time::Millis;

/// Why something needs a person.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
#[schema(as = DeskKind)]
pub enum Kind {
    /// The agent has a question.
    Question,
    /// The agent does nothing, and asks nothing.
    Idle,
    Approval,
    /// A wave that a person must let go on.
    Wave,
    Quarantine,
    /// A start whose answer is lost for longer than it is looked for.
    LostStart,
    Token,
    Breaker,
    /// A schedule whose times come to nothing.
    Schedule,
    /// A webhook of which no request could be made.
    Delivery,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Question => "question",
            Self::Idle => "idle",
            Self::Approval => "approval",
            Self::Wave => "wave",
            Self::Quarantine => "quarantine",
            Self::LostStart => "lost-start",
            Self::Token => "token",
            Self::Breaker => "breaker",
            Self::Schedule => "schedule",
            Self::Delivery => "delivery",
        }
    }
}

/// When people are told again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Somebody should have acted within this time; by kind, else `within_default`.
    pub within: BTreeMap<Kind, Millis>,
    pub within_default: Millis,
    /// Between two reminders after that; None: nobody is reminded.
    pub remind: Option<Millis>,
    /// So long after that somebody else is told, once.
    pub escalate: Option<(Millis, String)>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { within: BTreeMap::new(), within_default: Millis::hours(8), remind: None, escalate: None }
    }
}

impl Rules {
    pub fn within(&self, kind: Kind) -> Millis {
        self.within.get(&kind).copied().unwrap_or(self.within_default)
    }
    /// The steps that are due so long after somebody should have acted: the number of the newest reminder, and whether somebody
    /// else is told. Of reminders that were missed only the last is made up for.
    pub fn steps(&self, late: Millis) -> (Option<u64>, Option<&str>) {
        let reminder = self.remind.map(|every| late.0 / every.0.max(1));
        let other = self.escalate.as_ref().filter(|(after, _)| late >= *after).map(|(_, to)| to.as_str());
        (reminder, other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_come_one_after_the_other_and_only_where_they_are_wanted() {
        let hour = Millis::hours;
        let rules =
            Rules { remind: Some(hour(4)), escalate: Some((hour(10), "dana".into())), ..Rules::default() };
        for (late, wanted) in
            [(0, (Some(0), None)), (3, (Some(0), None)), (4, (Some(1), None)), (10, (Some(2), Some("dana")))]
        {
            assert_eq!(rules.steps(hour(late)), wanted, "{late} h");
        }
        assert_eq!(Rules::default().steps(hour(99)), (None, None));
        let within = [(Kind::Question, hour(1))].into();
        let rules = Rules { within, ..Rules::default() };
        assert_eq!((rules.within(Kind::Question), rules.within(Kind::Wave)), (hour(1), hour(8)));
    }
}
