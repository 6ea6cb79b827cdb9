//! What will happen and when. Nothing runs in the background: each request first plays everything
//! that is due, in order of time, so a clock moved by hand decides alone how far the world is.

use std::collections::BTreeMap;

use super::task::{Listed, Step};
use super::{PullKey, TaskKey};

/// Something that is due at a time.
#[derive(Debug)]
pub(crate) enum Event {
    /// A task takes its next step, unless its story was changed since.
    Step { task: TaskKey, generation: u32, step: Step },
    /// A task's change becomes visible in lists.
    Publish { task: TaskKey, listed: Listed },
    /// A pull request gets its review.
    Review { pull: PullKey },
}

/// Events by time; those of one time in the order they were planned.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    events: BTreeMap<(i64, u64), Event>,
    planned: u64,
}

impl Agenda {
    /// Plans an event.
    pub(crate) fn plan(&mut self, at_ms: i64, event: Event) {
        self.planned += 1;
        self.events.insert((at_ms, self.planned), event);
    }

    /// Takes the next event that is due.
    pub(crate) fn due(&mut self, now_ms: i64) -> Option<(i64, Event)> {
        let first = self.events.first_entry()?;
        if first.key().0 > now_ms {
            return None;
        }
        let ((at_ms, _), event) = first.remove_entry();
        Some((at_ms, event))
    }
}
