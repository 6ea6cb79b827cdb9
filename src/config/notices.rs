//! `[notices]`: which receivers of notices there are, and how they are reached.

use std::{collections::BTreeSet, path::PathBuf};

use ipnet::IpNet;
use reqwest::Url;
use serde::Deserialize;

use crate::{
    address,
    config::{
        limits::Faults,
        secret::SecretRef,
        sections::{Settings, within},
    },
    job::{repository::Repository, time::Millis},
    policy::{
        hint,
        notices::{
            Rules,
            written::{WrittenRoute, WrittenSummary},
        },
        problem::{Code, Problem},
        text,
    },
};

/// Messages to people and systems.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notices {
    /// The receiver named `webhook`.
    pub webhook: Option<Webhook>,
    /// As written; `sinks` is what they mean.
    #[serde(rename = "sink")]
    pub written_sinks: Vec<Written>,
    /// Every receiver but the log, checked.
    #[serde(skip)]
    pub sinks: Vec<Receiver>,
    /// As written; `rules` is what they mean.
    #[serde(rename = "route")]
    pub written_routes: Vec<WrittenRoute>,
    #[serde(rename = "summary")]
    pub written_summaries: Vec<WrittenSummary>,
    /// Where notices go, checked.
    #[serde(skip)]
    pub rules: Rules,
    /// Tries of one notice, the first included; 1 to 100.
    #[serde(deserialize_with = "within::<_, u32, 1, 100>")]
    pub max_attempts: u32,
    /// Wait before the second try, doubled with each further one; 100 to 3,600,000.
    #[serde(deserialize_with = "within::<_, u64, 100, 3_600_000>")]
    pub base_ms: u64,
}

impl Default for Notices {
    fn default() -> Self {
        Self {
            webhook: None,
            written_sinks: Vec::new(),
            sinks: Vec::new(),
            written_routes: Vec::new(),
            written_summaries: Vec::new(),
            rules: Rules::default(),
            max_attempts: 12,
            base_ms: 10_000,
        }
    }
}

/// The receiver of signed notices that needs no name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    pub url: String,
    /// `whsec_` and base64, as Standard Webhooks has it.
    pub secret: SecretRef,
    /// 100 to 120,000.
    #[serde(default = "ten_seconds", deserialize_with = "within::<_, u64, 100, 120_000>")]
    pub timeout_ms: u64,
    /// Networks that it may be in although they are not public, such as `10.0.0.0/8`.
    #[serde(default)]
    pub allow_private: Vec<IpNet>,
}

/// A receiver as people write it; which keys it has depends on `kind`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    pub name: String,
    pub kind: Kind,
    /// An address, or a reference to the secret that holds it.
    pub url: Option<String>,
    pub secret: Option<SecretRef>,
    pub identity: Option<String>,
    #[serde(rename = "where")]
    pub place: Option<Place>,
    pub repository: Option<String>,
    pub number: Option<u64>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub tls: Option<Tls>,
    /// Certificates in PEM to trust besides the system's, from the folder of the configuration file.
    pub ca_file: Option<PathBuf>,
    pub from: Option<String>,
    pub to: Option<Vec<String>>,
    pub username: Option<String>,
    pub password: Option<SecretRef>,
    /// 100 to 120,000.
    #[serde(default = "ten_seconds", deserialize_with = "within::<_, u64, 100, 120_000>")]
    pub timeout_ms: u64,
    #[serde(default)]
    pub allow_private: Vec<IpNet>,
}

const fn ten_seconds() -> u64 {
    10_000
}

/// What a receiver is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Webhook,
    Slack,
    GithubComment,
    Email,
    Log,
}

impl Kind {
    const fn words(self) -> &'static str {
        match self {
            Self::Webhook => "a webhook",
            Self::Slack => "an incoming webhook of Slack",
            Self::GithubComment => "a comment at GitHub",
            Self::Email => "e-mail",
            Self::Log => "the log",
        }
    }
}

/// Where comments are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// On the pull request of the job; without one, on the issue.
    PullRequest,
    Issue,
}

/// How mail travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// Begins in plain text and turns to TLS, or nothing is sent.
    Starttls,
    /// From the first byte.
    Implicit,
    None,
}

/// A receiver, checked.
#[derive(Clone, Debug)]
pub struct Receiver {
    pub name: String,
    pub timeout: Millis,
    pub allow_private: Vec<IpNet>,
    pub way: Way,
}

impl Receiver {
    pub fn secrets(&self) -> impl Iterator<Item = &SecretRef> {
        let (first, second) = match &self.way {
            Way::Webhook { url: Address::Secret(url), secret } => (Some(url), Some(secret)),
            Way::Webhook { secret, .. } => (Some(secret), None),
            Way::Slack { url } => (Some(url), None),
            Way::Email(email) => (email.login.as_ref().map(|(_, password)| password), None),
            Way::GithubComment { .. } | Way::Log => (None, None),
        };
        first.into_iter().chain(second)
    }
}

