//! What Amazon SNS posts to subscribers of a topic.
//!
//! Promise: a message is given on only if SNS signed it for the one topic that was configured. The certificate it names is
//! fetched from that topic's region of SNS alone, whatever the message says, and so is the confirmation of a subscription: a
//! forged message makes this server call nobody else, and only so often as [`Certificates`] allows.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use serde::Deserialize;
use vestibule_crypto::certificate::RsaDigest;
use vestibule_engine::model::Millis;

use super::aws::{domain_suffix, is_region};
use super::client::{ProviderConfigError, ask, client, endpoint, is_local};
use super::receipt::{ReceiptRefused, ReceiptRequest};
use super::sns_certificates::Certificates;

/// How long after its time a message is still taken. SNS repeats what was not answered for up to an hour unless told
/// otherwise.
const MAX_AGE_MS: Millis = 24 * 3_600_000;
/// How far ahead of this server's clock that of SNS may be.
const MAX_LEAD_MS: Millis = 15 * 60_000;

/// Verifies what SNS posts for one topic.
pub struct SnsMessages {
    topic_arn: String,
    /// Where this region of SNS is: scheme, host and port.
    origin: Url,
    client: reqwest::Client,
    certificates: Certificates,
}

/// A post, as the documentation of SNS has it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Post {
    #[serde(rename = "Type")]
    kind: String,
    message: String,
    message_id: String,
    subject: Option<String>,
    timestamp: String,
    token: Option<String>,
    topic_arn: String,
    #[serde(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
    signature_version: String,
    signature: String,
    #[serde(rename = "SigningCertURL", alias = "SigningCertUrl")]
    signing_cert_url: String,
}

impl SnsMessages {
    /// For one topic. `local` stands for the region's address where an emulator on this machine takes its place.
    pub fn new(topic_arn: &str, local: Option<&str>, timeout: Duration) -> Result<Self, ProviderConfigError> {
        const TOPIC: ProviderConfigError = ProviderConfigError::Setting(
            "a topic of SNS is written as arn:aws:sns:eu-central-1:123456789012:name",
        );
        let parts: Vec<_> = topic_arn.split(':').collect();
        let ["arn", partition, "sns", region, account, name] = parts[..] else { return Err(TOPIC) };
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        if !partition.starts_with("aws") || !is_region(region) || !is_account || name.is_empty() {
            return Err(TOPIC);
        }
        let usual = format!("https://sns.{region}.{}", domain_suffix(region));
        let origin = match local {
            None => usual,
            Some(local) => local.to_owned(),
        };
        let origin = endpoint(&origin, "Amazon SNS")?;
        if local.is_some() && !is_local(&origin) {
            return Err(ProviderConfigError::Setting(
                "only an emulator on this machine can take the place of SNS",
            ));
        }
        let client = client(&origin, timeout)?;
        let certificates = Certificates::new(client.clone());
        Ok(Self { topic_arn: topic_arn.to_owned(), origin, client, certificates })
    }

    /// The text of a notification. None for what concerns the subscription: a confirmation is given, and an end noted.
    pub async fn read(
        &self,
        request: &ReceiptRequest<'_>,
        now: Millis,
    ) -> Result<Option<String>, ReceiptRefused> {
        // Without this it is a post in the raw form, which is not signed.
        let post: Post = serde_json::from_slice(request.body).map_err(|_| ReceiptRefused::Signature)?;
        if post.topic_arn != self.topic_arn {
            return Err(ReceiptRefused::Signature);
        }
        let digest = match post.signature_version.as_str() {
            "1" => RsaDigest::Sha1,
            "2" => RsaDigest::Sha256,
            _ => return Err(ReceiptRefused::Signature),
        };
        let text = signed_text(&post).ok_or(ReceiptRefused::Signature)?;
        let signature = STANDARD.decode(&post.signature).map_err(|_| ReceiptRefused::Signature)?;
        let certificate_url =
            self.certificate_url(&post.signing_cert_url).ok_or(ReceiptRefused::Signature)?;
        let key = self.certificates.get(&certificate_url, request.client, now).await?;
        if !key.is_valid_at(now) || key.verify(digest, text.as_bytes(), &signature).is_err() {
            return Err(ReceiptRefused::Signature);
        }
        self.certificates.verified(&certificate_url, now);
        let at: jiff::Timestamp =
            post.timestamp.parse().map_err(|_| ReceiptRefused::malformed("Timestamp", "not a time"))?;
        if !(now - MAX_AGE_MS..=now + MAX_LEAD_MS).contains(&at.as_millisecond()) {
            return Err(ReceiptRefused::Stale);
        }
        match post.kind.as_str() {
            "Notification" => Ok(Some(post.message)),
            "SubscriptionConfirmation" => {
                self.confirm(post.subscribe_url.as_deref()).await?;
                tracing::info!(topic = %self.topic_arn, "the subscription to the topic of SNS is confirmed");
                Ok(None)
            }
            _ => {
                tracing::warn!(topic = %self.topic_arn, "the subscription to the topic of SNS has ended; receipts will not come");
                Ok(None)
            }
        }
    }

    /// A URL of this region of SNS, and of nobody else.
    fn own_url(&self, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok()?;
        let same =
            url.origin() == self.origin.origin() && url.username().is_empty() && url.password().is_none();
        same.then_some(url)
    }

    /// `/SimpleNotificationService-` and digits, as all certificates of SNS are named.
    fn certificate_url(&self, text: &str) -> Option<Url> {
        let url = self.own_url(text)?;
        let name = url.path().strip_prefix("/SimpleNotificationService-")?.strip_suffix(".pem")?;
        let plain =
            (1..=128).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (plain && url.query().is_none() && url.fragment().is_none()).then_some(url)
    }

    /// Says that this topic is wanted here: it was configured, and SNS asks for it itself.
    async fn confirm(&self, url: Option<&str>) -> Result<(), ReceiptRefused> {
        let not_one = ReceiptRefused::malformed("SubscribeURL", "does not confirm this topic at SNS");
        let url = url.and_then(|url| self.own_url(url)).ok_or(not_one)?;
        let parameter =
            |name: &str| url.query_pairs().find(|(n, _)| n == name).map(|(_, value)| value.into_owned());
        let is_confirmation = url.path() == "/"
            && parameter("Action").as_deref() == Some("ConfirmSubscription")
            && parameter("TopicArn").as_deref() == Some(&self.topic_arn);
        if !is_confirmation {
            return Err(not_one);
        }
        match ask(self.client.get(url), "Amazon SNS").await {
            Ok(answer) if answer.is_success() => Ok(()),
            // SNS asks again.
            _ => Err(ReceiptRefused::Unverifiable),
        }
    }
}

/// What the signature of a post is over: names and values in their order, each on a line of its own.
fn signed_text(post: &Post) -> Option<String> {
    let mut pairs = vec![("Message", &post.message), ("MessageId", &post.message_id)];
    match post.kind.as_str() {
        "Notification" => pairs.extend(post.subject.as_ref().map(|subject| ("Subject", subject))),
        "SubscriptionConfirmation" | "UnsubscribeConfirmation" => {
            pairs.push(("SubscribeURL", post.subscribe_url.as_ref()?));
        }
        _ => return None,
    }
    pairs.push(("Timestamp", &post.timestamp));
    if post.kind != "Notification" {
        pairs.push(("Token", post.token.as_ref()?));
    }
    pairs.extend([("TopicArn", &post.topic_arn), ("Type", &post.kind)]);
    Some(pairs.into_iter().map(|(name, value)| format!("{name}\n{value}\n")).collect())
}
