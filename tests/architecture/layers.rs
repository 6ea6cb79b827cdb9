//! The layering table: which top-level module may import which. The one place to change it.

/// Modules without I/O, time and chance.
pub const PURE: &[&str] = &["job", "policy", "budget"];

/// Crates that do I/O, tell time or draw numbers, and so have no place in a pure module.
pub const IMPURE_CRATES: &[&str] = &[
    "apalis",
    "apalis_core",
    "async_trait",
    "axum",
    "backon",
    "clap",
    "futures",
    "http",
    "rand",
    "prometheus_client",
    "redis",
    "reqwest",
    "sqlx",
    "tokio",
    "tokio_util",
    "tower",
    "tracing",
    "tracing_subscriber",
];

/// Parts of the standard library that do I/O.
pub const IMPURE_STD: &[&str] = &["env", "fs", "net", "process", "thread"];

/// The only module that names apalis: its types would otherwise spread over the whole program.
pub const APALIS_HOME: &str = "worker";

/// Files outside `config` that read the environment, each with its reason.
pub const ENVIRONMENT_READERS: &[(&str, &str)] = &[
    ("src/ledger/fault.rs", "fault tests name the share of lost answers; not part of a released build"),
    ("src/telemetry/failpoint.rs", "crash tests name the point to die at before any configuration is read"),
];

/// What a module may import; None: the module is in no layer yet.
pub fn may_import(layer: &str) -> Option<Vec<&'static str>> {
    let services: &[&str] = &["clock", "telemetry"];
    let lists: &[&[&'static str]] = match layer {
        // `redis_link` is the one connection to Redis: it knows no key of anyone.
        // `address` knows networks and nothing of ours.
        "address" | "job" | "simulator" | "lib" | "redis_link" => &[],
        "budget" => &[&["job"]],
        "policy" => &[&["job", "budget"]],
        "clock" | "telemetry" => &[PURE],
        "config" => &[PURE, &["address"]],
        "gate" | "news" => &[PURE, services, &["redis_link"]],
        "ledger" | "agent" | "worker" => &[PURE, services],
        "notify" => &[PURE, services, &["address"]],
        "pipeline" => &[PURE, services, &["config", "gate", "ledger", "agent", "news", "notify", "worker"]],
        "intake" => &[PURE, services, &["pipeline", "config", "redis_link", "streams"]],
        // A projection of the ledger, like the gate, for those who live on Redis.
        "streams" => &[PURE, services, &["ledger", "redis_link"]],
        "http" => &[PURE, &["pipeline", "telemetry", "config"]],
        // The views are its vocabulary; it reaches the daemon over HTTP like everybody else.
        "client" => &[PURE, &["pipeline"]],
        "cli" => &[PURE, &["client", "pipeline", "telemetry", "config"]],
        "boot" => &[
            PURE,
            services,
            &["config", "gate", "ledger", "agent", "news", "notify", "redis_link", "streams", "worker"],
            &["pipeline", "intake", "http", "client", "cli", "simulator"],
        ],
        "main" => &[&["boot", "cli", "telemetry"]],
        _ => return None,
    };
    Some(lists.concat())
}

/// The top-level module that a file under `src` belongs to.
pub fn layer_of(file: &str) -> &str {
    let inner = file.strip_prefix("src/").unwrap_or(file);
    let first = inner.split('/').next().unwrap_or(inner);
    first.strip_suffix(".rs").unwrap_or(first)
}
