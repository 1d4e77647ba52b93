use std::collections::BTreeSet;

use uuid::Uuid;
use vestibule_engine::model::{
    DELIVERY_LIFETIME_MS, DeliveryRecord, DeliveryState, Organization, WaitingEndpoint, WebhookDelivery,
};
use vestibule_engine::store::{IntentKeys, Outcome, Retention, SealedPlace, SealedRow, Write};

use super::fixtures::*;

const LEASE: i64 = MINUTE;

async fn enqueue(s: &Subject, deliveries: &[WebhookDelivery]) {
    let writes = deliveries.iter().map(|it| Write::EnqueueDelivery(Box::new(it.clone()))).collect();
    s.commit(writes).await;
}

async fn claim(s: &Subject, endpoint: Uuid, limit: u32) -> Vec<WebhookDelivery> {
    s.store.claim_deliveries(new_id(), endpoint, limit, LEASE).await.unwrap()
}

async fn waiting(s: &Subject) -> Vec<(Uuid, i64)> {
    let found = s.store.waiting_endpoints(Uuid::nil(), 100).await.unwrap();
    found.into_iter().map(|WaitingEndpoint { endpoint_id, due_at }| (endpoint_id, due_at)).collect()
}

pub async fn endpoints_come_back_with_their_organization(s: Subject) {
    let parent = s.parent().await;
    let sub = s.sub(parent).await;
    let facts = s.read(sub, IntentKeys::default()).await;
    let (found, above) = (facts.organization.unwrap(), facts.parent.unwrap());
    assert_eq!((found.webhooks.len(), above.webhooks.len()), (1, 1));
    assert_ne!(found.webhooks[0].id, above.webhooks[0].id);
    let changed = Organization { webhooks: vec![webhook(), webhook()], ..found };
    s.commit(vec![Write::UpdateOrganization(Box::new(changed.clone()))]).await;
    s.conflict(vec![Write::UpdateOrganization(Box::new(changed.clone()))], "UpdateOrganization").await;
    assert_eq!(s.store.organization(sub).await.unwrap().unwrap().webhooks, changed.webhooks);
}

pub async fn a_delivery_is_claimed_once_across_workers(s: Subject) {
    let (owner, endpoint) = (s.parent().await, new_id());
    let all: Vec<_> = (0..30).map(|_| delivery(owner, endpoint)).collect();
    enqueue(&s, &all).await;
    s.conflict(vec![Write::EnqueueDelivery(Box::new(all[0].clone()))], "EnqueueDelivery").await;
    let claimed = parallel(8, |_| {
        let s = s.clone();
        async move { claim(&s, endpoint, 5).await }
    })
    .await;
    assert!(claimed.iter().all(|batch| batch.len() <= 5));
    let ids: BTreeSet<_> = claimed.iter().flatten().map(|it| it.id).collect();
    assert_eq!((claimed.iter().flatten().count(), ids.len()), (30, 30));
    let first = claimed.iter().flatten().find(|it| it.id == all[0].id).unwrap();
    assert_eq!(*first, WebhookDelivery { attempts: 1, due_at: START + LEASE, ..all[0].clone() });
    assert_eq!(claim(&s, endpoint, 5).await, []);
    // A lease that ran out is taken over.
    s.clock.advance(LEASE);
    assert_eq!(claim(&s, endpoint, 100).await.len(), 30);
}

pub async fn endpoints_with_something_waiting_are_found_one_by_one(s: Subject) {
    let owner = s.parent().await;
    let mut endpoints: Vec<Uuid> = (0..5).map(|_| new_id()).collect();
    for (number, endpoint) in endpoints.iter().enumerate() {
        for later in 0..20 {
            let due_at = START + 1000 * number as i64 + later;
            enqueue(&s, &[WebhookDelivery { due_at, ..delivery(owner, *endpoint) }]).await;
        }
    }
    let all: Vec<_> = endpoints.iter().zip(0..).map(|(id, number)| (*id, START + 1000 * number)).collect();
    assert_eq!(waiting(&s).await, all);
    let page = |after, limit| {
        let store = s.store.clone();
        async move {
            let found = store.waiting_endpoints(after, limit).await.unwrap();
            found.into_iter().map(|waiting| waiting.endpoint_id).collect::<Vec<_>>()
        }
    };
    assert_eq!(page(Uuid::nil(), 2).await, endpoints[..2]);
    assert_eq!(page(endpoints[1], 2).await, endpoints[2..4]);
    assert_eq!(page(endpoints[3], 2).await, endpoints[4..]);
    assert!(page(endpoints[4], 2).await.is_empty());
    // One endpoint's deliveries are not another's, and what is not due is not claimed.
    let first = endpoints.remove(0);
    s.clock.advance(9);
    assert_eq!(claim(&s, first, 100).await.len(), 10);
    assert_eq!(claim(&s, endpoints[0], 100).await, []);
    assert_eq!(waiting(&s).await[0], (first, START + 10));
}

