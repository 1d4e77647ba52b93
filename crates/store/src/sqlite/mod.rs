//! The embedded store: one SQLite database in a data directory that one process owns.
//!
//! Promise: what [`Store::commit`] acknowledged survives a crash and a power failure; a read sees one consistent state;
//! no second process opens the directory.

mod backup;
#[cfg(test)]
mod catalogue_tests;
mod checkpoint;
mod connection;
pub(crate) mod copy;
mod new_file;
mod open;
mod queue;
mod reader;
mod upkeep;
mod writer;

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use tokio::sync::{Semaphore, oneshot};
use vestibule_engine::Clock;
use vestibule_engine::model::{
    AbuseRecord, ActivityRecord, ContactKey, Definition, DefinitionKind, DeliveryRecord, EmailEvent,
    HandedOver, Millis, Organization, ProxyConfig, ServerKey, StoredRoutes, Template, UserRecord,
    WaitingEndpoint, WebhookDelivery,
};
use vestibule_engine::store::{
    ActivityFilter, ChangeSet, ClaimedMessage, CommitError, Facts, Outcome, ReadKeys, Retention, SealedPlace,
    SealedRow, SealedValue, Settlement, Store, StoreError, SubOrganizationFilter,
};
use vestibule_wire::query::Page;
use vestibule_wire::view::EmailEventType;
use vestibule_wire::{ActivityId, MessageId, OrganizationId, ProxyConfigId, TemplateId, UserId};

pub use backup::{BackupContents, BackupError, Restored, backup, restore};
pub use new_file::NewFileError;
pub use open::{OpenError, Options};

use self::connection::{Failure, each, many, one};
use self::reader::Readers;
use self::writer::{Jobs, Task, Tx, unavailable};
use crate::plan::{self, params};
use crate::reading::{self, Reading};
use crate::rows::{self, Columns};
use crate::statements::Statement as S;
use crate::upkeep as shared;
use crate::{created_at, listing};

/// The embedded store.
pub struct SqliteStore {
    readers: Readers,
    jobs: Arc<Jobs>,
    places: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Held for as long as the store is open.
    _lock: File,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SqliteStore")
    }
}

