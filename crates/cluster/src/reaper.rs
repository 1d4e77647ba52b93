//! What ends a cluster when nobody else does: a small shell process at the other end of a pipe. A test process may be killed, and
//! statics are never dropped; either way the pipe closes, and the shell ends the server and removes its files.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result};

/// Each line it reads is the process to end, an empty one if there is none any more. `$1` is the cluster's directory.
///
/// An immediate shutdown removes `postmaster.pid`; a server that was killed leaves it, and with it the number of a small piece
/// of System V shared memory (line 7) that only the next start would free.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
pid=
while read -r line; do pid=$line; done
cd /
lock="$1/data/postmaster.pid"
if [ -n "$pid" ] && kill -QUIT "$pid"; then
    tries=0
    while [ "$tries" -lt 200 ] && [ -e "$lock" ] && kill -0 "$pid"; do
        sleep 0.05
        tries=$((tries + 1))
    done
    kill -KILL "$pid"
fi
if [ -e "$lock" ]; then
    memory=$(sed -n '7s/^ *[0-9][0-9]* *//p' "$lock")
    [ -n "$memory" ] && ipcrm -m "$memory"
fi
tries=0
while [ "$tries" -lt 100 ] && ! rm -rf "$1"; do
    sleep 0.05
    tries=$((tries + 1))
done
"#;

/// Watches over one cluster's directory. Dropping it removes the directory and waits for that.
#[derive(Debug)]
pub struct Reaper {
    shell: Child,
    orders: Option<ChildStdin>,
}

impl Reaper {
    /// From now on `directory` goes when this process does.
    pub fn watch(directory: &Path) -> Result<Self> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "reaper"])
            .arg(directory)
            // A Ctrl-C in a terminal, and the end of a test's process group, must not reach it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("could not start sh")?;
        let orders = Some(shell.stdin.take().context("sh has no standard input")?);
        Ok(Self { shell, orders })
    }

    /// From now on `process` is ended as well.
    pub fn end(&mut self, process: u32) -> Result<()> {
        self.order(&process.to_string())
    }

    /// The process is gone, and its number may become another's.
    pub fn forget(&mut self) -> Result<()> {
        self.order("")
    }

    fn order(&mut self, line: &str) -> Result<()> {
        let orders = self.orders.as_mut().context("the reaper is gone")?;
        writeln!(orders, "{line}").context("the reaper is gone")
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        self.orders = None;
        // Fails only for a process that was waited for already.
        let _ = self.shell.wait();
    }
}
