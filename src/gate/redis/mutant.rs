//! Faults that can be switched on in a test build: a line of a script replaced by another. Each breaks one promise of
//! the gate; the comparison with the gate in memory must notice every one of them.

use crate::gate::redis::scripts;

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutant {
    pub name: &'static str,
    /// Stands in exactly one place of the scripts.
    old: &'static str,
    new: &'static str,
}

const fn mutant(name: &'static str, old: &'static str, new: &'static str) -> Mutant {
    Mutant { name, old, new }
}

impl Mutant {
    pub const ALL: [Self; 20] = [
        mutant("dropped baton", "if not found.batons then return end", "do found.batons = nil return end"),
        mutant("kept baton", "hand_back(found, is_shared and key)", "hand_back(found, key)"),
        mutant("stubborn group", "  group[2] = false\n", ""),
        mutant("lost release mark", "      lot_mark(key)\n      local pool", "      local pool"),
        mutant(
            "lost figure mark",
            "if hear(key, used, limit, closed, version) then mark(key) end",
            "hear(key, used, limit, closed, version)",
        ),
        mutant("unfenced settle", "not open or open.token ~= token", "not open"),
        mutant(
            "double pop",
            "roll_remove(found, rank)\n  settle_head(found)\n  charge(takes)",
            "charge(takes)",
        ),
        mutant("uncharged proposals", "  charge(takes)\n  flow_pass", "  flow_pass"),
        mutant("stuck tags", "flow.finish = tag + math.floor", "flow.finish = tag + 0 * math.floor"),
        mutant("older figures count", "if found.told and found.told >= version then return false end", ""),
        mutant("closures are not counted", "if closed then totals.closed = totals.closed + 1 end", ""),
        mutant("no alarm", "  set_alarm(found, at)\n", "  set_alarm(found, false)\n"),
        mutant("proposals do not lapse", "times_add(lapses, now + PROPOSAL_LAPSES, id)", ""),
        mutant("the same job again", "    found.at = found.at + 1\n", ""),
        mutant(
            "refused to the back",
            "enter_class(found)\n  local queue",
            "found.turn = string.rep('\\255', 16)\n  enter_class(found)\n  local queue",
        ),
        mutant("reserved again and again", "      mark_reserved(sub(holder.head, 17))\n", ""),
        mutant("charges stay", "found.pending = math.max(found.pending - amount, 0)", ""),
        mutant("told charges stay", "PENDING_AT) - given, 0)", "PENDING_AT), 0)"),
        mutant("charges in bytes stay", "PENDING_AT) - amount, 0)", "PENDING_AT), 0)"),
        mutant("older bytes count", "byte(raw) % 2 == 1 and version >=", "version > MAX and version >="),
    ];

    /// In how many places it would change something.
    pub fn places(&self) -> usize {
        scripts::all_texts().iter().map(|text| text.matches(self.old).count()).sum()
    }

    pub(super) fn apply(&self, text: &str) -> String {
        text.replace(self.old, self.new)
    }
}
