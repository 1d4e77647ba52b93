//! The configuration file of `serve`: every setting, its default, and what makes it valid.
//!
//! Promise: an unknown key is an error that names it; no secret stands in the file, so none can be printed from it.

mod addresses;
mod apply;
mod captcha;
mod load;
mod network;
mod providers;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use vestibule_engine::limits::{LimitTable, Pumping};
use vestibule_wire::OrganizationId;

use crate::logging;

#[cfg(test)]
mod tests;

pub use addresses::Addresses;
pub use captcha::Captcha;
pub use load::{database_password, load};
pub use network::Network;
pub use providers::Provider;

/// The file `init` writes: every setting with its default, commented.
pub const EXAMPLE: &str = include_str!("../../../../docs/vestibule.example.toml");

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub server: Server,
    #[serde(default)]
    pub database: Database,
    #[serde(default)]
    pub keys: Keys,
    pub email: Option<Email>,
    pub sms: Option<Sms>,
    #[serde(default)]
    pub providers: BTreeMap<String, Provider>,
    #[serde(default)]
    pub addresses: Addresses,
    pub captcha: Option<Captcha>,
    #[serde(default)]
    pub sessions: Sessions,
    #[serde(default)]
    pub tokens: Tokens,
    #[serde(default)]
    pub webauthn: Webauthn,
    #[serde(default)]
    pub accounts: Accounts,
    #[serde(default)]
    pub activities: Activities,
    #[serde(default)]
    pub http: Http,
    #[serde(default)]
    pub limits: LimitTable,
    #[serde(default)]
    pub pumping: Pumping,
    #[serde(default)]
    pub delivery: Delivery,
    #[serde(default)]
    pub webhooks: Webhooks,
    #[serde(default)]
    pub retention: Retention,
    #[serde(default)]
    pub metrics: Metrics,
    #[serde(default)]
    pub log: Log,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    pub public_url: Option<String>,
    pub data_dir: PathBuf,
    #[serde(default = "default_drain")]
    pub shutdown_seconds: u32,
}

fn default_listen() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7007)
}

fn default_drain() -> u32 {
    30
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    pub url: Option<String>,
    pub password_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    pub connections: u32,
    pub wait_seconds: u32,
    pub connect_seconds: u32,
    pub statement_seconds: u32,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: None,
            password_file: None,
            ca_file: None,
            connections: 16,
            wait_seconds: 3,
            connect_seconds: 5,
            statement_seconds: 10,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    pub file: Option<PathBuf>,
    pub refresh_seconds: u32,
    pub activation_seconds: u32,
}

impl Default for Keys {
    fn default() -> Self {
        Self { file: None, refresh_seconds: 10, activation_seconds: 60 }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Email {
    pub from: String,
    #[serde(default = "default_from_name")]
    pub from_name: String,
    pub reply_to: Option<String>,
    #[serde(default)]
    pub allowed_sender_domains: Vec<String>,
    #[serde(default)]
    pub organizations: BTreeMap<OrganizationId, OrganizationEmail>,
    #[serde(default)]
    pub route: Vec<String>,
    pub host: Option<String>,
    pub port: Option<u16>,
    #[serde(default)]
    pub tls: MailTls,
    pub username: Option<String>,
    pub password_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    #[serde(default)]
    pub dkim: Vec<DkimKey>,
    pub hello_name: Option<String>,
    #[serde(default = "providers::default_connections")]
    pub connections: u32,
    #[serde(default = "providers::default_timeout")]
    pub timeout_seconds: u32,
}

/// What differs for one parent organization; absent members are as for all.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrganizationEmail {
    pub allowed_sender_domains: Option<Vec<String>>,
}

/// A key that signs mail.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DkimKey {
    pub domain: String,
    pub selector: String,
    pub key_file: PathBuf,
}

fn default_from_name() -> String {
    "Notifications".to_owned()
}

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// TLS after STARTTLS, required.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// Plain text; only to this machine.
    None,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sms {
    #[serde(default)]
    pub route: Vec<String>,
    #[serde(default)]
    pub prefix_routes: BTreeMap<String, Vec<String>>,
    pub webhook_url: Option<String>,
    pub webhook_secret_file: Option<PathBuf>,
    pub origin: Option<String>,
    #[serde(default)]
    pub organizations: BTreeMap<OrganizationId, OrganizationSms>,
    #[serde(default = "providers::default_timeout")]
    pub timeout_seconds: u32,
}

/// What differs for one parent organization; absent members are as for all.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrganizationSms {
    /// Empty: none.
    pub origin: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    pub max_lifetime_seconds: u32,
    pub max_age_seconds: Option<u32>,
    pub fresh_authentication_seconds: Option<u32>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            max_lifetime_seconds: 30 * 24 * 3600,
            max_age_seconds: None,
            fresh_authentication_seconds: None,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tokens {
    pub issuer: String,
    pub max_lifetime_seconds: u32,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { issuer: vestibule_engine::TOKEN_ISSUER.to_owned(), max_lifetime_seconds: 3600 }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webauthn {
    pub require_user_verification: bool,
    pub rp_ids: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Accounts {
    pub lookup_requires_token: bool,
}

impl Default for Accounts {
    fn default() -> Self {
        Self { lookup_requires_token: true }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Activities {
    pub accept_past_seconds: u32,
    pub accept_future_seconds: u32,
}

impl Default for Activities {
    fn default() -> Self {
        Self { accept_past_seconds: 3600, accept_future_seconds: 300 }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    pub trusted_proxies: Vec<Network>,
    pub max_connections: u32,
    pub header_timeout_seconds: u32,
    pub body_timeout_seconds: u32,
    pub request_timeout_seconds: u32,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            max_connections: 1024,
            header_timeout_seconds: 10,
            body_timeout_seconds: 10,
            request_timeout_seconds: 30,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    pub concurrency: u32,
    pub send_timeout_seconds: u32,
    pub lease_seconds: u32,
    pub breaker_failures: u32,
    pub breaker_pause_seconds: u32,
    pub suppress_bounced_days: u32,
    pub suppress_complained_days: u32,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            concurrency: 32,
            send_timeout_seconds: 25,
            lease_seconds: 60,
            breaker_failures: 5,
            breaker_pause_seconds: 10,
            suppress_bounced_days: 7,
            suppress_complained_days: 30,
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webhooks {
    pub allow_loopback: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    pub activities_days: u32,
    pub expired_credentials_hours: u32,
    pub receipts_days: u32,
    pub idle_limits_days: u32,
    pub abuse_days: u32,
    pub purge_every_seconds: u32,
    pub purge_batch: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            activities_days: 90,
            expired_credentials_hours: 24,
            receipts_days: 7,
            idle_limits_days: 30,
            abuse_days: 30,
            purge_every_seconds: 300,
            purge_batch: 500,
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    pub listen: Option<SocketAddr>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    pub format: logging::Format,
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: logging::Format::Json, filter: "info".to_owned() }
    }
}
