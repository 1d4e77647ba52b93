//! Webhook endpoints, and what is on its way to them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vestibule_wire::{MessageId, OrganizationId, WebhookEndpointId, WebhookSubscriptionParams, view};

use super::{Millis, Organization};

/// How long after its event a delivery may still be tried. The retries (G-HOOK-1) take 72 minutes; the rest is for servers
/// that were stopped meanwhile.
pub const DELIVERY_LIFETIME_MS: i64 = 2 * 60 * 60 * 1000;

/// Where an organization wants to be told of events. Stands in the organization's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookEndpoint {
    /// Id.
    pub id: WebhookEndpointId,
    /// Label.
    pub name: String,
    /// As given.
    pub url: String,
    /// Whether it is told anything.
    pub is_active: bool,
    /// What it is told of.
    pub subscriptions: Vec<WebhookSubscriptionParams>,
}

impl WebhookEndpoint {
    /// The object that clients see.
    pub fn view(&self, organization: OrganizationId) -> view::WebhookEndpointData {
        let Self { id, name, url, is_active, subscriptions } = self.clone();
        view::WebhookEndpointData {
            endpoint_id: id,
            organization_id: organization,
            url,
            name,
            is_active,
            subscriptions,
        }
    }
}

/// Where a delivery goes, as its organization has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressee<'a> {
    /// The URL.
    pub url: &'a str,
    /// Whether deliveries to it are signed; those to the legacy webhook of a feature are not.
    pub signed: bool,
}

impl Organization {
    /// Where deliveries to an endpoint of this organization go; `None` once it is gone or switched off. The organization's
    /// own id stands for its legacy webhook.
    pub fn addressee(&self, endpoint: Uuid) -> Option<Addressee<'_>> {
        if endpoint == self.id.0 {
            return self.legacy_webhook().map(|url| Addressee { url, signed: false });
        }
        let found = self.webhooks.iter().find(|known| known.id.0 == endpoint && known.is_active);
        found.map(|endpoint| Addressee { url: &endpoint.url, signed: true })
    }

    /// The URL in the feature `FEATURE_NAME_WEBHOOK`.
    pub fn legacy_webhook(&self) -> Option<&str> {
        let found =
            self.features.iter().find(|feature| feature.name == vestibule_wire::FeatureName::Webhook)?;
        Some(found.value.as_str()).filter(|url| !url.is_empty())
    }
}

/// One event on its way to one endpoint: a row of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookDelivery {
    /// Id.
    pub id: MessageId,
    /// Whose endpoint it is.
    pub organization_id: OrganizationId,
    /// That organization's parent, or itself.
    pub tenant_id: OrganizationId,
    /// The event, the same for all endpoints that are told of it and on every try.
    pub event_id: Uuid,
    /// The endpoint; the organization's own id for its legacy webhook.
    pub endpoint_id: Uuid,
    /// Sealed JSON of [`DeliveryPayload`].
    pub payload: Vec<u8>,
    /// How often it was tried; a claim counts.
    pub attempts: i64,
    /// When it may be tried (again).
    pub due_at: Millis,
    /// Not tried any more after that.
    pub expires_at: Millis,
    /// When the event was.
    pub created_at: Millis,
}

/// What is posted. Activities name people's addresses, so that it is sealed at rest.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryPayload {
    /// `ACTIVITY_UPDATES` or another.
    pub event_type: String,
    /// The organization in which it happened.
    pub organization_id: OrganizationId,
    /// The body, exactly as it is signed.
    pub body: String,
}

/// What is told of people stays out of logs.
impl std::fmt::Debug for DeliveryPayload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeliveryPayload([redacted])")
    }
}

/// An endpoint for which deliveries wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingEndpoint {
    /// The endpoint.
    pub endpoint_id: Uuid,
    /// When the first of them is due, or its lease ends.
    pub due_at: Millis,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// The endpoint took it.
    Delivered,
    /// Given up.
    Failed,
    /// To be tried, for the first time or again.
    Waiting,
}

/// What became of a delivery, without what was in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryRecord {
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried next, or, once it is settled, when it is forgotten.
    pub due_at: Millis,
    /// When the event was.
    pub created_at: Millis,
    /// Why it failed last.
    pub error: Option<String>,
}
