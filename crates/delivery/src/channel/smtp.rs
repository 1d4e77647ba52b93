//! E-mail over SMTP (RFC 5321), with TLS from the start, by STARTTLS (RFC 3207), or, on this machine alone, without.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lettre::address::Envelope;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, Tls, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use vestibule_crypto::secret::Secret;
use vestibule_wire::{Contact, OtpType};

use super::{Accepted, Channel, Delivery, SendError, is_loopback};
use crate::render::{Rendered, RenderedEmail};
use crate::template::clean_line;

/// Connections that were idle for longer are not used again; common servers keep them for five minutes.
const IDLE: Duration = Duration::from_secs(60);
/// Time to say goodbye at a shutdown.
const GOODBYE: Duration = Duration::from_secs(1);

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
    /// The name given in EHLO, as public DNS knows this machine: letters, digits, `.`, `-`, and `[`, `]`, `:` for
    /// addresses. `None` gives `[127.0.0.1]`, which some servers refuse.
    pub hello_name: Option<String>,
    /// Limit of connecting (with TLS and log-in), and of handing over one message.
    pub timeout: Duration,
    /// Connections at once, at most.
    pub pool_size: u32,
}

impl SmtpSettings {
    /// STARTTLS to `host`, no log-in, ten seconds to connect and ten per message, four connections.
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
    #[error("the trusted certificates are not PEM; the file must have at least one BEGIN CERTIFICATE block")]
    Certificates,
    /// The EHLO name has characters that no host name or address has.
    #[error("{0:?} cannot be an EHLO name; write this machine's public host name")]
    HelloName(String),
    /// TLS cannot be set up for this host.
    #[error("TLS cannot be set up for {0:?}: {1}")]
    Tls(String, String),
}

/// Sends e-mails through one SMTP server, over a few connections that stay open while there is mail.
///
/// The pool is our own because a connection must never be used again after a conversation was cut short: the next
/// message would be read as a part of the last.
pub struct SmtpChannel {
    host: String,
    port: u16,
    tls: Tls,
    hello_name: ClientId,
    credentials: Option<Credentials>,
    timeout: Duration,
    /// One per connection at once.
    permits: Semaphore,
    /// Connections between two messages, the one used last at the end.
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
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
        let hello_name = match &settings.hello_name {
            None => ClientId::default(),
            Some(name) => {
                let valid = |c: char| c.is_ascii_alphanumeric() || ".-[]:".contains(c);
                if name.is_empty() || !name.chars().all(valid) {
                    return Err(SmtpConfigError::HelloName(name.clone()));
                }
                ClientId::Domain(name.clone())
            }
        };
        let credentials = settings.credentials.as_ref();
        Ok(Self {
            host: host.to_owned(),
            port: settings.port.unwrap_or_else(|| settings.security.default_port()),
            tls,
            hello_name,
            credentials: credentials
                .map(|c| Credentials::new(c.username.clone(), c.password.expose().clone())),
            timeout: settings.timeout,
            permits: Semaphore::new(settings.pool_size.max(1) as usize),
            idle: Mutex::default(),
        })
    }

    /// Closes the idle connections. The channel sends nothing afterwards.
    pub async fn shutdown(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for (mut connection, _) in idle {
            // A server that does not say goodbye back is left all the same.
            let _ = timeout(GOODBYE, connection.abort()).await;
        }
    }

    fn pop_idle(&self) -> Option<AsyncSmtpConnection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since)| since.elapsed() < IDLE);
        idle.pop().map(|(connection, _)| connection)
    }

    fn push_idle(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.permits.is_closed() {
            idle.push((connection, Instant::now()));
        }
    }

    async fn connection(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        while let Some(mut connection) = self.pop_idle() {
            if connection.test_connected().await {
                return Ok(connection);
            }
        }
        let (wrapper, upgrade) = match &self.tls {
            Tls::Wrapper(parameters) => (Some(parameters.clone()), None),
            Tls::Required(parameters) => (None, Some(parameters.clone())),
            Tls::None | Tls::Opportunistic(_) => (None, None),
        };
        let server = (self.host.trim_start_matches('[').trim_end_matches(']'), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(self.timeout), &self.hello_name, wrapper, None)
                .await?;
        if let Some(parameters) = upgrade {
            connection.starttls(parameters, &self.hello_name).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await?;
        }
        Ok(connection)
    }

    /// Runs one part of the conversation within the time limit.
    async fn limited<T>(&self, part: impl Future<Output = Result<T, SmtpError>>) -> Result<T, SendError> {
        match timeout(self.timeout, part).await {
            Ok(done) => done.map_err(|e| classify(&e)),
            Err(_) => Err(SendError::later(NO_ANSWER)),
        }
    }
}

