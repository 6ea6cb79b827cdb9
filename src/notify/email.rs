//! Sends a notice as a letter to a mail server. One call is one try. The server is looked up by us and connected to by its
//! address, so that the guard has seen it; its certificate must be of its name.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use ipnet::IpNet;
use lettre::{
    Message as Mail,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        Error as SmtpError,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        extension::ClientId,
    },
};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    clock::Clock,
    job::time::Millis,
    notify::{
        Handle, Outgoing, Sink, SinkError, SinkErrorKind, SinkReason,
        guard::Guard,
        message::{Message, one_line},
        post::is_tls,
        render,
    },
};

/// How mail travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Begins in plain text and turns to TLS, or nothing is sent.
    Starttls,
    /// From the first byte.
    Implicit,
    None,
}

/// A mail server, and whose mail it takes to whom.
#[derive(Debug)]
pub struct Email {
    /// Of the receiver, in the configuration.
    pub name: String,
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    /// Certificates in PEM to trust besides the system's.
    pub ca: Option<Vec<u8>>,
    pub from: String,
    pub to: Vec<String>,
    pub login: Option<(String, SecretString)>,
    pub timeout: Millis,
    pub allow_private: Vec<IpNet>,
}

/// A mail server cannot be used as configured.
#[derive(Debug, thiserror::Error)]
#[error("set up {name}: {reason}")]
pub struct BadEmail {
    name: String,
    reason: String,
}

/// Delivers to the people of one list, in one letter.
pub struct EmailSink {
    name: String,
    host: String,
    port: u16,
    tls: Tls,
    /// None: mail travels in plain text.
    parameters: Option<TlsParameters>,
    from: Mailbox,
    to: Vec<Mailbox>,
    login: Option<(String, SecretString)>,
    timeout: Duration,
    guard: Guard,
    clock: Arc<dyn Clock>,
}

/// How a try went wrong, before the notice is named.
struct Failed(SinkErrorKind, SinkReason, String);

impl EmailSink {
    pub fn new(email: Email, clock: Arc<dyn Clock>) -> Result<Self, BadEmail> {
        let name = email.name.clone();
        let bad = |reason: String| BadEmail { name: name.clone(), reason };
        let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|error| bad(format!("`{text}`: {error}")));
        let guard = match email.tls {
            Tls::None => Guard::only(&email.allow_private),
            Tls::Starttls | Tls::Implicit => Guard::new(&email.allow_private),
        };
        guard.literal(&email.host).map_err(|closed| bad(closed.to_string()))?;
        let parameters = match email.tls {
            Tls::None => None,
            Tls::Starttls | Tls::Implicit => {
                Some(tls(&email.host, email.ca.as_deref()).map_err(|error| bad(told(&error)))?)
            }
        };
        Ok(Self {
            from: mailbox(&email.from)?,
            to: email.to.iter().map(|text| mailbox(text)).collect::<Result<_, _>>()?,
            name: email.name,
            host: email.host,
            port: email.port,
            tls: email.tls,
            parameters,
            login: email.login,
            timeout: email.timeout.duration(),
            guard,
            clock,
        })
    }

    fn letter(&self, notice: &Outgoing) -> Result<Mail, Failed> {
        let letter = render::mail(&Message::of(notice));
        let bad = |why: String| Failed(SinkErrorKind::Permanent, SinkReason::BadMessage, why);
        let domain = self.from.email.domain();
        let sent_at = Duration::from_millis(self.clock.now().0.max(0).unsigned_abs());
        let mail = Mail::builder()
            .from(self.from.clone())
            .subject(letter.subject)
            .message_id(Some(format!("<{}@{domain}>", letter.id)))
            .date(std::time::UNIX_EPOCH.checked_add(sent_at).unwrap_or(std::time::UNIX_EPOCH))
            // Whoever is away does not answer a machine.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .header(ContentType::TEXT_PLAIN);
        let mail = self.to.iter().fold(mail, |mail, to| mail.to(to.clone()));
        mail.body(letter.body).map_err(|error| bad(error.to_string()))
    }

    /// A connection that may be used: encrypted and logged in, as configured.
    async fn connect(&self) -> Result<AsyncSmtpConnection, Failed> {
        use SinkErrorKind::Transient;
        let addresses = self.guard.resolve(&self.host, self.port).await;
        let addresses = addresses.map_err(|closed| Failed(Transient, closed.reason(), closed.to_string()))?;
        let hello = ClientId::Domain(self.from.email.domain().to_owned());
        let (at_once, later) = match self.tls {
            Tls::Implicit => (self.parameters.clone(), None),
            Tls::Starttls => (None, self.parameters.clone()),
            Tls::None => (None, None),
        };
        let connected = AsyncSmtpConnection::connect_tokio1(
            addresses.as_slice(),
            Some(self.timeout),
            &hello,
            at_once,
            None,
        );
        let mut connection = connected.await.map_err(judged)?;
        if let Some(parameters) = later {
            if !connection.can_starttls() {
                let why = "the server does not offer STARTTLS: write `tls = \"implicit\"` and its port if it \
                           speaks TLS there";
                connection.abort().await;
                return Err(Failed(Transient, SinkReason::Tls, why.to_owned()));
            }
            connection.starttls(parameters, &hello).await.map_err(judged)?;
        }
        if let Some((user, password)) = &self.login {
            let credentials = Credentials::new(user.clone(), password.expose_secret().to_owned());
            let known = [Mechanism::Plain, Mechanism::Login];
            if let Err(error) = connection.auth(&known, &credentials).await {
                let Failed(kind, _, why) = judged(error);
                connection.abort().await;
                return Err(Failed(kind, SinkReason::Unauthorised, format!("log in: {why}")));
            }
        }
        Ok(connection)
    }

    async fn send(&self, notice: &Outgoing) -> Result<(), Failed> {
        let mail = self.letter(notice)?;
        let mut connection = self.connect().await?;
        let sent = connection.send(mail.envelope(), &mail.formatted()).await;
        // The letter is taken or it is not; how the server says goodbye changes nothing.
        match sent {
            Ok(_) => drop(connection.quit().await),
            Err(_) => connection.abort().await,
        }
        sent.map(drop).map_err(judged)
    }

    async fn within<T>(&self, what: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
        // Several exchanges, each with the time of one.
        let whole = self.timeout.saturating_mul(3);
        tokio::time::timeout(whole, what).await.unwrap_or_else(|_| {
            let why = format!("no answer within {} ms", whole.as_millis());
            Err(Failed(SinkErrorKind::Transient, SinkReason::Timeout, why))
        })
    }

    fn failed(&self, doing: &str, Failed(kind, reason, why): Failed) -> SinkError {
        let message = format!("{doing} {} at {}:{}: {why}", self.name, self.host, self.port);
        SinkError { kind, reason, message }
    }
}

