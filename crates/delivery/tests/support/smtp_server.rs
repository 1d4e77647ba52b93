//! A small SMTP server (RFC 5321, RFC 3207, RFC 4954) on loopback that remembers what it is told.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_util::sync::CancellationToken;

/// What the server does.
#[derive(Clone, Default)]
pub struct Script {
    /// TLS from the first byte.
    pub implicit_tls: bool,
    /// Whether STARTTLS is offered.
    pub starttls: bool,
    /// Answers to the first recipients, in turn; afterwards 250.
    pub recipient_answers: Vec<&'static str>,
    /// Hangs up after the body of so many messages, without an answer.
    pub drops_after_data: usize,
    /// Hangs up on so many connections before its greeting.
    pub drops_at_greeting: usize,
    /// Answers AUTH with this.
    pub auth_answer: Option<&'static str>,
    /// So many RCPTs are never answered.
    pub mutes: usize,
    /// So many NOOP commands are never answered.
    pub mute_checks: usize,
    /// Closes the connection after it took a message.
    pub hangs_up_after_message: bool,
    /// Hangs up at so many RCPTs, without an answer.
    pub drops_at_rcpt: usize,
    /// Dies when the body of this message has arrived, counted from 1: it answers nothing any more, hangs up on everybody, and
    /// takes no connections.
    pub dies_at_message: Option<usize>,
}

#[derive(Debug, Clone, Default)]
pub struct Received {
    pub from: String,
    pub to: Vec<String>,
    pub data: String,
    pub over_tls: bool,
    pub auth: Option<String>,
    /// Whether the client was told that it was taken.
    pub answered: bool,
}

#[derive(Default)]
pub struct Log {
    pub connections: usize,
    /// Every command line, without bodies.
    pub commands: Vec<String>,
    /// Messages whose body arrived.
    pub messages: Vec<Received>,
}

pub struct SmtpServer {
    pub address: SocketAddr,
    /// The server's certificate, to be trusted.
    pub pem: Vec<u8>,
    pub log: Arc<Mutex<Log>>,
    /// What it does from now on.
    pub script: Arc<Mutex<Script>>,
    /// Told when an RCPT or NOOP is left without an answer.
    pub muted: Arc<Notify>,
    /// Set once it has died.
    pub dead: Arc<CancellationToken>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SmtpServer {
    pub async fn start(script: Script) -> Self {
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let pem = key.cert.pem().into_bytes();
        let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![key.cert.der().clone()], secret)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Log::default()));
        let script = Arc::new(Mutex::new(script));
        let muted = Arc::new(Notify::new());
        let dead = Arc::new(CancellationToken::new());
        let shared = Shared {
            script: Arc::clone(&script),
            log: Arc::clone(&log),
            muted: Arc::clone(&muted),
            dead: Arc::clone(&dead),
        };
        let task = tokio::spawn(async move {
            // The listener goes with the loop.
            while let Some(Ok((stream, _))) = shared.dead.run_until_cancelled(listener.accept()).await {
                shared.log.lock().unwrap().connections += 1;
                tokio::spawn(serve(stream, shared.clone(), acceptor.clone()));
            }
        });
        Self { address, pem, log, script, muted, dead, task }
    }
}

#[derive(Clone)]
struct Shared {
    script: Arc<Mutex<Script>>,
    log: Arc<Mutex<Log>>,
    muted: Arc<Notify>,
    dead: Arc<CancellationToken>,
}

/// Broken connections end the conversation: that is what some tests want.
async fn serve(stream: TcpStream, shared: Shared, tls: TlsAcceptor) {
    let implicit = {
        let mut script = shared.script.lock().unwrap();
        if script.drops_at_greeting > 0 {
            script.drops_at_greeting -= 1;
            return;
        }
        script.implicit_tls
    };
    if implicit {
        if let Ok(stream) = tls.accept(stream).await {
            let _ = Conversation { stream, shared, secure: true }.run(true).await;
        }
        return;
    }
    let plain = Conversation { stream, shared: shared.clone(), secure: false };
    if let Ok(Some(stream)) = plain.run(true).await
        && let Ok(stream) = tls.accept(stream).await
    {
        let _ = Conversation { stream, shared, secure: true }.run(false).await;
    }
}

