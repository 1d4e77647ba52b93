//! Reading and checking a configuration file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use vestibule_crypto::secret::Secret;
use vestibule_delivery::worker::WorkerSettings;
use vestibule_store::PostgresOptions;

use super::{Config, Provider};
use crate::files;
use crate::keys::{KEYS_VARIABLE, KeyLocation};

/// Holds the password of the mail server; stands in for `email.password_file`.
pub const PASSWORD_VARIABLE: &str = "VESTIBULE_EMAIL_PASSWORD";

/// Holds the secret of the SMS webhook; stands in for `sms.webhook_secret_file`.
pub const WEBHOOK_SECRET_VARIABLE: &str = "VESTIBULE_SMS_WEBHOOK_SECRET";

/// Holds the secret of the captcha provider; stands in for `captcha.secret_file`.
pub const CAPTCHA_SECRET_VARIABLE: &str = "VESTIBULE_CAPTCHA_SECRET";

/// Holds the database URL; stands before `database.url`, and may hold a password.
pub const DATABASE_VARIABLE: &str = "VESTIBULE_DATABASE_URL";

/// Holds the password of the database user; stands in for `database.password_file`.
pub const DATABASE_PASSWORD_VARIABLE: &str = "VESTIBULE_DATABASE_PASSWORD";

/// The password of the database user in the environment, for commands that read no configuration file.
pub fn database_password() -> Result<Option<Secret<String>>> {
    secret("database.password_file", None, DATABASE_PASSWORD_VARIABLE)
}

/// Reads a configuration file and checks everything that can be checked without opening another file. Relative paths
/// in it start from its directory.
pub fn load(path: &Path) -> Result<Config> {
    let text = fs::read_to_string(path).with_context(|| {
        format!("cannot read the configuration {0}; `vestibule init --out {0}` writes one", path.display())
    })?;
    let mut config =
        parse(&text).with_context(|| format!("{} is not a valid configuration", path.display()))?;
    let base = path.parent().unwrap_or(Path::new(""));
    for relative in config.paths() {
        *relative = base.join(&relative);
    }
    let problems = config.problems();
    if !problems.is_empty() {
        bail!("{} is not a valid configuration: {}", path.display(), problems.join("; "));
    }
    Ok(config)
}

/// Reads the text of a configuration file. The error names the key and the line, and shows no value of the file.
pub(super) fn parse(text: &str) -> Result<Config> {
    let located = |error: &toml::de::Error| match error.span() {
        Some(span) => format!("line {}: ", text[..span.start].matches('\n').count() + 1),
        None => String::new(),
    };
    let deserializer = toml::Deserializer::parse(text)
        .map_err(|error| anyhow!("{}this is not TOML: {}", located(&error), error.message()))?;
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let (path, inner) = (error.path().to_string(), error.inner());
        let advice = if inner.message().starts_with("unknown field") {
            "; remove or rename it (docs/configuration.md has every setting; secrets are given by a file or the environment)"
        } else if inner.message().starts_with("missing field") {
            "; add it (docs/configuration.md says what it means)"
        } else {
            ""
        };
        anyhow!("{}`{path}`: {}{advice}", located(inner), inner.message())
    })
}

impl Config {
    /// Where the keys are: the file, unless the environment holds them.
    pub fn keys(&self) -> Result<KeyLocation> {
        match (environment(KEYS_VARIABLE), &self.keys.file) {
            (Some(_), Some(_)) => {
                bail!(
                    "both `keys.file` and {KEYS_VARIABLE} are set; remove one, so that it is clear which keys count"
                )
            }
            (Some(document), None) => Ok(KeyLocation::Environment(document)),
            (None, Some(path)) => Ok(KeyLocation::File(path.clone())),
            (None, None) => bail!(
                "the server has no keys: run `vestibule keys generate --out keys.json` once, keep a copy of that file in a safe \
                 place, and set `keys.file` to it (or {KEYS_VARIABLE} to its content)"
            ),
        }
    }

    /// The secret of the captcha provider, when one is set.
    pub fn captcha_secret(&self) -> Result<Option<Secret<String>>> {
        let file = self.captcha.as_ref().and_then(|captcha| captcha.secret_file.as_deref());
        secret("captcha.secret_file", file, CAPTCHA_SECRET_VARIABLE)
    }

