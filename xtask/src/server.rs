//! A `vestibule dev` process that lives as long as its guard.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::process;
use crate::workspace::Workspace;

/// How long a server may take until it accepts connections.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running server. Dropping it ends the process and removes its data.
pub struct DevServer {
    /// Where it listens, such as `http://127.0.0.1:40123`.
    pub url: String,
    // Ended before the data directory goes: fields drop in order.
    _process: Running,
    /// Holds `dev.env` with the ids and keys of the instance.
    pub data: TempDir,
}

impl DevServer {
    /// Starts `program` on a free loopback port and waits until it says that it is ready. Its output goes to `log`.
    pub fn start(workspace: &Workspace, program: &Path, log: &Path) -> Result<Self> {
        let data = tempfile::tempdir().context("could not make a data directory")?;
        let out = File::create(log).with_context(|| format!("could not write {}", log.display()))?;
        let mut command = process::command(program, &workspace.root);
        command.args(["dev", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path().join("data"));
        command.stdout(Stdio::piped()).stderr(out.try_clone()?);
        let mut process =
            Running(command.spawn().with_context(|| format!("could not start {}", program.display()))?);
        let stdout = process.0.stdout.take().context("the server has no standard output")?;
        let url = match first_url(follow(stdout, out)) {
            Some(url) => url,
            None => bail!("the server did not become ready; its output is in {}", log.display()),
        };
        Ok(Self { url, _process: process, data })
    }

    /// The settings the server wrote for its clients, as names and values.
    pub fn environment(&self) -> Result<Vec<(String, String)>> {
        let path = self.data.path().join("data/dev.env");
        let text = std::fs::read_to_string(&path).context("the server wrote no dev.env")?;
        Ok(settings(&text))
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when the process is already gone and reaped.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Copies every line to `log` until the server closes its output, so that it never blocks on a full pipe, and hands on
/// the URL of the line that announces readiness.
fn follow(stdout: impl std::io::Read + Send + 'static, mut log: File) -> Receiver<String> {
    let (ready, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(url) = announced(&line) {
                // The other side may have given up waiting.
                let _ = ready.send(url);
            }
            if writeln!(log, "{line}").is_err() {
                break;
            }
        }
    });
    receiver
}

fn first_url(receiver: Receiver<String>) -> Option<String> {
    receiver.recv_timeout(START_LIMIT).ok()
}

/// The URL in a line such as `ready http://127.0.0.1:7007`.
fn announced(line: &str) -> Option<String> {
    let words = line.strip_prefix("ready ")?;
    words
        .split_whitespace()
        .find(|word| word.starts_with("http://"))
        .map(|url| url.trim_end_matches('/').to_owned())
}

/// `NAME=value` lines, with or without quotes or a leading `export`; blank lines and comments are passed over.
fn settings(text: &str) -> Vec<(String, String)> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("export ").unwrap_or(line).split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().trim_matches(['"', '\'']).to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_names_the_url() {
        assert_eq!(announced("ready http://127.0.0.1:40123/").as_deref(), Some("http://127.0.0.1:40123"));
        assert_eq!(announced("ready at http://127.0.0.1:1 now").as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(announced("not ready http://127.0.0.1:1"), None);
        assert_eq!(announced("ready when you are"), None);
    }

    #[test]
    fn the_settings_of_dev_env_are_read() {
        let text =
            "# made on first start\nVESTIBULE_URL=http://127.0.0.1:1\nexport VESTIBULE_USER_ID=\"abc\"\n\n";
        assert_eq!(
            settings(text),
            [
                ("VESTIBULE_URL".to_owned(), "http://127.0.0.1:1".to_owned()),
                ("VESTIBULE_USER_ID".to_owned(), "abc".to_owned())
            ]
        );
    }

    /// A stand-in for the server, given as a shell script.
    fn start(script: &str, directory: &Path) -> Result<DevServer> {
        let program = process::script(directory, "program", script);
        let workspace = Workspace { root: directory.into(), target: directory.into(), members: Vec::new() };
        DevServer::start(&workspace, &program, &directory.join("log"))
    }

    #[test]
    fn a_server_that_ends_without_being_ready_is_an_error_and_its_output_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let error = start("echo the port is taken >&2", directory.path()).err().unwrap();
        assert!(error.to_string().contains("did not become ready"), "{error}");
        let log = std::fs::read_to_string(directory.path().join("log")).unwrap();
        assert_eq!(log, "the port is taken\n");
    }

    #[test]
    fn a_server_ends_and_its_data_goes_with_its_guard() {
        let directory = tempfile::tempdir().unwrap();
        let script = "mkdir \"$5\" && echo VESTIBULE_USER_ID=$$ > \"$5/dev.env\" && echo ready http://127.0.0.1:1 && exec sleep 600";
        let server = start(script, directory.path()).unwrap();
        assert_eq!(server.url, "http://127.0.0.1:1");
        let environment = server.environment().unwrap();
        let [(_, pid)] = environment.as_slice() else { panic!("{environment:?}") };
        let (process, data) = (Path::new("/proc").join(pid), server.data.path().to_owned());
        assert!(!Path::new("/proc").join("self").exists() || process.exists());
        drop(server);
        assert!(!process.exists());
        assert!(!data.exists());
    }
}
