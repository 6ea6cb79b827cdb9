//! Schedules: requests that come by the clock. Which of the times that have come are handed in, and which are left out, is
//! decided here; the ledger keeps how far each schedule has been considered.

mod nominal;
mod times;
pub mod written;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::{times::Times, written::Written};
use crate::{
    budget::demand::digest,
    job::time::{Millis, Timestamp},
    policy::{Catalog, Problem, Request, inputs, waves::Rule},
};

/// Later than this, a time has been missed.
const LATE_MAX: Millis = Millis::minutes(5);
/// The longest jitter: 6 hours.
pub const JITTER_SECONDS_MAX: u32 = 6 * 3_600;
/// The most missed times that are made good.
pub const CATCH_UP_MAX: u32 = 50;

/// What is done about times that were missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ScheduleCatchUp)]
pub enum CatchUp {
    /// Nothing.
    None,
    /// The newest one is made good.
    #[default]
    Latest,
    /// All of them are made good, the newest so many at most.
    All,
}

/// What is done while the request before has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ScheduleOverlap)]
pub enum Overlap {
    /// The time is left out.
    #[default]
    Skip,
    /// The request is handed in as well; its jobs wait in line.
    Queue,
    /// The request is handed in, and jobs of the one before that have not started are withdrawn.
    ReplaceWaiting,
}

/// The request of a schedule, as people write it. Its texts may name the nominal time.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    pub template: String,
    pub repositories: Vec<String>,
    #[serde(default)]
    pub inputs: Map<String, Value>,
    pub team: Option<String>,
    pub reason: Option<String>,
    pub priority: Option<u8>,
    pub deadline_minutes: Option<u32>,
    #[serde(default)]
    pub hold: bool,
    pub waves: Option<Rule>,
    pub model: Option<String>,
    pub model_reason: Option<String>,
}

/// One schedule, checked.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub name: String,
    pub times: Times,
    pub jitter: Millis,
    pub catch_up: CatchUp,
    /// Of `CatchUp::All`.
    pub catch_up_max: u32,
    pub overlap: Overlap,
    pub enabled: bool,
    /// Login of the person who asks, and who is told when it is refused.
    pub owner: String,
    pub ask: Ask,
    /// Where it was written.
    pub at: String,
}

/// What follows from how far a schedule has been considered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The first and the last of the times that are left out.
    pub missed: Option<(Timestamp, Timestamp)>,
    /// To be handed in, in order.
    pub take: Vec<Timestamp>,
    /// When to look again.
    pub next: Option<Timestamp>,
}

impl Schedule {
    /// When a nominal time is acted on: the same on every machine and at every look.
    pub fn due_at(&self, nominal: Timestamp) -> Timestamp {
        let seconds = self.jitter.0 / 1_000;
        let drawn = digest(format!("{}\n{}", self.name, nominal.0).as_bytes());
        let (high, low) = (drawn >> 32, drawn & 0xffff_ffff);
        nominal.plus(Millis::seconds((high ^ low) % seconds.saturating_add(1)))
    }

    /// What to do now. `considered`: no time up to it is looked at again.
    pub fn due(&self, considered: Timestamp, now: Timestamp) -> Due {
        let wanted = match self.catch_up {
            CatchUp::None | CatchUp::Latest => 1,
            CatchUp::All => usize::try_from(self.catch_up_max).unwrap_or(1),
        };
        let has_come = |at: Timestamp| self.due_at(at) <= now;
        // What lies further back than the longest jitter has come in any case.
        let settled = now.minus(self.jitter);
        let mut come: Vec<Timestamp> =
            self.times.after(considered.max(settled)).take_while(|at| has_come(*at)).collect();
        let before = self.times.newest(considered, settled, wanted.saturating_add(1), |_| true);
        come.splice(0..0, before);
        let mut take = come.split_off(come.len().saturating_sub(wanted));
        if self.catch_up == CatchUp::None {
            let late = |at: &Timestamp| now.since(self.due_at(*at)) > LATE_MAX;
            come.extend(take.extract_if(.., |at| late(at)));
        }
        let first = || self.times.after(considered).next();
        let missed = come.last().and_then(|last| Some((first()?, *last)));
        let last = take.last().copied().max(missed.map(|(_, last)| last)).unwrap_or(considered);
        let next = self.times.after(last).next().map(|at| self.due_at(at));
        Due { missed, take, next }
    }

    /// Makes the request of a nominal time the same one, whoever hands it in and however often.
    pub fn key(&self, nominal: Timestamp) -> String {
        format!("schedule/{}/{nominal}", self.name)
    }

    /// The request of a nominal time.
    pub fn request(&self, nominal: Timestamp) -> Result<Request, Problem> {
        let local = self.times.local(nominal);
        let said = local.map(|at| at.strftime("%Y-%m-%d %H:%M %Z").to_string()).unwrap_or_default();
        let ask = &self.ask;
        Request {
            template: ask.template.clone(),
            repositories: ask.repositories.clone(),
            inputs: nominal::fill(&ask.inputs, &self.times, nominal)?,
            requester: self.owner.clone(),
            team: ask.team.clone(),
            reason: ask.reason.clone().or_else(|| Some(format!("schedule {}, {said}", self.name))),
            priority: ask.priority,
            idempotency_key: Some(self.key(nominal)),
            deadline_minutes: ask.deadline_minutes,
            hold: ask.hold,
            waves: ask.waves.clone(),
            model: ask.model.clone(),
            model_reason: ask.model_reason.clone(),
        }
        .checked()
    }

    /// Why its request would be refused whenever it came, as far as templates tell.
    pub fn faults(&self, catalog: &Catalog) -> Vec<Problem> {
        let nominal = self.times.after(Timestamp(0)).next().unwrap_or_default();
        let told = |problem: Problem| {
            let field = problem.at.as_ref().map(|at| format!("{at}: ")).unwrap_or_default();
            let what =
                format!("the request of schedule {} would be refused: {field}{}", self.name, problem.what);
            Problem { what, ..problem }.at(&self.at)
        };
        let template = |request: &Request| {
            let (name, version) = request.template_version()?;
            catalog.get(name, version).cloned()
        };
        let found = self.request(nominal).and_then(|request| Ok((template(&request)?, request)));
        let (template, request) = match found {
            Ok(found) => found,
            Err(problem) => return vec![told(problem)],
        };
        let mut given = request.inputs;
        inputs::fill(&template.inputs, &mut given);
        inputs::check(&template.validator, &template.inputs, &given).into_iter().map(told).collect()
    }
}
