//! Providers that carry messages: `[providers.NAME]`, and the short forms in `[email]` and `[sms]`.
//!
//! A new kind of provider is a struct with its settings in a file of its own, a variant of [`Provider`], and its arms in
//! [`Provider`], [`Named::problems`] and [`Config::build`].

mod amazon;
mod twilio;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use vestibule_crypto::secret::Secret;
use vestibule_delivery::channel::receipt::Receipts;
use vestibule_delivery::channel::{
    Channel, Dkim, DkimConfigError, DkimSettings, SmsWebhookChannel, SmtpChannel, SmtpConfigError,
    SmtpCredentials, SmtpSecurity, SmtpSettings, WebhookReceipts, WebhookSecret,
};
use vestibule_delivery::routing::Routing;
use vestibule_engine::model::{Routes, is_provider_name};
use vestibule_wire::OtpType;

use super::load::{PASSWORD_VARIABLE, WEBHOOK_SECRET_VARIABLE, environment, secret};
use super::{Config, DkimKey, MailTls};
use crate::files;

pub use amazon::{SesProvider, SnsProvider};
pub use twilio::TwilioProvider;

/// What the mail server of `[email]` is called in routes.
pub const EMAIL_SHORTHAND: &str = "smtp";

/// What the webhook of `[sms]` is called in routes.
pub const SMS_SHORTHAND: &str = "webhook";

/// Where receipts come in, before the provider's name.
const RECEIPTS_PATH: &str = "/vestibule/v1/receipts/";

/// One provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Provider {
    Smtp(SmtpProvider),
    Ses(SesProvider),
    Twilio(TwilioProvider),
    Sns(SnsProvider),
    Webhook(WebhookProvider),
}

/// A mail server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpProvider {
    pub host: String,
    pub port: Option<u16>,
    #[serde(default)]
    pub tls: MailTls,
    pub username: Option<String>,
    pub password_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    pub hello_name: Option<String>,
    #[serde(default)]
    pub dkim: Vec<DkimKey>,
    #[serde(default = "default_connections")]
    pub connections: u32,
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u32,
}

/// A service of the operator's that takes SMS as signed requests.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookProvider {
    pub url: String,
    pub secret_file: Option<PathBuf>,
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u32,
}

pub(super) fn default_connections() -> u32 {
    10
}

pub(super) fn default_timeout() -> u32 {
    10
}

impl SmtpProvider {
    /// The setting that is wrong, and the file that it names.
    fn fault(&self, error: &SmtpConfigError) -> (&'static str, Option<&Path>) {
        match error {
            SmtpConfigError::Unprotected(_) => ("tls", None),
            SmtpConfigError::HelloName(_) => ("hello_name", None),
            SmtpConfigError::Dkim(_) => ("dkim", None),
            SmtpConfigError::Certificates => ("ca_file", self.ca_file.as_deref()),
            // TLS itself asks nothing of a host; what it is given beside it is the file.
            SmtpConfigError::Tls(..) => match self.ca_file.as_deref() {
                Some(file) => ("ca_file", Some(file)),
                None => ("host", None),
            },
        }
    }
}

impl Provider {
    /// Whether it carries messages of this kind.
    pub fn carries(&self, kind: OtpType) -> bool {
        match self {
            Self::Smtp(_) | Self::Ses(_) => kind == OtpType::Email,
            Self::Twilio(_) | Self::Sns(_) | Self::Webhook(_) => kind == OtpType::Sms,
        }
    }

    /// The files it names.
    pub(super) fn paths(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::Smtp(smtp) => {
                let files = [smtp.password_file.as_mut(), smtp.ca_file.as_mut()].into_iter().flatten();
                files.chain(smtp.dkim.iter_mut().map(|key| &mut key.key_file)).collect()
            }
            Self::Ses(ses) => ses.paths(),
            Self::Twilio(twilio) => twilio.paths(),
            Self::Sns(sns) => sns.paths(),
            Self::Webhook(webhook) => webhook.secret_file.as_mut().into_iter().collect(),
        }
    }
}

