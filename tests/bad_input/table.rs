//! How a row is judged.

use serde_json::Value;

use crate::stage::{BOT_TOKEN, HOOK_SECRET, Ran, Settings, Stage};

/// What people and programs are told. The numbers are those of `sluice --help`.
pub const FAILED: i32 = 1;
pub const USAGE: i32 = 2;
pub const REFUSED: i32 = 3;
pub const CONFLICT: i32 = 4;
pub const NOT_FOUND: i32 = 5;
pub const UNREACHABLE: i32 = 6;
pub const UNAUTHORISED: i32 = 8;

/// One message on standard error with every part, nothing on standard output, and the exit code.
pub fn assert_told(what: &str, ran: &Ran, exit: i32, parts: &[&str]) {
    assert_eq!(ran.code, exit, "{what}: {}{}", ran.out, ran.err);
    let messages = ran.err.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!((messages, ran.out.as_str()), (1, ""), "{what}: not one message: {}", ran.err);
    for part in parts {
        assert!(ran.err.contains(part), "{what}: `{part}` is not said:\n{}", ran.err);
    }
    for never in ["panicked", "RUST_BACKTRACE", BOT_TOKEN, HOOK_SECRET] {
        assert!(!ran.err.contains(never), "{what}: {}", ran.err);
    }
}

/// Requests, jobs and entries of the history: the same before and after whatever was refused.
pub fn counts(stage: &Stage) -> (usize, usize, Value) {
    let requests = stage.ask("/v1/requests?limit=1000")["requests"].as_array().unwrap().len();
    (requests, stage.jobs().len(), stage.ask("/v1/audit/verify")["entries"].clone())
}

/// Nothing ever starts on this stage.
pub fn still() -> Settings {
    Settings { slots: 0, ..Settings::default() }
}

/// One operator with one token; `more` are further keys of the token.
pub fn scenario(more: &str) -> String {
    format!(
        "[[repositories]]\nmatch = \"acme/*\"\n[[users]]\nlogin = \"octo-operator\"\n\
         [[tokens]]\nname = \"operator\"\nsecret = \"{BOT_TOKEN}\"\nuser = \"octo-operator\"\n{more}\n"
    )
}
