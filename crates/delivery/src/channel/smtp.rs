//! E-mail over SMTP (RFC 5321), with TLS from the start, by STARTTLS (RFC 3207), or, on this machine alone, without.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lettre::address::Envelope;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, Tls, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use vestibule_crypto::secret::Secret;
use vestibule_engine::destinations::Resolver;
use vestibule_wire::OtpType;

use super::dkim::{Dkim, DkimConfigError, DkimSettings};
use super::smtp_answer::{Step, enhanced_code, judge};
use super::{Accepted, Channel, Delivery, SendError, is_loopback, mail};
use crate::cause::Cause;
use crate::webhooks::SystemResolver;

/// Connections that were idle for longer are not used again; common servers keep them for five minutes.
const IDLE: Duration = Duration::from_secs(60);
/// Time for an idle connection to show that it still works.
const CHECK: Duration = Duration::from_secs(2);
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
    /// Limit of connecting (with TLS and log-in, over all addresses of the host), and of handing over one message.
    pub timeout: Duration,
    /// Connections at once, at most.
    pub pool_size: u32,
    /// Keys that sign what is sent.
    pub dkim: Vec<DkimSettings>,
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
            dkim: Vec::new(),
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
    /// Mail cannot be signed.
    #[error(transparent)]
    Dkim(#[from] DkimConfigError),
}

