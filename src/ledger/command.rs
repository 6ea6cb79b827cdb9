//! Everything that can be written. A command is applied whole or not at all; several share one transaction.

use std::sync::Arc;

use crate::{
    budget::{Closure, Key, Refusal},
    job::{
        id::{AttemptId, DeliveryId, JobId, RequestId, WorkerId},
        lifecycle::Event,
        pull::{ChecksSeen, Pull},
        remote::{Task, TaskId},
        role::{LeaseName, Roles},
        routing::Failure,
        time::Timestamp,
    },
    ledger::{
        eraser::Eraser,
        mail::{Mail, NoticeAct},
        rows::{AttemptRow, DeliveryRow, EvidenceRow, JobRow, RequestRow},
        signing::{Checkpoint, Signer},
        table::Table,
    },
};

pub use crate::ledger::terms::{
    About, BudgetChange, By, DeliveryChange, DeskAct, Fence, FreezeChange, Moved, NewJob, OURSELVES,
    ScheduleChange, Seen, TokenChange, Warrant, WavesChange, Word,
};

#[derive(Clone, Debug)]
pub enum Command {
    Submit {
        request: Box<RequestRow>,
        jobs: Vec<NewJob>,
    },
    /// Take every hold or none, write the intent.
    Admit {
        job: JobId,
        attempt: AttemptId,
        nonce: u64,
        fence: Fence,
    },
    /// The provider named the task. `found`: by its marker, after the answer was lost.
    Started {
        job: JobId,
        attempt: AttemptId,
        fence: Fence,
        task: Box<Task>,
        found: bool,
    },
    StartLost {
        job: JobId,
        attempt: AttemptId,
        fence: Fence,
        why: String,
    },
    /// Proven: no task. `counts`: it was sent or may have been, and uses up an attempt; without it, only a start that was never sent can be
    /// handed back. `close`: the budget that must cool down first.
    NotStarted {
        job: JobId,
        attempt: AttemptId,
        fence: Fence,
        why: String,
        counts: bool,
        due_at: Option<Timestamp>,
        close: Option<(Key, Closure)>,
    },
    StartRejected {
        job: JobId,
        attempt: AttemptId,
        fence: Fence,
        failure: Failure,
        advice: String,
    },
    /// Further tasks with the same marker: kept as evidence, told to the operator.
    Doubles {
        job: JobId,
        attempt: AttemptId,
        tasks: Vec<TaskId>,
    },
    Seen {
        job: JobId,
        attempt: AttemptId,
        fence: Fence,
        seen: Box<Seen>,
    },
    /// A lifecycle event that no sighting of the task brought: verified, reviewed, merged, expired.
    Step {
        job: JobId,
        event: Event,
        pull: Option<Box<Pull>>,
        failure: Option<Failure>,
        note: Option<String>,
        due_at: Option<Timestamp>,
        warrant: Warrant,
    },
    /// By a person: cancel, refuse, release, discard.
    Act {
        job: JobId,
        event: Event,
        by: By,
    },
    /// Counts when it is of the same plan, by the right person, and not too old.
    Approve(Box<Word>),
    /// A person ends what a breaker does. `gate`: its own.
    ResetBreaker {
        id: String,
        gate: Key,
        by: By,
    },
    /// Looks at the waves of a request and does what follows: opens the next one, or waits, or leaves it to a person.
    Widen {
        request: RequestId,
        /// Must hold the lease for upkeep.
        worker: WorkerId,
    },
    Waves {
        request: RequestId,
        change: WavesChange,
        by: By,
    },
    /// The checks of a job under review.
    Checks {
        job: JobId,
        seen: ChecksSeen,
        warrant: Warrant,
    },
    Replay {
        job: JobId,
        new: JobId,
        by: By,
    },
    /// Mark a dead letter as done with.
    Discard {
        job: JobId,
        by: By,
    },
    Budget {
        key: Key,
        change: BudgetChange,
        by: By,
    },
    Freeze {
        change: FreezeChange,
        by: By,
    },
    Token {
        change: TokenChange,
        by: By,
    },
    TokenUsed {
        id: String,
        at: Timestamp,
    },
    Schedule {
        name: String,
        change: ScheduleChange,
        by: By,
    },
    Delivery {
        id: DeliveryId,
        change: DeliveryChange,
        by: By,
    },
    /// What a person says of something that needs one.
    Desk {
        item: String,
        request: Option<RequestId>,
        job: Option<JobId>,
        act: DeskAct,
        by: By,
    },
    /// Signs the history as it ends.
    Checkpoint {
        signer: Arc<Signer>,
        by: By,
    },
    /// Takes a person's name out of rows of one table, by their keys.
    Redact {
        table: &'static Table,
        keys: Vec<String>,
        eraser: Arc<Eraser>,
        by: By,
    },
    /// Everything was redacted that a person asked for.
    RedactionEnded {
        reference: String,
        rows: u64,
        by: By,
    },
    /// Takes documents out of the ledger that were moved to files.
    Archive {
        documents: Vec<Moved>,
        place: String,
        by: By,
    },
    /// Give back what has expired.
    RollOver,
    Register {
        worker: WorkerId,
        name: String,
        roles: Roles,
        lease_until: Timestamp,
    },
    /// `seen`: position of the history up to which the worker knows every closed gate and withdrawn job.
    Renew {
        worker: WorkerId,
        lease_until: Timestamp,
        seen: i64,
    },
    Stop {
        worker: WorkerId,
    },
    /// End the life of a worker whose lease is over. One that has renewed it meanwhile lives on.
    Expire {
        worker: WorkerId,
    },
    /// Take a lease that is free: nobody's yet, or that of a worker that is gone.
    Claim {
        name: LeaseName,
        fence: Fence,
    },
    /// Take over an attempt from a worker that is gone, or, as the holder of the identity's lease, one whose task is to be followed.
    /// A start that was not answered for counts as lost from then on: its worker may have sent it.
    TakeOver {
        job: JobId,
        attempt: AttemptId,
        fence: Fence,
    },
    Evidence {
        rows: Vec<EvidenceRow>,
    },
    Notice {
        dedup: String,
        kind: String,
        job: Option<JobId>,
        body: serde_json::Value,
    },
    Mail(Mail),
    NoticeAct {
        act: NoticeAct,
        by: By,
    },
}

