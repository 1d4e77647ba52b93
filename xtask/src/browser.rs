//! The browser the page is tested in.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::apt::Apt;
use crate::process;
use crate::workspace::Workspace;

const NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// Chromium from PATH; on Debian, as root, it is installed when it is not there.
pub fn chromium(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(program) = process::find_on_path(NAMES) {
        return Ok(program);
    }
    let Some(apt) = Apt::here(workspace)? else {
        bail!("the browser tests need Chromium on PATH: install it with your package manager");
    };
    apt.update()?;
    apt.install("chromium")?;
    process::find_on_path(NAMES).context("apt-get installed no Chromium on PATH")
}