/// Sends e-mails through one SMTP server, over a few connections that stay open while there is mail.
///
/// The pool is our own because a connection must never be used again after a conversation was cut short: the next
/// message would be read as a part of the last.
///
/// Of the addresses that the host has, each is tried while there is time: one that is dead or says nothing takes its part of
/// the time and no more, and is not the first any more once another one answered.
pub struct SmtpChannel {
    host: String,
    port: u16,
    tls: Tls,
    hello_name: ClientId,
    credentials: Option<Credentials>,
    timeout: Duration,
    dkim: Dkim,
    resolver: Arc<dyn Resolver>,
    /// The address that answered where another one did not.
    good: Mutex<Option<SocketAddr>>,
    pool_size: u32,
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
            dkim: Dkim::new(&settings.dkim)?,
            resolver: Arc::new(SystemResolver::default()),
            good: Mutex::default(),
            pool_size: settings.pool_size.max(1),
            permits: Semaphore::new(settings.pool_size.max(1) as usize),
            idle: Mutex::default(),
        })
    }

    /// Looks up the host with this in place of the system.
    #[must_use]
    pub fn with_resolver(self, resolver: Arc<dyn Resolver>) -> Self {
        Self { resolver, ..self }
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

    /// A connection that a message can be handed to, made within `time`.
    async fn connection(&self, time: Duration) -> Result<AsyncSmtpConnection, SendError> {
        let until = Instant::now() + time;
        while let Some(mut connection) = self.pop_idle() {
            match timeout(CHECK.min(time / 4), connection.test_connected()).await {
                Ok(true) => return Ok(connection),
                Ok(false) => {}
                // Its likes will not answer either.
                Err(_) => self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear(),
            }
        }
        let opening = |error: SmtpError| classify(Step::Opening, &error);
        let mut connection = self.greeted(until).await?;
        if let Tls::Required(parameters) = &self.tls {
            connection.starttls(parameters.clone(), &self.hello_name).await.map_err(opening)?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await.map_err(opening)?;
        }
        Ok(connection)
    }

    /// Connects to the first of the host's addresses that greets us.
    async fn greeted(&self, until: Instant) -> Result<AsyncSmtpConnection, SendError> {
        let wrapper = match &self.tls {
            Tls::Wrapper(parameters) => Some(parameters),
            Tls::Required(_) | Tls::None | Tls::Opportunistic(_) => None,
        };
        let addresses = self.addresses().await;
        let mut failed = SendError::later(Cause::Name.text(PEER));
        for (tried, address) in addresses.iter().enumerate() {
            let connecting =
                AsyncSmtpConnection::connect_tokio1(*address, None, &self.hello_name, wrapper.cloned(), None);
            // As much for each that is left, and as much again for what follows the greeting. Whoever limits the whole limits the
            // last one.
            let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            let part = until.saturating_duration_since(Instant::now()) / left.saturating_add(1);
            let greeted = if left == 1 { Ok(connecting.await) } else { timeout(part, connecting).await };
            failed = match greeted {
                Ok(Ok(connection)) => {
                    if tried > 0 {
                        *self.good() = Some(*address);
                    }
                    return Ok(connection);
                }
                Ok(Err(error)) => classify(Step::Opening, &error),
                Err(_) => SendError::unanswered(NO_ANSWER),
            };
        }
        Err(failed)
    }

    /// The addresses of the host, the one that answered last time first.
    async fn addresses(&self) -> Vec<SocketAddr> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let found = self.resolver.addresses(host).await;
        let mut found: Vec<_> = found.into_iter().map(|ip| SocketAddr::new(ip, self.port)).collect();
        let good = *self.good();
        // Stable: the others stay in the order of the resolver.
        found.sort_by_key(|address| Some(*address) != good);
        found
    }

    fn good(&self) -> MutexGuard<'_, Option<SocketAddr>> {
        self.good.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one part of the conversation within the time limit.
    async fn limited<T>(&self, part: impl Future<Output = Result<T, SendError>>) -> Result<T, SendError> {
        timeout(self.timeout, part).await.unwrap_or_else(|_| Err(SendError::unanswered(NO_ANSWER)))
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

    fn at_once(&self) -> Option<u32> {
        Some(self.pool_size)
    }

    async fn send(&self, delivery: &Delivery) -> Result<Accepted, SendError> {
        let email = delivery.email()?;
        let (envelope, message) = mail::build(delivery, email)?;
        let message = self.dkim.sign(message, &email.from.address, delivery.now);
        // A crowd before us tells nothing of the server.
        let permit = timeout(self.timeout, self.permits.acquire())
            .await
            .map_err(|_| SendError::later("every connection to the mail server is busy").of_nobody())?;
        let _permit = permit.map_err(|_| SendError::later("the channel is shut down"))?;
        // Whatever cuts this short, a time limit here or the caller's, drops the connection with the conversation.
        let mut connection = self.limited(self.connection(self.timeout.min(delivery.time))).await?;
        let handed_over = async {
            let done = transmit(&mut connection, &envelope, &message).await;
            done.map_err(|(step, error)| classify(step, &error))
        };
        self.limited(handed_over).await?;
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
) -> Result<(), (Step, SmtpError)> {
    let at = |step| move |error| (step, error);
    let mut addresses = envelope.from().into_iter().chain(envelope.to());
    let text = match std::str::from_utf8(message) {
        Ok(text) if text.is_ascii() && addresses.all(|a| AsRef::<str>::as_ref(a).is_ascii()) => text,
        // Which of its steps was refused is not told; whatever it was, the address is not blamed for it.
        _ => return connection.send(envelope, message).await.map(drop).map_err(at(Step::Message)),
    };
    let from = Mail::new(envelope.from().cloned(), Vec::new());
    connection.command(from).await.map_err(at(Step::Sender))?;
    for to in envelope.to() {
        connection.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(at(Step::Recipient))?;
    }
    connection.command(Data).await.map_err(at(Step::Message))?;
    connection.command(dot_stuffed(text)).await.map(drop).map_err(at(Step::Message))
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

const PEER: &str = "the mail server";
const NO_ANSWER: &str = "the mail server did not answer in time";

/// The answer's text may repeat the address it refuses: only its numbers are told.
fn classify(step: Step, error: &SmtpError) -> SendError {
    if let Some(code) = error.status() {
        let code = u16::from(code);
        let text = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        let enhanced = enhanced_code(code, &text);
        let text = match enhanced {
            Some(enhanced) => format!("the mail server answered {code} {enhanced}"),
            None => format!("the mail server answered {code}"),
        };
        return SendError { smtp_code: Some(code), ..judge(step, code, enhanced).error(text) };
    }
    if error.is_client() {
        // A server without STARTTLS, say: whoever hides the offer may be gone at the next try.
        return SendError::later(
            "the mail server lacks what this message needs: STARTTLS, an authentication method, or SMTPUTF8",
        );
    }
    if error.is_timeout() {
        return SendError::unanswered(NO_ANSWER);
    }
    if let Some(cause) = Cause::of(error) {
        let text = cause.text(PEER);
        return SendError::later(match cause {
            Cause::Untrusted => format!("{text}; `ca_file` names the CA that signed it"),
            _ => text,
        });
    }
    SendError::later(if error.is_tls() {
        "TLS with the mail server failed"
    } else if error.is_response() {
        "the mail server's answer makes no sense"
    } else {
        "the connection to the mail server failed"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_begins_with_a_dot_does_not_end_the_message() {
        assert_eq!(dot_stuffed("a\r\n.\r\n.b\r\nc"), "a\r\n..\r\n..b\r\nc\r\n.\r\n");
        assert_eq!(dot_stuffed(".a\r\n"), "..a\r\n.\r\n");
    }
}