pub async fn what_became_of_deliveries_is_kept_for_a_while(s: Subject) {
    let (owner, endpoint, worker) = (s.parent().await, new_id(), new_id());
    let last = async || s.store.last_deliveries(endpoint).await.unwrap();
    assert_eq!(last().await, []);
    let all: Vec<_> =
        (0..3).map(|n| WebhookDelivery { due_at: START + n, ..delivery(owner, endpoint) }).collect();
    enqueue(&s, &all).await;
    s.clock.advance(2);
    let claimed = s.store.claim_deliveries(worker, endpoint, 10, LEASE).await.unwrap();
    let settle = async |at: usize, outcome: Outcome| {
        assert!(!s.store.settle_delivery(claimed[at].id, new_id(), &outcome).await.unwrap(), "not its lease");
        s.store.settle_delivery(claimed[at].id, worker, &outcome).await.unwrap()
    };
    let error = || "the endpoint answered 500".to_owned();
    assert!(settle(0, Outcome::Sent).await);
    assert!(settle(1, Outcome::Failed { error: error() }).await);
    assert!(settle(2, Outcome::Retry { at: START + 5000, error: error() }).await);
    assert!(!settle(0, Outcome::Sent).await, "it is settled");
    let record =
        |state, due_at, error| DeliveryRecord { state, attempts: 1, due_at, created_at: START, error };
    let forgotten = START + DELIVERY_LIFETIME_MS;
    let expected = [
        record(DeliveryState::Delivered, forgotten, None),
        record(DeliveryState::Failed, forgotten, Some(error())),
        record(DeliveryState::Waiting, START + 5000, Some(error())),
    ];
    assert_eq!(last().await, expected);
    assert_eq!(waiting(&s).await, [(endpoint, START + 5000)]);
    s.clock.advance(4998);
    let again = claim(&s, endpoint, 10).await;
    assert_eq!((again.len(), again[0].attempts, again[0].event_id), (1, 2, all[2].event_id));
    assert_eq!(again[0].payload, b"sealed", "what was settled is destroyed, what waits is not");
    let sealed = s.store.sealed_values(SealedPlace::Message, SealedRow::START, 10).await.unwrap();
    assert_eq!(sealed.iter().filter(|value| value.sealed.is_some()).count(), 1);
}

pub async fn messages_and_deliveries_do_not_see_each_other(s: Subject) {
    let (owner, endpoint) = (s.parent().await, new_id());
    let (message, told) = (message(owner), delivery(owner, endpoint));
    enqueue(&s, std::slice::from_ref(&told)).await;
    assert_eq!(s.store.next_message_due().await.unwrap(), None);
    s.commit(vec![Write::Enqueue(Box::new(message.clone()))]).await;
    let worker = new_id();
    let claimed = super::outbox::claim_up_to(&s, worker, 10).await;
    assert_eq!(claimed.iter().map(|m| m.id).collect::<Vec<_>>(), [message.id]);
    assert!(!s.store.settle_delivery(message.id, worker, &Outcome::Sent).await.unwrap());
    assert_eq!(s.store.claim_deliveries(worker, endpoint, 10, LEASE).await.unwrap().len(), 1);
    assert!(!s.store.settle_message(told.id, worker, &Outcome::Sent.into()).await.unwrap());
    assert!(s.store.settle_delivery(told.id, worker, &Outcome::Sent).await.unwrap());
    assert!(s.store.settle_message(message.id, worker, &Outcome::Sent.into()).await.unwrap());
}

pub async fn deliveries_go_with_their_time(s: Subject) {
    let retention = Retention {
        activities_ms: DAY,
        expired_credentials_ms: DAY,
        handed_over_ms: DAY,
        idle_limits_ms: DAY,
        abuse_ms: 2 * DAY,
        batch: 2,
    };
    let (owner, endpoint, worker) = (s.parent().await, new_id(), new_id());
    enqueue(&s, &(0..5).map(|_| delivery(owner, endpoint)).collect::<Vec<_>>()).await;
    let later = WebhookDelivery { due_at: START + MINUTE, ..delivery(owner, endpoint) };
    enqueue(&s, &[later]).await;
    let claimed = s.store.claim_deliveries(worker, endpoint, 1, LEASE).await.unwrap();
    assert!(s.store.settle_delivery(claimed[0].id, worker, &Outcome::Sent).await.unwrap());
    s.clock.advance(DELIVERY_LIFETIME_MS - 1);
    assert_eq!(s.store.purge(&retention).await.unwrap(), 0);
    s.clock.advance(1);
    assert_eq!(s.store.purge(&retention).await.unwrap(), 5, "one that was made, and four that nobody tried");
    assert_eq!(waiting(&s).await, [(endpoint, START + MINUTE)]);
    s.clock.advance(MINUTE);
    assert_eq!(s.store.purge(&retention).await.unwrap(), 1);
    assert_eq!(waiting(&s).await, []);
}
