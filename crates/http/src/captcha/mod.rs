//! Captchas: has the provider check the token that came with a call of the auth proxy (`X-Captcha-Token`, protocol 04).
//!
//! Promise: a call that needs a proof and brings none, or one that its provider does not confirm, does nothing. What the
//! provider cannot say for certain is a refusal, unless the operator decided otherwise for the time of its outages.

mod siteverify;

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::HeaderMap;
use reqwest::{StatusCode, Url, redirect};
use vestibule_crypto::secret::Secret;
use vestibule_engine::{CaptchaProvider, Challenged};
use vestibule_wire::Refusal;

use crate::public_api::single;
use siteverify::{Answer, Expected, Verdict, judge};

/// The header with the token.
pub(crate) const HEADER: &str = "x-captcha-token";

/// The longest answer of a provider that is read, bytes.
const MAX_ANSWER: usize = 65_536;

/// How tokens are checked.
#[derive(Debug, Clone)]
pub struct CaptchaSettings {
    /// Whose tokens.
    pub provider: CaptchaProvider,
    /// The operator's secret at the provider.
    pub secret: Secret<String>,
    /// Where to ask, in place of the provider's own address.
    pub verify_url: Option<String>,
    /// The sites that tokens may come from, in lower case; empty for all that the provider lets use the site key.
    pub hostnames: Vec<String>,
    /// The action that a token must be for.
    pub action: Option<String>,
    /// The least score, 0 to 1, where the provider gives one.
    pub min_score: Option<f64>,
    /// Whether the provider is told the caller's address.
    pub send_address: bool,
    /// How long the provider may take.
    pub timeout: Duration,
    /// Whether calls pass while the provider does not answer.
    pub pass_when_unavailable: bool,
}

/// Why captchas cannot be checked; the text says what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaptchaError {
    /// No absolute URL, or neither https nor on this machine.
    #[error(
        "the address for checking captchas must be an https URL; only a service on this machine may do without https"
    )]
    Url,
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}

/// Asks a provider about tokens.
pub struct Captcha {
    client: reqwest::Client,
    url: Url,
    settings: CaptchaSettings,
}

impl Captcha {
    /// Sets it up; asks nobody yet.
    pub fn new(settings: CaptchaSettings) -> Result<Self, CaptchaError> {
        let text = settings.verify_url.as_deref().unwrap_or(siteverify::url(settings.provider));
        let url = Url::parse(text).map_err(|_| CaptchaError::Url)?;
        let host = url.host_str().ok_or(CaptchaError::Url)?;
        let here = host == "localhost"
            || host.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| address.is_loopback());
        if !(url.scheme() == "https" || (url.scheme() == "http" && here)) {
            return Err(CaptchaError::Url);
        }
        // A redirect would carry the secret elsewhere.
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("vestibule/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .timeout(settings.timeout);
        if here {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| CaptchaError::Client(error.to_string()))?;
        metrics::describe_counter!("vestibule_captcha_checks_total", "Captcha tokens checked, by outcome");
        Ok(Self { client, url, settings })
    }

    /// Has a token checked. Each is good once, which is the provider's to see to.
    async fn check(&self, token: &str, address: Option<IpAddr>) -> Result<(), Refusal> {
        let (outcome, answer) = match self.ask(token, address).await {
            Verdict::Human => ("passed", Ok(())),
            Verdict::Refused(reason) => {
                tracing::info!(reason, "a captcha was not passed");
                ("refused", Err(Refusal::CaptchaFailed))
            }
            Verdict::Away(reason) if self.settings.pass_when_unavailable => {
                tracing::warn!(reason, "the captcha provider is away; the call passes unchecked");
                ("unchecked", Ok(()))
            }
            Verdict::Away(reason) => {
                tracing::error!(reason, "the captcha provider is away");
                ("unavailable", Err(Refusal::CaptchaUnavailable))
            }
            Verdict::Unclear(reason) => {
                tracing::error!(reason, "the captcha provider did not say whether a token is good");
                ("unclear", Err(Refusal::CaptchaUnavailable))
            }
        };
        metrics::counter!("vestibule_captcha_checks_total", "outcome" => outcome).increment(1);
        answer
    }

    fn expected(&self) -> Expected<'_> {
        let CaptchaSettings { hostnames, action, min_score, .. } = &self.settings;
        Expected { hostnames, action: action.as_deref(), min_score: *min_score }
    }

    /// What the provider makes of a token.
    async fn ask(&self, token: &str, address: Option<IpAddr>) -> Verdict {
        let mut form = vec![("secret", self.settings.secret.expose().as_str()), ("response", token)];
        let address = address.filter(|_| self.settings.send_address).map(|address| address.to_string());
        form.extend(address.as_deref().map(|address| ("remoteip", address)));
        let mut response = match self.client.post(self.url.clone()).form(&form).send().await {
            Ok(response) => response,
            Err(error) if error.is_timeout() => return Verdict::Away("no answer in time"),
            Err(_) => return Verdict::Away("no connection"),
        };
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Verdict::Away("an error of the provider");
        }
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= MAX_ANSWER => body.extend_from_slice(&chunk),
                Ok(Some(_)) => return Verdict::Unclear("too long an answer"),
                Ok(None) => break,
                Err(_) => return Verdict::Away("half an answer"),
            }
        }
        let answer: Option<Answer> = serde_json::from_slice(&body).ok();
        match answer {
            // An error page that happens to be JSON confirms nobody.
            Some(answer) if status.is_success() || (status.is_client_error() && !answer.success) => {
                judge(&answer, &self.expected())
            }
            // What the provider does not understand may be of the caller's making.
            _ if status.is_client_error() => Verdict::Refused("a request that was not understood"),
            _ => Verdict::Unclear("an answer that cannot be read"),
        }
    }
}

/// The caller of one request, with the token it brought.
pub(crate) struct Caller<'a> {
    pub(crate) captcha: Option<&'a Captcha>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) address: Option<IpAddr>,
}

#[async_trait]
impl Challenged for Caller<'_> {
    async fn prove_human(&self) -> Result<(), Refusal> {
        let Some(captcha) = self.captcha else {
            tracing::error!(
                "a configuration of the auth proxy asks for captchas, and this server has no [captcha]"
            );
            return Err(Refusal::CaptchaUnavailable);
        };
        // Two tokens are none: which of them was checked would be anybody's guess.
        let token = single(self.headers, HEADER).map_err(|_| Refusal::CaptchaFailed)?;
        let token = token.map(str::trim).filter(|token| !token.is_empty()).ok_or(Refusal::MissingCaptcha)?;
        if token.len() > siteverify::max_token(captcha.settings.provider) {
            return Err(Refusal::CaptchaFailed);
        }
        captcha.check(token, self.address).await
    }
}
