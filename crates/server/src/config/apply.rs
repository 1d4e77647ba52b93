//! From settings to the parts of the server.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use vestibule_delivery::routing::BreakerSettings;
use vestibule_delivery::webhooks::{Courier, SystemResolver};
use vestibule_delivery::worker::WorkerSettings;
use vestibule_delivery::{MessageSettings, MessageTable, SuppressionSettings};
use vestibule_engine::store::Retention;
use vestibule_engine::{KnownProvider, Settings};
use vestibule_http::{AddressLimits, ConnectionLimits, RequestLimits};
use vestibule_wire::{OrganizationId, OtpType};

use crate::app::WEBHOOK_TIMEOUT;

use super::Config;

/// Stands for the sender where no mail is sent at all.
const NO_SENDER: &str = "nobody@localhost";

const SECOND_MS: i64 = 1000;
const HOUR_MS: i64 = 3600 * SECOND_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

impl Config {
    /// What the engine needs to know.
    pub fn engine_settings(&self) -> Settings {
        Settings {
            liveness_past_ms: i64::from(self.activities.accept_past_seconds) * SECOND_MS,
            liveness_future_ms: i64::from(self.activities.accept_future_seconds) * SECOND_MS,
            max_session_s: self.sessions.max_lifetime_seconds,
            max_session_age_s: self.sessions.max_age_seconds,
            fresh_authentication_s: self.sessions.fresh_authentication_seconds,
            sandbox: false,
            development: false,
            email_enabled: self.email.is_some(),
            sms_enabled: self.sms.is_some(),
            account_requires_token: self.accounts.lookup_requires_token,
            token_issuer: self.tokens.issuer.clone(),
            max_token_s: self.tokens.max_lifetime_seconds,
            passkeys_verify_users: self.webauthn.require_user_verification,
            passkey_rp_ids: self.webauthn.rp_ids.clone(),
            providers: self
                .named_providers()
                .iter()
                .map(|named| KnownProvider {
                    name: named.name.to_owned(),
                    email: named.provider.carries(OtpType::Email),
                    sms: named.provider.carries(OtpType::Sms),
                })
                .collect(),
            loopback_webhooks: self.webhooks.allow_loopback,
            alias_rules: self.addresses.alias_rules(),
            captcha: self.captcha.as_ref().map(super::Captcha::widget),
            key_activation_ms: i64::from(self.keys.activation_seconds) * SECOND_MS,
            limits: self.limits.clone(),
            pumping: self.pumping.clone(),
        }
    }

    /// What checks captchas. Reads the secret; asks nobody.
    pub fn captcha(&self) -> Result<Option<vestibule_http::Captcha>> {
        let Some(captcha) = &self.captcha else { return Ok(None) };
        let secret = self.captcha_secret()?.context("the captcha provider has no secret")?;
        captcha.checker(secret).map(Some)
    }

    /// What connections may cost.
    pub fn connection_limits(&self) -> ConnectionLimits {
        ConnectionLimits {
            max_connections: self.http.max_connections as usize,
            header_read_timeout: seconds(self.http.header_timeout_seconds),
            drain_timeout: seconds(self.server.shutdown_seconds),
            ..ConnectionLimits::default()
        }
    }

    /// What requests may cost.
    pub fn request_limits(&self) -> RequestLimits {
        RequestLimits {
            body_timeout: seconds(self.http.body_timeout_seconds),
            request_timeout: seconds(self.http.request_timeout_seconds),
            addresses: AddressLimits {
                trusted_proxies: self.http.trusted_proxies.iter().map(|network| network.0).collect(),
                ..AddressLimits::of(&self.limits, &self.pumping)
            },
        }
    }

    /// How long contacts are left alone.
    pub fn suppression(&self) -> SuppressionSettings {
        let days = |days: u32| Duration::from_secs(u64::from(days) * 24 * 3600);
        SuppressionSettings {
            bounce: days(self.delivery.suppress_bounced_days),
            complaint: days(self.delivery.suppress_complained_days),
        }
    }

