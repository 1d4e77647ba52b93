//! `[addresses]`: which e-mail addresses are taken, and which spellings of one count together.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use vestibule_delivery::domains::{DomainList, DomainLists, Domains, MxCheck, MxSettings, SystemDns};
use vestibule_engine::Clock;
use vestibule_wire::{AliasRules, MailDomain};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Addresses {
    pub plus_tag_domains: Vec<String>,
    pub dot_domains: Vec<String>,
    pub allowed_domains_file: Option<PathBuf>,
    pub denied_domains_files: Vec<PathBuf>,
    pub exempt_domains_file: Option<PathBuf>,
    pub mx_check: bool,
    pub mx_timeout_seconds: u32,
    pub mx_remember_seconds: u32,
    pub name_servers: Vec<SocketAddr>,
}

impl Default for Addresses {
    fn default() -> Self {
        let rules = AliasRules::default();
        Self {
            plus_tag_domains: rules.plus().map(str::to_owned).collect(),
            dot_domains: rules.dots().map(str::to_owned).collect(),
            allowed_domains_file: None,
            denied_domains_files: Vec::new(),
            exempt_domains_file: None,
            mx_check: false,
            mx_timeout_seconds: 2,
            mx_remember_seconds: 3600,
            name_servers: Vec::new(),
        }
    }
}

impl Addresses {
    /// The files it names.
    pub fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let Self { allowed_domains_file, denied_domains_files, exempt_domains_file, .. } = self;
        allowed_domains_file.iter_mut().chain(denied_domains_files).chain(exempt_domains_file)
    }

    /// Domains that are none, by the key they stand under.
    pub fn problems(&self) -> impl Iterator<Item = String> {
        let named = [
            ("addresses.plus_tag_domains", &self.plus_tag_domains),
            ("addresses.dot_domains", &self.dot_domains),
        ];
        named.into_iter().filter_map(|(key, domains)| {
            let wrong = domains.iter().find(|text| text.parse::<MailDomain>().is_err())?;
            Some(format!("`{key}`: {wrong:?} is not a domain such as \"example.com\""))
        })
    }

    /// Which spellings of an address count together.
    pub fn alias_rules(&self) -> AliasRules {
        // What is no domain was refused when the file was read.
        let parsed =
            |domains: &[String]| domains.iter().filter_map(|text| text.parse().ok()).collect::<Vec<_>>();
        AliasRules::new(&parsed(&self.plus_tag_domains), &parsed(&self.dot_domains))
    }

    /// Reads the lists of domains.
    pub fn lists(&self) -> Result<DomainLists> {
        let mut lists = DomainLists::default();
        if let Some(path) = &self.allowed_domains_file {
            lists.allowed = Some(read("addresses.allowed_domains_file", path)?);
        }
        for path in &self.denied_domains_files {
            lists.denied.extend(read("addresses.denied_domains_files", path)?);
        }
        if let Some(path) = &self.exempt_domains_file {
            lists.exempt = read("addresses.exempt_domains_file", path)?;
        }
        Ok(lists)
    }

    /// What judges domains; `None` where every domain is taken.
    pub fn domains(&self, clock: Arc<dyn Clock>) -> Result<Option<Arc<Domains>>> {
        let has_lists = self.allowed_domains_file.is_some() || !self.denied_domains_files.is_empty();
        if !has_lists && !self.mx_check {
            return Ok(None);
        }
        let mx = self.mx_check.then(|| {
            let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
            let settings = MxSettings {
                timeout: seconds(self.mx_timeout_seconds),
                remember: seconds(self.mx_remember_seconds),
            };
            let dns = SystemDns::new(&self.name_servers, settings.timeout).context(
                "`addresses.mx_check` does not work; `addresses.name_servers` names servers to ask",
            )?;
            Ok::<_, anyhow::Error>(MxCheck::new(Box::new(dns), clock, settings))
        });
        Ok(Some(Arc::new(Domains::new(self.lists()?, mx.transpose()?))))
    }
}

fn read(key: &str, path: &Path) -> Result<DomainList> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("`{key}`: cannot read {}", path.display()))?;
    DomainList::parse(&text).map_err(|error| anyhow!("`{key}`: {}: {error}", path.display()))
}
