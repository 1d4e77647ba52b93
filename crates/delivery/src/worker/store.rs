//! What the worker asks of a store.

use async_trait::async_trait;
use uuid::Uuid;
use vestibule_engine::model::{Millis, Template};
use vestibule_engine::store::{ClaimedMessage, Settlement, Store, StoreError};
use vestibule_wire::{MessageId, OrganizationId, TemplateId};

/// The outbox, as the worker sees it. Every [`Store`] is one.
#[async_trait]
pub trait OutboxStore: Send + Sync {
    /// See [`Store::claim_messages`]. The `attempts` of what it returns count this claim: 1 on the first try.
    async fn claim(&self, worker: Uuid, limit: u32, lease_ms: i64)
    -> Result<Vec<ClaimedMessage>, StoreError>;

    /// See [`Store::settle_message`].
    async fn settle(&self, id: MessageId, worker: Uuid, settlement: &Settlement) -> Result<bool, StoreError>;

    /// See [`Store::next_message_due`].
    async fn next_due(&self) -> Result<Option<Millis>, StoreError>;

    /// See [`Store::template`].
    async fn stored_template(
        &self,
        parent: OrganizationId,
        id: TemplateId,
    ) -> Result<Option<Template>, StoreError>;
}

#[async_trait]
impl<S: Store + ?Sized> OutboxStore for S {
    async fn claim(
        &self,
        worker: Uuid,
        limit: u32,
        lease_ms: i64,
    ) -> Result<Vec<ClaimedMessage>, StoreError> {
        self.claim_messages(worker, limit, lease_ms).await
    }

    async fn settle(&self, id: MessageId, worker: Uuid, settlement: &Settlement) -> Result<bool, StoreError> {
        self.settle_message(id, worker, settlement).await
    }

    async fn next_due(&self) -> Result<Option<Millis>, StoreError> {
        self.next_message_due().await
    }

    async fn stored_template(
        &self,
        parent: OrganizationId,
        id: TemplateId,
    ) -> Result<Option<Template>, StoreError> {
        self.template(parent, id).await
    }
}