    /// Limits of the worker that sends messages.
    pub fn worker_settings(&self) -> WorkerSettings {
        WorkerSettings {
            max_in_flight: self.delivery.concurrency,
            send_timeout: seconds(self.delivery.send_timeout_seconds),
            lease: seconds(self.delivery.lease_seconds),
            breaker: BreakerSettings {
                failures: self.delivery.breaker_failures,
                pause_ms: i64::from(self.delivery.breaker_pause_seconds) * SECOND_MS,
                max_pause_ms: i64::from(self.delivery.breaker_pause_seconds) * 3 * SECOND_MS,
                ..BreakerSettings::default()
            },
            suppression: self.suppression(),
            ..WorkerSettings::default()
        }
    }

    /// Sets up what posts to webhook endpoints. Connects to nothing.
    pub fn courier(&self) -> Result<Courier> {
        let resolver = Arc::new(SystemResolver::default());
        Ok(Courier::new(resolver, WEBHOOK_TIMEOUT, self.webhooks.allow_loopback)?)
    }

    /// Who messages come from, by tenant.
    pub fn message_settings(&self) -> Result<MessageTable> {
        let all = self.common_message_settings()?;
        let senders = self.email.iter().flat_map(|email| email.organizations.keys());
        let origins = self.sms.iter().flat_map(|sms| sms.organizations.keys());
        let mut table = MessageTable::from(all.clone());
        for organization in senders.chain(origins) {
            let own = self.own_message_settings(all.clone(), *organization)?;
            table = table.with(*organization, own);
        }
        Ok(table)
    }

    fn common_message_settings(&self) -> Result<MessageSettings> {
        let mut settings = match &self.email {
            Some(email) => {
                let settings = MessageSettings::new(&email.from).context("`email.from` does not work")?;
                settings.with_from_name(&email.from_name).context("`email.from_name` does not work")?
            }
            None => MessageSettings::new(NO_SENDER).expect("the address is valid"),
        };
        if let Some(email) = &self.email {
            settings = settings
                .with_allowed_sender_domains(&email.allowed_sender_domains)
                .context("`email.allowed_sender_domains` does not work")?;
            if let Some(reply_to) = &email.reply_to {
                settings = settings.with_reply_to(reply_to).context("`email.reply_to` does not work")?;
            }
        }
        match self.sms.as_ref().and_then(|sms| sms.origin.as_deref()) {
            Some(origin) => settings.with_sms_origin(origin).context("`sms.origin` does not work"),
            None => Ok(settings),
        }
    }

    /// What one organization has; what it does not say is as for all.
    fn own_message_settings(
        &self,
        mut settings: MessageSettings,
        organization: OrganizationId,
    ) -> Result<MessageSettings> {
        let email = self.email.as_ref().and_then(|email| email.organizations.get(&organization));
        if let Some(domains) = email.and_then(|own| own.allowed_sender_domains.as_ref()) {
            settings = settings.with_allowed_sender_domains(domains).with_context(|| {
                format!("`email.organizations.{organization}.allowed_sender_domains` does not work")
            })?;
        }
        let sms = self.sms.as_ref().and_then(|sms| sms.organizations.get(&organization));
        match sms.and_then(|own| own.origin.as_deref()) {
            None => Ok(settings),
            Some("") => Ok(settings.without_sms_origin()),
            Some(origin) => settings
                .with_sms_origin(origin)
                .with_context(|| format!("`sms.organizations.{organization}.origin` does not work")),
        }
    }
}

impl super::Keys {
    /// How often to read the key table.
    pub fn refresh_interval(&self) -> Duration {
        seconds(self.refresh_seconds)
    }
}

impl super::Retention {
    /// How long finished things are kept.
    pub fn rules(&self) -> Retention {
        Retention {
            activities_ms: i64::from(self.activities_days) * DAY_MS,
            expired_credentials_ms: i64::from(self.expired_credentials_hours) * HOUR_MS,
            handed_over_ms: i64::from(self.receipts_days) * DAY_MS,
            idle_limits_ms: i64::from(self.idle_limits_days) * DAY_MS,
            abuse_ms: i64::from(self.abuse_days) * DAY_MS,
            batch: self.purge_batch,
        }
    }

    /// How often to look for what is over.
    pub fn interval(&self) -> Duration {
        seconds(self.purge_every_seconds)
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}
