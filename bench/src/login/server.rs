//! A `vestibule serve` process with production settings, bound to one processor, on a disk that keeps what is synced.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{Setup, on_cores};

const CONFIG: &str = "vestibule.toml";
const KEYS: &str = "keys.json";
const LOG: &str = "server.log";

/// How long the server may take to start.
const START: Duration = Duration::from_secs(60);

/// How many lines of its log are shown when a run fails.
const TROUBLES: usize = 5;

/// Where the server finds a database that is not embedded.
const DATABASE_VARIABLE: &str = "VESTIBULE_DATABASE_URL";

/// A running server with one parent organization. Dropping it ends the process.
pub struct Server {
    process: Running,
    /// Where it listens.
    pub address: SocketAddr,
    /// The parent organization and its backend's key.
    pub tenant: Tenant,
    directory: PathBuf,
}

/// What `vestibule org create` prints, as far as it is needed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    pub organization_id: String,
    pub api_private_key: String,
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    /// Starts it on processor `core`, with its files in `directory`, `mail` as its mail server, `database` as its store unless that
    /// is the embedded one, and further environment.
    pub fn start(
        setup: &Setup,
        directory: PathBuf,
        mail: SocketAddr,
        core: usize,
        database: Option<String>,
        environment: Vec<(OsString, OsString)>,
    ) -> Result<Self> {
        let program = &setup.server;
        if !program.is_file() {
            bail!(
                "there is no server at {}; build it with `cargo build -p vestibule`, or name it in VESTIBULE_BIN",
                program.display()
            );
        }
        let program = fs::canonicalize(program).context("cannot tell where the server program is")?;
        let place = directory.as_path();
        fs::write(place.join(CONFIG), config(setup, mail)).context("cannot write the configuration")?;
        let with_database = |mut command: Command| {
            command.envs(database.as_ref().map(|url| (DATABASE_VARIABLE, url)));
            command
        };
        output(command(&program, place).args(["keys", "generate", "--out", KEYS]))?;

        let mut serve = with_database(command(&program, place));
        let log = File::create(place.join(LOG)).context("cannot write the server's log")?;
        serve.args(["serve", "--config", CONFIG]).envs(environment).stdout(Stdio::piped()).stderr(log);
        // A process runs where the thread that started it was bound.
        let child = on_cores(&[core], move || serve.spawn().context("cannot start the server"))?;
        let mut process = Running(child);
        let Some(address) = ready(&mut process.0) else {
            bail!("the server did not start: {}", fs::read_to_string(place.join(LOG)).unwrap_or_default());
        };
        let mut create = with_database(command(&program, place));
        let made = output(create.args(["org", "create", "--config", CONFIG, "--name", "Acme"]))?;
        let tenant = serde_json::from_str(&made).context("`vestibule org create` printed something else")?;
        Ok(Self { process, address, tenant, directory })
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where it shows its metrics; its log tells.
    pub fn metrics(&self) -> Result<SocketAddr> {
        let log = fs::read_to_string(self.directory().join(LOG)).context("cannot read the server's log")?;
        metrics_address(&log).context("the server's log does not say where its metrics are")
    }

    /// What the server complained of last, for whoever has to explain a failed run: its files go with it.
    pub fn troubles(&self) -> String {
        troubles(&fs::read_to_string(self.directory().join(LOG)).unwrap_or_default())
    }

    /// The server's own keys: the limit is measured with the same ones.
    pub fn keys_document(&self) -> Result<String> {
        fs::read_to_string(self.directory().join(KEYS)).context("cannot read the server's keys")
    }
}

/// The last warnings and errors in a log.
fn troubles(log: &str) -> String {
    let is_trouble =
        |line: &&str| [r#""level":"WARN""#, r#""level":"ERROR""#].iter().any(|level| line.contains(level));
    let mut last: Vec<_> = log.lines().rev().filter(is_trouble).take(TROUBLES).collect();
    last.reverse();
    match last.is_empty() {
        true => "the server's log holds no warning and no error".to_owned(),
        false => format!("the server's log ends with these warnings and errors:\n{}", last.join("\n")),
    }
}

/// The address in the line that says where metrics are served.
fn metrics_address(log: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains("metrics are served"))?;
    let (_, rest) = line.split_once("\"address\":\"")?;
    rest.split_once('"')?.0.parse().ok()
}

/// Everything that is not named here has its default.
fn config(setup: &Setup, mail: SocketAddr) -> String {
    let mut text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\ndata_dir = \"data\"\n\
         [keys]\nfile = \"{KEYS}\"\n\
         [metrics]\nlisten = \"127.0.0.1:0\"\n\
         [email]\nfrom = \"no-reply@acme.example\"\nhost = \"{}\"\nport = {}\ntls = \"none\"\nhello_name = \"login.acme.example\"\n",
        mail.ip(),
        mail.port()
    );
    if let Some(connections) = setup.mail_connections {
        text.push_str(&format!("connections = {connections}\n"));
    }
    text
}

/// The program, without settings of whoever runs this. Paths are relative: that of the administrators' socket is short.
fn command(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let foreign = name.to_str().is_some_and(|name| name.starts_with("VESTIBULE_") || name == "RUST_LOG");
        if foreign {
            command.env_remove(name);
        }
    }
    command.current_dir(directory).stdin(Stdio::null());
    command
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().context("cannot start the server program")?;
    if !output.status.success() {
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
        bail!("`vestibule {}` failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).context("the server program printed no UTF-8")
}

/// Waits for `ready http://ADDRESS`.
fn ready(child: &mut Child) -> Option<SocketAddr> {
    let output = child.stdout.take()?;
    let (sender, lines) = mpsc::channel();
    // Reads to the end, so that a full pipe never stalls the server.
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let line = lines.recv_timeout(START).ok()?;
    line.strip_prefix("ready http://")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_where_metrics_are() {
        let line = r#"{"level":"INFO","message":"metrics are served","address":"127.0.0.1:4711"}"#;
        assert_eq!(metrics_address(&format!("ready\n{line}\n")), "127.0.0.1:4711".parse().ok());
        let line = r#"{"level":"INFO","fields":{"message":"metrics are served","address":"[::1]:4711"}}"#;
        assert_eq!(metrics_address(line), "[::1]:4711".parse().ok());
        assert_eq!(metrics_address("ready"), None);
    }

    #[test]
    fn the_last_troubles_of_a_log_are_told() {
        let line = |level: &str, text: &str| format!("{{\"level\":\"{level}\",\"message\":\"{text}\"}}\n");
        let log: String = (0..9)
            .map(|number| line("ERROR", &format!("e{number}")) + &line("INFO", "ready"))
            .chain([line("WARN", "w")])
            .collect();
        let told = troubles(&log);
        assert!(told.contains("e8") && told.ends_with(line("WARN", "w").trim()), "{told}");
        assert!(!told.contains("e4") && !told.contains("ready"), "{told}");
        assert_eq!(troubles(&line("INFO", "ready")), "the server's log holds no warning and no error");
    }
}
