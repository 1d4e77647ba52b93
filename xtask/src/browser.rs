//! The browser the page is tested in.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

const NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// Chromium from PATH; on Debian, as root, it is installed when it is not there.
pub fn chromium(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(program) = process::find_on_path(NAMES) {
        return Ok(program);
    }
    let user = process::output(process::command("id", &workspace.root).arg("-u"))?;
    if process::find_on_path(&["apt-get"]).is_none() || user.trim() != "0" {
        bail!("the browser tests need Chromium on PATH: install it with your package manager");
    }
    let apt_get = |arguments: &[&str]| {
        process::run(
            process::command("apt-get", &workspace.root)
                .args(arguments)
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )
    };
    apt_get(&["update", "-qq"])?;
    apt_get(&["install", "-y", "-qq", "--no-install-recommends", "chromium"])?;
    process::find_on_path(NAMES).context("apt-get installed no Chromium on PATH")
}