fn tls_parameters(settings: &SmtpSettings) -> Result<TlsParameters, SmtpConfigError> {
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(pem) = &settings.trusted_pem {
        let marker = b"-----BEGIN CERTIFICATE-----";
        if !pem.windows(marker.len()).any(|window| window == marker) {
            return Err(SmtpConfigError::Certificates);
        }
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

    fn carries(&self, kind: OtpType) -> bool {
        kind == OtpType::Email
    }

    async fn send(&self, delivery: &Delivery) -> Result<Accepted, SendError> {
        let Rendered::Email(email) = &delivery.message else {
            return Err(SendError::never("this channel sends e-mails only"));
        };
        let (envelope, message) = build(delivery, email)?;
        let _permit =
            self.permits.acquire().await.map_err(|_| SendError::later("the channel is shut down"))?;
        // Whatever cuts this short, a time limit here or the caller's, drops the connection with the conversation.
        let mut connection = self.limited(self.connection()).await?;
        self.limited(transmit(&mut connection, &envelope, &message)).await?;
        self.push_idle(connection);
        Ok(Accepted::default())
    }
}

/// Hands a message over. lettre writes a text and its final dot apart, and the dot then waits for the server's delayed
/// acknowledgement of the text, some 40 ms; here both leave in one write. What is not plain ASCII takes lettre's way,
/// which negotiates the extensions for it.
async fn transmit(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    message: &[u8],
) -> Result<(), SmtpError> {
    let mut addresses = envelope.from().into_iter().chain(envelope.to());
    let text = match std::str::from_utf8(message) {
        Ok(text) if text.is_ascii() && addresses.all(|a| AsRef::<str>::as_ref(a).is_ascii()) => text,
        _ => return connection.send(envelope, message).await.map(drop),
    };
    connection.command(Mail::new(envelope.from().cloned(), Vec::new())).await?;
    for to in envelope.to() {
        connection.command(Rcpt::new(to.clone(), Vec::new())).await?;
    }
    connection.command(Data).await?;
    connection.command(dot_stuffed(text)).await.map(drop)
}

/// A text as it follows DATA: lines that begin with a dot get another, and a dot alone ends it (RFC 5321, section 4.5.2).
fn dot_stuffed(text: &str) -> String {
    let mut stuffed = String::with_capacity(text.len() + 16);
    for line in text.strip_suffix("\r\n").unwrap_or(text).split("\r\n") {
        if line.starts_with('.') {
            stuffed.push('.');
        }
        stuffed.push_str(line);
        stuffed.push_str("\r\n");
    }
    stuffed.push_str(".\r\n");
    stuffed
}

const NO_ANSWER: &str = "the mail server did not answer in time";

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
    let id = email.message_id(delivery.message_id);
    let mut builder = Message::builder()
        .from(Mailbox::new(Some(clean_line(&email.from.name)), from.clone()))
        .to(Mailbox::new(None, to.clone()))
        .subject(clean_line(&email.subject))
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
        let refused = if error.is_permanent() {
            SendError::never(text)
        } else {
            SendError::later(text).of_this_message()
        };
        return SendError { smtp_code: Some(u16::from(code)), ..refused };
    }
    SendError::later(if error.is_timeout() {
        NO_ANSWER
    } else if error.is_tls() {
        "TLS with the mail server failed"
    } else if error.is_response() {
        "the mail server's answer makes no sense"
    } else if error.is_client() {
        // Also a server without STARTTLS: whoever hides the offer may be gone at the next try.
        "the mail server lacks what this message needs: STARTTLS, an authentication method, or SMTPUTF8"
    } else {
        "the connection to the mail server failed"
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;
    use vestibule_engine::model::MessagePurpose;
    use vestibule_wire::{MessageId, OtpId};

    use super::*;
    use crate::render::Sender;

    proptest! {
        /// Rendering cleans what callers give; this holds even if it did not.

    #[test]
        fn composing_never_panics_and_never_gains_a_header(
            name in any::<String>(),
            subject in any::<String>(),
            text in any::<String>(),
            to in "[a-zA-Z0-9.\"\r\n@<>, é]{1,24}@b.example",
        ) {
            let email = RenderedEmail {
                from: Sender { name, address: "no-reply@mail.example".to_owned() },
                reply_to: None,
                to,
                subject,
                html: text.clone(),
                text,
            };
            let delivery = Delivery {
                message_id: MessageId(Uuid::nil()),
                otp_id: OtpId(Uuid::nil()),
                attempt: 1,
                created_at: 1_782_916_051_261,
                expires_at: 1_782_916_351_261,
                now: 1_782_916_051_261,
                purpose: MessagePurpose::Code,
                code: String::new(),
                message: Rendered::Email(email.clone()),
            };
            let Ok((envelope, message)) = build(&delivery, &email) else { return Ok(()) };
            prop_assert_eq!(envelope.to().len(), 1);
            let message = String::from_utf8_lossy(&message).into_owned();
            let (head, _) = message.split_once("\r\n\r\n").unwrap();
            let names: Vec<_> = head
                .split("\r\n")
                .filter(|line| !line.starts_with([' ', '\t']))
                .map(|line| line.split(':').next().unwrap())
                .collect();
            prop_assert_eq!(
                names,
                ["From", "To", "Subject", "Message-ID", "Date", "Auto-Submitted", "MIME-Version", "Content-Type"]
            );
        }
    }

    #[test]
    fn a_line_that_begins_with_a_dot_does_not_end_the_message() {
        assert_eq!(dot_stuffed("a\r\n.\r\n.b\r\nc"), "a\r\n..\r\n..b\r\nc\r\n.\r\n");
        assert_eq!(dot_stuffed(".a\r\n"), "..a\r\n.\r\n");
    }
}