#[async_trait]
impl Sink for EmailSink {
    fn name(&self) -> &str {
        &self.name
    }
    fn kind(&self) -> &'static str {
        "email"
    }
    async fn deliver(&self, notice: &Outgoing) -> Result<Option<Handle>, SinkError> {
        let sent = self.within(self.send(notice)).await;
        sent.map(|()| None).map_err(|failed| self.failed(&format!("deliver notice {} to", notice.id), failed))
    }
    /// Greets, encrypts and logs in; sends no letter.
    async fn examine(&self) -> Result<String, SinkError> {
        let mut connection =
            self.within(self.connect()).await.map_err(|failed| self.failed("look for", failed))?;
        let how = if connection.is_encrypted() { "with TLS" } else { "in plain text" };
        connection.abort().await;
        Ok(format!("{}:{} answers {how}", self.host, self.port))
    }
}

fn tls(host: &str, ca: Option<&[u8]>) -> Result<TlsParameters, SmtpError> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(pem) = ca {
        builder = builder.add_root_certificate(Certificate::from_pem(pem)?);
    }
    builder.build_rustls()
}

/// What a failed exchange means. A letter that was refused for its recipients went to nobody.
fn judged(error: SmtpError) -> Failed {
    use SinkErrorKind::{Permanent, Transient};
    let code = error.status().map(u16::from).unwrap_or_default();
    let (kind, reason) = match code {
        530 | 534 | 535 | 538 => (Permanent, SinkReason::Unauthorised),
        550 | 551 | 553 | 556 => (Permanent, SinkReason::UnknownRecipient),
        500..=599 => (Permanent, SinkReason::Rejected),
        400..=499 => (Transient, SinkReason::ServerError),
        _ if error.is_tls() || is_tls(&error) => (Transient, SinkReason::Tls),
        _ if error.is_timeout() => (Transient, SinkReason::Timeout),
        // Ours, before anything was sent: letters that this server cannot take.
        _ if error.is_client() => (Permanent, SinkReason::BadMessage),
        _ => (Transient, SinkReason::Unreachable),
    };
    Failed(kind, reason, told(&error))
}

/// On one line and not too long: some of the words are the server's.
fn told(error: &SmtpError) -> String {
    one_line(&error.to_string(), 300)
}
