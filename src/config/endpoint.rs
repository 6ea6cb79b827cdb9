//! Where the HTTP interface listens, and who may use it besides the holder of the local token.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use serde::Deserialize;

use crate::{
    config::{
        limits::Faults,
        sections::{Settings, within},
    },
    policy::{
        access::{Grant, Reach, Role},
        text,
    },
};

/// The HTTP interface, which commands talk to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    pub listen: SocketAddr,
    /// Holds the token that commands show; written with mode 0600 when it is missing.
    pub token_file: PathBuf,
    /// With one token; 0: no limit.
    #[serde(deserialize_with = "within::<_, u32, 0, 1_000_000>")]
    pub requests_per_second: u32,
    /// So many at once with one token, after a rest; 1 to 1,000,000.
    #[serde(deserialize_with = "within::<_, u32, 1, 1_000_000>")]
    pub burst: u32,
    /// Certificates in PEM, the own one first, from the folder of the configuration file. With `tls_key`: HTTPS.
    pub tls_certificate: Option<PathBuf>,
    /// Its private key in PEM.
    pub tls_key: Option<PathBuf>,
    /// A proxy in front of it ends TLS, and says in `X-Forwarded-For` who asks.
    pub behind_proxy: bool,
    /// Under which commands reach it; left out: by `listen`.
    pub url: Option<String>,
    /// An identity provider whose tokens are taken; left out: none.
    pub oidc: Option<Oidc>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4280)),
            token_file: PathBuf::from(".sluice/token"),
            requests_per_second: 1_000,
            burst: 2_000,
            tls_certificate: None,
            tls_key: None,
            behind_proxy: false,
            url: None,
            oidc: None,
        }
    }
}

/// Tokens of an identity provider (OpenID Connect).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// As it stands in the tokens; its keys are found from there.
    pub issuer: String,
    /// For whom the tokens must be.
    pub audience: String,
    /// The claim under which acts are recorded. It must be one that nobody can choose for themselves.
    #[serde(default = "sub")]
    pub name_claim: String,
    /// The claim that lists the groups of the bearer.
    #[serde(default = "groups")]
    pub groups_claim: String,
    /// What groups may do.
    #[serde(rename = "grant", default)]
    pub grants: Vec<OidcGrant>,
}

fn sub() -> String {
    "sub".to_owned()
}
fn groups() -> String {
    "groups".to_owned()
}

/// What one group may do.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcGrant {
    pub group: String,
    pub roles: BTreeSet<Role>,
    /// Left out: every team.
    #[serde(default)]
    pub teams: Vec<String>,
    /// Globs of names; left out: every template.
    #[serde(default)]
    pub templates: Vec<String>,
}

impl OidcGrant {
    pub fn grant(&self) -> Grant {
        let reach = Reach { teams: self.teams.clone(), templates: self.templates.clone() };
        Grant { roles: self.roles.clone(), reach }
    }
}

impl Faults<'_> {
    pub(super) fn endpoint(&mut self, settings: &Settings) {
        let http = &settings.http;
        match (&http.tls_certificate, &http.tls_key) {
            (Some(_), None) => {
                let hint = "name its private key: `tls_key = \"tls/key.pem\"`";
                self.add(&["http", "tls_certificate"], "a certificate without its key", hint);
            }
            (None, Some(_)) => {
                let hint = "name its certificate: `tls_certificate = \"tls/certificate.pem\"`";
                self.add(&["http", "tls_key"], "a key without its certificate", hint);
            }
            (None, None) if !http.listen.ip().is_loopback() && !http.behind_proxy => {
                let what = "other machines could reach it, and tokens would travel without encryption";
                let hint = "give it a certificate (`tls_certificate` and `tls_key`), or write `behind_proxy = true` if a \
                    proxy in front of it ends TLS, or an address of this machine alone, such as \"127.0.0.1:4280\"";
                self.add(&["http", "listen"], what, hint);
            }
            _ => {}
        }
        let address = |url: &str| url.starts_with("https://") || url.starts_with("http://");
        if http.url.as_deref().is_some_and(|url| !address(url)) {
            self.add(&["http", "url"], "not an address", "write \"https://sluice.example.com\"");
        }
        if let Some(oidc) = &http.oidc {
            self.oidc(oidc);
        }
    }

    fn oidc(&mut self, oidc: &Oidc) {
        let at = |key| ["http", "oidc", key];
        if !oidc.issuer.starts_with("https://") && !super::is_local_http(&oidc.issuer) {
            let hint =
                "write the issuer as its tokens have it: \"https://...\"; plain http only for this machine";
            self.add(&at("issuer"), "keys would come over an unprotected way", hint);
        }
        for (key, value) in [
            ("audience", &oidc.audience),
            ("name_claim", &oidc.name_claim),
            ("groups_claim", &oidc.groups_claim),
        ] {
            if value.trim().is_empty() {
                self.add(&at(key), "empty", "write what the identity provider puts there");
            }
        }
        if oidc.grants.is_empty() {
            let hint = "add [[http.oidc.grant]] with `group = \"...\"` and `roles = [\"viewer\"]`";
            self.add(&["http", "oidc"], "no group is granted anything: nobody would be let in", hint);
        }
        for (index, grant) in oidc.grants.iter().enumerate() {
            let index = index.to_string();
            if text::check(&grant.group, "group").is_err() || grant.group.trim().is_empty() {
                let path = ["http", "oidc", "grant", &index, "group"];
                self.add(&path, "not the name of a group", "write it as the tokens have it");
            }
            for problem in grant.grant().problems("") {
                let field = problem.at.clone().unwrap_or_default();
                self.told(&["http", "oidc", "grant", &index, &field], problem);
            }
        }
    }
}
