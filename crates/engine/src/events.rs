//! Events: what webhook endpoints are told of. Each is a row of the outbox for each endpoint that subscribed to it, in the
//! change set of its cause, so that it is told of exactly what was committed.
//!
//! Promise: an organization without webhooks costs a look at its row, which is read anyway; an endpoint of a parent is told
//! of its sub-organizations, too, and none is told a secret (D-11).
//!
//! What there is to tell of abuse, [`Teller::alert`] turns into the writes for the change set that records it: none where
//! nobody subscribed to `VESTIBULE_ABUSE_ALERT`. How often is the caller's to bound. The body is
//!
//! ```json
//! {"id":"evt_…","type":"VESTIBULE_ABUSE_ALERT","organizationId":"…","createdAt":{"seconds":"…","nanos":"0"},
//!  "alert":{"rule":"…","action":"…","details":{…}}}
//! ```

use serde_json::{Map, Value, json};
use uuid::Uuid;
use vestibule_crypto::entropy::{Entropy, uuid_v7};
use vestibule_crypto::keyset::KeySet;
use vestibule_wire::view::{ActivityStatus, Timestamp};
use vestibule_wire::{MessageId, OrganizationId, WebhookEventType};

use crate::model::{
    ActivityRecord, DELIVERY_LIFETIME_MS, DeliveryPayload, Millis, Organization, UserRecord, WebhookDelivery,
};
use crate::outbox;
use crate::store::{Facts, Write};
use crate::views;

/// What an operator sends to see whether an endpoint works; nobody subscribes to it.
const PING: &str = "VESTIBULE_PING";

/// How the id of an event is written.
pub fn event_id(id: Uuid) -> String {
    format!("evt_{}", id.as_hyphenated())
}

/// Who may be told: the organization in which something happened, and its parent.
#[derive(Clone, Copy)]
pub(crate) struct Audience<'a> {
    organization: &'a Organization,
    parent: Option<&'a Organization>,
}

impl<'a> Audience<'a> {
    /// A parent alone.
    pub(crate) fn parent(organization: &'a Organization) -> Self {
        Self { organization, parent: None }
    }

    /// Those that the facts were read about.
    pub(crate) fn of(facts: &'a Facts) -> Option<Self> {
        let organization = facts.organization.as_ref()?;
        Some(Self { organization, parent: facts.parent.as_ref() })
    }

    /// The endpoints that want to be told: whose they are, and which. An organization's own id stands for its legacy
    /// webhook, which is told of all activities.
    fn listeners(
        &self,
        event_type: WebhookEventType,
        activity: Option<(&str, ActivityStatus)>,
    ) -> Vec<(OrganizationId, Uuid)> {
        let mut found = Vec::new();
        for owner in std::iter::once(self.organization).chain(self.parent) {
            let wants = |e: &&crate::model::WebhookEndpoint| {
                e.is_active
                    && e.subscriptions.iter().any(|subscription| subscription.wants(event_type, activity))
            };
            found.extend(owner.webhooks.iter().filter(wants).map(|endpoint| (owner.id, endpoint.id.0)));
            if activity.is_some() && owner.legacy_webhook().is_some() {
                found.push((owner.id, owner.id.0));
            }
        }
        found
    }
}

/// What deliveries are made with.
#[derive(Clone, Copy)]
pub(crate) struct Teller<'a> {
    pub(crate) keys: &'a KeySet,
    pub(crate) entropy: &'a dyn Entropy,
    pub(crate) now: Millis,
}

impl Teller<'_> {
    fn deliveries(
        &self,
        tenant: OrganizationId,
        listeners: Vec<(OrganizationId, Uuid)>,
        event_id: Uuid,
        payload: &DeliveryPayload,
    ) -> Vec<Write> {
        let delivery = |(organization_id, endpoint_id)| {
            let id = MessageId(uuid_v7(self.entropy, self.now));
            Write::EnqueueDelivery(Box::new(WebhookDelivery {
                id,
                organization_id,
                tenant_id: tenant,
                event_id,
                endpoint_id,
                payload: outbox::seal_delivery(self.keys, self.entropy, id, payload),
                attempts: 0,
                due_at: self.now,
                expires_at: self.now + DELIVERY_LIFETIME_MS,
                created_at: self.now,
            }))
        };
        listeners.into_iter().map(delivery).collect()
    }

    /// Tells of an activity in the status that it is about to be stored with. `voters` are those whose votes it has.
    pub(crate) fn activity(
        &self,
        audience: Option<Audience<'_>>,
        record: &ActivityRecord,
        voters: &[UserRecord],
    ) -> Vec<Write> {
        let about = Some((record.activity_type.as_str(), record.status));
        let listeners = audience.map(|audience| audience.listeners(WebhookEventType::ActivityUpdates, about));
        let Some(listeners) = listeners.filter(|listeners| !listeners.is_empty()) else { return Vec::new() };
        let shown = views::activity(record, None, voters, false, self.now);
        let payload = DeliveryPayload {
            event_type: WebhookEventType::ActivityUpdates.as_str().to_owned(),
            organization_id: record.organization_id,
            // A view is texts, numbers and lists of them.
            body: serde_json::to_string(&shown).expect("an activity is representable in JSON"),
        };
        let event_id = uuid_v7(self.entropy, self.now);
        self.deliveries(record.tenant_id, listeners, event_id, &payload)
    }

    /// Writes to one endpoint, whatever it subscribed to.
    pub(crate) fn ping(&self, owner: &Organization, endpoint: Uuid) -> Vec<Write> {
        let event_id = uuid_v7(self.entropy, self.now);
        let payload = self.envelope(event_id, PING, owner.id, None);
        self.deliveries(owner.tenant(), vec![(owner.id, endpoint)], event_id, &payload)
    }

    /// The body of an event of our own.
    fn envelope(
        &self,
        id: Uuid,
        event_type: &str,
        organization: OrganizationId,
        alert: Option<Value>,
    ) -> DeliveryPayload {
        let mut body = json!({
            "id": event_id(id),
            "type": event_type,
            "organizationId": organization,
            "createdAt": Timestamp::from_millis(self.now),
        });
        if let Some(alert) = alert {
            body["alert"] = alert;
        }
        let event_type = event_type.to_owned();
        DeliveryPayload { event_type, organization_id: organization, body: body.to_string() }
    }
}

