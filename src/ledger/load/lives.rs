//! What the life of a worker needs.

use super::Needs;
use crate::ledger::command::Command;

impl Needs {
    pub(super) fn add_of_workers(&mut self, command: &Command) {
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
