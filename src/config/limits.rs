//! From what the file says to rules that hold together: budgets, pools, names, references between sections.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    config::{
        ConfigError, overlay,
        sections::{Identity, Settings},
    },
    job::repository::Repository,
    policy::{
        document::Document,
        hint,
        problem::{Code, Problem},
        text,
    },
};

/// Checks what one value alone cannot tell, and fills in `rules`. The answer is what looks unintended.
pub(super) fn settle(
    settings: &mut Settings,
    document: &Document<'_>,
    env: &BTreeMap<String, String>,
) -> Result<Vec<String>, ConfigError> {
    let mut faults = Faults { document: *document, env, problems: Vec::new(), warnings: Vec::new() };
    faults.places(settings);
    faults.times(settings);
    faults.identities(settings);
    faults.budgets(settings);
    faults.pools(settings);
    faults.people(settings);
    faults.breaker(settings);
    faults.models(settings);
    faults.schedules(settings);
    faults.hooks(settings);
    faults.notices(settings);
    faults.notice_routes(settings);
    if faults.problems.is_empty() { Ok(faults.warnings) } else { Err(ConfigError(faults.problems)) }
}

/// Collects what is wrong, each with its place in the file.
pub(super) struct Faults<'a> {
    document: Document<'a>,
    env: &'a BTreeMap<String, String>,
    problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

impl Faults<'_> {
    pub(super) fn add(&mut self, path: &[&str], what: impl Into<String>, hint: &str) {
        self.told(path, Problem::new(Code::BadConfig, what).hint(hint));
    }

    /// At the variable that set the value, or else at its place in the file.
    pub(super) fn told(&mut self, path: &[&str], problem: Problem) {
        let variables = (2..=path.len()).filter_map(|length| overlay::variable(path.get(..length)?));
        let set = variables.into_iter().find(|name| self.env.contains_key(name));
        self.problems.push(match set {
            Some(name) => problem.at(name),
            None => self.document.point_at(problem, path),
        });
    }

    /// Where a value stands, for a message about another one.
    pub(super) fn place(&self, path: &[&str]) -> String {
        let nowhere = Problem::new(Code::BadConfig, "");
        self.document.point_at(nowhere, path).at.unwrap_or_default()
    }

    fn places(&mut self, settings: &Settings) {
        let url = &settings.ledger.url;
        let postgres = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
        if let Some(rest) = postgres {
            let user = rest.split('@').next().filter(|_| rest.contains('@')).unwrap_or_default();
            if user.contains(':') || rest.contains("password=") {
                let hint = "leave it out of the address and write `password = \"env:NAME\"`";
                self.add(&["ledger", "url"], "the address of the ledger holds a password", hint);
            }
        } else if url.strip_prefix("sqlite:").is_none_or(str::is_empty) {
            let hint = "write \"sqlite:.sluice/ledger.db\" or \"postgres://user@host/database\"";
            self.add(
                &["ledger", "url"],
                "the ledger's address must start with `sqlite:` or `postgres://`",
                hint,
            );
        }
        if let Some(url) = &settings.streams.url {
            if !is_redis(url) {
                self.add(&["streams", "url"], "not an address of Redis", "write \"redis://host:6379\"");
            }
            self.no_password(&["streams", "url"], url, "the address of the streams holds a password");
        }
        let prefix = settings.streams.prefix.as_str();
        // On a cluster, braces keep the streams on one server.
        let bare = prefix.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(prefix);
        self.name(&["streams", "prefix"], bare);
        self.gate(settings);
        if settings.worker.roles.is_empty() {
            let hint = "leave it out for every role, or name some of admit, start, track, review, notify";
            self.add(&["worker", "roles"], "a worker without a role does nothing", hint);
        }
        self.endpoint(settings);
        let base = &settings.github.base_url;
        let plain =
            base.strip_prefix("http://").is_some_and(|rest| settings.github.plain_http || is_local(rest));
        if !base.starts_with("https://") && !plain {
            let hint = "write \"https://...\"; plain http only for this machine, such as http://127.0.0.1:8080, \
                or with `plain_http = true` for a stand-in on a private network";
            self.add(&["github", "base_url"], "the token would travel without encryption", hint);
        }
        self.otlp(settings);
        if settings.policy.repositories.is_empty() {
            self.warnings.push("[policy] repositories is empty: no repository may be touched".to_owned());
        }
        for (index, glob) in settings.policy.repositories.iter().enumerate() {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b'*');
            if glob.is_empty() || !glob.bytes().all(plain) {
                let hint = "write owner/name; `*` stands for any run of characters";
                let at = ["policy", "repositories", &index.to_string()];
                self.add(&at, format!("`{}` is not a glob of repositories", text::shorten(glob, 80)), hint);
            }
        }
    }

    fn otlp(&mut self, settings: &Settings) {
        let Some(url) = &settings.otlp.endpoint else { return };
        let plain = url.strip_prefix("http://");
        if plain.is_none() && !url.starts_with("https://") {
            let hint = "write \"https://collector:4318\"; OTLP's own path is added to it";
            self.add(&["otlp", "endpoint"], "not an address", hint);
        }
        if settings.otlp.token.is_some() && plain.is_some_and(|rest| !is_local(rest)) {
            let hint = "write \"https://...\", or let a collector on this machine hand traces on";
            self.add(&["otlp", "endpoint"], "the token would travel without encryption", hint);
        }
        self.no_password(&["otlp", "endpoint"], url, "the address of the collector holds a password");
    }

    fn gate(&mut self, settings: &Settings) {
        let url = &settings.gate.url;
        if url != "memory" && !is_redis(url) {
            let hint = "write \"memory\" or \"redis://HOST:6379/0\"";
            self.add(&["gate", "url"], "there is no such gate", hint);
        }
        self.no_password(&["gate", "url"], url, "the address of the gate holds a password");
        self.name(&["gate", "fleet"], &settings.gate.fleet);
    }

    /// Secrets are only ever references.
    fn no_password(&mut self, at: &[&'static str], url: &str, what: &str) {
        let login = url.split_once("://").and_then(|(_, rest)| rest.split_once('@'));
        if login.is_some_and(|(user, _)| user.contains(':')) {
            self.add(at, what, "leave it out of the address and write `password = \"env:NAME\"`");
        }
    }

    fn times(&mut self, settings: &Settings) {
        let recovery = &settings.recovery;
        if recovery.look_up_window_seconds < recovery.start_within_seconds {
            let hint = "make look_up_window_seconds the longer one";
            let what = "a start could still be sent after it was given up";
            self.add(&["recovery", "look_up_window_seconds"], what, hint);
        }
        let tracking = &settings.tracking;
        for (key, value) in [
            ("running_ms", tracking.running_ms),
            ("waiting_ms", tracking.waiting_ms),
            ("give_up_ms", tracking.give_up_ms),
            ("idle_grace_ms", tracking.idle_grace_ms),
            ("review_ms", tracking.review_ms),
            ("full_sweep_ms", tracking.full_sweep_ms),
        ] {
            if !(10..=31_536_000_000).contains(&value) {
                let what = format!("{value} is out of range: write 10 to 31536000000 (a year)");
                self.add(&["tracking", key], what, "the unit is milliseconds");
            }
        }
    }

    pub(super) fn name(&mut self, path: &[&str], name: &str) {
        if !text::is_name(name) {
            let what = format!("`{}` is not a name", text::shorten(name, 80));
            self.add(path, what, "use lower-case letters, digits and `-`, at most 64");
        }
    }

    fn breaker(&mut self, settings: &Settings) {
        let faults = settings.breaker.map(|rule| rule.faults()).unwrap_or_default();
        for (key, what, hint) in faults {
            self.add(&["breaker", key], what, hint);
        }
    }

    fn people(&mut self, settings: &Settings) {
        let mut seen = BTreeSet::new();
        for (index, person) in settings.people.iter().enumerate() {
            let index = index.to_string();
            let path = ["person", &index, "login"];
            if !text::is_login(&person.login) {
                let what = format!("`{}` is not a login", text::shorten(&person.login, 80));
                self.add(&path, what, "write the GitHub login");
            }
            if !seen.insert(person.login.to_ascii_lowercase()) {
                let what = format!("the person `{}` is there twice", person.login);
                self.add(&path, what, "give all roles of a person in one place");
            }
            if person.roles.is_empty() {
                let hint = "leave `roles` out for an approver, or name at least one";
                self.add(&["person", &index, "roles"], "a person without a role may do nothing", hint);
            }
            for (place, role) in person.roles.iter().enumerate() {
                self.name(&["person", &index, "roles", &place.to_string()], role);
            }
        }
    }

    fn identities(&mut self, settings: &mut Settings) {
        let mut seen = BTreeSet::new();
        for (index, identity) in settings.identities.iter().enumerate() {
            let path = ["identity", &index.to_string(), "name"];
            self.name(&path, &identity.name);
            if !seen.insert(identity.name.as_str()) {
                let what = format!("the identity `{}` is there twice", identity.name);
                self.add(&path, what, "give each identity a name of its own");
            }
            self.reach(&index.to_string(), identity);
        }
        let logins = settings
            .identities
            .iter()
            .filter_map(|identity| Some((identity.name.clone(), identity.login.clone()?)));
        settings.rules.logins = logins.collect();
        let Some(wanted) = &settings.policy.identity else { return };
        if !seen.contains(wanted.as_str()) {
            let known: Vec<&str> = seen.into_iter().collect();
            let what = format!("there is no identity `{}`", text::shorten(wanted, 80));
            let problem = Problem::new(Code::UnknownIdentity, what).hint(hint::did_you_mean(wanted, &known));
            self.told(&["policy", "identity"], problem);
        }
    }
}

