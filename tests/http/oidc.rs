//! Tokens of an identity provider: a real one over a socket, with real keys, and everything that can be wrong with a token.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, atomic::AtomicU32, atomic::Ordering},
};

use axum::{Json, Router, http::StatusCode, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
        RsaKeyPair, RsaPublicKeyComponents,
    },
};
use serde_json::{Value, json};
use sluicegate::{
    config::endpoint::{Oidc, OidcGrant},
    http::{Access, guarded},
    policy::access::Role,
    telemetry::denials,
};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    access::listening,
    house::{Answer, House, TOKEN, request},
};

enum Signer {
    Rsa(Box<RsaKeyPair>),
    Ec(Box<EcdsaKeyPair>),
    Ed(Ed25519KeyPair),
}

impl Signer {
    fn rsa() -> Self {
        let key = include_bytes!("../fixtures/oidc/rsa-key-of-tests.pk8");
        Self::Rsa(Box::new(RsaKeyPair::from_pkcs8(key).unwrap()))
    }
    fn ec() -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random).unwrap();
        Self::Ec(Box::new(pair))
    }
    fn ed() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
    }
    const fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::Ec(_) => "ES256",
            Self::Ed(_) => "EdDSA",
        }
    }
    fn jwk(&self, id: &str) -> Value {
        let text = |bytes: &[u8]| BASE64.encode(bytes);
        match self {
            Self::Rsa(key) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({ "kty": "RSA", "kid": id, "use": "sig", "n": text(&public.n), "e": text(&public.e) })
            }
            Self::Ec(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "kid": id, "alg": "ES256", "x": text(x), "y": text(y) })
            }
            Self::Ed(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": text(key.public_key().as_ref()) })
            }
        }
    }
    fn sign(&self, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature).unwrap();
                signature
            }
            Self::Ec(key) => key.sign(&random, text).unwrap().as_ref().to_vec(),
            Self::Ed(key) => key.sign(text).as_ref().to_vec(),
        }
    }
    fn token(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        format!("{signed}.{}", BASE64.encode(self.sign(signed.as_bytes())))
    }
}

/// An identity provider on a socket of this machine.
struct Issuer {
    url: String,
    keys: Arc<Mutex<Vec<Value>>>,
    asked: Arc<AtomicU32>,
    serving: JoinHandle<()>,
}

