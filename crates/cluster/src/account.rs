//! As whom PostgreSQL runs: it refuses to run as root, so root hands it to an account without rights.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// Accounts that root runs PostgreSQL as, the first that exists.
const UNPRIVILEGED: &[&str] = &["postgres", "nobody"];

/// Whom the programs run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// Whoever runs this.
    Own,
    /// Another one, by its numbers.
    Other {
        /// The user.
        uid: u32,
        /// The user's group.
        gid: u32,
    },
}

impl Account {
    /// The caller's own account, unless the caller is root.
    pub fn choose() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Own);
        }
        let passwd = fs::read_to_string("/etc/passwd").context("cannot read the list of accounts")?;
        UNPRIVILEGED.iter().find_map(|name| entry(&passwd, name)).with_context(|| {
            format!(
                "PostgreSQL does not run as root, and none of these accounts exists: {}",
                UNPRIVILEGED.join(", ")
            )
        })
    }

    /// Has `command` run as this account.
    pub fn apply(self, command: &mut Command) {
        if let Self::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
    }

    /// Gives this account a file or directory.
    pub fn own(self, path: &Path) -> Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid } => std::os::unix::fs::chown(path, Some(uid), Some(gid))
                .with_context(|| format!("cannot hand over {}", path.display())),
        }
    }
}

/// From a line such as `postgres:x:101:104:...` (passwd(5)).
fn entry(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account::Other { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0::/:/bin/sh\npostgres2:x:1:1::/:/bin/sh\npostgres:x:101:104:,,,:/:/bin/sh\n";
        assert_eq!(entry(passwd, "postgres"), Some(Account::Other { uid: 101, gid: 104 }));
        assert_eq!(entry(passwd, "nobody"), None);
    }
}
