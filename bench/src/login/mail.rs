//! The mail server at the other end: takes every message (RFC 5321) and hands its code to whoever waits for it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

type Waiting = Rc<RefCell<HashMap<String, oneshot::Sender<String>>>>;

/// A mail server on this machine, on the load generator's processor.
pub struct MailServer {
    address: SocketAddr,
    waiting: Waiting,
}

impl MailServer {
    /// Starts it on a free port. It serves for as long as the tasks of this thread run.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen for mail")?;
        let address = listener.local_addr().context("the mail listener has no address")?;
        let waiting = Waiting::default();
        let shared = Rc::clone(&waiting);
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let waiting = Rc::clone(&shared);
                tokio::task::spawn_local(async move {
                    // A session that breaks off loses a message; the login that waits for it says so.
                    let _ = session(stream, &waiting).await;
                });
            }
        });
        Ok(Self { address, waiting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The code of the next message to `recipient`. Ask before the message can be on its way.
    pub fn expect(&self, recipient: &str) -> oneshot::Receiver<String> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.borrow_mut().insert(recipient.to_owned(), sender);
        receiver
    }
}

async fn session(stream: TcpStream, waiting: &Waiting) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    writer.write_all(b"220 mail ready\r\n").await?;
    let mut line = String::new();
    let mut recipient = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let answer: &[u8] = match line.get(..4).unwrap_or_default() {
            "EHLO" => b"250-mail\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
            "RCPT" => {
                recipient = between(&line, '<', '>').to_owned();
                b"250 ok\r\n"
            }
            "DATA" => {
                writer.write_all(b"354 go on\r\n").await?;
                let code = message(&mut reader).await?;
                if let Some(waiter) = waiting.borrow_mut().remove(&recipient) {
                    // Nobody listens any more after an error elsewhere.
                    let _ = waiter.send(code);
                }
                b"250 taken\r\n"
            }
            "QUIT" => {
                return writer.write_all(b"221 bye\r\n").await;
            }
            _ => b"250 ok\r\n",
        };
        writer.write_all(answer).await?;
    }
}

/// Reads one message up to its lone dot; the first word of its subject, which is the code.
async fn message(reader: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<String> {
    let mut code = String::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).await? == 0 || line == b".\r\n" {
            return Ok(code);
        }
        if let Some(subject) = line.strip_prefix(b"Subject: ") {
            let subject = String::from_utf8_lossy(subject);
            code = subject.split_whitespace().next().unwrap_or_default().to_owned();
        }
    }
}

fn between(text: &str, open: char, close: char) -> &str {
    text.split_once(open).and_then(|(_, rest)| rest.split_once(close)).map_or("", |(inside, _)| inside)
}
