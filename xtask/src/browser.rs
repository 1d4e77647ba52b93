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

/// Languages whose letters every picture needs, and Debian's packages that have them.
const FONTS: &[(&str, &str)] = &[
    ("ar", "fonts-noto-core"),
    ("he", "fonts-noto-core"),
    ("hi", "fonts-noto-core"),
    ("ja", "fonts-noto-cjk"),
    ("zh-cn", "fonts-noto-cjk"),
];

/// Sees to it that the letters of all pictures are there; on Debian, as root, what is missing is installed.
pub fn fonts(workspace: &Workspace) -> Result<()> {
    let is_there = |language: &str| -> Result<bool> {
        let listed =
            process::output(process::command("fc-list", &workspace.root).arg(format!(":lang={language}")))?;
        Ok(!listed.trim().is_empty())
    };
    for (language, package) in FONTS {
        if is_there(language)? {
            continue;
        }
        let Some(apt) = Apt::here(workspace)? else {
            bail!("the pictures need a font for {language:?}: install one with your package manager");
        };
        apt.update()?;
        apt.install(package)?;
        if !is_there(language)? {
            bail!("{package} brought no font for {language:?}");
        }
    }
    Ok(())
}