impl SqliteStore {
    /// Runs a job on the writer and waits until its commit is on disk.
    async fn write<T, F>(&self, job: F) -> Result<T, CommitError>
    where
        T: Send + 'static,
        F: Fn(&Tx<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(unavailable)?;
        let (reply, answer) = oneshot::channel();
        self.jobs
            .push(Box::new(Task::new(job, reply, place)))
            .map_err(|_| unavailable("the store is closed"))?;
        answer.await.map_err(|_| unavailable("the writer is gone"))?
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.close();
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn read(&self, keys: &ReadKeys) -> Result<Facts, StoreError> {
        let now = self.clock.now_ms();
        self.readers.consistent(|conn| {
            let mut reading = Reading::new(keys, now);
            for ask in reading::asks(keys) {
                if reading.wants(ask.part) {
                    each(conn, ask.statement, &ask.params, |c| reading.row(ask.part, c))?;
                }
            }
            Ok(reading.finish())
        })
    }

    async fn commit(&self, changes: ChangeSet) -> Result<(), CommitError> {
        self.write(move |tx| tx.apply(&changes)).await
    }

    async fn user(
        &self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Option<UserRecord>, StoreError> {
        let params = params![organization.as_bytes(), user.as_bytes()];
        self.readers.with(|conn| {
            let mut users = Vec::with_capacity(1);
            each(conn, S::User, &params, |c| rows::collect_user(&mut users, c))?;
            Ok(reading::the_user(users))
        })
    }

    async fn users(&self, organization: OrganizationId) -> Result<Vec<UserRecord>, StoreError> {
        self.readers.with(|conn| {
            let mut users = Vec::new();
            each(conn, S::Users, &params![organization.as_bytes()], |c| rows::collect_user(&mut users, c))?;
            users.iter_mut().for_each(rows::sort_credentials);
            Ok(users)
        })
    }

    async fn activity(
        &self,
        organization: OrganizationId,
        activity: ActivityId,
    ) -> Result<Option<ActivityRecord>, StoreError> {
        let params = params![organization.as_bytes(), activity.as_bytes()];
        self.readers.with(|conn| match one(conn, S::Activity, &params, rows::activity)? {
            Some(found) => Ok(Some(found)),
            None => {
                let params = params![created_at(activity), activity.as_bytes(), organization.as_bytes()];
                one(conn, S::TenantActivity, &params, rows::activity)
            }
        })
    }

    async fn activities(
        &self,
        organization: OrganizationId,
        filter: &ActivityFilter,
        page: Page,
    ) -> Result<Vec<ActivityRecord>, StoreError> {
        let listing = listing::activities(&organization, filter, page);
        let found =
            self.readers.with(|conn| many(conn, listing.statement, &listing.params, rows::activity))?;
        Ok(listing.in_order(found))
    }

    async fn sub_organizations(
        &self,
        parent: OrganizationId,
        filter: Option<&SubOrganizationFilter>,
        page: Page,
    ) -> Result<Vec<OrganizationId>, StoreError> {
        let listing = listing::sub_organizations(&parent, filter, page);
        let id = |c: &mut Columns<'_>| c.uuid().map(OrganizationId);
        let found = self.readers.with(|conn| many(conn, listing.statement, &listing.params, id))?;
        Ok(listing.in_order(found))
    }

    async fn organization(&self, organization: OrganizationId) -> Result<Option<Organization>, StoreError> {
        let params = params![organization.as_bytes()];
        self.readers.with(|conn| one(conn, S::Organization, &params, rows::organization))
    }

    async fn parents(&self) -> Result<Vec<Organization>, StoreError> {
        self.readers.with(|conn| many(conn, S::Parents, &[], rows::organization))
    }

    async fn definitions(
        &self,
        organization: OrganizationId,
        kind: DefinitionKind,
    ) -> Result<Vec<Definition>, StoreError> {
        let params = params![organization.as_bytes(), kind.code()];
        self.readers.with(|conn| many(conn, S::Definitions, &params, rows::definition))
    }

    async fn definition(
        &self,
        organization: OrganizationId,
        kind: DefinitionKind,
        id: uuid::Uuid,
    ) -> Result<Option<Definition>, StoreError> {
        let params = params![organization.as_bytes(), kind.code(), id.as_bytes()];
        self.readers.with(|conn| one(conn, S::Definition, &params, rows::definition))
    }

    async fn proxy_config(&self, id: ProxyConfigId) -> Result<Option<ProxyConfig>, StoreError> {
        let params = params![id.as_bytes()];
        self.readers.with(|conn| one(conn, S::ProxyConfig, &params, rows::proxy_config))
    }

    async fn proxy_config_of(&self, organization: OrganizationId) -> Result<Option<ProxyConfig>, StoreError> {
        let params = params![organization.as_bytes()];
        self.readers.with(|conn| one(conn, S::ProxyConfigOf, &params, rows::proxy_config))
    }

    async fn template(
        &self,
        organization: OrganizationId,
        id: TemplateId,
    ) -> Result<Option<Template>, StoreError> {
        let params = params![organization.as_bytes(), id.as_bytes()];
        self.readers.with(|conn| one(conn, S::Template, &params, rows::template))
    }

    async fn templates(&self, organization: OrganizationId) -> Result<Vec<Template>, StoreError> {
        let params = params![organization.as_bytes()];
        self.readers.with(|conn| many(conn, S::Templates, &params, rows::template))
    }

    async fn claim_messages(
        &self,
        worker: uuid::Uuid,
        limit: u32,
        lease_ms: i64,
    ) -> Result<Vec<ClaimedMessage>, StoreError> {
        // Looking costs no commit; most of the time nothing is due.
        match self.next_due()? {
            Some(due) if due <= self.clock.now_ms() => {
                self.upkeep(move |tx| upkeep::claim(tx, worker, limit, lease_ms)).await
            }
            _ => Ok(Vec::new()),
        }
    }

    async fn settle_message(
        &self,
        id: MessageId,
        worker: uuid::Uuid,
        settlement: &Settlement,
    ) -> Result<bool, StoreError> {
        let settlement = settlement.clone();
        self.upkeep(move |tx| {
            let mut changed = 0;
            for (statement, params) in shared::settle(&id, &worker, &settlement, tx.now) {
                changed = tx.execute(statement, &params)?;
            }
            Ok(changed == 1)
        })
        .await
    }

    async fn handed_over(
        &self,
        provider: &str,
        provider_message_id: &str,
    ) -> Result<Option<HandedOver>, StoreError> {
        let params = params![provider, provider_message_id];
        self.readers.with(|conn| one(conn, S::HandedOver, &params, rows::handed_over))
    }

    async fn handed_over_to(
        &self,
        tenant: OrganizationId,
        contact: ContactKey,
        most: u32,
    ) -> Result<Vec<HandedOver>, StoreError> {
        let params = params![tenant.as_bytes(), &contact.0, most];
        self.readers.with(|conn| many(conn, S::HandedOverTo, &params, rows::handed_over))
    }

    async fn routes(&self, organization: OrganizationId) -> Result<Option<StoredRoutes>, StoreError> {
        let params = params![organization.as_bytes()];
        self.readers.with(|conn| one(conn, S::Routes, &params, rows::routes))
    }

    async fn email_events(
        &self,
        organization: OrganizationId,
        contact: ContactKey,
        event_type: Option<EmailEventType>,
        page: Page,
    ) -> Result<Vec<EmailEvent>, StoreError> {
        let listing = listing::email_events(&organization, &contact, event_type, page);
        let found =
            self.readers.with(|conn| many(conn, listing.statement, &listing.params, rows::email_event))?;
        Ok(listing.in_order(found))
    }

    async fn abuse_records(
        &self,
        tenant: OrganizationId,
        since: Millis,
        limit: Option<&str>,
        most: u32,
    ) -> Result<Vec<AbuseRecord>, StoreError> {
        let params = params![tenant.as_bytes(), since, limit, most];
        self.readers.with(|conn| many(conn, S::AbuseRecords, &params, rows::abuse_record))
    }

    async fn next_message_due(&self) -> Result<Option<Millis>, StoreError> {
        self.next_due()
    }

    async fn waiting_endpoints(
        &self,
        after: uuid::Uuid,
        limit: u32,
    ) -> Result<Vec<WaitingEndpoint>, StoreError> {
        let params = params![after.as_bytes(), limit];
        self.readers.with(|conn| many(conn, S::WaitingEndpoints, &params, rows::waiting_endpoint))
    }

    async fn claim_deliveries(
        &self,
        worker: uuid::Uuid,
        endpoint: uuid::Uuid,
        limit: u32,
        lease_ms: i64,
    ) -> Result<Vec<WebhookDelivery>, StoreError> {
        self.upkeep(move |tx| {
            let lease_end = tx.now.saturating_add(lease_ms);
            let params = params![worker.as_bytes(), lease_end, endpoint.as_bytes(), tx.now, limit];
            let mut claimed = tx.many(S::ClaimDeliveries, &params, rows::delivery)?;
            claimed.sort_by_key(|delivery| (delivery.created_at, delivery.id));
            Ok(claimed)
        })
        .await
    }

    async fn settle_delivery(
        &self,
        id: MessageId,
        worker: uuid::Uuid,
        outcome: &Outcome,
    ) -> Result<bool, StoreError> {
        let outcome = outcome.clone();
        self.upkeep(move |tx| {
            let (statement, params) = shared::settle_delivery(&id, &worker, &outcome);
            Ok(tx.execute(statement, &params)? == 1)
        })
        .await
    }

    async fn last_deliveries(&self, endpoint: uuid::Uuid) -> Result<Vec<DeliveryRecord>, StoreError> {
        let params = params![endpoint.as_bytes()];
        self.readers.with(|conn| many(conn, S::LastDeliveries, &params, rows::delivery_state))
    }

    async fn purge(&self, retention: &Retention) -> Result<u64, StoreError> {
        shared::purge(self, &*self.clock, retention).await
    }

    async fn meta(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.readers.with(|conn| one(conn, S::Meta, &params![key], |c| c.text()))
    }

    async fn put_meta(&self, key: &str, value: &str) -> Result<(), StoreError> {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.upkeep(move |tx| tx.execute(S::PutMeta, &params![&key, &value]).map(|_| ())).await
    }

    async fn server_keys(&self) -> Result<Vec<ServerKey>, StoreError> {
        self.readers.with(|conn| many(conn, S::ServerKeys, &[], rows::server_key))
    }

    async fn sealed_values(
        &self,
        place: SealedPlace,
        after: SealedRow,
        limit: u32,
    ) -> Result<Vec<SealedValue>, StoreError> {
        let params = params![after.0.as_bytes(), after.1.as_bytes(), limit];
        self.readers.with(|conn| many(conn, plan::walk(place), &params, rows::sealed_value))
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.readers.with(|conn| one(conn, S::Meta, &params![""], |c| c.text()))?;
        // An empty transaction: it takes the write lock, and costs no sync.
        self.upkeep(|_| Ok(())).await
    }

    /// Jobs that wait are done, and the log is copied into the database. Dropping the store does the same.
    fn close(&self) {
        self.jobs.close();
        self.readers.close();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // A panic of the thread was reported where it happened.
            let _ = writer.join();
        }
    }
}
