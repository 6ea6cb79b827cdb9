//! From settings to the receivers of notices.

use std::{collections::BTreeMap, fs, sync::Arc};

use secrecy::ExposeSecret as _;

use crate::{
    agent::github::GitHub,
    boot::{
        doctor::{Finding, State},
        wire::{self, secret},
    },
    clock::{Clock, SystemClock},
    config::{
        ConfigError, Loaded, SecretRef,
        notices::{self, Address, Place, Receiver, Way},
    },
    notify::{BadTarget, Email, EmailSink, LogSink, Sink, Sinks, SlackSink, Target, WebhookSink, email},
    pipeline::comments::CommentSink,
    policy::{
        problem::{Code, Problem},
        standard_webhooks::SigningKey,
    },
};

type Env = BTreeMap<String, String>;

/// Every receiver of the configuration, by name.
pub(super) fn sinks(
    loaded: &Loaded,
    env: &Env,
    clock: &Arc<dyn Clock>,
    github: &Arc<GitHub>,
) -> Result<Sinks, ConfigError> {
    let building = Building { loaded, env, clock, github };
    let (mut all, mut problems) = (Vec::new(), Vec::new());
    for receiver in &loaded.settings.notices.sinks {
        match building.sink(receiver) {
            Ok(sink) => all.push(sink),
            Err(ConfigError(found)) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(Sinks::of(all)) } else { Err(ConfigError(problems)) }
}

/// Whether each receiver can be set up with the secrets that it names. Nothing is connected to.
pub(super) fn check(loaded: &Loaded, env: &Env) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let github = wire::github(loaded, env, Arc::clone(&clock))?;
    sinks(loaded, env, &clock, &github)?;
    Ok(())
}

/// Whether each receiver is there; no notice is sent.
pub(super) async fn examine(loaded: &Loaded, env: &Env) -> Vec<Finding> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let receivers = &loaded.settings.notices.sinks;
    // Tokens that cannot be read have been told of already.
    let Ok(github) = wire::github(loaded, env, Arc::clone(&clock)) else { return Vec::new() };
    let sinks = match sinks(loaded, env, &clock, &github) {
        Ok(sinks) => sinks,
        Err(error) => return vec![Finding::new("notices", State::Bad, error.to_string())],
    };
    let mut findings = Vec::new();
    for sink in receivers.iter().filter_map(|receiver| sinks.get(&receiver.name)) {
        findings.push(match sink.examine().await {
            Ok(found) => Finding::new("notices", State::Good, format!("{}: {found}", sink.name())),
            Err(error) => Finding::new("notices", State::Warn, format!("{}: {error}", error.reason.as_str()))
                .advice("notices to it wait, and are given up in the end: docs/notices.md"),
        });
    }
    findings
}

struct Building<'a> {
    loaded: &'a Loaded,
    env: &'a Env,
    clock: &'a Arc<dyn Clock>,
    github: &'a Arc<GitHub>,
}

impl Building<'_> {
    fn sink(&self, receiver: &Receiver) -> Result<Arc<dyn Sink>, ConfigError> {
        Ok(match &receiver.way {
            Way::Log => Arc::new(LogSink::named(&receiver.name)),
            Way::Webhook { url, secret } => {
                let (url, at) = self.url(url)?;
                let target = target(receiver, url);
                let sink = WebhookSink::new(target, self.key(secret)?, Arc::clone(self.clock));
                Arc::new(sink.map_err(|error| refused_target(&error, at))?)
            }
            Way::Slack { url } => {
                let found = self.secret(url)?.expose_secret().to_owned();
                let sink = SlackSink::new(target(receiver, found));
                Arc::new(sink.map_err(|error| refused_target(&error, url.to_string()))?)
            }
            Way::GithubComment { identity, place, repository, number } => Arc::new(CommentSink {
                name: receiver.name.clone(),
                identity: identity.clone(),
                on_pull_request: *place == Place::PullRequest,
                repository: repository.clone(),
                number: *number,
                comments: Arc::<GitHub>::clone(self.github),
            }),
            Way::Email(email) => {
                let sink = EmailSink::new(self.email(receiver, email)?, Arc::clone(self.clock));
                let at = format!("[[notices.sink]] {}", receiver.name);
                let hint = "see docs/notices.md for what a mail server needs";
                Arc::new(sink.map_err(|error| refused(Code::BadConfig, error.to_string(), at, hint))?)
            }
        })
    }

    fn email(&self, receiver: &Receiver, email: &notices::Email) -> Result<Email, ConfigError> {
        let ca = email.ca_file.as_ref().map(|path| {
            let path = self.loaded.folder.join(path);
            let unreadable = |error| {
                let what = format!("cannot be read: {error}");
                refused(
                    Code::Unreadable,
                    what,
                    path.display().to_string(),
                    "check `ca_file` and who may read it",
                )
            };
            fs::read(&path).map_err(unreadable)
        });
        let login = email.login.as_ref();
        let login = login.map(|(user, password)| self.secret(password).map(|found| (user.clone(), found)));
        Ok(Email {
            name: receiver.name.clone(),
            host: email.host.clone(),
            port: email.port,
            tls: match email.tls {
                notices::Tls::Starttls => email::Tls::Starttls,
                notices::Tls::Implicit => email::Tls::Implicit,
                notices::Tls::None => email::Tls::None,
            },
            ca: ca.transpose()?,
            from: email.from.clone(),
            to: email.to.clone(),
            login: login.transpose()?,
            timeout: receiver.timeout,
            allow_private: receiver.allow_private.clone(),
        })
    }

    fn secret(&self, reference: &SecretRef) -> Result<secrecy::SecretString, ConfigError> {
        secret(reference, self.env, self.loaded)
    }

    /// The address, and where it stands.
    fn url(&self, url: &Address) -> Result<(String, String), ConfigError> {
        Ok(match url {
            Address::Plain(url) => (url.clone(), "[notices] url".to_owned()),
            Address::Secret(reference) => {
                (self.secret(reference)?.expose_secret().to_owned(), reference.to_string())
            }
        })
    }

    fn key(&self, reference: &SecretRef) -> Result<SigningKey, ConfigError> {
        SigningKey::parse(&self.secret(reference)?).map_err(|error| {
            let hint = "use a secret as Standard Webhooks has it: whsec_ and 24 to 64 bytes in base64";
            refused(Code::BadSecret, error.to_string(), reference.to_string(), hint)
        })
    }
}

fn target(receiver: &Receiver, url: String) -> Target {
    Target {
        name: receiver.name.clone(),
        url,
        timeout: receiver.timeout,
        allow_private: receiver.allow_private.clone(),
    }
}

fn refused_target(error: &BadTarget, at: String) -> ConfigError {
    let (code, hint) = match error {
        BadTarget::Private { .. } => (Code::PrivateAddress, "write a public address, or see docs/notices.md"),
        BadTarget::Url { .. } | BadTarget::Client { .. } => (Code::BadConfig, "write \"https://...\""),
    };
    refused(code, error.to_string(), at, hint)
}

fn refused(code: Code, what: String, at: String, hint: &str) -> ConfigError {
    ConfigError::from(Problem::new(code, what).at(at).hint(hint))
}
