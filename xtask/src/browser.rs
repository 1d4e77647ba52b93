//! The browser the page is tested in.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::apt::Apt;
use crate::process;
use crate::workspace::Workspace;

/// Chromium from PATH; on Debian, as root, it is installed when it is not there.
pub fn chromium(workspace: &Workspace) -> Result<PathBuf> {
    program(workspace, &["chromium", "chromium-browser", "google-chrome"], "chromium")
}

/// A program from PATH, under the first of its names that is there; else from Debian's package.
fn program(workspace: &Workspace, names: &[&str], package: &str) -> Result<PathBuf> {
    if let Some(program) = process::find_on_path(names) {
        return Ok(program);
    }
    let Some(apt) = Apt::here(workspace)? else {
        bail!("{} is not on PATH: install {package} with your package manager", names[0]);
    };
    apt.update()?;
    apt.install(package)?;
    process::find_on_path(names).with_context(|| format!("{package} brought no {} on PATH", names[0]))
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
    let fc_list = program(workspace, &["fc-list"], "fontconfig")?;
    let is_there = |language: &str| -> Result<bool> {
        let listed =
            process::output(process::command(&fc_list, &workspace.root).arg(format!(":lang={language}")))?;
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