impl Faults<'_> {
    /// What an identity may do, and whose it is.
    fn reach(&mut self, index: &str, identity: &Identity) {
        for (place, glob) in identity.repositories.iter().enumerate() {
            // With its stars filled in, a glob is a name.
            if let Err(error) = glob.replace('*', "x").parse::<Repository>() {
                let path = ["identity", index, "repositories", &place.to_string()];
                self.add(&path, error.to_string(), "write owner/name; `*` stands for any run of characters");
            }
        }
        for (place, glob) in identity.templates.iter().enumerate() {
            if !text::is_name(&glob.replace('*', "x")) {
                let what = format!("`{}` fits no template", text::shorten(glob, 80));
                let path = ["identity", index, "templates", &place.to_string()];
                self.add(
                    &path,
                    what,
                    "write a template's name without the version; `*` stands for any run of characters",
                );
            }
        }
        for (key, login) in [("login", &identity.login), ("owner", &identity.owner)] {
            if let Some(login) = login.as_ref().filter(|login| !text::is_login(login)) {
                let what = format!("`{}` is not a login", text::shorten(login, 80));
                self.add(&["identity", index, key], what, "write the GitHub login");
            }
        }
    }
}

/// What follows `http://` is this machine.
pub(super) fn is_local(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let port = |rest: &str| {
        rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
    };
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|host| authority.strip_prefix(host).is_some_and(port))
}

fn is_redis(url: &str) -> bool {
    ["redis://", "rediss://", "redis+unix:///"].iter().any(|scheme| url.starts_with(scheme))
}
