//! The scripts: each is what all of them begin with, the parts that it uses, and its own file. They are compiled into the
//! program and loaded into the server when it does not know them.
//!
//! All but what every script begins with is one function. A function that is made in Lua looks for each local of its
//! surroundings that it uses among all of them; what has come from further out is found at once. That is a third of what
//! a call costs before it does anything.

use redis::Script;

/// What every script on the line begins with.
const SETS: &[&str] = &[include_str!("scripts/lib/begin.lua"), include_str!("scripts/lib/sets.lua")];
const RECORDS: &[&str] = &[
    include_str!("scripts/lib/budgets.lua"),
    include_str!("scripts/lib/decide.lua"),
    include_str!("scripts/lib/classes.lua"),
    include_str!("scripts/lib/jobs.lua"),
];
const CHANGES: &[&str] = &[
    include_str!("scripts/lib/lot.lua"),
    include_str!("scripts/lib/flows.lua"),
    include_str!("scripts/lib/stand.lua"),
    include_str!("scripts/lib/reserve.lua"),
    include_str!("scripts/lib/line.lua"),
    include_str!("scripts/lib/finish.lua"),
];
const TURNS: &[&str] = &[include_str!("scripts/lib/turns.lua")];

/// The shared parts, each once.
#[cfg(feature = "failpoints")]
pub(super) fn all_texts() -> Vec<&'static str> {
    [SETS, RECORDS, CHANGES, TURNS].concat()
}

/// Every script, ready to be called.
#[derive(Debug)]
pub(super) struct Scripts {
    pub offer: Script,
    pub withdraw: Script,
    pub propose: Script,
    pub settle: Script,
    pub observe: Script,
    pub explain: Script,
    pub next_wake: Script,
    pub counts: Script,
    pub list_jobs: Script,
    pub claim: Script,
    pub open: Script,
    pub break_off: Script,
}

impl Scripts {
    /// `change` may alter the text of every script before it is compiled.
    pub fn new(change: impl Fn(String) -> String) -> Self {
        let whole = |parts: &[&[&str]], own: &str| {
            let own_parts = parts.iter().flat_map(|part| part.iter().copied()).chain([own]);
            let inner = ["return (function()"].into_iter().chain(own_parts).chain(["end)()"]);
            let texts: Vec<&str> = SETS.iter().copied().chain(inner).collect();
            Script::new(&change(texts.join("\n")))
        };
        let looking = |own| whole(&[], own);
        let reading = |own| whole(&[RECORDS], own);
        let changing = |own| whole(&[RECORDS, CHANGES], own);
        Self {
            offer: changing(include_str!("scripts/offer.lua")),
            withdraw: changing(include_str!("scripts/withdraw.lua")),
            propose: whole(&[RECORDS, CHANGES, TURNS], include_str!("scripts/propose.lua")),
            settle: changing(include_str!("scripts/settle.lua")),
            observe: changing(include_str!("scripts/observe.lua")),
            explain: reading(include_str!("scripts/explain.lua")),
            next_wake: looking(include_str!("scripts/next_wake.lua")),
            counts: looking(include_str!("scripts/counts.lua")),
            list_jobs: reading(include_str!("scripts/list_jobs.lua")),
            claim: Script::new(include_str!("scripts/claim.lua")),
            open: Script::new(include_str!("scripts/open.lua")),
            break_off: Script::new(include_str!("scripts/break.lua")),
        }
    }
}
