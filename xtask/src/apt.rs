//! Debian's packages, for whoever may install them.

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

/// `apt-get`, run without questions.
pub struct Apt<'w> {
    workspace: &'w Workspace,
}

impl<'w> Apt<'w> {
    /// None where there is no `apt-get`, and for users other than root.
    pub fn here(workspace: &'w Workspace) -> Result<Option<Self>> {
        let user = process::output(process::command("id", &workspace.root).arg("-u"))?;
        let is_there = process::find_on_path(&["apt-get"]).is_some();
        Ok((is_there && user.trim() == "0").then_some(Self { workspace }))
    }

    /// Learns which packages there are.
    pub fn update(&self) -> Result<()> {
        self.run(&["update", "-qq"])
    }

    /// Installs a package and what it cannot do without.
    pub fn install(&self, package: &str) -> Result<()> {
        self.run(&["install", "-y", "-qq", "--no-install-recommends", package])
    }

    fn run(&self, arguments: &[&str]) -> Result<()> {
        process::run(
            process::command("apt-get", &self.workspace.root)
                .args(arguments)
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )
    }
}
