//! Which epoch of the gate this process believes in, and whether what Redis holds can be that. An epoch begins with a
//! rebuild and never comes back: whoever sees an earlier one, or fewer changes than before, sees a Redis that went back
//! in time. Nothing here talks to Redis.

use std::collections::HashMap;

use crate::{gate::Standing, job::time::Timestamp};

/// The fields of the hash that are read when the standing is asked for.
pub(super) const FIELDS: [&str; 8] = ["epoch", "state", "ops", "began", "rules", "builder", "lapse", "why"];

/// What this process knows.
#[derive(Debug, Default)]
pub(super) struct Belief {
    /// The epoch that it works with.
    pub epoch: Option<Epoch>,
    /// Why that epoch can no longer be trusted.
    pub lost: Option<String>,
    /// Why Redis, as it is set up, may not be used.
    pub unfit: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Epoch {
    pub name: String,
    /// When it began, in milliseconds.
    pub began: i64,
    /// The most changes that have been seen in it.
    pub ops: u64,
}

impl Belief {
    /// Takes over an epoch.
    pub fn adopt(&mut self, epoch: Epoch) {
        if self.epoch.as_ref().is_none_or(|known| known.name != epoch.name) {
            self.lost = None;
        }
        self.epoch = Some(epoch);
    }

    /// So many changes were seen in the epoch.
    pub fn saw(&mut self, name: &str, ops: u64) {
        if let Some(epoch) = self.epoch.as_mut().filter(|epoch| epoch.name == name) {
            epoch.ops = epoch.ops.max(ops);
        }
    }

    /// The epoch is no longer to be used.
    pub fn lose(&mut self, name: &str, why: String) {
        if self.epoch.as_ref().is_some_and(|epoch| epoch.name == name) {
            self.lost = Some(why);
        }
    }

    /// Judges what Redis holds, and takes over an epoch that can be used. A process that starts (`epoch` is none) does
    /// not join others that work by other rules. `seen` is what was known when Redis was asked: what other calls have seen
    /// since then is newer than this answer.
    pub fn judge(
        &mut self,
        held: &HashMap<String, String>,
        rules: &str,
        now: Timestamp,
        seen: Option<&Epoch>,
    ) -> Standing {
        let text = |name: &str| held.get(name).map_or("", String::as_str);
        let number = |name: &str| text(name).parse::<i64>().unwrap_or_default();
        if text("epoch").is_empty() {
            return Standing::Lost("redis holds no gate: it is new or was emptied".to_owned());
        }
        let ops = u64::try_from(number("ops")).unwrap_or_default();
        let found = Epoch { name: text("epoch").to_owned(), began: number("began"), ops };
        let seen = seen.filter(|seen| seen.name == found.name).map_or(0, |seen| seen.ops);
        match &self.epoch {
            None if text("rules") != rules => {
                return Standing::Lost("the gate in redis was made by other budget rules".to_owned());
            }
            Some(known) if known.name == found.name && found.ops < seen => {
                let why = format!("redis went back in time: {ops} changes where {seen} were seen");
                self.lost = Some(why);
            }
            Some(known) if found.name != known.name && found.began < known.began => {
                return Standing::Lost(
                    "redis went back in time: it holds a gate that was given up".to_owned(),
                );
            }
            Some(known) if known.name == found.name => {}
            _ => self.adopt(found),
        }
        if let Some(why) = &self.lost {
            return Standing::Lost(why.clone());
        }
        match text("state") {
            "open" => Standing::Open,
            "building" if number("lapse") > now.0 => Standing::Rebuilding,
            "building" => Standing::Lost("a rebuild of the gate broke off".to_owned()),
            _ => Standing::Lost(text("why").to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(name: &str, began: i64, ops: u64, state: &str) -> HashMap<String, String> {
        let fields = [("epoch", name.to_owned()), ("began", began.to_string()), ("ops", ops.to_string())];
        let more = [("state", state.to_owned()), ("rules", "r".to_owned()), ("lapse", "100".to_owned())];
        fields.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Asked and answered at once.
    fn judge(belief: &mut Belief, held: &HashMap<String, String>, rules: &str, now: Timestamp) -> Standing {
        let seen = belief.epoch.clone();
        belief.judge(held, rules, now, seen.as_ref())
    }

    fn is_lost(standing: &Standing) -> bool {
        matches!(standing, Standing::Lost(_))
    }

    #[test]
    fn an_epoch_is_taken_over_and_never_one_from_before() {
        let mut belief = Belief::default();
        assert!(is_lost(&judge(&mut belief, &HashMap::new(), "r", Timestamp(0))));
        assert_eq!(judge(&mut belief, &held("a", 5, 1, "open"), "r", Timestamp(0)), Standing::Open);
        assert_eq!(judge(&mut belief, &held("b", 6, 0, "open"), "r", Timestamp(0)), Standing::Open);
        assert!(is_lost(&judge(&mut belief, &held("a", 5, 9, "open"), "r", Timestamp(0))));
        assert_eq!(judge(&mut belief, &held("b", 6, 0, "open"), "r", Timestamp(0)), Standing::Open);
    }

    #[test]
    fn fewer_changes_than_were_seen_are_a_loss_until_another_epoch_begins() {
        let mut belief = Belief::default();
        judge(&mut belief, &held("a", 5, 7, "open"), "r", Timestamp(0));
        assert!(is_lost(&judge(&mut belief, &held("a", 5, 6, "open"), "r", Timestamp(0))));
        assert!(is_lost(&judge(&mut belief, &held("a", 5, 8, "open"), "r", Timestamp(0))));
        assert_eq!(judge(&mut belief, &held("b", 6, 0, "open"), "r", Timestamp(0)), Standing::Open);
    }

    #[test]
    fn an_answer_is_judged_by_what_was_seen_when_it_was_asked_for() {
        let mut belief = Belief::default();
        judge(&mut belief, &held("a", 5, 7, "open"), "r", Timestamp(0));
        let seen = belief.epoch.clone();
        belief.saw("a", 9);
        assert_eq!(belief.judge(&held("a", 5, 8, "open"), "r", Timestamp(0), seen.as_ref()), Standing::Open);
        assert!(is_lost(&judge(&mut belief, &held("a", 5, 8, "open"), "r", Timestamp(0))));
    }

    #[test]
    fn a_starting_process_does_not_join_a_gate_of_other_rules_but_a_running_one_follows() {
        let mut starting = Belief::default();
        assert!(is_lost(&judge(&mut starting, &held("a", 5, 0, "open"), "other", Timestamp(0))));
        let mut running = Belief::default();
        judge(&mut running, &held("a", 5, 0, "open"), "r", Timestamp(0));
        assert_eq!(judge(&mut running, &held("b", 6, 0, "open"), "other", Timestamp(0)), Standing::Open);
    }

    #[test]
    fn a_rebuild_that_fell_silent_is_a_loss() {
        let mut belief = Belief::default();
        assert_eq!(
            judge(&mut belief, &held("a", 5, 0, "building"), "r", Timestamp(99)),
            Standing::Rebuilding
        );
        assert!(is_lost(&judge(&mut belief, &held("a", 5, 0, "building"), "r", Timestamp(100))));
    }
}
