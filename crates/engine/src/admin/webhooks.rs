//! What the operator sees of webhook endpoints.

use serde::{Deserialize, Serialize};
use vestibule_wire::{OrganizationId, Refusal, WebhookEndpointId};

use crate::engine::{Engine, unavailable};
use crate::events::event_id;
use crate::model::{DeliveryRecord, Organization, WebhookEndpoint};
use crate::store::{ChangeSet, CommitError, Write};

/// An endpoint, and what became of its last deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookStatus {
    /// The endpoint; the organization's own id stands for its legacy webhook.
    pub endpoint: WebhookEndpoint,
    /// Whether deliveries to it are signed.
    pub signed: bool,
    /// The newest that was made, the newest that was given up, and the next that waits, as far as there are any.
    pub deliveries: Vec<DeliveryRecord>,
}

impl Engine {
    /// The webhook endpoints of an organization, oldest first, and its legacy webhook behind them.
    pub async fn list_webhooks(&self, organization: OrganizationId) -> Result<Vec<WebhookStatus>, Refusal> {
        let organization = self.organization_of(organization).await?;
        let legacy = organization.legacy_webhook().map(|url| WebhookEndpoint {
            id: WebhookEndpointId(organization.id.0),
            name: "FEATURE_NAME_WEBHOOK".to_owned(),
            url: url.to_owned(),
            is_active: true,
            subscriptions: Vec::new(),
        });
        let mut shown = Vec::new();
        for endpoint in organization.webhooks.iter().cloned().chain(legacy) {
            let deliveries = self.services.store.last_deliveries(endpoint.id.0).await;
            let deliveries = deliveries.map_err(|error| unavailable(&error))?;
            let signed = endpoint.id.0 != organization.id.0;
            shown.push(WebhookStatus { endpoint, signed, deliveries });
        }
        Ok(shown)
    }

    /// Queues an event that says nothing for one endpoint that is switched on; returns the event's id.
    pub async fn ping_webhook(
        &self,
        organization: OrganizationId,
        endpoint: WebhookEndpointId,
    ) -> Result<String, Refusal> {
        let owner = self.organization_of(organization).await?;
        if owner.addressee(endpoint.0).is_none() {
            let id = endpoint.to_string();
            return Err(Refusal::NotFound { kind: "active webhook endpoint", id, organization });
        }
        let keys = self.services.keys.current();
        let writes = self.teller(&keys, self.services.clock.now_ms()).ping(&owner, endpoint.0);
        let told = writes.iter().find_map(|write| match write {
            Write::EnqueueDelivery(delivery) => Some(event_id(delivery.event_id)),
            _ => None,
        });
        match self.services.store.commit(ChangeSet { writes }).await {
            Ok(()) => self.delivery_queued().notify_one(),
            Err(CommitError::Conflict(_)) => return Err(Refusal::Unavailable),
            Err(CommitError::Unavailable(error)) => return Err(unavailable(&error)),
        }
        told.ok_or(Refusal::Unavailable)
    }

    async fn organization_of(&self, id: OrganizationId) -> Result<Organization, Refusal> {
        let found = self.services.store.organization(id).await.map_err(|error| unavailable(&error))?;
        found.ok_or(Refusal::OrganizationNotFound)
    }
}