struct Conversation<S> {
    stream: S,
    shared: Shared,
    secure: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    /// Byte by byte, so that nothing of a TLS handshake is read ahead.
    async fn line(&mut self) -> std::io::Result<String> {
        let mut line = Vec::new();
        loop {
            // The dead read nothing; what is being said when it dies is said to its end, so that both sides agree on it.
            let byte = self.shared.dead.run_until_cancelled(self.stream.read_u8()).await;
            line.push(byte.unwrap_or_else(|| Err(std::io::ErrorKind::ConnectionAborted.into()))?);
            if line.ends_with(b"\r\n") {
                line.truncate(line.len() - 2);
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
        }
    }

    async fn say(&mut self, text: &str) -> std::io::Result<()> {
        self.stream.write_all(format!("{text}\r\n").as_bytes()).await?;
        self.stream.flush().await
    }

    /// Until QUIT, or STARTTLS, which gives the connection back.
    async fn run(mut self, greet: bool) -> std::io::Result<Option<S>> {
        if greet {
            self.say("220 mail.test ready").await?;
        }
        let mut message = Received { over_tls: self.secure, ..Received::default() };
        let mut auth = None;
        loop {
            let line = self.line().await?;
            self.shared.log.lock().unwrap().commands.push(line.clone());
            let script = self.shared.script.lock().unwrap().clone();
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => {
                    self.say("250-mail.test").await?;
                    if script.starttls && !self.secure {
                        self.say("250-STARTTLS").await?;
                    }
                    self.say("250 AUTH PLAIN").await?;
                }
                "STARTTLS" => {
                    self.say("220 go ahead").await?;
                    return Ok(Some(self.stream));
                }
                "AUTH" => {
                    auth = Some(line.rsplit(' ').next().unwrap_or_default().to_owned());
                    self.say(script.auth_answer.unwrap_or("235 welcome")).await?;
                }
                "MAIL" => {
                    message = Received {
                        from: line,
                        over_tls: self.secure,
                        auth: auth.clone(),
                        ..Received::default()
                    };
                    self.say("250 ok").await?;
                }
                "RCPT" | "NOOP"
                    if (verb == "RCPT" && script.mutes > 0) || (verb == "NOOP" && script.mute_checks > 0) =>
                {
                    {
                        let mut script = self.shared.script.lock().unwrap();
                        script.mutes -= usize::from(verb == "RCPT");
                        script.mute_checks -= usize::from(verb == "NOOP");
                    }
                    self.shared.muted.notify_one();
                    // Nothing is answered, but the end of the connection is noticed.
                    loop {
                        self.line().await?;
                    }
                }
                "RCPT" if script.drops_at_rcpt > 0 => {
                    self.shared.script.lock().unwrap().drops_at_rcpt -= 1;
                    return Ok(None);
                }
                "RCPT" => {
                    let answer = {
                        let answers = &mut self.shared.script.lock().unwrap().recipient_answers;
                        if answers.is_empty() { "250 ok" } else { answers.remove(0) }
                    };
                    message.to.push(line);
                    self.say(answer).await?;
                }
                "DATA" => {
                    self.say("354 go ahead").await?;
                    loop {
                        let line = self.line().await?;
                        if line == "." {
                            break;
                        }
                        message.data.push_str(line.strip_prefix('.').unwrap_or(&line));
                        message.data.push_str("\r\n");
                    }
                    let number = {
                        let mut log = self.shared.log.lock().unwrap();
                        log.messages.push(message.clone());
                        let number = log.messages.len();
                        if script.dies_at_message.is_some_and(|last| number >= last) {
                            self.shared.dead.cancel();
                        }
                        number
                    };
                    let dropped = {
                        let mut script = self.shared.script.lock().unwrap();
                        let drops = script.drops_after_data > 0;
                        script.drops_after_data -= usize::from(drops);
                        drops
                    };
                    if dropped {
                        return Ok(None);
                    }
                    {
                        let mut log = self.shared.log.lock().unwrap();
                        if self.shared.dead.is_cancelled() {
                            return Ok(None);
                        }
                        log.messages[number - 1].answered = true;
                    }
                    self.say("250 queued").await?;
                    if script.hangs_up_after_message {
                        return Ok(None);
                    }
                }
                "QUIT" => {
                    self.say("221 bye").await?;
                    return Ok(None);
                }
                _ => self.say("250 ok").await?,
            }
        }
    }
}
