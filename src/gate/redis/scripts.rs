//! The scripts: each is what all of them begin with, the functions of the library that it reaches, and its own file. They are
//! compiled into the program and loaded into the server when it does not know them.
//!
//! Every call makes the functions of its script anew, which is most of what a call costs before it does anything. So a script
//! has no function that it cannot need. And all but what every script begins with is one function: one that is made in
//! Lua looks for each local of its surroundings that it uses among all of them, and finds at once what has come from
//! further out.

use std::{
    collections::HashSet,
    sync::{Arc, LazyLock},
};

use redis::Script;

/// What every script on the line begins with.
const BEGIN: &str = include_str!("scripts/lib/begin.lua");
const SETS: &[&str] = &[BEGIN, include_str!("scripts/lib/sets.lua")];
const LIBRARY: &[&str] = &[
    include_str!("scripts/lib/budgets.lua"),
    include_str!("scripts/lib/decide.lua"),
    include_str!("scripts/lib/classes.lua"),
    include_str!("scripts/lib/jobs.lua"),
    include_str!("scripts/lib/lot.lua"),
    include_str!("scripts/lib/flows.lua"),
    include_str!("scripts/lib/stand.lua"),
    include_str!("scripts/lib/reserve.lua"),
    include_str!("scripts/lib/line.lua"),
    include_str!("scripts/lib/finish.lua"),
    include_str!("scripts/lib/turns.lua"),
];

/// The shared parts, each once.
#[cfg(feature = "failpoints")]
pub(super) fn all_texts() -> Vec<&'static str> {
    [SETS, LIBRARY].concat()
}

/// A function or a line of the shared parts, with what it declares.
struct Part<'a> {
    /// Empty: it is needed by every script.
    names: Vec<&'a str>,
    text: &'a str,
}

/// The words of the code. What merely looks like a use of something does no harm.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let code = text.lines().map(|line| line.split("--").next().unwrap_or_default());
    code.flat_map(|line| line.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_'))
}

/// A function ends with the first line that is `end`. Everything else is one line; of `BEGIN`, a line is needed by every script.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let local = rest.strip_prefix("local ");
        let function = local.unwrap_or(rest).strip_prefix("function ");
        let end = if function.is_some() { "\nend\n" } else { "\n" };
        let length = rest.find(end).map_or(rest.len(), |at| at.saturating_add(end.len()));
        let (own, after) = rest.split_at(length);
        let names = match (function, local) {
            (Some(function), _) => function.split('(').take(1).collect(),
            (None, Some(local)) if text != BEGIN => {
                let declared = local.lines().next().and_then(|line| line.split('=').next());
                declared.unwrap_or_default().split(',').map(str::trim).collect()
            }
            _ => Vec::new(),
        };
        let is_code = !own.starts_with("--") && own != "\n";
        parts.extend(is_code.then_some(Part { names, text: own }));
        rest = after;
    }
    parts
}

/// What `own` reaches of the shared parts: what every script begins with, and what is inside of a function.
fn reached(own: &str) -> [String; 2] {
    let of = |texts: &[&'static str]| texts.iter().flat_map(|text| parts(text)).collect::<Vec<_>>();
    let both = [of(SETS), of(LIBRARY)];
    let mut wanted: HashSet<&str> = words(own).collect();
    let is_wanted = |part: &&Part<'_>, wanted: &HashSet<&str>| {
        part.names.is_empty() || part.names.iter().any(|name| wanted.contains(name))
    };
    loop {
        let known = wanted.len();
        for part in both.iter().flatten() {
            if is_wanted(&part, &wanted) {
                wanted.extend(words(part.text));
            }
        }
        if wanted.len() == known {
            break;
        }
    }
    both.map(|parts| parts.iter().filter(|part| is_wanted(part, &wanted)).map(|part| part.text).collect())
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
    pub held_up: Script,
    pub claim: Script,
    pub open: Script,
    pub break_off: Script,
}

impl Scripts {
    /// As they are, made once: which functions a script reaches takes a while to find out.
    pub fn plain() -> Arc<Self> {
        static PLAIN: LazyLock<Arc<Scripts>> = LazyLock::new(|| Arc::new(Scripts::new(|text| text)));
        Arc::clone(&PLAIN)
    }

    /// `change` may alter the text of every script before it is compiled.
    pub fn new(change: impl Fn(String) -> String) -> Self {
        let whole = |own: &str| {
            let [outside, inside] = reached(own);
            Script::new(&change(format!("{outside}return (function()\n{inside}{own}end)()")))
        };
        Self {
            offer: whole(include_str!("scripts/offer.lua")),
            withdraw: whole(include_str!("scripts/withdraw.lua")),
            propose: whole(include_str!("scripts/propose.lua")),
            settle: whole(include_str!("scripts/settle.lua")),
            observe: whole(include_str!("scripts/observe.lua")),
            explain: whole(include_str!("scripts/explain.lua")),
            next_wake: whole(include_str!("scripts/next_wake.lua")),
            counts: whole(include_str!("scripts/counts.lua")),
            list_jobs: whole(include_str!("scripts/list_jobs.lua")),
            held_up: whole(include_str!("scripts/held_up.lua")),
            claim: Script::new(include_str!("scripts/claim.lua")),
            open: Script::new(include_str!("scripts/open.lua")),
            break_off: Script::new(include_str!("scripts/break.lua")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [&str; 10] = [
        include_str!("scripts/offer.lua"),
        include_str!("scripts/withdraw.lua"),
        include_str!("scripts/propose.lua"),
        include_str!("scripts/settle.lua"),
        include_str!("scripts/observe.lua"),
        include_str!("scripts/explain.lua"),
        include_str!("scripts/next_wake.lua"),
        include_str!("scripts/counts.lua"),
        include_str!("scripts/list_jobs.lua"),
        include_str!("scripts/held_up.lua"),
    ];

    #[test]
    fn a_script_has_what_it_reaches_and_nothing_else() {
        let [_, inside] = reached(include_str!("scripts/observe.lua"));
        assert!(
            inside.contains("local function hear(key, used, limit, closed, version)"),
            "called by what it calls"
        );
        assert!(inside.contains("local FIGURES ="), "a line that a function uses");
        assert!(!inside.contains("local function offer_one("), "of another script");
        assert!(!inside.contains("\n--"), "a remark outside of functions");
    }

    #[test]
    fn everything_shared_is_reached_by_some_script() {
        let scripts: String = OWN.iter().flat_map(|own| reached(own)).collect();
        for part in [SETS, LIBRARY].concat().into_iter().flat_map(parts) {
            assert!(scripts.contains(part.text), "no script needs {:?}", part.names);
        }
    }
}
