//! Runs the built program as its users do.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a failure here is the failure of the test that asked")]

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before a test gives up on it.
const DEADLINE: Duration = Duration::from_secs(60);
const POLL_EVERY: Duration = Duration::from_millis(20);

/// A directory of its own for one test.
pub fn workspace() -> TempDir {
    tempfile::Builder::new().prefix("vestibule-").tempdir().unwrap()
}

/// The program, without settings of whoever runs the tests.
pub fn command(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("VESTIBULE_") || name == "RUST_LOG")
    {
        command.env_remove(name);
    }
    command.current_dir(directory).stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub fn run(directory: &Path, arguments: &[&str]) -> Output {
    command(directory).args(arguments).output().unwrap()
}

/// Runs the program, which must succeed, and reads the JSON it prints.
pub fn json(directory: &Path, arguments: &[&str]) -> Value {
    let output = run(directory, arguments);
    assert!(output.status.success(), "{arguments:?} failed: {}{}", stdout(&output), stderr(&output));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{arguments:?} printed {}", stdout(&output)))
}

/// Runs the program, which must fail with status 1; what it says.
pub fn refused(directory: &Path, arguments: &[&str]) -> String {
    let output = run(directory, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?} {}{}", stdout(&output), stderr(&output));
    stderr(&output)
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A server process. Dropping it ends it.
pub struct Server {
    child: Child,
    log: PathBuf,
    /// Its base URL.
    pub url: String,
    /// What it printed from its `ready` line on, until it said how to go on.
    pub ready_line: String,
}

impl Server {
    /// Starts `vestibule dev` on a free port with its data in `directory/vestibule-data`.
    pub fn dev(directory: &Path) -> Self {
        Self::start(directory, command(directory).args(["dev", "--listen", "127.0.0.1:0"]))
    }

    /// Starts a server and waits for its `ready` line.
    pub fn start(directory: &Path, command: &mut Command) -> Self {
        let log = directory.join("server.log");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .expect("the program starts");
        let output = child.stdout.take().expect("standard output is piped");
        let (sender, lines) = mpsc::channel();
        // Reads to the end, so that a full pipe never stalls the server.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let ready = lines.recv_timeout(DEADLINE).ok().filter(|line| line.starts_with("ready http://"));
        let Some(ready_line) = ready else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the server did not become ready: {}", fs::read_to_string(&log).unwrap());
        };
        let url = ready_line.split_whitespace().nth(1).unwrap().to_owned();
        Self { child, log, url, ready_line }
    }

    /// Everything it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub fn address(&self) -> String {
        self.url.strip_prefix("http://").unwrap().to_owned()
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.unwrap().success());
    }

    /// How the process ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for the process to end.
    pub fn wait(&mut self) -> ExitStatus {
        let log = self.log.clone();
        until(|| fs::read_to_string(&log).unwrap(), || self.child.try_wait().unwrap())
    }

    /// Ends it as an operator does; the log it leaves.
    pub fn stop(mut self) -> String {
        self.signal("TERM");
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "{}", self.log());
        self.log()
    }

    /// Sends one request and reads its answer: status and body.
    pub fn http(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
        exchange(&self.address(), method, path, headers, body)
    }

    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.http("GET", path, "", "");
        assert_eq!(status, 200, "{path} {body}");
        serde_json::from_str(&body).unwrap()
    }

    pub fn post(&self, path: &str, headers: &str, body: &str) -> Value {
        let (status, answer) = self.http("POST", path, headers, body);
        assert_eq!(status, 200, "{path} {answer}");
        serde_json::from_str(&answer).unwrap()
    }

    /// The message that carries the code of an attempt.
    pub fn message(&self, otp_id: &str) -> Value {
        until(
            || format!("no message for {otp_id}: {}", self.log()),
            || {
                let list = self.get("/dev/messages");
                list["messages"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|message| message["otpId"] == otp_id)
                    .cloned()
            },
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again until there is an answer.
pub fn until<T>(what: impl Fn() -> String, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain: {}", what());
        thread::sleep(POLL_EVERY);
    }
}

/// One HTTP exchange on a connection of its own.
pub fn exchange(address: &str, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
    .unwrap();
    answer(&mut stream)
}

/// Reads an answer up to the end of the connection.
pub fn answer(stream: &mut TcpStream) -> (u16, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status.unwrap_or_else(|| panic!("no answer: {text:?}")), body.to_owned())
}

/// Reads a file of `NAME=VALUE` lines.
pub fn env_file(path: &Path) -> HashMap<String, String> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