/// How a receiver is reached.
#[derive(Clone, Debug)]
pub enum Way {
    Webhook { url: Address, secret: SecretRef },
    Slack { url: SecretRef },
    GithubComment { identity: String, place: Place, repository: Repository, number: u64 },
    Email(Email),
    Log,
}

/// Written down, or kept where secrets are: an address may be one.
#[derive(Clone, Debug)]
pub enum Address {
    Plain(String),
    Secret(SecretRef),
}

/// A mail server, and whose mail it takes to whom.
#[derive(Clone, Debug)]
pub struct Email {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    pub from: String,
    pub to: Vec<String>,
    pub login: Option<(String, SecretRef)>,
    pub ca_file: Option<PathBuf>,
}

/// The receivers that need no configuration.
pub(super) const BUILT_IN: &str = "log";

/// One `[[notices.sink]]` being read.
struct Reading<'a, 'b> {
    faults: &'b mut Faults<'a>,
    index: String,
    written: &'b Written,
}

impl Faults<'_> {
    pub(super) fn notices(&mut self, settings: &mut Settings) {
        let mut sinks = Vec::new();
        if let Some(webhook) = &settings.notices.webhook {
            self.target(&["notices", "webhook", "url"], &webhook.url, &webhook.allow_private);
            sinks.push(Receiver {
                name: "webhook".to_owned(),
                timeout: Millis(webhook.timeout_ms),
                allow_private: webhook.allow_private.clone(),
                way: Way::Webhook {
                    url: Address::Plain(webhook.url.clone()),
                    secret: webhook.secret.clone(),
                },
            });
        }
        let mut names: BTreeSet<String> = sinks.iter().map(|sink| sink.name.clone()).collect();
        names.insert(BUILT_IN.to_owned());
        for (index, written) in settings.notices.written_sinks.iter().enumerate() {
            let index = index.to_string();
            let path = ["notices", "sink", &index, "name"];
            self.name(&path, &written.name);
            if !names.insert(written.name.clone()) {
                let what = format!("there is another receiver `{}`", text::shorten(&written.name, 80));
                let hint = "give it another name; `log` is always there, and `webhook` is [notices.webhook]";
                self.add(&path, what, hint);
            }
            let way = Reading { faults: self, index, written }.way(settings);
            sinks.extend(way.map(|way| Receiver {
                name: written.name.clone(),
                timeout: Millis(written.timeout_ms),
                allow_private: written.allow_private.clone(),
                way,
            }));
        }
        settings.notices.sinks = sinks;
    }

    /// An address that is written down; what a name stands for is looked at before each connection.
    fn target(&mut self, path: &[&str], url: &str, allowed: &[IpNet]) {
        let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(parsed) = parsed else { return self.add(path, "not an address", "write \"https://...\"") };
        self.host(path, parsed.host_str().unwrap_or_default(), allowed);
    }

    fn host(&mut self, path: &[&str], host: &str, allowed: &[IpNet]) {
        let Some(what) = address::literal(host).and_then(|address| address::refusal(address, allowed)) else {
            return;
        };
        let what =
            format!("`{}` is {what}: notices would go where only this machine can", text::shorten(host, 80));
        let hint = "write a public address, or, if it is meant, name its network: `allow_private = [\"10.0.0.0/8\"]`";
        self.told(path, Problem::new(Code::PrivateAddress, what).hint(hint));
    }
}

impl Reading<'_, '_> {
    fn way(mut self, settings: &Settings) -> Option<Way> {
        self.foreign();
        match self.written.kind {
            Kind::Log => Some(Way::Log),
            Kind::Webhook => {
                let secret = self.needed(
                    "secret",
                    self.written.secret.as_ref(),
                    "write \"env:NAME\" or \"file:PATH\"",
                );
                Some(Way::Webhook { url: self.url()?, secret: secret?.clone() })
            }
            Kind::Slack => match self.url()? {
                Address::Secret(url) => Some(Way::Slack { url }),
                Address::Plain(_) => {
                    let hint = "keep it like a password and write where it is: \"env:NAME\" or \"file:PATH\"";
                    self.add("url", "the address of an incoming webhook is a secret", hint);
                    None
                }
            },
            Kind::GithubComment => self.comment(settings),
            Kind::Email => self.email(),
        }
    }

    fn add(&mut self, key: &str, what: impl Into<String>, hint: &str) {
        self.faults.add(&["notices", "sink", &self.index, key], what, hint);
    }

    /// Keys that this kind of receiver has no use for: something else was meant.
    fn foreign(&mut self) {
        use Kind::{Email, GithubComment, Slack, Webhook};
        let of = self.written;
        let keys: [(&str, bool, &[Kind]); 14] = [
            ("url", of.url.is_some(), &[Webhook, Slack]),
            ("secret", of.secret.is_some(), &[Webhook]),
            ("identity", of.identity.is_some(), &[GithubComment]),
            ("where", of.place.is_some(), &[GithubComment]),
            ("repository", of.repository.is_some(), &[GithubComment]),
            ("number", of.number.is_some(), &[GithubComment]),
            ("host", of.host.is_some(), &[Email]),
            ("port", of.port.is_some(), &[Email]),
            ("tls", of.tls.is_some(), &[Email]),
            ("ca_file", of.ca_file.is_some(), &[Email]),
            ("from", of.from.is_some(), &[Email]),
            ("to", of.to.is_some(), &[Email]),
            ("username", of.username.is_some(), &[Email]),
            ("password", of.password.is_some(), &[Email]),
        ];
        for (key, there, kinds) in keys {
            if there && !kinds.contains(&of.kind) {
                let what = format!("`{key}` means nothing to {}", of.kind.words());
                self.add(key, what, "leave it out, or see docs/notices.md for the keys of each kind");
            }
        }
    }

