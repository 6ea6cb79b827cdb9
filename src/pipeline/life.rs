//! This process's life as a worker: who it is to the ledger, how long it may act, and what it does alone.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
};

use crate::{
    job::{
        role::{LeaseName, Role, Roles},
        time::{Millis, Timestamp},
    },
    ledger::{Fence, rows::WorkerRow},
};

/// A lease is given up this long before its end by whoever has it, and counts as over this long after it by all others: clocks of two
/// machines may be apart by twice as much. A tenth of the lease.
pub fn margin(lease: Millis) -> Millis {
    Millis(lease.0 / 10)
}

/// The life. It ends once, in the ledger; after that only a new one can be begun.
#[derive(Debug)]
pub struct Life {
    pub fence: Fence,
    pub roles: Roles,
    pub lease: Millis,
    /// Nobody else can write to the ledger, so nobody can succeed this worker.
    pub alone: bool,
    /// In milliseconds since the epoch. What is begun after it must not leave this process.
    until: AtomicI64,
    /// When the lease was last renewed.
    renewed: AtomicI64,
    /// Others are not declared dead before this: the store was down, and they may need a moment to say that they live.
    patient_until: AtomicI64,
    over: AtomicBool,
    held: Mutex<BTreeSet<LeaseName>>,
    /// Some living worker admits.
    admitted: AtomicBool,
    /// Living workers that send starts.
    starters: Mutex<Vec<Fence>>,
    turn: AtomicUsize,
}

impl Life {
    pub fn new(fence: Fence, roles: Roles, lease: Millis, alone: bool, now: Timestamp) -> Self {
        Self {
            fence,
            roles,
            lease,
            alone,
            until: AtomicI64::new(i64::MIN),
            renewed: AtomicI64::new(now.0),
            patient_until: AtomicI64::new(i64::MIN),
            over: AtomicBool::new(false),
            held: Mutex::default(),
            admitted: AtomicBool::new(false),
            starters: Mutex::default(),
            turn: AtomicUsize::new(0),
        }
    }

    /// The ledger has taken the renewal. A late one means that the ledger was out of reach, for the others as well.
    pub fn renewed(&self, at: Timestamp) {
        let before = Timestamp(self.renewed.swap(at.0, Ordering::SeqCst));
        if at.since(before).0 > self.lease.0 / 3 * 2 {
            self.patient_until.store(at.plus(self.lease).0, Ordering::SeqCst);
        }
    }

    /// Everything that was closed before the renewal at this time is known here.
    pub fn looked(&self, at: Timestamp) {
        self.until.store(at.plus(self.lease).minus(margin(self.lease)).0, Ordering::SeqCst);
    }

    /// Until when an effect may leave this process; None: for ever.
    pub fn until(&self) -> Option<Timestamp> {
        (!self.alone).then(|| Timestamp(self.until.load(Ordering::SeqCst)))
    }

    /// True while nobody can have succeeded this worker.
    pub fn may_act(&self, now: Timestamp) -> bool {
        !self.is_over() && self.until().is_none_or(|until| now < until)
    }

    /// True if silence of others means that they are gone.
    pub fn may_judge(&self, now: Timestamp) -> bool {
        now.0 >= self.patient_until.load(Ordering::SeqCst)
    }

    /// How long the lease lasts, as last written.
    pub fn lease_left(&self, now: Timestamp) -> Millis {
        Timestamp(self.renewed.load(Ordering::SeqCst)).plus(self.lease).since(now)
    }

    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub fn has(&self, role: Role) -> bool {
        self.roles.has(role)
    }

    fn held(&self) -> MutexGuard<'_, BTreeSet<LeaseName>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// True if this worker does it, and nobody else.
    pub fn holds(&self, lease: &LeaseName) -> bool {
        self.held().contains(lease)
    }
    /// True if it is new here.
    pub fn hold(&self, lease: LeaseName) -> bool {
        self.held().insert(lease)
    }
    /// It is not done here after all; in the ledger the lease stays with this worker, which takes it up again.
    pub fn let_go(&self, lease: &LeaseName) {
        self.held().remove(lease);
    }
    pub fn leases(&self) -> Vec<LeaseName> {
        self.held().iter().cloned().collect()
    }

    /// Takes in who lives. True if a start has somebody to send it for the first time.
    pub fn learn_starters(&self, workers: &[WorkerRow], now: Timestamp) -> bool {
        let sends = |worker: &&WorkerRow| worker.lives(now) && worker.roles.has(Role::Start);
        let found: Vec<Fence> = workers
            .iter()
            .filter(sends)
            .map(|worker| Fence { worker: worker.id, token: worker.token })
            .collect();
        let admits = workers.iter().any(|worker| worker.lives(now) && worker.roles.has(Role::Admit));
        self.admitted.store(admits, Ordering::SeqCst);
        let mut starters = self.starters.lock().unwrap_or_else(PoisonError::into_inner);
        let first = starters.is_empty() && !found.is_empty();
        *starters = found;
        first
    }

    /// True if somebody who lives does it: of admitting and starting, which are nobody's lease.
    pub fn is_role_served(&self, role: Role) -> bool {
        self.has(role)
            || match role {
                Role::Admit => self.admitted.load(Ordering::SeqCst),
                Role::Start => !self.starters.lock().unwrap_or_else(PoisonError::into_inner).is_empty(),
                Role::Track | Role::Review | Role::Notify => false,
            }
    }

    /// Why nothing leaves the line, if nobody who lives admits or starts.
    pub fn unserved(&self) -> Option<String> {
        let missing: Vec<String> = [Role::Admit, Role::Start]
            .into_iter()
            .filter(|role| !self.is_role_served(*role))
            .map(|role| format!("`{}`", role.as_str()))
            .collect();
        let roles = if missing.len() == 1 { "role" } else { "roles" };
        (!missing.is_empty()).then(|| {
            format!("no living worker has the {roles} {}: nothing leaves the line", missing.join(" and "))
        })
    }

    /// Who sends the next start: this worker if that is its role, or else the others in turn. None: nobody does.
    pub fn starter(&self) -> Option<Fence> {
        if self.has(Role::Start) {
            return Some(self.fence);
        }
        let starters = self.starters.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        starters.get(turn.checked_rem(starters.len())?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::id::WorkerId;

    fn life(alone: bool) -> Life {
        let fence = Fence { worker: WorkerId::new(Timestamp(1), 1), token: 1 };
        Life::new(fence, Roles::all(), Millis::seconds(20), alone, Timestamp(0))
    }

    #[test]
    fn a_worker_acts_only_between_a_renewal_and_a_while_before_its_lease_ends() {
        let life = life(false);
        life.renewed(Timestamp(1_000));
        assert!(!life.may_act(Timestamp(1_000)), "it has not looked at what is closed yet");
        life.looked(Timestamp(1_000));
        assert!(life.may_act(Timestamp(18_999)));
        assert!(!life.may_act(Timestamp(19_000)));
        life.end();
        assert!(!life.may_act(Timestamp(2_000)));
    }

    #[test]
    fn whoever_has_the_ledger_alone_may_always_act() {
        assert!(life(true).may_act(Timestamp(1_000_000)));
    }

    #[test]
    fn after_a_renewal_that_came_late_the_others_get_time_to_renew_theirs() {
        let life = life(false);
        life.renewed(Timestamp(6_000));
        assert!(life.may_judge(Timestamp(6_000)));
        life.renewed(Timestamp(30_000));
        assert!(!life.may_judge(Timestamp(49_999)));
        assert!(life.may_judge(Timestamp(50_000)));
    }
}
