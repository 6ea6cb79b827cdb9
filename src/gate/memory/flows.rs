//! Virtual time: start-time fair queueing. Each job gets a tag when it is offered; lower tags go first. A flow of
//! weight 2 gets tags half as far apart as a flow of weight 1, so it gets twice the turns. Bands have a time each.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// How far apart the tags of a flow of weight 1 are.
const SCALE: u64 = 1 << 20;
const WEIGHT_MAX: u32 = 1_000;
/// Virtual time moves at least this far with each proposal. Without it an endless stream of new flows, each with its
/// first job, would keep the second job of every flow waiting for ever. Smaller than the step of any weight.
const DRIFT: u64 = SCALE / 1_024;

#[derive(Debug, Default)]
pub(super) struct Flows {
    bands: HashMap<u8, Band>,
    #[cfg(feature = "failpoints")]
    pub stuck: bool,
}

#[derive(Debug, Default)]
struct Band {
    /// Virtual time: every tag given from now on is at least this.
    now: u64,
    flows: HashMap<Arc<str>, Flow>,
    /// Flows without a job whose credit is not used up yet, by when it is.
    resting: BTreeSet<(u64, Arc<str>)>,
}

#[derive(Debug, Default)]
struct Flow {
    /// The earliest tag of its next job.
    finish: u64,
    /// Its jobs in the gate.
    jobs: u64,
}

impl Flows {
    /// A job comes: its tag.
    pub fn enter(&mut self, band: u8, name: &Arc<str>, weight: u32) -> u64 {
        let band = self.bands.entry(band).or_default();
        let flow = band.flows.entry(Arc::clone(name)).or_default();
        if flow.jobs == 0 {
            band.resting.remove(&(flow.finish, Arc::clone(name)));
        }
        let tag = flow.finish.max(band.now);
        flow.jobs += 1;
        flow.finish = tag.saturating_add(SCALE / u64::from(weight.clamp(1, WEIGHT_MAX)));
        #[cfg(feature = "failpoints")]
        if self.stuck {
            flow.finish = tag;
        }
        tag
    }

    /// A job of the flow has left the gate.
    pub fn leave(&mut self, band: u8, name: &Arc<str>) {
        let Some(band) = self.bands.get_mut(&band) else { return };
        let Some(flow) = band.flows.get_mut(name) else { return };
        flow.jobs = flow.jobs.saturating_sub(1);
        if flow.jobs > 0 {
            return;
        }
        if flow.finish > band.now {
            band.resting.insert((flow.finish, Arc::clone(name)));
        } else {
            band.flows.remove(name);
        }
    }

    /// A job with this tag was proposed: time passes, and flows that it has caught up with are forgotten.
    pub fn pass(&mut self, band: u8, tag: u64) {
        let band = self.bands.entry(band).or_default();
        band.now = band.now.saturating_add(DRIFT).max(tag);
        while let Some((finish, name)) = band.resting.first()
            && *finish <= band.now
        {
            band.flows.remove(name);
            band.resting.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Arc<str> {
        Arc::from(text)
    }

    #[test]
    fn a_late_flow_starts_at_the_present_and_not_behind_the_backlog() {
        let mut flows = Flows::default();
        let backlog: Vec<u64> = (0..1_000).map(|_| flows.enter(0, &name("migration"), 1)).collect();
        flows.pass(0, backlog[10]);
        let late: Vec<u64> = (0..5).map(|_| flows.enter(0, &name("release"), 1)).collect();
        assert_eq!(late, backlog[10..15]);
    }

    #[test]
    fn tags_of_a_heavier_flow_lie_closer() {
        let mut flows = Flows::default();
        let tags = |flows: &mut Flows, text, weight| -> Vec<u64> {
            (0..3).map(|_| flows.enter(0, &name(text), weight)).collect()
        };
        assert_eq!(tags(&mut flows, "light", 1), [0, SCALE, 2 * SCALE]);
        assert_eq!(tags(&mut flows, "heavy", 2), [0, SCALE / 2, SCALE]);
    }

    #[test]
    fn bands_do_not_share_their_time() {
        let mut flows = Flows::default();
        flows.pass(0, 50 * SCALE);
        assert_eq!(flows.enter(1, &name("nightly"), 1), 0);
    }

    #[test]
    fn a_flow_is_remembered_until_its_credit_is_used_up() {
        let mut flows = Flows::default();
        flows.enter(0, &name("drip"), 1);
        flows.leave(0, &name("drip"));
        assert_eq!(flows.enter(0, &name("drip"), 1), SCALE);
        flows.leave(0, &name("drip"));
        for _ in 0..=(2 * SCALE / DRIFT) {
            flows.pass(0, 0);
        }
        assert!(flows.bands[&0].flows.is_empty() && flows.bands[&0].resting.is_empty());
    }

    #[test]
    fn newcomers_cannot_keep_a_second_job_waiting_for_ever() {
        let mut flows = Flows::default();
        flows.enter(0, &name("first"), 1);
        let second = flows.enter(0, &name("first"), 1);
        let newcomers = (0..).take_while(|number| {
            let tag = flows.enter(0, &name(&number.to_string()), 1);
            flows.pass(0, tag);
            tag <= second
        });
        assert!(newcomers.count() <= 1_025);
    }
}
