//! The server process and its children: how they are started, told to end, and killed.

use std::fs;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Between two looks at a condition.
pub const POLL: Duration = Duration::from_millis(5);

/// Looks every few milliseconds until `is_true`, at most for `limit`; the error says `what` did not happen.
pub fn wait_for(limit: Duration, what: &str, mut is_true: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !is_true()? {
        if Instant::now() > deadline {
            bail!("{what} did not happen within {} s", limit.as_secs());
        }
        thread::sleep(POLL);
    }
    Ok(())
}

/// Whether the server whose data lie in `data` accepts connections, as it writes in the eighth line of its lock file: that is where
/// `pg_ctl` looks. The first line is its process, so that a file left from before is not mistaken for this one's.
pub fn is_ready(data: &Path, process: u32) -> bool {
    let Ok(text) = fs::read_to_string(data.join("postmaster.pid")) else { return false };
    let mut lines = text.lines();
    let is_its_own = lines.next().is_some_and(|line| line.trim() == process.to_string());
    is_its_own && lines.nth(6).is_some_and(|line| line.trim() == "ready")
}

/// Sends `signal` and waits for the process to end. One that outlasts `limit` is killed, which is an error.
pub fn end(mut child: Child, signal: Signal, limit: Duration) -> Result<()> {
    if child.try_wait()?.is_none() {
        kill_process(pid_of(&child)?, signal).context("cannot signal the server")?;
    }
    let ended = wait_for(limit, "the server's end", || Ok(child.try_wait()?.is_some()));
    if ended.is_err() {
        child.kill()?;
        child.wait()?;
    }
    ended
}

/// Kills the server and all its children, as a crash of the machine would end them.
pub fn kill(mut child: Child) -> Result<ExitStatus> {
    let server = pid_of(&child)?;
    if child.try_wait()?.is_none() {
        // Stopped, it can neither start another child nor tell one to end in order.
        kill_process(server, Signal::STOP).context("cannot signal the server")?;
    }
    let children = children_of(child.id());
    child.kill().context("cannot kill the server")?;
    let status = child.wait()?;
    for process in &children {
        if let Some(pid) = i32::try_from(*process).ok().and_then(Pid::from_raw) {
            // One that has just ended by itself is as good.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    // Their parent is gone, so init or its like collects them; until then they are dead, which is enough.
    wait_for(Duration::from_secs(10), "the end of the server's children", || {
        Ok(children.iter().all(|process| stat(*process).is_none_or(|stat| stat.is_dead())))
    })?;
    Ok(status)
}

fn pid_of(child: &Child) -> Result<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a process has no number")
}

/// What is read of `/proc/PID/stat`.
struct Stat {
    state: char,
    parent: u32,
}

impl Stat {
    fn is_dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// Nothing for a process that does not exist, and where there is no `/proc`: there, children notice by themselves that
/// their parent is gone.
fn stat(process: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Behind the name in parentheses, which may hold anything: state, then parent (proc(5)).
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some(Stat { state, parent: fields.next()?.parse().ok()? })
}

fn children_of(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|process| stat(*process).is_some_and(|stat| stat.parent == parent))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_is_read_from_the_lock_file_of_this_very_process() {
        let data = tempfile::tempdir().unwrap();
        let write = |process: u32, state: &str| {
            let text = format!("{process}\n/data\n1\n2\n\n127.0.0.1\n 1 4\n{state}\n");
            fs::write(data.path().join("postmaster.pid"), text).unwrap();
        };
        assert!(!is_ready(data.path(), 7));
        write(7, "starting");
        assert!(!is_ready(data.path(), 7));
        write(7, "ready   ");
        assert!(is_ready(data.path(), 7));
        assert!(!is_ready(data.path(), 8));
    }

    #[test]
    fn what_does_not_happen_is_an_error_that_names_it() {
        let error = wait_for(Duration::ZERO, "the end of the world", || Ok(false)).unwrap_err();
        assert_eq!(error.to_string(), "the end of the world did not happen within 0 s");
    }
}
