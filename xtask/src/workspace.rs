//! What cargo knows about this workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::process;

/// The workspace this program was started in.
pub struct Workspace {
    /// The directory of the root Cargo.toml.
    pub root: PathBuf,
    /// Where cargo puts what it builds.
    pub target: PathBuf,
    /// The member packages with the dependencies their manifests declare.
    pub members: Vec<Package>,
}

/// A package as `cargo metadata` describes it; only what the checks read.
#[derive(Debug, Deserialize)]
pub struct Package {
    /// The package's name.
    pub name: String,
    /// Declared dependencies of every kind, optional and platform-bound ones included.
    pub dependencies: Vec<Dependency>,
}

/// One declared dependency.
#[derive(Debug, Deserialize)]
pub struct Dependency {
    /// The name of the package depended on, whatever it is renamed to.
    pub name: String,
    /// None for a normal dependency.
    pub kind: Option<Kind>,
}

/// The kinds `cargo metadata` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// For tests, examples and benchmarks only.
    Dev,
    /// For a build script.
    Build,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

impl Workspace {
    /// Asks cargo about the workspace of the current directory.
    pub fn load() -> Result<Self> {
        let text = process::output(cargo_in(Path::new(".")).args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
        ]))?;
        let metadata: Metadata =
            serde_json::from_str(&text).context("cargo metadata printed something unexpected")?;
        Ok(Self {
            root: metadata.workspace_root,
            target: metadata.target_directory,
            members: metadata.packages,
        })
    }

    /// The cargo that runs this program, started in the root.
    pub fn cargo(&self) -> Command {
        cargo_in(&self.root)
    }

    /// A path inside the workspace.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }
}

fn cargo_in(directory: &Path) -> Command {
    process::command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), directory)
}
