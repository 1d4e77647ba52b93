//! Amazon's providers: SES for e-mails, SNS for SMS.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use vestibule_delivery::channel::receipt::Receipts;
use vestibule_delivery::channel::{
    AwsSettings, SesChannel, SesReceipts, SesSettings, SnsChannel, SnsIndia, SnsMessages, SnsSettings,
};

use super::{Built, Named, default_timeout, seconds};

/// Amazon SES.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SesProvider {
    pub region: String,
    pub access_key_id: String,
    pub secret_access_key_file: Option<PathBuf>,
    pub session_token_file: Option<PathBuf>,
    pub configuration_set: Option<String>,
    pub events_topic: Option<String>,
    pub endpoint: Option<String>,
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u32,
}

/// Amazon SNS.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnsProvider {
    pub region: String,
    pub access_key_id: String,
    pub secret_access_key_file: Option<PathBuf>,
    pub session_token_file: Option<PathBuf>,
    pub sender_id: Option<String>,
    pub origination_number: Option<String>,
    pub india_entity_id: Option<String>,
    pub india_template_id: Option<String>,
    pub endpoint: Option<String>,
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u32,
}

/// What both have in common.
struct Access<'a> {
    region: &'a str,
    access_key_id: &'a str,
    secret_access_key_file: Option<&'a PathBuf>,
    session_token_file: Option<&'a PathBuf>,
    endpoint: Option<&'a str>,
    timeout_seconds: u32,
}

impl Access<'_> {
    fn problems(&self, named: &Named<'_>, problems: &mut Vec<String>) {
        if self.timeout_seconds == 0 {
            problems.push(format!("`{}` must be at least 1", named.setting("timeout_seconds")));
        }
        if !named.has_secret(self.secret_access_key_file, "SECRET_ACCESS_KEY") {
            problems.push(format!(
                "an AWS access key needs its secret; set `{}` or {}",
                named.setting("secret_access_key_file"),
                named.variable("SECRET_ACCESS_KEY")
            ));
        }
    }

    fn settings(&self, named: &Named<'_>) -> Result<AwsSettings> {
        let file = self.secret_access_key_file.map(PathBuf::as_path);
        let secret = named.secret("secret_access_key_file", file, "SECRET_ACCESS_KEY")?;
        let file = self.session_token_file.map(PathBuf::as_path);
        Ok(AwsSettings {
            region: self.region.to_owned(),
            access_key_id: self.access_key_id.to_owned(),
            secret_access_key: secret.context("the AWS access key has no secret")?,
            session_token: named.secret("session_token_file", file, "SESSION_TOKEN")?,
            endpoint: self.endpoint.map(str::to_owned),
            timeout: seconds(self.timeout_seconds),
        })
    }
}

/// Of a kind of provider whose settings have what both have in common. serde refuses no unknown key where such settings are
/// flattened into others.
macro_rules! with_access {
    ($($provider:ty),*) => {$(
        impl $provider {
            fn access(&self) -> Access<'_> {
                Access {
                    region: &self.region,
                    access_key_id: &self.access_key_id,
                    secret_access_key_file: self.secret_access_key_file.as_ref(),
                    session_token_file: self.session_token_file.as_ref(),
                    endpoint: self.endpoint.as_deref(),
                    timeout_seconds: self.timeout_seconds,
                }
            }

            pub(super) fn paths(&mut self) -> Vec<&mut PathBuf> {
                let files = [self.secret_access_key_file.as_mut(), self.session_token_file.as_mut()];
                files.into_iter().flatten().collect()
            }
        }
    )*};
}

with_access!(SesProvider, SnsProvider);

impl SesProvider {
    pub(super) fn problems(&self, named: &Named<'_>, problems: &mut Vec<String>) {
        self.access().problems(named, problems);
    }

    pub(super) fn build(&self, named: &Named<'_>) -> Result<Built> {
        let aws = self.access().settings(named)?;
        let configuration_set = self.configuration_set.clone();
        let channel = SesChannel::new(&SesSettings { aws, configuration_set });
        let channel = channel.with_context(|| format!("`{}` does not work", named.section()))?;
        let receipts = match &self.events_topic {
            None => None,
            Some(topic) => {
                // An emulator on this machine stands for SNS as well; any other endpoint is of SES alone.
                let local = self.endpoint.as_deref().filter(|url| url.starts_with("http://"));
                let messages = SnsMessages::new(topic, local, seconds(self.timeout_seconds))
                    .with_context(|| format!("`{}` does not work", named.setting("events_topic")))?;
                Some(Arc::new(SesReceipts::new(messages)) as Arc<dyn Receipts>)
            }
        };
        Ok(Built { channel: Arc::new(channel), receipts })
    }
}

impl SnsProvider {
    pub(super) fn problems(&self, named: &Named<'_>, problems: &mut Vec<String>) {
        self.access().problems(named, problems);
        if self.india_entity_id.is_some() != self.india_template_id.is_some() {
            problems.push(format!(
                "`{}` and `{}` go together; set both or neither",
                named.setting("india_entity_id"),
                named.setting("india_template_id")
            ));
        }
    }

    pub(super) fn build(&self, named: &Named<'_>) -> Result<Built> {
        let india = match (&self.india_entity_id, &self.india_template_id) {
            (Some(entity_id), Some(template_id)) => {
                Some(SnsIndia { entity_id: entity_id.clone(), template_id: template_id.clone() })
            }
            // The one without the other was refused when the file was read.
            _ => None,
        };
        let channel = SnsChannel::new(&SnsSettings {
            aws: self.access().settings(named)?,
            sender_id: self.sender_id.clone(),
            origination_number: self.origination_number.clone(),
            india,
        });
        let channel = channel.with_context(|| format!("`{}` does not work", named.section()))?;
        Ok(Built { channel: Arc::new(channel), receipts: None })
    }
}
