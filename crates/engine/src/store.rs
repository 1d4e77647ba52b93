//! What the engine asks of a store: one read that loads all a decision needs, and one atomic commit of guarded writes.
//!
//! A guard is a predicate on a write. When it matches no row, the whole change set is undone and comes back as a
//! [`Conflict`]; the engine then reads and decides again. Guards on expiry use the store's own time.

mod changes;
mod codes;
mod facts;
mod keys;
mod outbox;

pub use changes::{ChangeSet, TakeSend, Write};
pub use codes::{channel_code, channel_from_code, flavour_code, flavour_from_code};
pub use facts::{CallerKey, CallerMatch, ContactHolder, Facts, IntentKeys, ReadKeys, TemplateKey};
pub use keys::{KeyWrite, NewServerKey, Reseal, SealedPlace, SealedRow, SealedValue};
pub use outbox::{ClaimedMessage, Outcome, Settlement, SuppressContact};

use async_trait::async_trait;
use vestibule_wire::view::{ActivityStatus, EmailEventType};
use vestibule_wire::{ActivityId, MessageId, OrganizationId, ProxyConfigId, TemplateId, UserId};

use crate::model::{
    AbuseRecord, ActivityRecord, ContactKey, Definition, DefinitionKind, DeliveryRecord, EmailEvent,
    HandedOver, Millis, Organization, ProxyConfig, ServerKey, StoredRoutes, Template, UserRecord,
    WaitingEndpoint, WebhookDelivery,
};

/// Why a change set was not applied.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A guard matched no row: something changed since the read. Names the write.
    #[error("conflict at {0}")]
    Conflict(&'static str),
    /// The store is away; nothing is known to have been applied.
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

/// The store cannot answer. The cause is for logs.
#[derive(Debug, thiserror::Error)]
#[error("store unavailable: {0}")]
pub struct StoreError(pub String);

/// A filter for lists of sub-organizations, with contacts and keys in their look-up forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubOrganizationFilter {
    /// Look-up bytes of a credential (key or credential id).
    Credential(Vec<u8>),
    /// Name of the organization.
    Name(String),
    /// Name of a user.
    Username(String),
    /// A contact, verified or not.
    Contact(ContactKey),
    /// A verified contact.
    VerifiedContact(ContactKey),
    /// Any verified contact of this kind or any kind.
    AnyVerifiedContact,
}

/// A filter for lists of activities.
#[derive(Debug, Clone, Default)]
pub struct ActivityFilter {
    /// Empty: all.
    pub statuses: Vec<ActivityStatus>,
    /// Full names; empty: all.
    pub types: Vec<String>,
}

/// How long finished things are kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Activities and e-mail events, from their creation on. Never shorter than the liveness window, which the configuration checks.
    pub activities_ms: i64,
    /// Expired credentials, so that their users are told so (24 h at least).
    pub expired_credentials_ms: i64,
    /// What providers call the messages they took.
    pub handed_over_ms: i64,
    /// Limits that have been idle.
    pub idle_limits_ms: i64,
    /// Who was limited.
    pub abuse_ms: i64,
    /// Rows per statement, so that no purge holds the writer for long.
    pub batch: u32,
}

/// Persistent state. Every method is atomic; a commit is durable before it returns.
#[async_trait]
pub trait Store: Send + Sync {
    /// Loads what a decision needs.
    async fn read(&self, keys: &ReadKeys) -> Result<Facts, StoreError>;

    /// Applies a change set, durably, or nothing of it.
    async fn commit(&self, changes: ChangeSet) -> Result<(), CommitError>;

