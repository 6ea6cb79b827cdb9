//! Faults that can be switched on in a test build. Each breaks one promise of the gate; the comparison with the
//! brute-force model must notice every one of them.

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A woken class that was tested does not hand the wake-up on.
    DroppedBaton,
    /// A class held up by a budget of its own does not hand the wake-up on.
    KeptBaton,
    /// A group whose baton is out stays asleep although another of it has been tested and parked.
    StubbornGroup,
    /// Room given back by a settled proposal marks no budget.
    LostReleaseMark,
    /// A newer figure of the ledger marks no budget.
    LostTruthMark,
    /// A verdict counts whatever its token.
    UnfencedSettle,
    /// A proposed job stays at the head of its class.
    DoublePop,
    /// Proposals charge nothing until they are settled.
    UnchargedProposals,
    /// A class parks under the last budget it asks for, whichever refused.
    WrongBudget,
    /// The tags of a flow do not advance.
    StuckTags,
    /// An older figure of the ledger replaces a newer one.
    StaleTruth,
    /// Nothing wakes a class when time alone makes room.
    NoAlarm,
    /// A job that the ledger refused goes to the end of the line.
    RefusedToTheBack,
}

impl Mutant {
    pub const ALL: [Self; 13] = [
        Self::DroppedBaton,
        Self::KeptBaton,
        Self::StubbornGroup,
        Self::LostReleaseMark,
        Self::LostTruthMark,
        Self::UnfencedSettle,
        Self::DoublePop,
        Self::UnchargedProposals,
        Self::WrongBudget,
        Self::StuckTags,
        Self::StaleTruth,
        Self::NoAlarm,
        Self::RefusedToTheBack,
    ];
}
