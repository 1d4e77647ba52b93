//! Captchas, as far as the rules know them: where one is asked for, and what clients are told of it.

use async_trait::async_trait;
use vestibule_wire::Refusal;

/// Whoever asks people to prove that they are people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptchaProvider {
    /// Cloudflare Turnstile, which the SDKs show by themselves.
    Turnstile,
    /// hCaptcha.
    Hcaptcha,
    /// Google reCAPTCHA, version 2 or 3.
    Recaptcha,
}

impl CaptchaProvider {
    /// Its name in the configuration and to clients.
    pub fn name(self) -> &'static str {
        match self {
            Self::Turnstile => "turnstile",
            Self::Hcaptcha => "hcaptcha",
            Self::Recaptcha => "recaptcha",
        }
    }
}

/// What clients need to show a captcha. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptchaWidget {
    /// Whose.
    pub provider: CaptchaProvider,
    /// The operator's site key at the provider.
    pub site_key: String,
}

/// A caller of the auth proxy that may have to prove to be a person.
#[async_trait]
pub trait Challenged: Send + Sync {
    /// Has the proof that came with the request checked. A proof is good once: asked for only when all that costs less has
    /// been checked, and at most once for a request.
    async fn prove_human(&self) -> Result<(), Refusal>;
}

/// A caller that needs no proof, for what does not come from the world.
pub struct Unchallenged;

#[async_trait]
impl Challenged for Unchallenged {
    async fn prove_human(&self) -> Result<(), Refusal> {
        Ok(())
    }
}