    /// A user of an organization with its credentials.
    async fn user(
        &self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Option<UserRecord>, StoreError>;

    /// All users of an organization, newest first.
    async fn users(&self, organization: OrganizationId) -> Result<Vec<UserRecord>, StoreError>;

    /// One activity of an organization, or of a sub-organization of it (G-ENV-6).
    async fn activity(
        &self,
        organization: OrganizationId,
        activity: ActivityId,
    ) -> Result<Option<ActivityRecord>, StoreError>;

    /// Activities of an organization, newest first.
    async fn activities(
        &self,
        organization: OrganizationId,
        filter: &ActivityFilter,
        page: vestibule_wire::query::Page,
    ) -> Result<Vec<ActivityRecord>, StoreError>;

    /// Ids of sub-organizations, newest first.
    async fn sub_organizations(
        &self,
        parent: OrganizationId,
        filter: Option<&SubOrganizationFilter>,
        page: vestibule_wire::query::Page,
    ) -> Result<Vec<OrganizationId>, StoreError>;

    /// One organization.
    async fn organization(&self, organization: OrganizationId) -> Result<Option<Organization>, StoreError>;

    /// All parents, newest first.
    async fn parents(&self) -> Result<Vec<Organization>, StoreError>;

    /// All definitions of one kind of an organization, oldest first.
    async fn definitions(
        &self,
        organization: OrganizationId,
        kind: DefinitionKind,
    ) -> Result<Vec<Definition>, StoreError>;

    /// One definition of an organization.
    async fn definition(
        &self,
        organization: OrganizationId,
        kind: DefinitionKind,
        id: uuid::Uuid,
    ) -> Result<Option<Definition>, StoreError>;

    /// An auth proxy config by the id that clients send.
    async fn proxy_config(&self, id: ProxyConfigId) -> Result<Option<ProxyConfig>, StoreError>;

    /// The auth proxy config of a parent.
    async fn proxy_config_of(&self, organization: OrganizationId) -> Result<Option<ProxyConfig>, StoreError>;

    /// A template of a parent.
    async fn template(
        &self,
        organization: OrganizationId,
        id: TemplateId,
    ) -> Result<Option<Template>, StoreError>;

    /// All templates of a parent, newest first.
    async fn templates(&self, organization: OrganizationId) -> Result<Vec<Template>, StoreError>;

    /// Claims due messages for `worker` under a lease, which is told as their `due_at`: from then on another worker may
    /// claim them. A claim counts as an attempt. Messages past their expiry are failed, not claimed.
    async fn claim_messages(
        &self,
        worker: uuid::Uuid,
        limit: u32,
        lease_ms: i64,
    ) -> Result<Vec<ClaimedMessage>, StoreError>;

    /// Records what became of a claimed message, and with it what there is to tell its sender; false, and neither of them, when
    /// the lease went to another worker.
    async fn settle_message(
        &self,
        id: MessageId,
        worker: uuid::Uuid,
        settlement: &Settlement,
    ) -> Result<bool, StoreError>;

    /// A message by the name that its provider has for it.
    async fn handed_over(
        &self,
        provider: &str,
        provider_message_id: &str,
    ) -> Result<Option<HandedOver>, StoreError>;

    /// The last `most` messages of a parent that a provider took for a contact and has a name for, the latest first.
    async fn handed_over_to(
        &self,
        tenant: OrganizationId,
        contact: ContactKey,
        most: u32,
    ) -> Result<Vec<HandedOver>, StoreError>;

    /// The routes of a parent; nothing where none were ever set.
    async fn routes(&self, organization: OrganizationId) -> Result<Option<StoredRoutes>, StoreError>;

    /// What became of e-mails to a contact, newest first: those of this organization, and of its sub-organizations.
    async fn email_events(
        &self,
        organization: OrganizationId,
        contact: ContactKey,
        event_type: Option<EmailEventType>,
        page: vestibule_wire::query::Page,
    ) -> Result<Vec<EmailEvent>, StoreError>;

    /// Who was limited in the hours since, newest first, by any limit or the one named: requests to one parent organization, or
    /// those that concern none. The first `most` of them.
    async fn abuse_records(
        &self,
        tenant: OrganizationId,
        since: Millis,
        limit: Option<&str>,
        most: u32,
    ) -> Result<Vec<AbuseRecord>, StoreError>;

    /// When the next message is due, if any waits.
    async fn next_message_due(&self) -> Result<Option<Millis>, StoreError>;

    /// The webhook endpoints for which deliveries wait, those under a lease included: the next `limit` behind `after` in the
    /// order of their ids. What it costs does not depend on how much waits for each.
    async fn waiting_endpoints(
        &self,
        after: uuid::Uuid,
        limit: u32,
    ) -> Result<Vec<WaitingEndpoint>, StoreError>;

    /// Claims due deliveries of one endpoint as [`Store::claim_messages`] does messages, expired ones among them.
    async fn claim_deliveries(
        &self,
        worker: uuid::Uuid,
        endpoint: uuid::Uuid,
        limit: u32,
        lease_ms: i64,
    ) -> Result<Vec<WebhookDelivery>, StoreError>;

    /// Records what became of a claimed delivery; false, and nothing of it, when the lease went to another worker.
    async fn settle_delivery(
        &self,
        id: MessageId,
        worker: uuid::Uuid,
        outcome: &Outcome,
    ) -> Result<bool, StoreError>;

    /// Of an endpoint the newest delivery that was made, the newest that was given up, and the next that waits, as far as
    /// there are any that were not purged.
    async fn last_deliveries(&self, endpoint: uuid::Uuid) -> Result<Vec<DeliveryRecord>, StoreError>;

    /// Removes what is over; returns how many rows went.
    async fn purge(&self, retention: &Retention) -> Result<u64, StoreError>;

    /// A setting of the installation.
    async fn meta(&self, key: &str) -> Result<Option<String>, StoreError>;

    /// Sets a setting of the installation.
    async fn put_meta(&self, key: &str, value: &str) -> Result<(), StoreError>;

    /// All keys of the server, in any order.
    async fn server_keys(&self) -> Result<Vec<ServerKey>, StoreError>;

    /// The next `limit` rows behind `after` of those that may hold a sealed value, in the order of their names. A walk
    /// begins behind [`SealedRow::START`] and ends with an answer of fewer rows.
    async fn sealed_values(
        &self,
        place: SealedPlace,
        after: SealedRow,
        limit: u32,
    ) -> Result<Vec<SealedValue>, StoreError>;

    /// Whether reads and writes work now.
    async fn ready(&self) -> Result<(), StoreError>;

    /// Ends the store: what waits is finished, later calls are refused as unavailable. May block for as long.
    fn close(&self);
}
