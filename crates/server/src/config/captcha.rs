//! `[captcha]`: who asks people to prove that they are people.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use vestibule_crypto::secret::Secret;
use vestibule_engine::{CaptchaProvider, CaptchaWidget};
use vestibule_http::CaptchaSettings;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Captcha {
    pub provider: Provider,
    pub site_key: String,
    pub secret_file: Option<PathBuf>,
    #[serde(default)]
    pub hostnames: Vec<String>,
    pub action: Option<String>,
    pub min_score: Option<f64>,
    #[serde(default = "yes")]
    pub send_address: bool,
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u32,
    #[serde(default)]
    pub pass_when_unavailable: bool,
    pub verify_url: Option<String>,
}

fn yes() -> bool {
    true
}

fn default_timeout() -> u32 {
    5
}

/// A provider of captchas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Cloudflare Turnstile.
    Turnstile,
    /// hCaptcha.
    Hcaptcha,
    /// Google reCAPTCHA.
    Recaptcha,
}

impl From<Provider> for CaptchaProvider {
    fn from(provider: Provider) -> Self {
        match provider {
            Provider::Turnstile => Self::Turnstile,
            Provider::Hcaptcha => Self::Hcaptcha,
            Provider::Recaptcha => Self::Recaptcha,
        }
    }
}

impl Captcha {
    /// What clients are told.
    pub fn widget(&self) -> CaptchaWidget {
        CaptchaWidget { provider: self.provider.into(), site_key: self.site_key.clone() }
    }

    /// What tokens are checked with.
    pub fn checker(&self, secret: Secret<String>) -> Result<vestibule_http::Captcha> {
        let settings = CaptchaSettings {
            provider: self.provider.into(),
            secret,
            verify_url: self.verify_url.clone(),
            hostnames: self.hostnames.iter().map(|name| name.to_ascii_lowercase()).collect(),
            action: self.action.clone(),
            min_score: self.min_score,
            send_address: self.send_address,
            timeout: Duration::from_secs(u64::from(self.timeout_seconds)),
            pass_when_unavailable: self.pass_when_unavailable,
        };
        vestibule_http::Captcha::new(settings).context("[captcha] does not work")
    }

    /// What is wrong with it, beside a missing secret.
    pub fn problems(&self) -> impl Iterator<Item = String> {
        let mut problems = Vec::new();
        if vestibule_wire::label(&self.site_key, "").is_err() {
            problems.push("`captcha.site_key` must have 1 to 256 bytes and no control characters".to_owned());
        }
        if self.timeout_seconds == 0 {
            problems.push("`captcha.timeout_seconds` must be at least 1".to_owned());
        }
        if self.min_score.is_some_and(|score| !(0.0..=1.0).contains(&score)) {
            problems.push("`captcha.min_score` must be between 0 and 1".to_owned());
        }
        if self.min_score.is_some() && self.provider != Provider::Recaptcha {
            problems.push(
                "`captcha.min_score` needs `captcha.provider = \"recaptcha\"`; no other gives a score"
                    .to_owned(),
            );
        }
        if self.action.is_some() && self.provider == Provider::Hcaptcha {
            problems.push("`captcha.action` does not work with hcaptcha, which has no actions".to_owned());
        }
        problems.into_iter()
    }
}
