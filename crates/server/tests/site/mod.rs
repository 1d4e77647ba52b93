//! An installation of several nodes on one database.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

use crate::client::provider::{Provider, SECRET};
use crate::client::{Client, Source};
use crate::support::{Server, command, stderr, stdout, workspace};

/// What all nodes have in common: the keys, the database, the provider that messages go to.
pub struct Site {
    directory: TempDir,
    pub provider: Arc<Provider>,
}

/// An organization.
pub struct Tenant {
    /// Its backend.
    pub client: Client,
    /// The configuration that browsers name.
    pub proxy: String,
}

/// How one node is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    pub name: String,
    /// How it reaches the database; none: it has the embedded one.
    pub database: Option<String>,
    /// Lines of the configuration's `[database]` section.
    pub limits: String,
    /// How long a message may take to hand over, and for how long a node claims it.
    pub send_timeout_s: u32,
    pub lease_s: u32,
}

impl Setup {
    pub fn new(name: &str, database: &str) -> Self {
        Self { database: Some(database.to_owned()), ..Self::embedded(name) }
    }

    pub fn embedded(name: &str) -> Self {
        Self { name: name.to_owned(), database: None, limits: String::new(), send_timeout_s: 3, lease_s: 16 }
    }

    /// The same with limits on its use of the database.
    pub fn with_limits(self, lines: &str) -> Self {
        Self { limits: lines.to_owned(), ..self }
    }
}

impl Site {
    pub async fn new() -> Self {
        let directory = workspace();
        let made =
            command(directory.path()).args(["keys", "generate", "--out", "keys.json"]).output().unwrap();
        assert!(made.status.success(), "{}", stderr(&made));
        Self { directory, provider: Provider::start().await }
    }

    /// Starts a node on a free port and waits until it is ready.
    pub fn start(&self, setup: &Setup) -> Server {
        let directory = self.configure(setup);
        let mut program = program(&directory);
        Server::start(&directory, program.args(["serve", "--config", "vestibule.toml"]))
    }

    /// Makes an organization through a running node.
    pub fn tenant(&self, setup: &Setup, node: &Server, source: &Arc<Source>) -> Tenant {
        let directory = self.home(setup);
        let mut program = program(&directory);
        program.args(["org", "create", "--config", "vestibule.toml", "--name", "Acme", "--auth-proxy"]);
        let made = program.output().unwrap();
        assert!(made.status.success(), "{}{}", stdout(&made), stderr(&made));
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        let client =
            Client::new(node, source, &text("organizationId"), &text("apiPrivateKey"), &bundle_signer(node));
        let client = client.with_codes_at(&self.provider);
        Tenant { client, proxy: text("authProxyConfigId") }
    }

    fn home(&self, setup: &Setup) -> PathBuf {
        self.directory.path().join(&setup.name)
    }

    fn configure(&self, setup: &Setup) -> PathBuf {
        let directory = self.home(setup);
        std::fs::create_dir_all(&directory).unwrap();
        let webhook = self.provider.url(&setup.name);
        let Setup { send_timeout_s, lease_s, .. } = setup;
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\ndata_dir = \"data\"\n[keys]\nfile = \"../keys.json\"\n\
             [sms]\nwebhook_url = \"{webhook}\"\n[delivery]\nsend_timeout_seconds = {send_timeout_s}\nlease_seconds = {lease_s}\n\
             [limits]\naddress_requests = {{ action = \"off\" }}\naddress_sends = {{ action = \"off\" }}\n\
             address_failures = {{ action = \"off\" }}\nprefix_sends = {{ action = \"off\" }}\n\
             [pumping]\nrecord_only = true\ncountries = [\"*\"]\n"
        );
        let text = match &setup.database {
            Some(url) => format!("{text}[database]\nurl = \"{url}\"\n{}\n", setup.limits),
            None => text,
        };
        std::fs::write(directory.join("vestibule.toml"), text).unwrap();
        directory
    }
}

fn program(directory: &Path) -> Command {
    let mut command = command(directory);
    command.env("VESTIBULE_SMS_WEBHOOK_SECRET", SECRET);
    command
}

fn bundle_signer(server: &Server) -> String {
    let published = server.get("/.well-known/vestibule/keys");
    let keys = published["keys"].as_array().unwrap();
    let signer = keys.iter().find(|key| key["role"] == "bundle-signer" && key["state"] == "active");
    signer.unwrap_or_else(|| panic!("{published}"))["uncompressedHex"].as_str().unwrap().to_owned()
}