/// What there is to tell of abuse. No code, and no contact but in `details`, where an operator may want it hidden.
#[derive(Debug, Clone)]
pub(crate) struct Alert {
    /// Which limit or part of the guard, as the configuration names it: `prefix_ratio`.
    pub(crate) rule: String,
    /// What was done, as the configuration names it: `withhold`.
    pub(crate) action: String,
    /// Whatever else there is to know.
    pub(crate) details: Map<String, Value>,
}

impl Teller<'_> {
    /// Tells of abuse; no writes where nobody subscribed.
    pub(crate) fn alert(&self, audience: Audience<'_>, alert: &Alert) -> Vec<Write> {
        let listeners = audience.listeners(WebhookEventType::AbuseAlert, None);
        if listeners.is_empty() {
            return Vec::new();
        }
        let Alert { rule, action, details } = alert;
        let alert = json!({ "rule": rule, "action": action, "details": details });
        let event_id = uuid_v7(self.entropy, self.now);
        let organization = audience.organization;
        let event_type = WebhookEventType::AbuseAlert.as_str();
        let payload = self.envelope(event_id, event_type, organization.id, Some(alert));
        self.deliveries(organization.tenant(), listeners, event_id, &payload)
    }
}

#[cfg(test)]
mod tests {
    use vestibule_crypto::entropy::SeededEntropy;
    use vestibule_wire::WebhookEndpointId;
    use vestibule_wire::view::Quorum;

    use super::*;
    use crate::model::WebhookEndpoint;

    fn organization(number: u128, parent: Option<u128>, subscriptions: Value) -> Organization {
        Organization {
            id: OrganizationId(Uuid::from_u128(number)),
            parent_id: parent.map(|parent| OrganizationId(Uuid::from_u128(parent))),
            name: "Acme".to_owned(),
            features: Vec::new(),
            quorum: Quorum { threshold: 1, user_ids: Vec::new() },
            webhooks: vec![WebhookEndpoint {
                id: WebhookEndpointId(Uuid::from_u128(100 + number)),
                name: "hook".to_owned(),
                url: "https://hooks.example.com/".to_owned(),
                is_active: true,
                subscriptions: serde_json::from_value(subscriptions).expect("subscriptions"),
            }],
            suspended_at: None,
            locale: None,
            version: 0,
            created_at: 0,
            updated_at: 0,
        }
    }

    #[test]
    fn an_alert_reaches_those_who_subscribed_to_alerts_and_nobody_else() {
        let (keys, entropy) = (KeySet::generate(&SeededEntropy::new(1)), SeededEntropy::new(2));
        let teller = Teller { keys: &keys, entropy: &entropy, now: 1_782_916_051_261 };
        let alerts = json!([{ "eventType": "VESTIBULE_ABUSE_ALERT" }]);
        let activities = json!([{ "eventType": "ACTIVITY_UPDATES" }]);
        let (parent, sub) = (organization(1, None, alerts), organization(2, Some(1), activities));
        let mut details = Map::new();
        details.insert("prefix".to_owned(), json!("+1"));
        let alert = Alert { rule: "prefix_ratio".to_owned(), action: "withhold".to_owned(), details };

        let writes = teller.alert(Audience { organization: &sub, parent: Some(&parent) }, &alert);
        let [Write::EnqueueDelivery(delivery)] = writes.as_slice() else { panic!("{writes:?}") };
        assert_eq!((delivery.organization_id, delivery.tenant_id), (parent.id, parent.id));
        assert_eq!(delivery.endpoint_id, Uuid::from_u128(101));
        let DeliveryPayload { event_type, organization_id, body } =
            outbox::open_delivery(&keys, delivery).expect("sealed for its place");
        assert_eq!((event_type.as_str(), organization_id), ("VESTIBULE_ABUSE_ALERT", sub.id));
        let expected = json!({
            "id": event_id(delivery.event_id),
            "type": "VESTIBULE_ABUSE_ALERT",
            "organizationId": sub.id,
            "createdAt": { "seconds": "1782916051", "nanos": "261000000" },
            "alert": { "rule": "prefix_ratio", "action": "withhold", "details": { "prefix": "+1" } },
        });
        assert_eq!(serde_json::from_str::<Value>(&body).expect("JSON"), expected);

        assert!(teller.alert(Audience { organization: &sub, parent: None }, &alert).is_empty());
        let mut quiet = parent.clone();
        quiet.webhooks[0].is_active = false;
        assert!(teller.alert(Audience { organization: &quiet, parent: None }, &alert).is_empty());
        quiet.webhooks.clear();
        assert!(teller.alert(Audience { organization: &quiet, parent: None }, &alert).is_empty());
    }
}