    fn needed<'v, T: ?Sized>(&mut self, key: &str, value: Option<&'v T>, hint: &str) -> Option<&'v T> {
        if value.is_none() {
            let what = format!("`{key}` is missing, which {} needs", self.written.kind.words());
            self.add("name", what, hint);
        }
        value
    }

    fn url(&mut self) -> Option<Address> {
        let hint = "write \"https://...\", or where the address is kept: \"env:NAME\" or \"file:PATH\"";
        let url = self.needed("url", self.written.url.as_deref(), hint)?;
        if let Ok(reference) = url.parse::<SecretRef>() {
            return Some(Address::Secret(reference));
        }
        let path = ["notices", "sink", &self.index, "url"];
        self.faults.target(&path, url, &self.written.allow_private);
        Some(Address::Plain(url.to_owned()))
    }

    fn comment(&mut self, settings: &Settings) -> Option<Way> {
        let known: Vec<&str> = settings.identities.iter().map(|identity| identity.name.as_str()).collect();
        let named = self.written.identity.clone();
        let identity = named.or_else(|| settings.identity().map(|identity| identity.name.clone()));
        if let Some(wanted) = identity.as_deref().filter(|wanted| !known.contains(wanted)) {
            let what = format!("there is no identity `{}`", text::shorten(wanted, 80));
            let problem = Problem::new(Code::UnknownIdentity, what).hint(hint::did_you_mean(wanted, &known));
            self.faults.told(&["notices", "sink", &self.index, "identity"], problem);
        }
        let hint = "name the issue for what has no pull request: `repository = \"acme/operations\"` and `number = 12`";
        let repository = self.needed("repository", self.written.repository.as_deref(), hint);
        let number = self.needed("number", self.written.number.as_ref(), hint).copied();
        let repository = match repository?.parse() {
            Ok(repository) => repository,
            Err(error) => {
                let error: crate::job::repository::InvalidRepository = error;
                self.add("repository", error.to_string(), "write owner/name");
                return None;
            }
        };
        let place = self.written.place.unwrap_or(Place::Issue);
        Some(Way::GithubComment { identity: identity?, place, repository, number: number? })
    }

    fn email(&mut self) -> Option<Way> {
        let of = self.written;
        let host = self.needed("host", of.host.as_deref(), "write the name of the mail server");
        let from = self.needed("from", of.from.as_deref(), "write \"Sluicegate <sluicegate@example.org>\"");
        let to = self.needed("to", of.to.as_deref(), "write [\"oncall@example.org\"]");
        if to.is_some_and(<[String]>::is_empty) {
            self.add("to", "nobody is written to", "write [\"oncall@example.org\"]");
        }
        for (key, address) in from
            .map(|from| ("from", from))
            .into_iter()
            .chain(to.into_iter().flatten().map(|to| ("to", to.as_str())))
        {
            if !is_mailbox(address) {
                let what = format!("`{}` is no address of mail", text::shorten(address, 80));
                self.add(key, what, "write name@host, or \"Words <name@host>\"");
            }
        }
        let tls = of.tls.unwrap_or(Tls::Starttls);
        let port = of.port.unwrap_or(match tls {
            Tls::Starttls => 587,
            Tls::Implicit => 465,
            Tls::None => 25,
        });
        let login = match (&of.username, &of.password) {
            (None, None) => None,
            (Some(user), Some(password)) => Some((user.clone(), password.clone())),
            _ => {
                self.add("name", "a user and a password come together", "write both or none of them");
                return None;
            }
        };
        let host = host?;
        if host.is_empty() || host.contains(['/', '@', ' ']) || host.matches(':').count() == 1 {
            self.add("host", "not the name of a machine", "write it alone; the port has a key of its own");
        }
        self.faults.host(&["notices", "sink", &self.index, "host"], host, &of.allow_private);
        // What is read on the way is read by those who hold that network.
        if tls == Tls::None && of.allow_private.is_empty() {
            let hint = "write `tls = \"starttls\"` or \"implicit\"; without, only to a network that `allow_private` names";
            self.add("tls", "mail, and the password, would travel without encryption", hint);
        }
        let (host, from, to) = (host.to_owned(), from?.to_owned(), to?.to_vec());
        Some(Way::Email(Email { host, port, tls, from, to, login, ca_file: of.ca_file.clone() }))
    }
}

/// `name@host`, or `Words <name@host>`.
fn is_mailbox(text: &str) -> bool {
    text.parse::<lettre::message::Mailbox>().is_ok()
}
