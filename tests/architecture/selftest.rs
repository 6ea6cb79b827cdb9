//! Proof that each rule finds what it is for, on small made-up sources, and nothing else.

use crate::{
    dependencies::unused,
    rules::{house, layering},
    source::Source,
};

fn offences(file: &str, text: &str) -> Vec<String> {
    layering(&Source::new(file, text))
}

fn first(file: &str, text: &str) -> String {
    offences(file, text).into_iter().next().unwrap_or_default()
}

#[test]
fn an_import_against_the_table_is_named_with_file_and_line() {
    let found = offences("src/gate/memory.rs", "//! x\n\nuse crate::ledger::Store;\n");
    assert_eq!(found, ["src/gate/memory.rs:3: `gate` must not import `ledger`"]);
}

#[test]
fn each_layer_refuses_the_one_above() {
    for (file, module) in [
        ("src/job/state.rs", "budget"),
        ("src/budget/key.rs", "policy"),
        ("src/policy/mod.rs", "clock"),
        ("src/clock.rs", "gate"),
        ("src/agent/mod.rs", "gate"),
        ("src/worker/mod.rs", "pipeline"),
        ("src/pipeline/start.rs", "http"),
        ("src/cli/jobs.rs", "ledger"),
        ("src/cli/jobs.rs", "boot"),
        ("src/simulator/mod.rs", "job"),
        ("src/main.rs", "pipeline"),
        ("src/lib.rs", "job"),
    ] {
        let found = first(file, &format!("use crate::{module}::X;"));
        assert!(found.contains(&format!("must not import `{module}`")), "{file}: {found}");
    }
}

#[test]
fn each_layer_may_use_what_the_table_allows() {
    for (file, modules) in [
        ("src/budget/key.rs", "job, budget"),
        ("src/policy/mod.rs", "job, budget"),
        ("src/ledger/mod.rs", "job, budget, policy, clock, telemetry"),
        ("src/worker/mod.rs", "job, clock, telemetry"),
        ("src/pipeline/start.rs", "job, clock, gate, ledger, agent, notify, worker"),
        ("src/http/mod.rs", "pipeline, job, telemetry, config"),
        ("src/boot.rs", "pipeline, simulator, http, config, ledger"),
    ] {
        assert_eq!(offences(file, &format!("use crate::{{{modules}}};")), [""; 0], "{file}");
    }
    assert_eq!(offences("src/main.rs", "use sluicegate::{boot, cli};"), [""; 0]);
}

#[test]
fn a_group_over_several_lines_is_read_name_by_name() {
    let text =
        "use crate::{\n    job::{id, state::{State, UnknownState}},\n    clock::Clock,\n    ledger,\n};";
    assert_eq!(offences("src/gate/mod.rs", text), ["src/gate/mod.rs:4: `gate` must not import `ledger`"]);
}

#[test]
fn a_path_in_the_middle_of_code_counts_like_an_import() {
    for text in [
        "fn f() -> crate::ledger::Store { todo() }",
        "fn f() { crate :: ledger :: open(); }",
        "macro_rules! m { () => { $crate::ledger::open() } }",
        "fn f() { sluicegate::ledger::open(); }",
        "#[cfg(test)]\nmod tests { use crate::ledger::Store; }",
    ] {
        assert!(first("src/gate/mod.rs", text).contains("must not import `ledger`"), "{text}");
    }
}

#[test]
fn a_path_in_prose_or_in_a_literal_is_no_import() {
    for text in [
        "//! See crate::ledger.",
        "/// [`crate::ledger::Store`]\nfn f() {}",
        "/* crate::ledger /* nested */ crate::ledger */",
        "const A: &str = \"crate::ledger \\\" crate::ledger\";",
        "const A: &str = r#\"crate::ledger \" tokio::spawn\"#;",
        "const A: &[u8] = b\"crate::ledger\"; const B: char = '\"'; const C: char = '\\''; const D: &str = \"crate::ledger\";",
        "fn f<'a>(x: &'a str) -> &'a str { x }",
        "pub(crate) fn f() {}",
    ] {
        assert_eq!(offences("src/job/mod.rs", text), [""; 0], "{text}");
    }
}

#[test]
fn the_way_round_by_super_is_found() {
    assert!(first("src/gate/mod.rs", "use super::ledger::Store;").contains("must not import `ledger`"));
    assert!(first("src/clock.rs", "use super::{job, ledger};").contains("must not import `ledger`"));
    assert!(first("src/gate/memory.rs", "use super::super::job;").contains("`super::super`"));
    assert_eq!(offences("src/gate/mod.rs", "struct S { a: u8 } mod tests { use super::S; }"), [""; 0]);
    assert_eq!(offences("src/gate/memory.rs", "use super::Offer;"), [""; 0]);
}