impl Command {
    /// The person who gave it; None: a step of the process itself.
    pub const fn by(&self) -> Option<&By> {
        match self {
            Self::Act { by, .. }
            | Self::ResetBreaker { by, .. }
            | Self::Waves { by, .. }
            | Self::Replay { by, .. }
            | Self::Discard { by, .. }
            | Self::Budget { by, .. }
            | Self::Freeze { by, .. }
            | Self::Schedule { by, .. }
            | Self::Delivery { by, .. }
            | Self::Token { by, .. }
            | Self::Desk { by, .. }
            | Self::NoticeAct { by, .. }
            | Self::Checkpoint { by, .. }
            | Self::Redact { by, .. }
            | Self::RedactionEnded { by, .. }
            | Self::Archive { by, .. } => Some(by),
            Self::Approve(word) => Some(&word.by),
            // None of these has a person: a new command must say so here.
            Self::Submit { .. }
            | Self::Admit { .. }
            | Self::Started { .. }
            | Self::StartLost { .. }
            | Self::NotStarted { .. }
            | Self::StartRejected { .. }
            | Self::Doubles { .. }
            | Self::Seen { .. }
            | Self::Step { .. }
            | Self::Widen { .. }
            | Self::Checks { .. }
            | Self::TokenUsed { .. }
            | Self::RollOver
            | Self::Register { .. }
            | Self::Renew { .. }
            | Self::Stop { .. }
            | Self::Expire { .. }
            | Self::Claim { .. }
            | Self::TakeOver { .. }
            | Self::Evidence { .. }
            | Self::Notice { .. }
            | Self::Mail(_) => None,
        }
    }
}

/// The answer to a command.
#[derive(Clone, Debug)]
pub enum Reply {
    Done,
    Submitted {
        request: Box<RequestRow>,
        replayed: bool,
    },
    Admitted {
        attempt: Box<AttemptRow>,
        job: Box<JobRow>,
    },
    Refused(Refusal),
    /// Nothing was written: the job or attempt has moved on, or the token is an old one.
    Stale(String),
    Registered {
        token: i64,
    },
    /// `again`: it had come before, and is this one.
    Received {
        delivery: Box<DeliveryRow>,
        again: bool,
    },
    Redacted {
        rows: u64,
    },
    Checkpoint(Box<Checkpoint>),
    Replayed {
        job: JobId,
        already: bool,
    },
    /// Nothing was written: this cannot be, and why.
    Conflict(String),
}

impl Reply {
    pub const fn is_stale(&self) -> bool {
        matches!(self, Self::Stale(_))
    }
}
