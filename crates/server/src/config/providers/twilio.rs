//! Twilio, for SMS.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use vestibule_delivery::channel::receipt::Receipts;
use vestibule_delivery::channel::{
    TwilioApiKey, TwilioChannel, TwilioReceipts, TwilioSender, TwilioSettings,
};

use super::{Built, Named, default_timeout, seconds};

/// Twilio's Programmable Messaging.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwilioProvider {
    pub account_sid: String,
    pub auth_token_file: Option<PathBuf>,
    pub api_key_sid: Option<String>,
    pub api_key_secret_file: Option<PathBuf>,
    pub from: String,
    pub endpoint: Option<String>,
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u32,
}

impl TwilioProvider {
    pub(super) fn paths(&mut self) -> Vec<&mut PathBuf> {
        let files = [self.auth_token_file.as_mut(), self.api_key_secret_file.as_mut()];
        files.into_iter().flatten().collect()
    }

    pub(super) fn problems(&self, named: &Named<'_>, problems: &mut Vec<String>) {
        if self.timeout_seconds == 0 {
            problems.push(format!("`{}` must be at least 1", named.setting("timeout_seconds")));
        }
        if !named.has_secret(self.auth_token_file.as_ref(), "AUTH_TOKEN") {
            problems.push(format!(
                "Twilio needs the account's auth token, which also signs its receipts; set `{}` or {}",
                named.setting("auth_token_file"),
                named.variable("AUTH_TOKEN")
            ));
        }
        if self.api_key_sid.is_some() != named.has_secret(self.api_key_secret_file.as_ref(), "API_KEY_SECRET")
        {
            problems.push(format!(
                "`{}` and its secret (`{}` or {}) go together; set both or neither",
                named.setting("api_key_sid"),
                named.setting("api_key_secret_file"),
                named.variable("API_KEY_SECRET")
            ));
        }
    }

    /// `receipts_url`: where its status callbacks are to be sent, if the world can reach this server.
    pub(super) fn build(&self, named: &Named<'_>, receipts_url: Option<String>) -> Result<Built> {
        let file = self.auth_token_file.as_deref();
        let auth_token = named.secret("auth_token_file", file, "AUTH_TOKEN")?;
        let auth_token = auth_token.context("Twilio has no auth token")?;
        let file = self.api_key_secret_file.as_deref();
        let secret = named.secret("api_key_secret_file", file, "API_KEY_SECRET")?;
        let api_key = match (&self.api_key_sid, secret) {
            (Some(sid), Some(secret)) => Some(TwilioApiKey { sid: sid.clone(), secret }),
            // The one without the other was refused when the file was read.
            _ => None,
        };
        let receipts = TwilioReceipts::new(&self.account_sid, auth_token.clone());
        let receipts: Arc<dyn Receipts> = Arc::new(receipts);
        let channel = TwilioChannel::new(&TwilioSettings {
            account_sid: self.account_sid.clone(),
            auth_token,
            api_key,
            sender: TwilioSender::parse(&self.from),
            status_callback: receipts_url,
            endpoint: self.endpoint.clone(),
            timeout: seconds(self.timeout_seconds),
        });
        let channel = channel.with_context(|| format!("`{}` does not work", named.section()))?;
        Ok(Built { channel: Arc::new(channel), receipts: Some(receipts) })
    }
}
