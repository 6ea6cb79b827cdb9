//! What a batch of commands may read or change, by its keys.

use std::collections::BTreeSet;

use crate::{
    budget::Key,
    job::{
        id::{AttemptId, DeliveryId, JobId, NoticeId, RequestId, WorkerId},
        lifecycle::Event,
        role::LeaseName,
    },
    ledger::{
        apply::{model_dedup, refusal},
        command::{
            About, Command, DeliveryChange, Fence, FreezeChange, ScheduleChange, Seen, TokenChange, Warrant,
        },
        mail::NoticeAct,
        rows::RequestRow,
    },
    policy::freeze::{Exempt, Exemption},
};

#[derive(Default)]
pub struct Needs {
    pub jobs: BTreeSet<JobId>,
    pub requests: BTreeSet<RequestId>,
    /// Requests of which every job that waits may be moved.
    pub widened: BTreeSet<RequestId>,
    /// Requests whose waves and approvals are looked at.
    pub approved: BTreeSet<RequestId>,
    /// Jobs that may take holds: at admission, or back when their agent works again.
    pub takers: BTreeSet<JobId>,
    /// Jobs that may be tried again.
    pub retried: BTreeSet<JobId>,
    /// Jobs whose agent works: those cancelled take their slots back.
    pub awake: BTreeSet<JobId>,
    /// Jobs of which another worker wants an attempt.
    pub orphans: BTreeSet<JobId>,
    /// Jobs of which a worker that holds the identity's lease may follow the task.
    pub followed: BTreeSet<JobId>,
    pub leases: BTreeSet<LeaseName>,
    pub replays: BTreeSet<JobId>,
    pub workers: BTreeSet<WorkerId>,
    pub notices: BTreeSet<NoticeId>,
    pub dedups: BTreeSet<String>,
    pub keys: BTreeSet<Key>,
    /// Gates whose breakers are looked at.
    pub breakers: BTreeSet<Key>,
    pub idempotency_keys: BTreeSet<String>,
    pub templates: BTreeSet<String>,
    pub freezes: BTreeSet<String>,
    /// Ids and names.
    pub tokens: BTreeSet<String>,
    pub schedules: BTreeSet<String>,
    pub deliveries: BTreeSet<DeliveryId>,
    /// Of deliveries that come in: names by their senders, and fingerprints.
    pub sender_ids: BTreeSet<String>,
    pub fingerprints: BTreeSet<String>,
    /// Requests whose jobs that wait are withdrawn.
    pub replaced: BTreeSet<RequestId>,
    pub roll_over: bool,
    pub register: bool,
}

impl Needs {
    pub fn of(commands: &[Command]) -> Self {
        let mut needs = Self::default();
        for command in commands {
            needs.add(command);
        }
        needs
    }

    fn add(&mut self, command: &Command) {
        match command {
            Command::Submit { request, .. } => self.add_submission(request),
            Command::Admit { .. }
            | Command::Started { .. }
            | Command::StartLost { .. }
            | Command::NotStarted { .. }
            | Command::StartRejected { .. }
            | Command::Discard { .. } => self.add_of_starts(command),
            Command::Step { job, event, warrant, .. } => {
                self.jobs.insert(*job);
                self.takers.extend((*event == Event::Resumed).then_some(*job));
                self.retried.extend((*event == Event::Retried).then_some(*job));
                if let Warrant::Holder(_, _, lease) = warrant {
                    self.leases.insert(lease.clone());
                }
            }
            Command::Checks { .. }
            | Command::ResetBreaker { .. }
            | Command::Approve(_)
            | Command::Widen { .. }
            | Command::Waves { .. } => self.add_of_waves(command),
            Command::Act { job, event, .. } => {
                self.jobs.insert(*job);
                self.takers.extend((*event == Event::Resumed).then_some(*job));
            }
            Command::Seen { job, attempt, seen, .. } => self.add_sighting(*job, *attempt, seen),
            Command::TakeOver { job, fence: Fence { worker, .. }, .. } => {
                self.jobs.insert(*job);
                self.orphans.insert(*job);
                self.followed.insert(*job);
                self.workers.insert(*worker);
            }
            Command::Replay { job, .. } => {
                self.jobs.insert(*job);
                self.replays.insert(*job);
            }
            Command::Budget { key, .. } => {
                self.keys.insert(key.clone());
            }
            Command::Freeze { change, .. } => self.add_of_freezes(change),
            Command::Token { change: TokenChange::Create { row, .. }, .. } => {
                self.tokens.extend([row.id.clone(), row.name.clone()]);
            }
            Command::Token { change: TokenChange::Revoke { which: id }, .. }
            | Command::TokenUsed { id, .. } => {
                self.tokens.insert(id.clone());
            }
            Command::Schedule { name, change, .. } => self.add_of_schedules(name, change),
            Command::Delivery { id, change, .. } => self.add_of_deliveries(*id, change),
            Command::RollOver => self.roll_over = true,
            Command::Register { .. }
            | Command::Renew { .. }
            | Command::Stop { .. }
            | Command::Expire { .. }
            | Command::Claim { .. } => self.add_of_workers(command),
            Command::Evidence { .. }
            | Command::Desk { .. }
            | Command::Checkpoint { .. }
            | Command::Redact { .. }
            | Command::RedactionEnded { .. }
            | Command::Archive { .. } => {}
            Command::Doubles { .. }
            | Command::Notice { .. }
            | Command::Mail(_)
            | Command::NoticeAct { .. } => self.add_of_notices(command),
        }
    }

