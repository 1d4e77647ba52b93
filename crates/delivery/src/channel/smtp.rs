//! E-mail over SMTP (RFC 5321), with TLS from the start, by STARTTLS (RFC 3207), or, on this machine alone, without.

use std::time::Duration;

use async_trait::async_trait;
use lettre::address::Envelope;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{Error as SmtpError, PoolConfig};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use vestibule_crypto::secret::Secret;
use vestibule_wire::Contact;

use super::{Channel, Delivery, Retry, SendError, is_loopback};
use crate::render::{Rendered, RenderedEmail};

/// Idle connections are closed after this; common servers keep them for five minutes.
const IDLE: Duration = Duration::from_secs(60);

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// Plain at first, then STARTTLS, which the server must offer: nothing is sent before. Usually port 587.
    StartTls,
    /// TLS from the start. Usually port 465.
    Tls,
    /// No protection; to this machine only.
    None,
}

impl SmtpSecurity {
    /// The port RFC 8314 and RFC 6409 give it.
    pub fn default_port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

/// Name and password at the server.
#[derive(Debug, Clone)]
pub struct SmtpCredentials {
    /// User name.
    pub username: String,
    /// Password.
    pub password: Secret<String>,
}

/// Where mail is handed in.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// Host name or address; certificates are checked against it.
    pub host: String,
    /// Port; `None` for the usual one.
    pub port: Option<u16>,
    /// Protection.
    pub security: SmtpSecurity,
    /// Log-in, where the server wants one.
    pub credentials: Option<SmtpCredentials>,
    /// Certificates (PEM) trusted beside the system's, for a server of one's own.
    pub trusted_pem: Option<Vec<u8>>,
    /// The name given in EHLO, as public DNS knows this machine; `None` gives `[127.0.0.1]`, which some servers refuse.
    pub hello_name: Option<String>,
    /// Limit of every single command and of connecting.
    pub timeout: Duration,
    /// Connections kept open at once, at most.
    pub pool_size: u32,
}

impl SmtpSettings {
    /// STARTTLS to `host`, no log-in, ten seconds per command, four connections.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port: None,
            security: SmtpSecurity::StartTls,
            credentials: None,
            trusted_pem: None,
            hello_name: None,
            timeout: Duration::from_secs(10),
            pool_size: 4,
        }
    }
}

/// Why a channel could not be set up; the text says what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SmtpConfigError {
    /// No protection to another machine.
    #[error(
        "mail to {0:?} would travel unprotected; use STARTTLS or TLS, which only a server on this machine may do without"
    )]
    Unprotected(String),
    /// The certificates cannot be read.
    #[error("the trusted certificates are not PEM")]
    Certificates,
    /// TLS cannot be set up for this host.
    #[error("TLS cannot be set up for {0:?}: {1}")]
    Tls(String, String),
}

