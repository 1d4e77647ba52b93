//! What the worker asks of a store.

use async_trait::async_trait;
use uuid::Uuid;
use vestibule_engine::model::{Organization, WaitingEndpoint, WebhookDelivery};
use vestibule_engine::store::{Outcome, Store, StoreError};
use vestibule_wire::{MessageId, OrganizationId};

/// Deliveries, as their worker sees them. Every [`Store`] has them.
#[async_trait]
pub trait DeliveryStore: Send + Sync {
    /// See [`Store::waiting_endpoints`].
    async fn waiting(&self, after: Uuid, limit: u32) -> Result<Vec<WaitingEndpoint>, StoreError>;

    /// See [`Store::claim_deliveries`]. The `attempts` of what it returns count this claim: 1 on the first try.
    async fn claim(
        &self,
        worker: Uuid,
        endpoint: Uuid,
        limit: u32,
        lease_ms: i64,
    ) -> Result<Vec<WebhookDelivery>, StoreError>;

    /// See [`Store::settle_delivery`].
    async fn settle(&self, id: MessageId, worker: Uuid, outcome: &Outcome) -> Result<bool, StoreError>;

    /// See [`Store::organization`].
    async fn owner(&self, organization: OrganizationId) -> Result<Option<Organization>, StoreError>;
}

#[async_trait]
impl<S: Store + ?Sized> DeliveryStore for S {
    async fn waiting(&self, after: Uuid, limit: u32) -> Result<Vec<WaitingEndpoint>, StoreError> {
        self.waiting_endpoints(after, limit).await
    }

    async fn claim(
        &self,
        worker: Uuid,
        endpoint: Uuid,
        limit: u32,
        lease_ms: i64,
    ) -> Result<Vec<WebhookDelivery>, StoreError> {
        self.claim_deliveries(worker, endpoint, limit, lease_ms).await
    }

    async fn settle(&self, id: MessageId, worker: Uuid, outcome: &Outcome) -> Result<bool, StoreError> {
        self.settle_delivery(id, worker, outcome).await
    }

    async fn owner(&self, organization: OrganizationId) -> Result<Option<Organization>, StoreError> {
        self.organization(organization).await
    }
}