    /// Where the PostgreSQL database is: `given` on the command line or in the environment, else in the file. None: the
    /// embedded store.
    pub fn database_options(&self, given: Option<&str>) -> Result<Option<PostgresOptions>> {
        let Some(url) = given.or(self.database.url.as_deref()) else { return Ok(None) };
        let mut options = PostgresOptions::from_url(url)?;
        if let Some(path) = &self.database.ca_file {
            options.trust(path);
        }
        let file = self.database.password_file.as_deref();
        if let Some(password) = secret("database.password_file", file, DATABASE_PASSWORD_VARIABLE)? {
            options.set_password(password.expose());
        }
        options.connections = self.database.connections;
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
        options.wait = seconds(self.database.wait_seconds);
        options.connect = seconds(self.database.connect_seconds);
        options.statement = seconds(self.database.statement_seconds);
        Ok(Some(options))
    }

    fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let Self { server, database, keys, email, sms, providers, addresses, captcha, .. } = self;
        let database = [database.password_file.as_mut(), database.ca_file.as_mut()];
        let email = email.iter_mut().flat_map(|email| {
            let keys = email.dkim.iter_mut().map(|key| Some(&mut key.key_file));
            keys.chain([email.password_file.as_mut(), email.ca_file.as_mut()])
        });
        let sms = sms.iter_mut().map(|sms| sms.webhook_secret_file.as_mut());
        let files = std::iter::once(keys.file.as_mut()).chain(database).chain(email).chain(sms);
        let providers = providers.values_mut().flat_map(Provider::paths);
        let captcha = captcha.iter_mut().filter_map(|captcha| captcha.secret_file.as_mut());
        let files = files.flatten().chain(providers).chain(addresses.paths()).chain(captcha);
        std::iter::once(&mut server.data_dir).chain(files)
    }

    /// Everything wrong with it, each named by its key and with what to do.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut positive = |name: &str, value: u32| {
            if value == 0 {
                problems.push(format!("`{name}` must be at least 1"));
            }
        };
        positive("sessions.max_lifetime_seconds", self.sessions.max_lifetime_seconds);
        positive("sessions.max_age_seconds", self.sessions.max_age_seconds.unwrap_or(1));
        let fresh = self.sessions.fresh_authentication_seconds.unwrap_or(1);
        positive("sessions.fresh_authentication_seconds", fresh);
        positive("tokens.max_lifetime_seconds", self.tokens.max_lifetime_seconds);
        positive("activities.accept_past_seconds", self.activities.accept_past_seconds);
        positive("http.max_connections", self.http.max_connections);
        positive("http.header_timeout_seconds", self.http.header_timeout_seconds);
        positive("http.body_timeout_seconds", self.http.body_timeout_seconds);
        positive("http.request_timeout_seconds", self.http.request_timeout_seconds);
        positive("keys.refresh_seconds", self.keys.refresh_seconds);
        positive("delivery.concurrency", self.delivery.concurrency);
        positive("delivery.send_timeout_seconds", self.delivery.send_timeout_seconds);
        positive("retention.purge_every_seconds", self.retention.purge_every_seconds);
        positive("retention.purge_batch", self.retention.purge_batch);
        positive("retention.idle_limits_days", self.retention.idle_limits_days);
        positive("retention.abuse_days", self.retention.abuse_days);
        positive("database.connections", self.database.connections);
        positive("database.wait_seconds", self.database.wait_seconds);
        positive("database.connect_seconds", self.database.connect_seconds);
        positive("database.statement_seconds", self.database.statement_seconds);
        positive("delivery.breaker_failures", self.delivery.breaker_failures);
        positive("delivery.breaker_pause_seconds", self.delivery.breaker_pause_seconds);
        positive("retention.receipts_days", self.retention.receipts_days);
        positive("addresses.mx_timeout_seconds", self.addresses.mx_timeout_seconds);
        let WorkerSettings { send_timeout, lease, .. } = self.worker_settings();
        let least = WorkerSettings::least_lease(send_timeout);
        if lease < least {
            problems.push(format!(
                "`delivery.lease_seconds` must be at least {}: two times `delivery.send_timeout_seconds`, so that a provider \
                 that hangs leaves time for the next one, and 10 to record what became of the message",
                least.as_secs()
            ));
        }
        if self.keys.activation_seconds <= self.keys.refresh_seconds.saturating_mul(2) {
            problems.push(
                "`keys.activation_seconds` must be longer than two times `keys.refresh_seconds`, or a key signs before every server knows it"
                    .into(),
            );
        }
        problems.extend(self.limits.problems());
        problems.extend(self.pumping.problems());
        if self.sms.is_some() && !self.pumping.allows_any() {
            problems.push(
                "`pumping.countries` names no country, so that no text message could be sent: list those your users are in, such as \
                 [\"DE\", \"FR\"], or [\"*\"] for everywhere"
                    .into(),
            );
        }
        self.database_problems(&mut problems);
        self.retention_problems(&mut problems);
        self.provider_problems(&mut problems);
        self.url_problems(&mut problems);
        problems.extend(self.addresses.problems());
        self.captcha_problems(&mut problems);
        let is_domain = |id: &String| {
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
            !id.is_empty() && id.chars().all(allowed)
        };
        if vestibule_wire::label(&self.tokens.issuer, "").is_err() {
            problems.push("`tokens.issuer` must have 1 to 256 bytes and no control characters".into());
        }
        if let Some(id) = self.webauthn.rp_ids.iter().find(|id| !is_domain(id)) {
            problems.push(format!(
                "`webauthn.rp_ids`: {id:?} is not a domain in lower case, such as \"example.com\""
            ));
        }
        // Port 0 is another one each time.
        if self.metrics.listen == Some(self.server.listen) && self.server.listen.port() != 0 {
            problems.push(
                "`metrics.listen` must differ from `server.listen`: metrics are not for the world".into(),
            );
        }
        problems
    }

    fn database_problems(&self, problems: &mut Vec<String>) {
        let Some(url) = &self.database.url else { return };
        match PostgresOptions::from_url(url) {
            Err(error) => problems.push(format!("`database.url`: {error}")),
            Ok(options) if options.has_password() => problems.push(format!(
                "`database.url` must not hold a password; set `database.password_file` or {DATABASE_PASSWORD_VARIABLE}, or give \
                 the whole URL in {DATABASE_VARIABLE}"
            )),
            Ok(_) => {}
        }
    }

    fn retention_problems(&self, problems: &mut Vec<String>) {
        let window_s =
            u64::from(self.activities.accept_past_seconds) + u64::from(self.activities.accept_future_seconds);
        let kept_s = u64::from(self.retention.activities_days) * 24 * 3600;
        if kept_s < window_s {
            problems.push(format!(
                "`retention.activities_days` ({}) is shorter than the {window_s} seconds in which a request may be repeated \
                 (`activities.accept_past_seconds` + `activities.accept_future_seconds`); a forgotten activity would run twice",
                self.retention.activities_days
            ));
        }
        if self.retention.expired_credentials_hours < 24 {
            problems.push(
                "`retention.expired_credentials_hours` must be at least 24, so that clients are told that a session is over"
                    .into(),
            );
        }
    }

    fn url_problems(&self, problems: &mut Vec<String>) {
        let Some(url) = &self.server.public_url else { return };
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let valid = |rest: &str| {
            !rest.is_empty() && rest.chars().all(|c| c.is_ascii_graphic() && !"?#@/\\\"<>".contains(c))
        };
        if !rest.is_some_and(valid) {
            problems.push(
                "`server.public_url` is the scheme and host by which the world knows this server, such as \
                 \"https://login.example.com\", without a path"
                    .into(),
            );
        }
    }

    fn captcha_problems(&self, problems: &mut Vec<String>) {
        let Some(captcha) = &self.captcha else { return };
        problems.extend(captcha.problems());
        if captcha.secret_file.is_none() && environment(CAPTCHA_SECRET_VARIABLE).is_none() {
            problems.push(format!(
                "the captcha provider needs its secret; set `captcha.secret_file` or {CAPTCHA_SECRET_VARIABLE}"
            ));
        }
    }
}

pub(super) fn secret(key: &str, file: Option<&Path>, variable: &str) -> Result<Option<Secret<String>>> {
    match (environment(variable), file) {
        (Some(_), Some(_)) => bail!("both `{key}` and {variable} are set; remove one"),
        (Some(secret), None) => Ok(Some(secret)),
        (None, Some(path)) => {
            files::read_secret(path).map(Some).with_context(|| format!("`{key}` does not work"))
        }
        (None, None) => Ok(None),
    }
}

pub(super) fn environment(name: &str) -> Option<Secret<String>> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).map(Secret::new)
}
