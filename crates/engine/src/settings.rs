//! What the operator decides.

use vestibule_wire::AliasRules;

use crate::captcha::CaptchaWidget;
use crate::limits::{LimitTable, Pumping};

/// The issuer of ordinary tokens where the operator named none: a URL, as many libraries expect, that nobody can own.
pub const TOKEN_ISSUER: &str = "https://vestibule.invalid";

/// Settings of the engine; the defaults are those of production.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How old an activity's timestamp may be (G-ENV-1).
    pub liveness_past_ms: i64,
    /// How far ahead it may be.
    pub liveness_future_ms: i64,
    /// The longest session and API key lifetime, seconds (D-8).
    pub max_session_s: u32,
    /// How long one authentication is good for, however often its session is refreshed, seconds; `None` for ever.
    pub max_session_age_s: Option<u32>,
    /// How long ago the user of a session may have authenticated to change credentials or contacts, seconds; `None` for as
    /// long as the session lives.
    pub fresh_authentication_s: Option<u32>,
    /// Whether the sandbox contacts take code `000000` (G-OTP-3).
    pub sandbox: bool,
    /// Whether logos may come over plain http from this machine (D-7).
    pub development: bool,
    /// Whether a mail channel is configured.
    pub email_enabled: bool,
    /// Whether an SMS channel is configured.
    pub sms_enabled: bool,
    /// The providers that the server's configuration has, for routes to name.
    pub providers: Vec<KnownProvider>,
    /// Whether account look-ups by contact through the proxy need a verification token.
    pub account_requires_token: bool,
    /// `iss` of ordinary tokens: this installation as its backends know it.
    pub token_issuer: String,
    /// The longest lifetime of an ordinary token, seconds.
    pub max_token_s: u32,
    /// Whether passkeys must verify their user, not merely meet somebody (G-WA-1).
    pub passkeys_verify_users: bool,
    /// The relying parties whose passkeys are taken, by id; empty for all (G-WA-2).
    pub passkey_rp_ids: Vec<String>,
    /// Whether webhooks may lead to this machine, and by http: for development and tests.
    pub loopback_webhooks: bool,
    /// Which spellings of an address reach one mailbox, for counting sends to it.
    pub alias_rules: AliasRules,
    /// The captcha that auth proxies may ask for; `None`: there is none, and it cannot be switched on.
    pub captcha: Option<CaptchaWidget>,
    /// How long after it was made a new key begins to sign: every node must have read the key table by then.
    pub key_activation_ms: i64,
    /// The table of limits.
    pub limits: LimitTable,
    /// The guard against SMS pumping.
    pub pumping: Pumping,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            liveness_past_ms: 3_600_000,
            liveness_future_ms: 300_000,
            max_session_s: 30 * 24 * 3600,
            max_session_age_s: None,
            fresh_authentication_s: None,
            sandbox: false,
            development: false,
            email_enabled: true,
            sms_enabled: true,
            providers: Vec::new(),
            account_requires_token: true,
            token_issuer: TOKEN_ISSUER.to_owned(),
            max_token_s: 3600,
            passkeys_verify_users: false,
            passkey_rp_ids: Vec::new(),
            loopback_webhooks: false,
            alias_rules: AliasRules::default(),
            captcha: None,
            key_activation_ms: 60_000,
            limits: LimitTable::default(),
            pumping: Pumping::default(),
        }
    }
}

/// A provider that carries messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownProvider {
    /// What the configuration calls it.
    pub name: String,
    /// Whether it carries e-mails.
    pub email: bool,
    /// Whether it carries SMS.
    pub sms: bool,
}