/// Sends e-mails through one SMTP server, over a few connections that stay open while there is mail.
pub struct SmtpChannel {
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl SmtpChannel {
    /// Sets it up; connects only when there is something to send.
    pub fn new(settings: &SmtpSettings) -> Result<Self, SmtpConfigError> {
        let host = settings.host.as_str();
        let tls = match settings.security {
            SmtpSecurity::None if !is_loopback(host) => {
                return Err(SmtpConfigError::Unprotected(host.to_owned()));
            }
            SmtpSecurity::None => Tls::None,
            SmtpSecurity::StartTls => Tls::Required(tls_parameters(settings)?),
            SmtpSecurity::Tls => Tls::Wrapper(tls_parameters(settings)?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(settings.port.unwrap_or_else(|| settings.security.default_port()))
            .tls(tls)
            .timeout(Some(settings.timeout))
            .pool_config(
                PoolConfig::new().min_idle(0).max_size(settings.pool_size.max(1)).idle_timeout(IDLE),
            );
        if let Some(SmtpCredentials { username, password }) = &settings.credentials {
            builder = builder.credentials(Credentials::new(username.clone(), password.expose().clone()));
        }
        if let Some(name) = &settings.hello_name {
            builder = builder.hello_name(ClientId::Domain(name.clone()));
        }
        Ok(Self { transport: builder.build() })
    }

    /// Closes the idle connections. The channel sends nothing afterwards.
    pub async fn shutdown(&self) {
        self.transport.shutdown().await;
    }
}

fn tls_parameters(settings: &SmtpSettings) -> Result<TlsParameters, SmtpConfigError> {
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(pem) = &settings.trusted_pem {
        let certificate = Certificate::from_pem(pem).map_err(|_| SmtpConfigError::Certificates)?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(|e| SmtpConfigError::Tls(settings.host.clone(), e.to_string()))
}

#[async_trait]
impl Channel for SmtpChannel {
    fn name(&self) -> &'static str {
        "smtp"
    }

    async fn send(&self, delivery: &Delivery) -> Result<(), SendError> {
        let Rendered::Email(email) = &delivery.message else {
            return Err(SendError::never("this channel sends e-mails only"));
        };
        let (envelope, message) = build(delivery, email)?;
        self.transport.send_raw(&envelope, &message).await.map(|_| ()).map_err(|e| classify(&e))
    }
}

/// `Auto-Submitted: auto-generated` (RFC 3834): keeps out-of-office answers away.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// An address whose domain every server understands: internationalised domains as A-labels.
fn address(text: &str) -> Result<Address, SendError> {
    let refused = || SendError::never("an address of the message is malformed");
    let contact = Contact::email(text).map_err(|_| refused())?;
    let (local, _) = contact.given().rsplit_once('@').ok_or_else(refused)?;
    let (_, domain) = contact.normalised().rsplit_once('@').ok_or_else(refused)?;
    Address::new(local, domain).map_err(|_| refused())
}

fn build(delivery: &Delivery, email: &RenderedEmail) -> Result<(Envelope, Vec<u8>), SendError> {
    let from = address(&email.from.address)?;
    let to = address(&email.to)?;
    let date = u64::try_from(delivery.created_at)
        .ok()
        .and_then(|ms| std::time::UNIX_EPOCH.checked_add(Duration::from_millis(ms)))
        .ok_or_else(|| SendError::never("the message has no valid time"))?;
    // The same on every try, so that the last mail server drops a repetition whose first try was not answered.
    let id = format!("<{}@{}>", delivery.message_id, from.domain());
    let mut builder = Message::builder()
        .from(Mailbox::new(Some(email.from.name.clone()), from.clone()))
        .to(Mailbox::new(None, to.clone()))
        .subject(&email.subject)
        .message_id(Some(id))
        .date(date)
        .header(AutoSubmitted);
    if let Some(reply_to) = &email.reply_to {
        builder = builder.reply_to(Mailbox::new(None, address(reply_to)?));
    }
    let message = builder
        .multipart(MultiPart::alternative_plain_html(email.text.clone(), email.html.clone()))
        .map_err(|_| SendError::never("the message cannot be composed"))?;
    let envelope = Envelope::new(Some(from), vec![to])
        .map_err(|_| SendError::never("the message cannot be composed"))?;
    Ok((envelope, message.formatted()))
}

/// The answer's text may repeat the address it refuses: only its number is told.
fn classify(error: &SmtpError) -> SendError {
    if let Some(code) = error.status() {
        let text = format!("the mail server answered {code}");
        let retry = if error.is_permanent() { Retry::Never } else { Retry::Later };
        return SendError { retry, text };
    }
    SendError::later(if error.is_timeout() {
        "the mail server did not answer in time"
    } else if error.is_tls() {
        "TLS with the mail server failed"
    } else if error.is_response() {
        "the mail server's answer makes no sense"
    } else if error.is_client() {
        // Also a server without STARTTLS: whoever hides the offer may be gone at the next try.
        "the mail server lacks what this message needs: STARTTLS, an authentication method, or SMTPUTF8"
    } else if error.is_transport_shutdown() {
        "the channel is shut down"
    } else {
        "the connection to the mail server failed"
    })
}
