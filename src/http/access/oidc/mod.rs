//! Tokens of an identity provider (OpenID Connect): who it vouches for, and what the groups of that person may do here. What is
//! wrong with such a token is told to the log alone.

mod keys;
mod signature;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use self::{keys::Keys, signature::Algorithm};
use super::Refusal;
use crate::{
    config::endpoint::Oidc,
    http::fault::Code,
    job::time::{Millis, Timestamp},
    policy::{access::Grant, text},
    telemetry::denials::Denial,
};

/// The clocks of the identity provider and of this machine may differ by this much.
const SKEW: Millis = Millis::seconds(60);

pub struct Verifier {
    settings: Oidc,
    keys: Keys,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Names what must be understood to check the token: nothing of the kind is.
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: OneOrMany,
    /// Seconds since 1970.
    exp: f64,
    nbf: Option<f64>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn has(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one == wanted,
            Self::Many(many) => many.iter().any(|one| one == wanted),
        }
    }
}

fn refused(denial: Denial, detail: impl Into<String>) -> Refusal {
    let code = match denial {
        Denial::KeysUnavailable => Code::IssuerUnavailable,
        _ => Code::Unauthorised,
    };
    Refusal::new(denial, code, detail)
}

fn read<T: DeserializeOwned>(part: &str, what: &str) -> Result<T, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok();
    let value = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    value.ok_or_else(|| refused(Denial::ClaimsUnusable, format!("the {what} of the token cannot be read")))
}

pub async fn keys_of(issuer: &str) -> Result<usize, String> {
    Keys::new(issuer).ask().await.map(|keys| keys.len())
}

impl Verifier {
    pub fn new(settings: Oidc) -> Self {
        Self { keys: Keys::new(&settings.issuer), settings }
    }

    /// Whom the token is about, and what they are granted.
    pub(super) async fn verify(&self, token: &str, now: Timestamp) -> Result<(String, Vec<Grant>), Refusal> {
        let (signed, signature) = token.rsplit_once('.').unwrap_or_default();
        let (header, claims) = signed.split_once('.').unwrap_or_default();
        let header: Header = read(header, "header")?;
        let algorithm = Algorithm::named(&header.alg).filter(|_| header.crit.is_none()).ok_or_else(|| {
            let shown = text::shorten(&header.alg, 20);
            let detail =
                format!("signed with `{shown}`: only RS256, ES256 and EdDSA are taken, without `crit`");
            refused(Denial::AlgorithmRefused, detail)
        })?;
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        let key = self.keys.find(header.kid.as_deref(), algorithm).await?;
        if !key.has_signed(signed.as_bytes(), &signature) {
            return Err(refused(Denial::SignatureWrong, "the signature does not fit"));
        }
        // Only now is anything of it believed.
        let claims: Claims = read(claims, "body")?;
        self.person(&claims, now)
    }

    fn person(&self, claims: &Claims, now: Timestamp) -> Result<(String, Vec<Grant>), Refusal> {
        let settings = &self.settings;
        let name = claims.others.get(&settings.name_claim).and_then(Value::as_str).unwrap_or_default();
        let of = |refusal: Refusal| refusal.of(&text::shorten(name, 100));
        if claims.iss != settings.issuer {
            let detail = format!("issued by {}, not by {}", text::shorten(&claims.iss, 200), settings.issuer);
            return Err(of(refused(Denial::IssuerWrong, detail)));
        }
        if !claims.aud.has(&settings.audience) {
            let detail = format!("not meant for the audience {}", settings.audience);
            return Err(of(refused(Denial::AudienceWrong, detail)));
        }
        let end = at(claims.exp);
        if end.plus(SKEW) <= now {
            return Err(of(refused(Denial::TokenExpired, format!("expired on {end}"))));
        }
        if let Some(begin) = claims.nbf.map(at).filter(|begin| now.plus(SKEW) < *begin) {
            return Err(of(refused(Denial::NotYetValid, format!("not valid before {begin}"))));
        }
        if name.trim().is_empty() || name.chars().count() > 100 || text::check(name, "name").is_err() {
            let detail = format!("the claim `{}` holds no usable name", settings.name_claim);
            return Err(refused(Denial::ClaimsUnusable, detail));
        }
        let groups = claims.others.get(&settings.groups_claim);
        let belongs = |group: &str| match groups {
            Some(Value::String(one)) => one == group,
            Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(group)),
            _ => false,
        };
        let granted = settings.grants.iter().filter(|rule| belongs(&rule.group));
        let grants: Vec<Grant> = granted.map(crate::config::endpoint::OidcGrant::grant).collect();
        if grants.is_empty() {
            let detail = format!("no group in `{}` is granted anything", settings.groups_claim);
            return Err(of(refused(Denial::NoGrant, detail)));
        }
        Ok((name.to_owned(), grants))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float beyond the range becomes the last time there is"
)]
fn at(seconds: f64) -> Timestamp {
    Timestamp((seconds * 1_000.0) as i64)
}
