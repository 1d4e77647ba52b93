//! The store on PostgreSQL, for more than one machine: any number of equal nodes on one database.
//!
//! Promise: an activity costs two round trips, one that reads and one that commits, and two more for each conflict; what
//! was acknowledged is as durable as the database makes its commits; nothing rests on sessions, sequences, advisory locks,
//! notifications or one node's clock. While the database is away, calls fail at once or in bounded time, and succeed again
//! once it is back.

mod connection;
pub(crate) mod copy;
mod flight;
mod open;
mod options;
mod pool;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
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

pub use open::OpenPostgresError;
pub use options::{PostgresOptions, UrlError};

use self::flight::{Query, Rows, Trouble};
use self::pool::{Lent, Pool};
use crate::plan::{self, params};
use crate::reading::{self, Part, Reading};
use crate::rows::{self, Columns};
use crate::statements::Statement as S;
use crate::upkeep::{self, Deletion, IdleKey, Purger};
use crate::value::{RowError, Value};
use crate::{created_at, listing};

/// How long the last measurement of the database's time is good for.
const TIME_IS_FRESH_MS: u64 = 1_000;

/// How often a change set is sent again after a deadlock or a serialization failure. Somebody went ahead each time.
const MAX_TRIES: u32 = 10;

/// The store on PostgreSQL.
pub struct PostgresStore {
    pool: Pool,
    clock: Arc<dyn Clock>,
    /// The longest a flight may take before its connection counts as lost.
    limit: Duration,
    /// Whether the clock follows the database's; those of tests do not.
    follows: AtomicBool,
    /// When the database's time was last learned, by the clock's own count.
    timed_at: AtomicI64,
    trips: AtomicU64,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PostgresStore")
    }
}

impl PostgresStore {
    /// How many flights of statements were sent and awaited so far. Preparing a statement on a new connection is not
    /// counted.
    pub fn round_trips(&self) -> u64 {
        self.trips.load(Ordering::Relaxed)
    }

    async fn lend(&self) -> Result<Lent, StoreError> {
        self.pool.get().await.map_err(pool::unavailable)
    }

    /// Awaits a flight in bounded time.
    async fn bounded<T>(&self, flight: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        self.trips.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("vestibule_database_round_trips_total").increment(1);
        let answer = tokio::time::timeout(self.limit, flight).await;
        answer.unwrap_or_else(|_| Err(Trouble::Away("the database did not answer in time".to_owned())))
    }