/// A provider with its name and where its settings stand.
pub struct Named<'a> {
    pub name: &'a str,
    pub provider: Cow<'a, Provider>,
    /// Whether it is a short form.
    short: bool,
}

impl Named<'_> {
    /// How the file calls a setting of it.
    fn setting(&self, key: &str) -> String {
        match (self.short, &*self.provider) {
            (true, Provider::Smtp(_)) => format!("email.{key}"),
            (true, _) if key == "url" || key == "secret_file" => format!("sms.webhook_{key}"),
            (true, _) => format!("sms.{key}"),
            (false, _) => format!("providers.{}.{key}", self.name),
        }
    }

    /// Where its settings stand.
    fn section(&self) -> String {
        match (self.short, &*self.provider) {
            (true, Provider::Smtp(_)) => "email".to_owned(),
            (true, _) => "sms".to_owned(),
            (false, _) => format!("providers.{}", self.name),
        }
    }

    /// The variable that stands in for a secret's file: `PASSWORD` for a password, and so on.
    fn variable(&self, what: &str) -> String {
        match (self.short, &*self.provider) {
            (true, Provider::Smtp(_)) => PASSWORD_VARIABLE.to_owned(),
            (true, _) => WEBHOOK_SECRET_VARIABLE.to_owned(),
            (false, _) => {
                let name = self.name.to_ascii_uppercase().replace('-', "_");
                format!("VESTIBULE_PROVIDER_{name}_{what}")
            }
        }
    }

    /// Whether a secret is given, by a file or the environment.
    fn has_secret(&self, file: Option<&PathBuf>, what: &str) -> bool {
        file.is_some() || environment(&self.variable(what)).is_some()
    }

    /// A secret, from the file that `key` names or from the environment.
    fn secret(&self, key: &str, file: Option<&Path>, what: &str) -> Result<Option<Secret<String>>> {
        secret(&self.setting(key), file, &self.variable(what))
    }

    /// What is wrong with it, without opening a file.
    fn problems(&self, problems: &mut Vec<String>) {
        let mut positive = |key: &str, value: u32| {
            if value == 0 {
                problems.push(format!("`{}` must be at least 1", self.setting(key)));
            }
        };
        match &*self.provider {
            Provider::Smtp(smtp) => {
                positive("connections", smtp.connections);
                positive("timeout_seconds", smtp.timeout_seconds);
                if smtp.username.is_some() != self.has_secret(smtp.password_file.as_ref(), "PASSWORD") {
                    problems.push(format!(
                        "`{}` and a password (`{}` or {}) go together; set both or neither",
                        self.setting("username"),
                        self.setting("password_file"),
                        self.variable("PASSWORD")
                    ));
                }
            }
            Provider::Ses(ses) => ses.problems(self, problems),
            Provider::Twilio(twilio) => twilio.problems(self, problems),
            Provider::Sns(sns) => sns.problems(self, problems),
            Provider::Webhook(webhook) => {
                positive("timeout_seconds", webhook.timeout_seconds);
                if !self.has_secret(webhook.secret_file.as_ref(), "SECRET") {
                    problems.push(format!(
                        "the SMS webhook needs a secret to sign with; set `{}` or {}",
                        self.setting("secret_file"),
                        self.variable("SECRET")
                    ));
                }
            }
        }
    }
}

/// A provider that was set up.
struct Built {
    channel: Arc<dyn Channel>,
    /// What reads its receipts, where it sends any.
    receipts: Option<Arc<dyn Receipts>>,
}

