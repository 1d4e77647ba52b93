//! The server under test: one process, one temporary data directory.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use turnkey_api_key_stamper::Stamp;
use turnkey_client::{TurnkeyClient, TurnkeyP256ApiKey};

const READY_DEADLINE: Duration = Duration::from_secs(60);
const MESSAGE_DEADLINE: Duration = Duration::from_secs(15);
const POLL_EVERY: Duration = Duration::from_millis(25);
const LOG_LINES_SHOWN: usize = 200;

/// A running server with what it wrote to `dev.env`. Dropping it ends the process and removes its data.
pub struct Server {
    child: Child,
    // Held for its Drop, after the process has ended.
    _data_dir: TempDir,
    http: reqwest::Client,
    url: String,
    env: HashMap<String, String>,
}

impl Server {
    /// Starts the binary named by `VESTIBULE_BIN` (or the workspace's debug build) and waits until it is ready.
    pub fn start() -> Result<Self> {
        let binary = std::env::var_os("VESTIBULE_BIN").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debug/vestibule"),
            PathBuf::from,
        );
        let data_dir = tempfile::Builder::new().prefix("vestibule-e2e-").tempdir()?;
        let mut child = Command::new(&binary)
            .args(["dev", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let (sender, lines) = channel();
        // Reads until the process ends, so that a full pipe never stalls it.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody listens any more once the server is ready.
                let _ = sender.send(line);
            }
        });
        let url = match wait_until_ready(&lines) {
            Ok(url) => url,
            Err(error) => {
                child.kill()?;
                child.wait()?;
                return Err(error);
            }
        };
        let env = std::fs::read_to_string(data_dir.path().join("dev.env"))?
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let http = reqwest::Client::new();
        Ok(Self { child, _data_dir: data_dir, http, url, env })
    }

    /// The parent organization.
    pub fn organization_id(&self) -> String {
        self.setting("VESTIBULE_ORGANIZATION_ID")
    }

    /// The root user of the parent organization.
    pub fn user_id(&self) -> String {
        self.setting("VESTIBULE_USER_ID")
    }

    /// The key that signs encryption targets and verification tokens, uncompressed hex.
    pub fn bundle_signer(&self) -> String {
        self.setting("VESTIBULE_BUNDLE_SIGNER_PUBLIC_KEY")
    }

    /// The key that signs sessions, uncompressed hex.
    pub fn session_signer(&self) -> String {
        self.setting("VESTIBULE_SESSION_SIGNER_PUBLIC_KEY")
    }

    /// The published client with the root user's API key.
    pub fn backend(&self) -> Result<TurnkeyClient<TurnkeyP256ApiKey>> {
        let key = TurnkeyP256ApiKey::from_strings(
            self.setting("VESTIBULE_API_PRIVATE_KEY"),
            Some(self.setting("VESTIBULE_API_PUBLIC_KEY")),
        )?;
        self.client(key)
    }

    /// The published client with any key.
    pub fn client<S: Stamp>(&self, key: S) -> Result<TurnkeyClient<S>> {
        Ok(TurnkeyClient::builder().api_key(key).base_url(&self.url).build()?)
    }

    /// The code of this attempt, as its recipient reads it once it has been delivered.
    pub async fn code(&self, to: &str, otp_id: &str) -> Result<String> {
        let deadline = Instant::now() + MESSAGE_DEADLINE;
        loop {
            let messages = self.messages(to).await?;
            if let Some(code) = messages
                .iter()
                .find(|message| message["otpId"] == otp_id)
                .and_then(|message| message["otpCode"].as_str())
            {
                return Ok(code.to_owned());
            }
            if Instant::now() > deadline {
                bail!("waited {MESSAGE_DEADLINE:?} for a message to {to}");
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
    }

    /// What was delivered to a contact, newest first.
    pub async fn messages(&self, to: &str) -> Result<Vec<Value>> {
        let request = self.http.get(format!("{}/dev/messages", self.url)).query(&[("to", to)]);
        let answer: Value = request.send().await?.error_for_status()?.json().await?;
        Ok(answer["messages"].as_array().context("messages is a list")?.clone())
    }

    /// Moves the server's clock forward; it never moves back.
    pub async fn advance_clock(&self, seconds: u64) -> Result<()> {
        let request = self.http.post(format!("{}/dev/clock", self.url));
        request.json(&json!({ "advanceSeconds": seconds })).send().await?.error_for_status()?;
        Ok(())
    }

    fn setting(&self, name: &str) -> String {
        self.env.get(name).unwrap_or_else(|| panic!("dev.env has no {name}")).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_until_ready(lines: &Receiver<String>) -> Result<String> {
    let deadline = Instant::now() + READY_DEADLINE;
    let mut seen = VecDeque::new();
    while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if let Some(rest) = line.strip_prefix("ready ") {
            return Ok(rest.split_whitespace().next().context("ready names a URL")?.to_owned());
        }
        seen.push_back(line);
        if seen.len() > LOG_LINES_SHOWN {
            seen.pop_front();
        }
    }
    bail!("the server did not become ready: {seen:#?}")
}