impl Issuer {
    async fn open(keys: Vec<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (keys, asked) = (Arc::new(Mutex::new(keys)), Arc::new(AtomicU32::new(0)));
        let discovery = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") });
        let (shown, count) = (Arc::clone(&keys), Arc::clone(&asked));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(async move || Json(discovery)))
            .route(
                "/keys",
                get(async move || {
                    count.fetch_add(1, Ordering::SeqCst);
                    let keys = shown.lock().unwrap().clone();
                    if keys.is_empty() {
                        Err(StatusCode::BAD_GATEWAY)
                    } else {
                        Ok(Json(json!({ "keys": keys })))
                    }
                }),
            );
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, keys, asked, serving }
    }

    fn house(&self, house: House) -> House {
        let grant = |group: &str, roles: &[Role], teams: &[&str]| OidcGrant {
            group: group.into(),
            roles: roles.iter().copied().collect(),
            teams: teams.iter().map(|team| (*team).to_owned()).collect(),
            templates: Vec::new(),
        };
        let oidc = Oidc {
            issuer: self.url.clone(),
            audience: "sluicegate".into(),
            name_claim: "sub".into(),
            groups_claim: "groups".into(),
            grants: vec![
                grant("platform-developers", &[Role::Producer], &["platform"]),
                grant("web-leads", &[Role::Approver], &["web"]),
            ],
        };
        let access = Access { oidc: Some(oidc), ..Access::local(TOKEN.into()) };
        House {
            router: guarded(Arc::clone(&house.context), access, sluicegate::http::Limits::default()),
            ..house
        }
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn claims(issuer: &Issuer, house: &House) -> Value {
    let now = house.context.now().0 / 1_000;
    json!({
        "iss": issuer.url, "aud": "sluicegate", "sub": "dana", "groups": ["platform-developers", "others"],
        "iat": now, "exp": now + 300,
    })
}

fn with(claims: &Value, changes: Value) -> Value {
    let mut claims = claims.clone();
    for (key, value) in changes.as_object().unwrap() {
        claims[key] = value.clone();
    }
    claims
}

async fn asks(house: &House, token: &str) -> Answer {
    house.get_as(token, "/v1/requests").await
}

fn counted(reason: &str) -> u64 {
    denials::counts().collect::<BTreeMap<_, _>>()[reason]
}

#[tokio::test]
async fn whom_the_identity_provider_vouches_for_may_do_what_their_groups_may() {
    for signer in [Signer::rsa(), Signer::ec(), Signer::ed()] {
        let issuer = Issuer::open(vec![json!({ "kty": "oct", "k": "AA" }), signer.jwk("one")]).await;
        let house = issuer.house(House::new().await);
        let header = json!({ "alg": signer.algorithm(), "kid": "one", "typ": "JWT" });
        let token = signer.token(&header, &claims(&issuer, &house));
        let me = house.get_as(&token, "/v1/me").await.ok();
        assert_eq!(me["name"], "dana", "{}", signer.algorithm());
        let mut order = request(&["acme/api"], true);
        order["requester"] = json!("Dana");
        let handed = house.post_as(&token, "/v1/requests", &order).await;
        assert_eq!(handed.status.as_u16(), 201, "{}", handed.body);
        let id = handed.body["request"].as_str().unwrap();
        let cancel = house.post_as(&token, &format!("/v1/requests/{id}/approve"), &json!({})).await;
        assert_eq!(cancel.error(), (403, "role-missing"));
        // A role of one group does not reach as far as the other group does.
        let both = with(
            &claims(&issuer, &house),
            json!({ "groups": ["platform-developers", "web-leads"], "aud": ["x", "sluicegate"], "sub": "ana" }),
        );
        let both = signer.token(&header, &both);
        let approve = house.post_as(&both, &format!("/v1/requests/{id}/approve"), &json!({})).await;
        assert_eq!(approve.error(), (404, "unknown-request"), "it is of the team platform");
        assert_eq!(asks(&house, &both).await.ok()["requests"].as_array().unwrap().len(), 1);
        assert_eq!(issuer.asked.load(Ordering::SeqCst), 1, "keys are kept");
    }
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_token_is_told_to_the_log_alone() {
    let (signer, rsa) = (Signer::ec(), Signer::rsa());
    let issuer = Issuer::open(vec![signer.jwk("one"), rsa.jwk("two")]).await;
    let house = issuer.house(House::new().await);
    let header = json!({ "alg": "ES256", "kid": "one" });
    let good = claims(&issuer, &house);
    let now = house.context.now().0 / 1_000;
    asks(&house, &signer.token(&header, &good)).await.ok();
    let of = |changes| signer.token(&header, &with(&good, changes));
    let headed = |changes| signer.token(&with(&header, changes), &good);
    let part = |value: &Value| BASE64.encode(value.to_string());
    let unsigned = format!("{}.{}.", part(&json!({ "alg": "none", "kid": "one" })), part(&good));
    let (start, signature) =
        of(json!({})).rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let swapped = format!("{}.{}.{signature}", part(&header), part(&with(&good, json!({ "sub": "olga" }))));
    let cases = [
        (of(json!({ "iss": "https://elsewhere.example" })), "issuer-wrong", "issued by https://elsewhere"),
        (of(json!({ "aud": "other" })), "audience-wrong", "not meant for the audience"),
        (of(json!({ "aud": ["a", "b"] })), "audience-wrong", "not meant for the audience"),
        (of(json!({ "exp": now - 60 })), "token-expired", "expired on"),
        (of(json!({ "nbf": now + 61 })), "not-yet-valid", "not valid before"),
        (of(json!({ "sub": "" })), "claims-unusable", "the claim `sub`"),
        (of(json!({ "sub": 7 })), "claims-unusable", "the claim `sub`"),
        (of(json!({ "exp": "soon" })), "claims-unusable", "cannot be read"),
        (of(json!({ "groups": ["others"] })), "no-grant", "no group in `groups`"),
        (of(json!({ "groups": { "platform-developers": true } })), "no-grant", "no group"),
        (unsigned, "algorithm-refused", "signed with `none`"),
        (headed(json!({ "alg": "HS256" })), "algorithm-refused", "signed with `HS256`"),
        (headed(json!({ "crit": ["b64"] })), "algorithm-refused", "without `crit`"),
        (headed(json!({ "kid": "two" })), "key-unknown", "no such key"),
        (headed(json!({ "alg": "RS256" })), "key-unknown", "no such key"),
        (headed(json!({ "kid": "nine" })), "key-unknown", "(it names nine)"),
        (headed(json!({ "alg": "RS256", "kid": "two" })), "signature-wrong", "the signature does not fit"),
        (format!("{start}."), "signature-wrong", "the signature does not fit"),
        (swapped, "signature-wrong", "the signature does not fit"),
        (Signer::ec().token(&header, &good), "signature-wrong", "the signature does not fit"),
        ("eyJh.eyJi.c2ln".to_owned(), "claims-unusable", "the header of the token"),
    ];
    for (token, reason, why) in cases {
        let before = counted(reason);
        let (kept, logging) = listening();
        let answer = asks(&house, &token).await;
        drop(logging);
        assert_eq!(answer.error(), (401, "unauthorised"), "{reason}");
        assert_eq!(answer.body["detail"], "the token is not accepted here: see the daemon's log for why");
        let log = kept.text();
        assert!(log.contains(&format!("reason=\"{reason}\"")) && log.contains(why), "{reason}: {log}");
        assert!(!log.contains(&token) && counted(reason) > before, "{log}");
    }
    // The clocks may differ by a minute.
    for changes in [json!({ "exp": now - 59 }), json!({ "nbf": now + 60 })] {
        asks(&house, &of(changes)).await.ok();
    }
    // Names of keys that are made up do not make it ask again and again.
    assert!(issuer.asked.load(Ordering::SeqCst) <= 4, "{}", issuer.asked.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_new_key_is_taken_up_and_an_old_one_dropped() {
    let (first, second) = (Signer::ed(), Signer::ed());
    let issuer = Issuer::open(vec![first.jwk("first")]).await;
    let house = issuer.house(House::new().await);
    let token = |signer: &Signer, id: &str| {
        signer.token(&json!({ "alg": "EdDSA", "kid": id }), &claims(&issuer, &house))
    };
    asks(&house, &token(&first, "first")).await.ok();
    *issuer.keys.lock().unwrap() = vec![second.jwk("second")];
    asks(&house, &token(&second, "second")).await.ok();
    assert_eq!(asks(&house, &token(&first, "first")).await.error().0, 401, "it was taken back");
    // Without a name the one that fits is meant, if there is only one.
    let unnamed = second.token(&json!({ "alg": "EdDSA" }), &claims(&issuer, &house));
    asks(&house, &unnamed).await.ok();
    issuer.keys.lock().unwrap().push(first.jwk("first"));
    // It was asked three times by now, and is left alone for a while.
    assert_eq!(asks(&house, &token(&first, "first")).await.error().0, 401);
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 3);
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(10)).await;
    tokio::time::resume();
    asks(&house, &token(&first, "first")).await.ok();
    assert_eq!(asks(&house, &unnamed).await.error().0, 401, "which of the two is not said");
}

#[tokio::test]
async fn an_identity_provider_that_cannot_be_asked_is_not_the_bearers_fault() {
    let signer = Signer::ed();
    let issuer = Issuer::open(Vec::new()).await;
    let house = issuer.house(House::new().await);
    let token = signer.token(&json!({ "alg": "EdDSA", "kid": "one" }), &claims(&issuer, &house));
    let (kept, logging) = listening();
    let answer = asks(&house, &token).await;
    drop(logging);
    assert_eq!(answer.error(), (503, "issuer-unavailable"));
    assert!(kept.text().contains("answered 502"), "{}", kept.text());
    house.get("/v1/jobs").await.ok();
    *issuer.keys.lock().unwrap() = vec![signer.jwk("one")];
    asks(&house, &token).await.ok();
    // What it said last is believed for a while.
    issuer.keys.lock().unwrap().clear();
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_mins(11)).await;
    tokio::time::resume();
    asks(&house, &token).await.ok();
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_hours(1)).await;
    tokio::time::resume();
    assert_eq!(asks(&house, &token).await.error(), (503, "issuer-unavailable"));
}