    /// Reads, and once more where the connection turns out to be dead, which is what a database that was restarted leaves
    /// behind.
    async fn look(
        &self,
        queries: &[Query<'_>],
        with_time: bool,
    ) -> Result<(Option<Millis>, Vec<Rows>), StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let mut conn = self.lend().await?;
            let answer = self.bounded(flight::snapshot(&mut conn, queries, with_time)).await;
            match give_back(conn, answer) {
                Err(Trouble::Away(_) | Trouble::Again(_)) if tries == 1 => {}
                other => return Ok(other?),
            }
        }
    }

    async fn rows(&self, statement: S, params: &[Value<'_>]) -> Result<Rows, StoreError> {
        let (_, mut answers) = self.look(&[(statement, params)], false).await?;
        Ok(answers.pop().unwrap_or_default())
    }

    async fn many<T>(
        &self,
        statement: S,
        params: &[Value<'_>],
        decode: impl Fn(&mut Columns<'_>) -> Result<T, RowError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self.rows(statement, params).await?;
        flight::decode(&rows, decode).map_err(|error| StoreError(error.to_string()))
    }

    async fn one<T>(
        &self,
        statement: S,
        params: &[Value<'_>],
        decode: impl Fn(&mut Columns<'_>) -> Result<T, RowError>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.many(statement, params, decode).await?.into_iter().next())
    }

    async fn records(&self, statement: S, params: &[Value<'_>]) -> Result<Vec<UserRecord>, StoreError> {
        let rows = self.rows(statement, params).await?;
        let mut users = Vec::new();
        for row in &rows {
            rows::collect_user(&mut users, &mut Columns::of(row))
                .map_err(|error| StoreError(error.to_string()))?;
        }
        Ok(users)
    }

    /// Runs changes without guards in one transaction; again after a deadlock.
    async fn changes(&self, steps: &[Query<'_>]) -> Result<Vec<flight::Answer>, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let mut conn = self.lend().await?;
            let answer = self.bounded(flight::changes(&mut conn, steps)).await;
            match give_back(conn, answer) {
                Err(Trouble::Again(_)) if tries < MAX_TRIES => {}
                other => return Ok(other?),
            }
        }
    }

    /// Runs one of them; returns how many rows it changed.
    async fn change(&self, statement: S, params: &[Value<'_>]) -> Result<u64, StoreError> {
        Ok(self.changes(&[(statement, params)]).await?.iter().map(|answer| answer.count).sum())
    }

    /// Whether this read shall bring the database's time along: one does whenever what is known grows old.
    fn time_is_due(&self) -> bool {
        if !self.follows.load(Ordering::Relaxed) {
            return false;
        }
        let (now, known) = (self.clock.wall_ms(), self.timed_at.load(Ordering::Relaxed));
        now.abs_diff(known) > TIME_IS_FRESH_MS
            && self.timed_at.compare_exchange(known, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Sets the clock right by the database's, which was read between `sent` and now. The error is at most half of that
    /// span; a measurement taken over a long one is not worth more than the clock as it is, unless that is far off.
    fn learned_time(&self, sent: Millis, database: Millis) {
        let now = self.clock.wall_ms();
        let (span, off) = (now - sent, database - (sent + (now - sent) / 2));
        if off.abs() > span / 2 + 1 {
            self.clock.correct(off);
        }
        self.timed_at.store(self.clock.wall_ms(), Ordering::Relaxed);
    }
}

/// Gives a connection back, or closes it where it is of no more use.
fn give_back<T>(conn: Lent, answer: Result<T, Trouble>) -> Result<T, Trouble> {
    if answer.as_ref().is_err_and(Trouble::ends_connection) {
        drop(Lent::take(conn));
    }
    answer
}

/// Rows of a read, put where they belong.
fn take(reading: &mut Reading<'_>, asks: &[reading::Ask<'_>], answers: &[Rows]) -> Result<(), RowError> {
    for (ask, rows) in asks.iter().zip(answers) {
        if reading.wants(ask.part) {
            for row in rows {
                reading.row(ask.part, &mut Columns::of(row))?;
            }
        }
    }
    Ok(())
}

#[async_trait]
impl Store for PostgresStore {
    async fn read(&self, keys: &ReadKeys) -> Result<Facts, StoreError> {
        // Who submitted an activity is asked for once it is known that it was.
        let (later, asks): (Vec<_>, Vec<_>) =
            reading::asks(keys).into_iter().partition(|ask| ask.part == Part::Submitter);
        let queries: Vec<Query<'_>> = asks.iter().map(|ask| (ask.statement, ask.params.as_slice())).collect();
        let with_time = self.time_is_due();
        let sent = self.clock.wall_ms();
        let (time, answers) = self.look(&queries, with_time).await?;
        if let Some(time) = time {
            self.learned_time(sent, time);
        }
        let unreadable = |error: RowError| StoreError(error.to_string());
        let mut reading = Reading::new(keys, self.clock.now_ms());
        take(&mut reading, &asks, &answers).map_err(unreadable)?;
        if reading.wants(Part::Submitter) {
            let queries: Vec<Query<'_>> =
                later.iter().map(|ask| (ask.statement, ask.params.as_slice())).collect();
            let (_, answers) = self.look(&queries, false).await?;
            take(&mut reading, &later, &answers).map_err(unreadable)?;
        }
        Ok(reading.finish())
    }

    async fn commit(&self, changes: ChangeSet) -> Result<(), CommitError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let mut conn = self.lend().await?;
            let now = self.clock.now_ms();
            let time = self.follows.load(Ordering::Relaxed).then(|| self.clock.wall_ms());
            let answer = self.bounded(flight::commit(&mut conn, &changes, now, time)).await;
            match give_back(conn, answer) {
                Ok(()) => return Ok(()),
                Err(Trouble::Conflict(write)) => {
                    // It may have been the time: the next read brings it along.
                    self.timed_at.store(i64::MIN, Ordering::Relaxed);
                    return Err(CommitError::Conflict(write));
                }
                Err(Trouble::Skew) if tries < MAX_TRIES => self.learn_time().await?,
                Err(Trouble::Again(cause)) if tries < MAX_TRIES => {
                    tracing::debug!(target: "vestibule::store", cause, "sent again");
                }
                Err(trouble) => return Err(CommitError::Unavailable(trouble.into())),
            }
        }
    }

    async fn user(
        &self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Option<UserRecord>, StoreError> {
        let params = params![organization.as_bytes(), user.as_bytes()];
        Ok(reading::the_user(self.records(S::User, &params).await?))
    }

    async fn users(&self, organization: OrganizationId) -> Result<Vec<UserRecord>, StoreError> {
        let mut users = self.records(S::Users, &params![organization.as_bytes()]).await?;
        users.iter_mut().for_each(rows::sort_credentials);
        Ok(users)
    }

    async fn activity(
        &self,
        organization: OrganizationId,
        activity: ActivityId,
    ) -> Result<Option<ActivityRecord>, StoreError> {
        let params = params![organization.as_bytes(), activity.as_bytes()];
        if let Some(found) = self.one(S::Activity, &params, rows::activity).await? {
            return Ok(Some(found));
        }
        let params = params![created_at(activity), activity.as_bytes(), organization.as_bytes()];
        self.one(S::TenantActivity, &params, rows::activity).await
    }

    async fn activities(
        &self,
        organization: OrganizationId,
        filter: &ActivityFilter,
        page: Page,
    ) -> Result<Vec<ActivityRecord>, StoreError> {
        let listing = listing::activities(&organization, filter, page);
        let found = self.many(listing.statement, &listing.params, rows::activity).await?;
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
        let found = self.many(listing.statement, &listing.params, id).await?;
        Ok(listing.in_order(found))
    }

    async fn organization(&self, organization: OrganizationId) -> Result<Option<Organization>, StoreError> {
        self.one(S::Organization, &params![organization.as_bytes()], rows::organization).await
    }

    async fn parents(&self) -> Result<Vec<Organization>, StoreError> {
        self.many(S::Parents, &[], rows::organization).await
    }

    async fn definitions(
        &self,
        organization: OrganizationId,
        kind: DefinitionKind,
    ) -> Result<Vec<Definition>, StoreError> {
        let params = params![organization.as_bytes(), kind.code()];
        self.many(S::Definitions, &params, rows::definition).await
    }

    async fn definition(
        &self,
        organization: OrganizationId,
        kind: DefinitionKind,
        id: uuid::Uuid,
    ) -> Result<Option<Definition>, StoreError> {
        let params = params![organization.as_bytes(), kind.code(), id.as_bytes()];
        self.one(S::Definition, &params, rows::definition).await
    }

    async fn proxy_config(&self, id: ProxyConfigId) -> Result<Option<ProxyConfig>, StoreError> {
        self.one(S::ProxyConfig, &params![id.as_bytes()], rows::proxy_config).await
    }

    async fn proxy_config_of(&self, organization: OrganizationId) -> Result<Option<ProxyConfig>, StoreError> {
        self.one(S::ProxyConfigOf, &params![organization.as_bytes()], rows::proxy_config).await
    }

    async fn template(
        &self,
        organization: OrganizationId,
        id: TemplateId,
    ) -> Result<Option<Template>, StoreError> {
        self.one(S::Template, &params![organization.as_bytes(), id.as_bytes()], rows::template).await
    }

    async fn templates(&self, organization: OrganizationId) -> Result<Vec<Template>, StoreError> {
        self.many(S::Templates, &params![organization.as_bytes()], rows::template).await
    }

    async fn claim_messages(
        &self,
        worker: uuid::Uuid,
        limit: u32,
        lease_ms: i64,
    ) -> Result<Vec<ClaimedMessage>, StoreError> {
        let now = self.clock.now_ms();
        let late = params![now];
        let claim = params![worker.as_bytes(), now.saturating_add(lease_ms), now, limit];
        let steps: [Query<'_>; 2] = [(S::FailExpiredMessages, &late), (S::ClaimMessages, &claim)];
        let answers = self.changes(&steps).await?;
        let claimed = answers.last().map(|answer| flight::decode(&answer.rows, rows::claimed));
        let mut claimed =
            claimed.transpose().map_err(|error| StoreError(error.to_string()))?.unwrap_or_default();
        claimed.sort_by_key(|ClaimedMessage { message, .. }| (message.created_at, message.id));
        Ok(claimed)
    }

    async fn settle_message(
        &self,
        id: MessageId,
        worker: uuid::Uuid,
        settlement: &Settlement,
    ) -> Result<bool, StoreError> {
        let settled = upkeep::settle(&id, &worker, settlement, self.clock.now_ms());
        let steps: Vec<Query<'_>> =
            settled.iter().map(|(statement, params)| (*statement, params.as_slice())).collect();
        Ok(self.changes(&steps).await?.last().is_some_and(|answer| answer.count == 1))
    }

    async fn handed_over(
        &self,
        provider: &str,
        provider_message_id: &str,
    ) -> Result<Option<HandedOver>, StoreError> {
        self.one(S::HandedOver, &params![provider, provider_message_id], rows::handed_over).await
    }

    async fn handed_over_to(
        &self,
        tenant: OrganizationId,
        contact: ContactKey,
        most: u32,
    ) -> Result<Vec<HandedOver>, StoreError> {
        self.many(S::HandedOverTo, &params![tenant.as_bytes(), &contact.0, most], rows::handed_over).await
    }

    async fn routes(&self, organization: OrganizationId) -> Result<Option<StoredRoutes>, StoreError> {
        self.one(S::Routes, &params![organization.as_bytes()], rows::routes).await
    }

    async fn email_events(
        &self,
        organization: OrganizationId,
        contact: ContactKey,
        event_type: Option<EmailEventType>,
        page: Page,
    ) -> Result<Vec<EmailEvent>, StoreError> {
        let listing = listing::email_events(&organization, &contact, event_type, page);
        let found = self.many(listing.statement, &listing.params, rows::email_event).await?;
        Ok(listing.in_order(found))
    }

    async fn abuse_records(
        &self,
        tenant: OrganizationId,
        since: Millis,
        limit: Option<&str>,
        most: u32,
    ) -> Result<Vec<AbuseRecord>, StoreError> {
        self.many(S::AbuseRecords, &params![tenant.as_bytes(), since, limit, most], rows::abuse_record).await
    }

    async fn next_message_due(&self) -> Result<Option<Millis>, StoreError> {
        self.one(S::NextMessageDue, &[], |c| c.int()).await
    }

    async fn waiting_endpoints(
        &self,
        after: uuid::Uuid,
        limit: u32,
    ) -> Result<Vec<WaitingEndpoint>, StoreError> {
        self.many(S::WaitingEndpoints, &params![after.as_bytes(), limit], rows::waiting_endpoint).await
    }

    async fn claim_deliveries(
        &self,
        worker: uuid::Uuid,
        endpoint: uuid::Uuid,
        limit: u32,
        lease_ms: i64,
    ) -> Result<Vec<WebhookDelivery>, StoreError> {
        let now = self.clock.now_ms();
        let lease_end = now.saturating_add(lease_ms);
        let claim = params![worker.as_bytes(), lease_end, endpoint.as_bytes(), now, limit];
        let answers = self.changes(&[(S::ClaimDeliveries, &claim)]).await?;
        let claimed = answers.last().map(|answer| flight::decode(&answer.rows, rows::delivery));
        let mut claimed =
            claimed.transpose().map_err(|error| StoreError(error.to_string()))?.unwrap_or_default();
        claimed.sort_by_key(|delivery| (delivery.created_at, delivery.id));
        Ok(claimed)
    }

    async fn settle_delivery(
        &self,
        id: MessageId,
        worker: uuid::Uuid,
        outcome: &Outcome,
    ) -> Result<bool, StoreError> {
        let (statement, params) = upkeep::settle_delivery(&id, &worker, outcome);
        Ok(self.change(statement, &params).await? == 1)
    }

    async fn last_deliveries(&self, endpoint: uuid::Uuid) -> Result<Vec<DeliveryRecord>, StoreError> {
        self.many(S::LastDeliveries, &params![endpoint.as_bytes()], rows::delivery_state).await
    }

    async fn purge(&self, retention: &Retention) -> Result<u64, StoreError> {
        upkeep::purge(self, &*self.clock, retention).await
    }

    async fn meta(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.one(S::Meta, &params![key], |c| c.text()).await
    }

    async fn put_meta(&self, key: &str, value: &str) -> Result<(), StoreError> {
        self.change(S::PutMeta, &params![key, value]).await.map(|_| ())
    }

    async fn server_keys(&self) -> Result<Vec<ServerKey>, StoreError> {
        self.many(S::ServerKeys, &[], rows::server_key).await
    }

    async fn sealed_values(
        &self,
        place: SealedPlace,
        after: SealedRow,
        limit: u32,
    ) -> Result<Vec<SealedValue>, StoreError> {
        let params = params![after.0.as_bytes(), after.1.as_bytes(), limit];
        self.many(plan::walk(place), &params, rows::sealed_value).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        // Connections are opened to a server that takes writes; one that has become a standby since refuses this.
        let mut conn = self.lend().await?;
        let answer = self.bounded(flight::commit(&mut conn, &ChangeSet::new(), 0, None)).await;
        give_back(conn, answer)?;
        self.meta("").await.map(|_| ())
    }

    fn close(&self) {
        self.pool.close();
    }
}

#[async_trait]
impl Purger for PostgresStore {
    async fn delete(&self, deletions: Vec<Deletion>) -> Result<u64, StoreError> {
        let params: Vec<Vec<Value<'_>>> = deletions.iter().map(Deletion::params).collect();
        let steps: Vec<Query<'_>> = deletions
            .iter()
            .zip(&params)
            .map(|(deletion, params)| (deletion.statement(), params.as_slice()))
            .collect();
        Ok(self.changes(&steps).await?.iter().map(|answer| answer.count).sum())
    }

    async fn walk(&self, walk: S, from: &IdleKey, batch: u32) -> Result<Vec<(IdleKey, Millis)>, StoreError> {
        let params = params![&from.0, &from.1, batch];
        self.many(walk, &params, |c| Ok(((c.uuid()?.into_bytes(), c.hash()?), c.int()?))).await
    }
}