impl Config {
    /// Every provider, those of the short forms first.
    pub fn named_providers(&self) -> Vec<Named<'_>> {
        let short = |name, provider| Named { name, provider: Cow::Owned(provider), short: true };
        let email = self.email.as_ref().and_then(|email| {
            let smtp = SmtpProvider {
                host: email.host.clone()?,
                port: email.port,
                tls: email.tls,
                username: email.username.clone(),
                password_file: email.password_file.clone(),
                ca_file: email.ca_file.clone(),
                hello_name: email.hello_name.clone(),
                dkim: email.dkim.clone(),
                connections: email.connections,
                timeout_seconds: email.timeout_seconds,
            };
            Some(short(EMAIL_SHORTHAND, Provider::Smtp(smtp)))
        });
        let sms = self.sms.as_ref().and_then(|sms| {
            let webhook = WebhookProvider {
                url: sms.webhook_url.clone()?,
                secret_file: sms.webhook_secret_file.clone(),
                timeout_seconds: sms.timeout_seconds,
            };
            Some(short(SMS_SHORTHAND, Provider::Webhook(webhook)))
        });
        let long = self.providers.iter().map(|(name, provider)| Named {
            name,
            provider: Cow::Borrowed(provider),
            short: false,
        });
        email.into_iter().chain(sms).chain(long).collect()
    }

    /// The routes of organizations that have none of their own.
    fn default_routes(&self) -> Routes {
        let mut routes = Routes::default();
        if let Some(email) = &self.email {
            let short = || vec![EMAIL_SHORTHAND.to_owned()];
            let route = if email.route.is_empty() { short() } else { email.route.clone() };
            routes.set(OtpType::Email, "", route);
        }
        if let Some(sms) = &self.sms {
            let short = || vec![SMS_SHORTHAND.to_owned()];
            let route = if sms.route.is_empty() { short() } else { sms.route.clone() };
            routes.set(OtpType::Sms, "", route);
            for (prefix, route) in &sms.prefix_routes {
                routes.set(OtpType::Sms, prefix, route.clone());
            }
        }
        routes
    }

    /// Sets up the providers and their routes. Reads their secrets; connects to nothing.
    pub fn routing(&self) -> Result<Routing> {
        let mut routing = Routing::new();
        for named in self.named_providers() {
            let Built { channel, receipts } = self.build(&named)?;
            routing = routing.with_provider(named.name, channel)?;
            if let Some(receipts) = receipts {
                routing = routing.with_receipts(named.name, receipts)?;
            }
        }
        for (setting, routes) in self.written_routes() {
            routing = routing.with_routes(routes).with_context(|| format!("`{setting}` does not work"))?;
        }
        Ok(routing.with_routes(self.default_routes())?)
    }

    /// Each route that is written down, by the setting it stands in.
    fn written_routes(&self) -> Vec<(String, Routes)> {
        let one = |setting: String, kind, prefix: &str, route: &Vec<String>| {
            let mut routes = Routes::default();
            routes.set(kind, prefix, route.clone());
            (setting, routes)
        };
        let email =
            self.email.iter().map(|email| one("email.route".into(), OtpType::Email, "", &email.route));
        let sms = self.sms.iter().flat_map(|sms| {
            let prefixes = sms.prefix_routes.iter().map(|(prefix, route)| {
                one(format!("sms.prefix_routes.{prefix:?}"), OtpType::Sms, prefix, route)
            });
            std::iter::once(one("sms.route".into(), OtpType::Sms, "", &sms.route)).chain(prefixes)
        });
        email.chain(sms).collect()
    }

    /// Where a provider is to send receipts, where the world can reach this server.
    fn receipts_url(&self, name: &str) -> Option<String> {
        let url = self.server.public_url.as_ref()?;
        Some(format!("{url}{RECEIPTS_PATH}{name}"))
    }

    /// Sets up one provider.
    fn build(&self, named: &Named<'_>) -> Result<Built> {
        match &*named.provider {
            Provider::Smtp(smtp) => {
                let password = named.secret("password_file", smtp.password_file.as_deref(), "PASSWORD")?;
                let credentials = match (&smtp.username, password) {
                    (Some(username), Some(password)) => {
                        Some(SmtpCredentials { username: username.clone(), password })
                    }
                    // The one without the other was refused when the file was read.
                    _ => None,
                };
                let trusted_pem = match &smtp.ca_file {
                    Some(path) => {
                        let read = std::fs::read(path);
                        let setting = named.setting("ca_file");
                        Some(read.with_context(|| format!("`{setting}`: cannot read {}", path.display()))?)
                    }
                    None => None,
                };
                let channel = SmtpChannel::new(&SmtpSettings {
                    host: smtp.host.clone(),
                    port: smtp.port,
                    security: match smtp.tls {
                        MailTls::Starttls => SmtpSecurity::StartTls,
                        MailTls::Tls => SmtpSecurity::Tls,
                        MailTls::None => SmtpSecurity::None,
                    },
                    credentials,
                    trusted_pem,
                    hello_name: smtp.hello_name.clone(),
                    timeout: seconds(smtp.timeout_seconds),
                    pool_size: smtp.connections,
                    dkim: dkim_keys(&smtp.dkim)
                        .with_context(|| format!("`{}` does not work", named.setting("dkim")))?,
                });
                let channel = channel.map_err(|error| {
                    let (key, file) = smtp.fault(&error);
                    let file = file.map(|path| format!("{}: ", path.display())).unwrap_or_default();
                    anyhow!("`{}` does not work: {file}{error}", named.setting(key))
                })?;
                Ok(Built { channel: Arc::new(channel), receipts: None })
            }
            Provider::Ses(ses) => ses.build(named),
            Provider::Twilio(twilio) => twilio.build(named, self.receipts_url(named.name)),
            Provider::Sns(sns) => sns.build(named),
            Provider::Webhook(webhook) => {
                let (key, file) = ("secret_file", webhook.secret_file.as_deref());
                let secret = named.secret(key, file, "SECRET")?.context("the SMS webhook has no secret")?;
                let secret = WebhookSecret::parse(secret.expose())
                    .with_context(|| format!("`{}` does not work", named.setting(key)))?;
                let receipts = WebhookReceipts::new(secret.clone());
                let channel = SmsWebhookChannel::new(&webhook.url, secret, seconds(webhook.timeout_seconds));
                let channel = channel.with_context(|| format!("`{}` does not work", named.setting("url")))?;
                Ok(Built { channel: Arc::new(channel), receipts: Some(Arc::new(receipts)) })
            }
        }
    }

    pub(super) fn provider_problems(&self, problems: &mut Vec<String>) {
        if self.email.is_none() && self.sms.is_none() {
            problems
                .push("neither [email] nor [sms] is set, so no code could be sent; add at least one".into());
        }
        if self.email.as_ref().is_some_and(|email| email.host.is_none() && email.route.is_empty()) {
            problems.push(
                "[email] has neither a mail server (`email.host`) nor providers (`email.route`); set one of them"
                    .into(),
            );
        }
        if self.sms.as_ref().is_some_and(|sms| sms.webhook_url.is_none() && sms.route.is_empty()) {
            problems.push(
                "[sms] has neither a webhook (`sms.webhook_url`) nor providers (`sms.route`); set one of them"
                    .into(),
            );
        }
        let named = self.named_providers();
        for (position, one) in named.iter().enumerate() {
            if !is_provider_name(one.name) {
                problems.push(format!(
                    "`providers.{}`: a name has 1 to 32 lower-case letters, digits and hyphens",
                    one.name
                ));
            }
            if named[..position].iter().any(|other| other.name == one.name) {
                problems.push(format!(
                    "`providers.{0}`: {0:?} is what the short form is called in routes; choose another name",
                    one.name
                ));
            }
            one.problems(problems);
        }
    }
}

/// Reads the keys that sign mail, and tells of one that cannot in which file it is.
fn dkim_keys(keys: &[DkimKey]) -> Result<Vec<DkimSettings>> {
    let read = |key: &DkimKey| {
        let DkimKey { domain, selector, key_file } = key;
        let key_pem = files::read_secret(key_file)?;
        let settings = DkimSettings { domain: domain.clone(), selector: selector.clone(), key_pem };
        match Dkim::new(std::slice::from_ref(&settings)) {
            Ok(_) => Ok(settings),
            Err(DkimConfigError::Key(error)) => Err(anyhow!("{}: {error}", key_file.display())),
            Err(error @ (DkimConfigError::Domain(_) | DkimConfigError::Selector(_))) => Err(error.into()),
        }
    };
    keys.iter().map(read).collect()
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}
