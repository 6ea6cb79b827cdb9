//! The table of states: total, absorbing at its ends, never stuck, and true to its own effects.

use std::collections::BTreeSet;

use proptest::prelude::*;
use sluicegate::job::{Effect, Event, State, Step, lifecycle::apply};

fn successors(state: State) -> impl Iterator<Item = (Event, Step)> {
    Event::ALL.into_iter().filter_map(move |event| Some((event, apply(state, event).ok()?)))
}

fn reachable(from: State) -> BTreeSet<State> {
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(state) = open.pop() {
        open.extend(successors(state).map(|(_, step)| step.next).filter(|next| seen.insert(*next)));
    }
    seen
}

#[test]
fn the_lists_of_states_and_events_are_complete_and_read_back() {
    for state in State::ALL {
        assert_eq!(state.as_str().parse(), Ok(state));
    }
    let names: BTreeSet<&str> = Event::ALL.iter().map(|event| event.as_str()).collect();
    assert_eq!(names.len(), Event::ALL.len());
    let used: BTreeSet<&str> =
        State::ALL.into_iter().flat_map(successors).map(|(event, _)| event.as_str()).collect();
    assert_eq!(used, names, "an event that no state takes");
}

#[test]
fn every_pair_is_decided_and_an_illegal_one_is_named() {
    for state in State::ALL {
        for event in Event::ALL {
            if let Err(illegal) = apply(state, event) {
                assert_eq!((illegal.state, illegal.event), (state, event));
                let said = illegal.to_string();
                assert!(said.contains(state.as_str()) && said.contains(event.as_str()), "{said}");
            }
        }
    }
}

#[test]
fn an_end_takes_no_event_and_only_an_end_takes_none() {
    for state in State::ALL {
        assert_eq!(state.is_terminal(), successors(state).next().is_none(), "{state}");
    }
}

#[test]
fn each_state_is_reached_and_reaches_an_end_and_can_be_cancelled() {
    let begun: BTreeSet<State> = reachable(State::Held);
    assert_eq!(begun, State::ALL.into(), "from held every state is reached");
    for state in State::ALL {
        assert!(reachable(state).into_iter().any(State::is_terminal), "{state}");
        let cancelled = apply(state, Event::Cancelled).map(|step| step.next);
        assert!(state.is_terminal() || cancelled == Ok(State::Cancelled), "{state}");
    }
}

#[test]
fn an_event_that_comes_twice_is_refused_by_name_or_moves_nothing() {
    for state in State::ALL {
        for (event, step) in successors(state) {
            let again = apply(step.next, event);
            assert!(again.is_err() || again.is_ok_and(|again| again.next == step.next), "{state} {event:?}");
        }
    }
}

/// What the effects leave held and told, if they are carried out as they say.
#[derive(Debug, Default)]
struct Held {
    slots: bool,
    change: bool,
    estimate: bool,
    in_line: bool,
}

impl Held {
    fn take(&mut self, event: Event, step: Step) {
        if event == Event::Admitted {
            *self = Self { slots: true, change: true, estimate: true, in_line: false };
        }
        for effect in step.effects {
            match effect {
                Effect::Offer => self.in_line = true,
                Effect::Withdraw => self.in_line = false,
                Effect::ReleaseSlots => self.slots = false,
                Effect::RetakeSlots => self.slots = true,
                Effect::ReleaseChange => self.change = false,
                Effect::SettleSpend => self.estimate = false,
                Effect::Refund => (self.slots, self.change, self.estimate) = (false, false, false),
                Effect::NoticeNeedsUser | Effect::NoticeDead | Effect::NoticeQuarantined => {}
            }
        }
    }

    fn agrees_with(&self, state: State, cancelled_at: Option<State>) -> bool {
        match state {
            State::Held => !self.slots && !self.change && !self.estimate && !self.in_line,
            State::Queued => !self.slots && !self.change && !self.estimate && self.in_line,
            State::Starting | State::StartUnknown => self.slots && self.change && self.estimate,
            State::Running => self.slots && self.change,
            State::WaitingForUser | State::Verifying | State::InReview | State::Quarantined => {
                !self.slots && self.change
            }
            // A fence: while the task may run on, its holds stay until the remote end is seen.
            State::Cancelled if cancelled_at.is_some_and(may_run_on) => true,
            State::Succeeded | State::Rejected | State::Dead | State::Cancelled => {
                !self.slots && !self.change && !self.estimate && !self.in_line
            }
        }
    }
}

const fn may_run_on(state: State) -> bool {
    matches!(state, State::Starting | State::StartUnknown | State::Running | State::WaitingForUser)
}

proptest! {
    /// From approval on, whatever happens in whatever order, holds are what the state says.
    #[test]
    fn effects_leave_held_what_the_state_needs_and_nothing_more(picks in prop::collection::vec(any::<prop::sample::Index>(), 1..60)) {
        let (mut state, mut held, mut before) = (State::Held, Held::default(), None);
        for pick in picks {
            let choices: Vec<(Event, Step)> = successors(state).collect();
            if choices.is_empty() {
                break;
            }
            let (event, step) = choices[pick.index(choices.len())];
            held.take(event, step);
            before = Some(state);
            state = step.next;
            prop_assert!(held.agrees_with(state, before), "{before:?} -> {state} by {event:?}: {held:?}");
        }
        prop_assert!(before.is_some());
    }
}

#[test]
fn whoever_must_act_is_told() {
    for state in State::ALL {
        for (event, step) in successors(state) {
            let told = |effect| step.effects.contains(&effect);
            match step.next {
                State::WaitingForUser => assert!(told(Effect::NoticeNeedsUser), "{state} {event:?}"),
                State::Quarantined => assert!(told(Effect::NoticeQuarantined), "{state} {event:?}"),
                // Whoever discards a quarantined result knows it.
                State::Dead => {
                    assert!(told(Effect::NoticeDead) || event == Event::Discarded, "{state} {event:?}");
                }
                _ => {}
            }
        }
    }
}
