//! What the operator is told of limits: alerts, and the report of who was limited and why.

use serde_json::json;
use vestibule_wire::{OrganizationId, Refusal};

use crate::engine::{Engine, unavailable};
use crate::events::{Alert, Audience};
use crate::limits::{self, Guard, LimitName, Limited, Subject, key};
use crate::model::{AbuseRecord, Millis};
use crate::store::{ChangeSet, CommitError, StoreError, Write};

const HOUR_MS: i64 = 3_600_000;

/// Records written at once.
const BATCH: usize = 100;

/// Which records a report shows.
#[derive(Debug, Clone, Default)]
pub struct AbuseFilter {
    /// Only of this parent organization; absent: of all, and of client addresses.
    pub organization: Option<OrganizationId>,
    /// Only this limit, by its name.
    pub limit: Option<String>,
    /// Hours back from now.
    pub hours: u32,
    /// The most records of each organization.
    pub most: u32,
}

/// The limits that tell of an attack rather than of one impatient user: an alert is given when one is first met in an hour.
pub static ALERTING: std::sync::LazyLock<Vec<&'static str>> = std::sync::LazyLock::new(|| {
    let wide = |name: &&LimitName| {
        matches!(name.subject(), Subject::Organization | Subject::Prefix | Subject::Country)
    };
    let rows = LimitName::ALL.iter().filter(wide).map(|name| name.name());
    // A number of a country that is not served is one person's mistake.
    let guards = Guard::ALL.into_iter().filter(|guard| *guard != Guard::Countries).map(Guard::name);
    rows.chain(guards).collect()
});

impl Engine {
    /// The time that limits are counted by, epoch milliseconds.
    pub fn now_ms(&self) -> Millis {
        self.services.clock.now_ms()
    }

    /// Counts a limit of a client address.
    pub fn note_address(&self, limited: &Limited) {
        self.abuse.note(None, limited, self.now_ms());
    }

    /// Writes what limits were met since the last time, and gives the alerts of this hour that were not given yet, by this
    /// server or another. Called now and then, and before a report.
    pub async fn write_abuse(&self) -> Result<(), StoreError> {
        let mut records = self.abuse.take();
        let outcome = self.write_records(&mut records).await;
        self.abuse.put_back(records);
        outcome
    }

    /// Writes records, and takes out of the list those that were written.
    async fn write_records(&self, records: &mut Vec<AbuseRecord>) -> Result<(), StoreError> {
        records.sort_by(|a, b| key(a).cmp(&key(b)));
        while !records.is_empty() {
            let batch = records.len().min(BATCH);
            for alert in alerts(&records[..batch]) {
                self.alert(alert).await?;
            }
            let mut changes = ChangeSet::new();
            for record in &records[..batch] {
                changes.push(Write::AddAbuse(Box::new(record.clone())));
            }
            self.write(changes).await?;
            records.drain(..batch);
        }
        Ok(())
    }

    /// Gives an alert, unless it was given before: to the log, to the metrics, and to the endpoints that subscribed.
    async fn alert(&self, cause: Cause) -> Result<(), StoreError> {
        let Cause { record, action, whose } = cause;
        let AbuseRecord { tenant_id, limit, hits, first_at, last_at, .. } = record.clone();
        let mut changes = ChangeSet::new();
        changes.push(Write::InsertAbuse(Box::new(record)));
        if let Some(organization) = self.services.store.organization(tenant_id).await? {
            let details = json!({
                "why": limits::why(&limit), "whose": whose, "requests": hits, "firstAt": first_at, "lastAt": last_at,
            });
            let details = details.as_object().cloned().unwrap_or_default();
            let alert = Alert { rule: limit.clone(), action, details };
            let keys = self.services.keys.current();
            let teller = self.teller(&keys, self.now_ms());
            changes.writes.extend(teller.alert(Audience::parent(&organization), &alert));
        }
        if self.write(changes).await? {
            self.told.notify_one();
            metrics::counter!("vestibule_abuse_alerts_total", "limit" => limit.clone()).increment(1);
            tracing::warn!(organization = %tenant_id, limit, first_at, hits, "a limit was met that tells of abuse");
        }
        Ok(())
    }

    /// Commits; false where a guard did not hold.
    async fn write(&self, changes: ChangeSet) -> Result<bool, StoreError> {
        match self.services.store.commit(changes).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict(_)) => Ok(false),
            Err(CommitError::Unavailable(error)) => Err(error),
        }
    }

    /// Who was limited, newest hours first.
    pub async fn abuse_report(&self, filter: &AbuseFilter) -> Result<Vec<AbuseRecord>, Refusal> {
        let failed = |error: StoreError| unavailable(&error);
        self.write_abuse().await.map_err(failed)?;
        let since = self.now_ms() - i64::from(filter.hours) * HOUR_MS;
        let since = since.div_euclid(HOUR_MS) * HOUR_MS;
        let whose: Vec<OrganizationId> = match filter.organization {
            Some(organization) => vec![self.parent(organization).await?.id],
            None => {
                let parents = self.list_organizations().await?;
                std::iter::once(AbuseRecord::SERVER).chain(parents.into_iter().map(|o| o.id)).collect()
            }
        };
        let mut found = Vec::new();
        for tenant in whose {
            let store = &self.services.store;
            let records = store.abuse_records(tenant, since, filter.limit.as_deref(), filter.most).await;
            found.extend(records.map_err(failed)?);
        }
        found.sort_by(|a, b| (b.hour, key(a)).cmp(&(a.hour, key(b))));
        Ok(found)
    }
}

/// What an alert is made of.
struct Cause {
    /// How it is remembered that it was given.
    record: AbuseRecord,
    /// What became of the requests.
    action: String,
    /// Some of those whose requests they were: prefixes, countries, client addresses.
    whose: Vec<String>,
}

/// How many of those an alert names.
const NAMED: usize = 10;

/// The alerts that records give cause for: one for each organization, hour and limit.
fn alerts(records: &[AbuseRecord]) -> Vec<Cause> {
    let mut alerts: Vec<Cause> = Vec::new();
    for record in records.iter().filter(|record| record.action != "pass") {
        if record.tenant_id == AbuseRecord::SERVER || !ALERTING.contains(&record.limit.as_str()) {
            continue;
        }
        let same = |cause: &&mut Cause| {
            let known = &cause.record;
            (known.tenant_id, known.hour, &known.limit) == (record.tenant_id, record.hour, &record.limit)
        };
        let named = Some(record.subject.clone()).filter(|subject| !subject.is_empty());
        match alerts.iter_mut().find(same) {
            Some(Cause { record: known, whose, .. }) => {
                known.hits += record.hits;
                known.first_at = known.first_at.min(record.first_at);
                known.last_at = known.last_at.max(record.last_at);
                whose.extend(named.filter(|_| whose.len() < NAMED));
            }
            None => {
                let remembered =
                    AbuseRecord { action: "alert".to_owned(), subject: String::new(), ..record.clone() };
                let (action, whose) = (record.action.clone(), named.into_iter().collect());
                alerts.push(Cause { record: remembered, action, whose });
            }
        }
    }
    alerts
}
