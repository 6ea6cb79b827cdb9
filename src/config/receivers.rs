//! What `[notices.webhook]` and `[[notices.sink]]` mean.

use std::collections::BTreeSet;

use ipnet::IpNet;
use reqwest::Url;

use crate::{
    address,
    config::{
        limits::Faults,
        notices::{Address, BUILT_IN, Email, Kind, Place, Receiver, Tls, Way, Written},
        secret::SecretRef,
        sections::Settings,
    },
    job::{repository::InvalidRepository, time::Millis},
    policy::{
        hint,
        problem::{Code, Problem},
        text,
    },
};

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
                    // Not at its place, where it would be shown.
                    self.add(
                        "kind",
                        "the address of an incoming webhook is a secret, and stands in the file",
                        hint,
                    );
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
                let error: InvalidRepository = error;
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
        let named = |address| address::is_within(address, &of.allow_private);
        let outside = || address::literal(host).is_some_and(|address| !named(address));
        if tls == Tls::None && (of.allow_private.is_empty() || outside()) {
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