#[test]
fn the_whole_crate_is_never_imported() {
    for text in ["use crate::*;", "use crate::{self as all};", "use crate as all;"] {
        assert!(first("src/boot.rs", text).contains("names the whole crate"), "{text}");
    }
}

#[test]
fn a_re_export_of_another_layer_is_found() {
    for text in [
        "pub use crate::job::State;",
        "pub(crate) use crate::job::State;",
        "pub use crate::{budget::Key,\n job};",
    ] {
        assert!(first("src/gate/mod.rs", text).contains("must not re-export"), "{text}");
    }
    assert_eq!(
        offences("src/gate/mod.rs", "pub use crate::gate::memory::Memory; use crate::job::State;"),
        [""; 0]
    );
}

#[test]
fn what_does_io_is_kept_out_of_the_pure_modules() {
    for text in [
        "async fn f() {}",
        "fn f() { g().await; }",
        "use tokio::sync::Notify;",
        "use {serde::Serialize, sqlx::Row};",
        "fn f() { rand::random() }",
        "use tracing;",
        "use std::fs;",
        "use std::{fmt, net::IpAddr};",
        "fn f() { std::thread::yield_now() }",
        "fn f() { std::process::exit(1) }",
    ] {
        assert!(first("src/policy/render.rs", text).contains("is pure"), "{text}");
        assert!(!first("src/ledger/mod.rs", text).contains("is pure"), "{text}");
    }
    let fine = "use std::{fmt, collections::BTreeMap}; use proptest::prelude::*; fn f(rand: u64, env: u8) {}";
    assert_eq!(offences("src/job/retry.rs", fine), [""; 0]);
}

#[test]
fn apalis_is_named_by_the_worker_only() {
    for text in ["use apalis::prelude::*;", "use apalis_core::backend::Backend;", "fn f() { apalis::x() }"] {
        assert!(first("src/pipeline/mod.rs", text).contains("may name apalis"), "{text}");
        assert_eq!(offences("src/worker/backend.rs", text), [""; 0], "{text}");
    }
}

#[test]
fn the_environment_is_read_by_the_configuration_only() {
    for text in [
        "fn f() { std::env::var(\"X\"); }",
        "use std::env::{args, var_os};",
        "use std::env; fn f() { env::vars(); }",
    ] {
        assert!(first("src/boot.rs", text).contains("src/config only"), "{text}");
        assert_eq!(offences("src/config/overlay.rs", text), [""; 0], "{text}");
        assert_eq!(offences("src/telemetry/failpoint.rs", text), [""; 0], "{text}");
    }
    assert_eq!(offences("src/boot.rs", "const V: &str = env!(\"CARGO_PKG_VERSION\");"), [""; 0]);
}

#[test]
fn a_module_that_is_in_no_layer_is_named() {
    assert!(first("src/widgets/mod.rs", "").contains("`widgets` is in no layer"));
}

#[test]
fn the_house_rules_find_what_they_are_for() {
    let long = format!("//! long\n{}", "\n".repeat(500));
    for (file, text, what) in [
        ("src/job/a.rs", "use std::fmt;", "the first line must be"),
        ("src/job/a.rs", long.as_str(), "has 501 lines"),
        ("src/util.rs", "//! x", "says nothing"),
        ("src/http/helpers/a.rs", "//! x", "says nothing"),
        ("tests/a.rs", "//! x\n#[ignore]\nfn a() {}", "tests/a.rs:2: `#[ignore]`"),
        ("tests/a.rs", "//! x\n#[should_panic]\nfn a() {}", "`#[should_panic]`"),
        ("src/job/a.rs", "//! x\n#[path = \"../b.rs\"]\nmod b;", "`#[path]`"),
    ] {
        let found = house(&Source::new(file, text)).join("\n");
        assert!(found.contains(what), "{what}: {found}");
    }
    assert_eq!(house(&Source::new("src/job/a.rs", "//! Fine.\n")), [""; 0]);
}

#[test]
fn a_dependency_that_nothing_names_is_found() {
    let manifest = "[dependencies]\ntokio-util = \"1\"\nhttp = \"1\"\nserde = { version = \"1\" }\n";
    let source =
        Source::new("src/a.rs", "// serde::Serialize\nuse crate::http::Api; use tokio_util::sync::X;");
    assert_eq!(unused(manifest, "dependencies", &[source]), ["http", "serde"]);
}