    fn add_submission(&mut self, request: &RequestRow) {
        self.idempotency_keys.extend(request.idempotency_key.clone());
        self.requests.insert(request.id);
        self.templates.insert(format!("{}@{}", request.template, request.template_version));
    }

    fn add_sighting(&mut self, job: JobId, attempt: AttemptId, seen: &Seen) {
        self.jobs.insert(job);
        // Only a look at the task itself tells its model; lists do not.
        let tells = seen.task.sessions.iter().flatten().any(|session| session.model.is_some());
        self.dedups.extend(tells.then(|| model_dedup(attempt)));
        self.takers.extend((seen.event == Some(Event::Resumed)).then_some(job));
        self.retried.extend((seen.event == Some(Event::Retried)).then_some(job));
        self.awake.extend((!seen.task.state.is_terminal()).then_some(job));
    }

    fn add_of_starts(&mut self, command: &Command) {
        match command {
            Command::Admit { job, fence, .. } => {
                self.jobs.insert(*job);
                self.takers.insert(*job);
                self.workers.insert(fence.worker);
            }
            Command::NotStarted { job, close, .. } => {
                self.jobs.insert(*job);
                self.keys.extend(close.iter().map(|(key, _)| key.clone()));
            }
            Command::Started { job, .. } => {
                self.jobs.insert(*job);
                self.followed.insert(*job);
            }
            Command::StartLost { job, .. }
            | Command::StartRejected { job, .. }
            | Command::Discard { job, .. } => {
                self.jobs.insert(*job);
            }
            _ => {}
        }
    }

    fn add_of_waves(&mut self, command: &Command) {
        let request = match command {
            Command::Checks { job, warrant, .. } => {
                self.jobs.insert(*job);
                if let Warrant::Holder(_, _, lease) = warrant {
                    self.leases.insert(lease.clone());
                }
                return;
            }
            Command::ResetBreaker { gate, .. } => {
                self.keys.insert(gate.clone());
                self.breakers.insert(gate.clone());
                return;
            }
            Command::Approve(word) => {
                match word.about {
                    About::Job(job) => drop(self.jobs.insert(job)),
                    About::Request | About::Wave(_) => drop(self.widened.insert(word.request)),
                }
                word.request
            }
            Command::Widen { request, .. } => {
                self.leases.insert(LeaseName::upkeep());
                self.widened.insert(*request);
                *request
            }
            Command::Waves { request, .. } => {
                self.widened.insert(*request);
                *request
            }
            _ => return,
        };
        self.requests.insert(request);
        self.approved.insert(request);
    }

    fn add_of_notices(&mut self, command: &Command) {
        match command {
            Command::Doubles { job, attempt, .. } => {
                self.jobs.insert(*job);
                self.dedups.insert(format!("{attempt}/doubles"));
            }
            Command::Notice { dedup, job, .. } => {
                self.jobs.extend(job);
                self.dedups.insert(dedup.clone());
            }
            Command::Mail(mail) => self.notices.extend(mail.notices()),
            Command::NoticeAct { act: NoticeAct::Retry { notice, .. }, .. } => {
                self.notices.insert(*notice);
            }
            _ => {}
        }
    }
}

impl Needs {
    fn add_of_schedules(&mut self, name: &str, change: &ScheduleChange) {
        self.schedules.insert(name.to_owned());
        match change {
            ScheduleChange::Take { request, replaces, .. } => {
                self.add_submission(request);
                self.replaced.extend(replaces);
            }
            ScheduleChange::Run { request, .. } => self.add_submission(request),
            ScheduleChange::Leave { nominal, .. } => drop(self.dedups.insert(refusal(name, *nominal))),
            ScheduleChange::Begin { .. } | ScheduleChange::Pause | ScheduleChange::Resume => {}
        }
    }

    fn add_of_deliveries(&mut self, id: DeliveryId, change: &DeliveryChange) {
        self.deliveries.insert(id);
        match change {
            DeliveryChange::Receive { row, .. } => {
                self.sender_ids.insert(row.sender_id.clone());
                self.fingerprints.extend(row.fingerprint.clone());
            }
            DeliveryChange::Take { request, .. } => self.add_submission(request),
            DeliveryChange::Postpone { .. } | DeliveryChange::End { .. } | DeliveryChange::Replay => {}
        }
    }

    fn add_of_freezes(&mut self, change: &FreezeChange) {
        match change {
            FreezeChange::Add { name, .. } | FreezeChange::Lift { name } => {
                self.freezes.insert(name.clone());
            }
            FreezeChange::Exempt(Exemption { exempt: Exempt::Job(job), .. }) => {
                self.jobs.insert(*job);
            }
            FreezeChange::Exempt(_) => {}
        }
    }
}

/// What the life of a worker needs.
impl Needs {
    fn add_of_workers(&mut self, command: &Command) {
        match command {
            Command::Register { worker, .. } => {
                self.register = true;
                self.workers.insert(*worker);
            }
            Command::Renew { worker, .. } | Command::Stop { worker } | Command::Expire { worker } => {
                self.workers.insert(*worker);
            }
            Command::Claim { name, fence } => {
                self.leases.insert(name.clone());
                self.workers.insert(fence.worker);
            }
            _ => {}
        }
    }
}
