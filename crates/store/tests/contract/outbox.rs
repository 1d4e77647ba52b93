use std::collections::BTreeSet;

use vestibule_engine::model::{ContactKey, EmailEvent, OutboxMessage};
use vestibule_engine::store::{Outcome, Settlement, Write};
use vestibule_wire::query::{Cursor, Page};
use vestibule_wire::view::{EmailEventDetails, EmailEventType};
use vestibule_wire::{EmailEventId, OrganizationId, OtpType};

use super::fixtures::*;

const LEASE: i64 = MINUTE;

async fn enqueue(s: &Subject, message: &OutboxMessage) {
    s.commit(vec![Write::Enqueue(Box::new(message.clone()))]).await;
}

fn tenant() -> OrganizationId {
    OrganizationId(new_id())
}

pub async fn claim_up_to(s: &Subject, worker: uuid::Uuid, limit: u32) -> Vec<OutboxMessage> {
    let claimed = s.store.claim_messages(worker, limit, LEASE).await.unwrap();
    claimed.into_iter().map(|claimed| claimed.message).collect()
}

/// An outcome with what there is to tell of it.
pub fn settlement(outcome: Outcome, event: Option<&EmailEvent>) -> Settlement {
    Settlement { event: event.cloned(), ..outcome.into() }
}

async fn claim(s: &Subject, worker: uuid::Uuid) -> Vec<OutboxMessage> {
    claim_up_to(s, worker, 10).await
}

pub async fn a_message_is_claimed_once_across_workers(s: Subject) {
    let tenant = tenant();
    let all: Vec<_> = (0..30).map(|_| message(tenant)).collect();
    for message in &all {
        enqueue(&s, message).await;
    }
    s.conflict(vec![Write::Enqueue(Box::new(all[0].clone()))], "Enqueue").await;
    let claimed = parallel(8, |_| {
        let s = s.clone();
        async move { claim_up_to(&s, new_id(), 5).await }
    })
    .await;
    assert!(claimed.iter().all(|batch| batch.len() <= 5));
    let ids: Vec<_> = claimed.iter().flatten().map(|message| message.id).collect();
    assert_eq!(ids.len(), 30);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 30);
    assert_eq!(claim(&s, new_id()).await, []);
    let first = claimed.iter().flatten().find(|message| message.id == all[0].id).unwrap();
    let expected = OutboxMessage { attempts: 1, due_at: START + LEASE, ..all[0].clone() };
    assert_eq!(*first, expected);
}

pub async fn a_lease_that_ran_out_is_taken_over(s: Subject) {
    let it = OutboxMessage { channel: OtpType::Sms, ..message(tenant()) };
    enqueue(&s, &it).await;
    let (dead, alive) = (new_id(), new_id());
    assert_eq!(claim(&s, dead).await.len(), 1);
    s.clock.advance(LEASE - 1);
    assert_eq!(claim(&s, alive).await, []);
    assert_eq!(s.store.next_message_due().await.unwrap(), Some(START + LEASE));
    s.clock.advance(1);
    let taken = claim(&s, alive).await;
    assert_eq!(
        taken.iter().map(|m| (m.id, m.attempts, m.channel)).collect::<Vec<_>>(),
        [(it.id, 2, OtpType::Sms)]
    );
    for outcome in [Outcome::Sent, Outcome::Retry { at: START, error: "late".to_owned() }] {
        assert!(
            !s.store.settle_message(it.id, dead, &settlement(outcome.clone(), None)).await.unwrap(),
            "the lease went to another"
        );
    }
    assert!(s.store.settle_message(it.id, alive, &settlement(Outcome::Sent, None)).await.unwrap());
}

pub async fn a_message_that_is_tried_again_waits_for_its_time(s: Subject) {
    let it = message(tenant());
    enqueue(&s, &it).await;
    let worker = new_id();
    claim(&s, worker).await;
    let retry = |at| Outcome::Retry { at, error: "connection refused".to_owned() };
    assert!(
        s.store.settle_message(it.id, worker, &settlement(retry(START + 2 * MINUTE), None)).await.unwrap()
    );
    assert!(
        !s.store.settle_message(it.id, worker, &settlement(Outcome::Sent, None)).await.unwrap(),
        "the lease is given back"
    );
    assert_eq!(s.store.next_message_due().await.unwrap(), Some(START + 2 * MINUTE));
    s.clock.advance(2 * MINUTE - 1);
    assert_eq!(claim(&s, worker).await, []);
    s.clock.advance(1);
    let again = claim(&s, worker).await;
    assert_eq!((again[0].attempts, again[0].payload.as_slice()), (2, b"sealed".as_slice()));
    // A time beyond the code's life is no time at all.
    assert!(s.store.settle_message(it.id, worker, &settlement(retry(START + DAY), None)).await.unwrap());
    assert_eq!(s.store.next_message_due().await.unwrap(), Some(it.expires_at));
}

pub async fn a_settled_message_is_never_claimed_again(s: Subject) {
    let worker = new_id();
    for outcome in [Outcome::Sent, Outcome::Failed { error: "no such mailbox".to_owned() }] {
        let it = message(tenant());
        enqueue(&s, &it).await;
        assert!(
            !s.store.settle_message(it.id, worker, &settlement(outcome.clone(), None)).await.unwrap(),
            "nobody claimed it yet"
        );
        assert_eq!(claim(&s, worker).await.len(), 1);
        assert!(s.store.settle_message(it.id, worker, &settlement(outcome.clone(), None)).await.unwrap());
        assert!(!s.store.settle_message(it.id, worker, &settlement(outcome.clone(), None)).await.unwrap());
        assert_eq!(s.store.next_message_due().await.unwrap(), None);
        s.clock.advance(2 * LEASE);
        assert_eq!(claim(&s, worker).await, []);
    }
}

pub async fn an_expired_message_is_failed_not_claimed(s: Subject) {
    let it = message(tenant());
    enqueue(&s, &it).await;
    s.clock.advance(5 * MINUTE);
    assert_eq!(s.store.next_message_due().await.unwrap(), Some(START));
    assert_eq!(claim(&s, new_id()).await, []);
    assert_eq!(s.store.next_message_due().await.unwrap(), None);
}

pub async fn only_due_messages_are_claimed_oldest_first(s: Subject) {
    let tenant = tenant();
    let later = OutboxMessage { due_at: START + 10, ..message(tenant) };
    let (second, first) = (OutboxMessage { due_at: START - 1, ..message(tenant) }, message(tenant));
    let first = OutboxMessage { due_at: START - 2, ..first };
    for message in [&later, &second, &first] {
        enqueue(&s, message).await;
    }
    let worker = new_id();
    let one = claim_up_to(&s, worker, 1).await;
    assert_eq!(one.iter().map(|m| m.id).collect::<Vec<_>>(), [first.id]);
    assert_eq!(claim(&s, worker).await.iter().map(|m| m.id).collect::<Vec<_>>(), [second.id]);
    assert_eq!(s.store.next_message_due().await.unwrap(), Some(START + 10));
}

pub async fn a_claim_of_any_size_comes_back_whole(s: Subject) {
    let tenant = tenant();
    let all: Vec<_> = (0..200).map(|_| OutboxMessage { payload: vec![7; 4096], ..message(tenant) }).collect();
    s.commit(all.iter().map(|message| Write::Enqueue(Box::new(message.clone()))).collect()).await;
    let claimed = claim_up_to(&s, new_id(), 200).await;
    assert!(claimed.iter().all(|message| message.payload.len() == 4096));
    let ids = |messages: &[OutboxMessage]| messages.iter().map(|message| message.id).collect::<BTreeSet<_>>();
    assert_eq!(ids(&claimed), ids(&all));
}

pub fn event(message: &OutboxMessage, event_type: EmailEventType, at: i64) -> EmailEvent {
    EmailEvent {
        id: EmailEventId(new_id()),
        organization_id: message.organization_id,
        tenant_id: message.tenant_id,
        contact_key: contact("ada@example.com"),
        event_type,
        message_id: format!("<{}@mail.example>", message.id),
        from: "no-reply@mail.example".to_owned(),
        to: "Ada@example.com".to_owned(),
        details: EmailEventDetails {
            diagnostic_code: Some("smtp; 550".to_owned()),
            ..EmailEventDetails::default()
        },
        at,
    }
}

async fn events(s: &Subject, organization: OrganizationId, key: ContactKey) -> Vec<EmailEvent> {
    s.store.email_events(organization, key, None, Page::default()).await.unwrap()
}

pub async fn what_became_of_a_mail_is_told_with_its_outcome(s: Subject) {
    let parent = s.parent().await;
    let (sub, other) = (s.sub(parent).await, s.sub(parent).await);
    let key = contact("ada@example.com");
    let worker = new_id();
    let mut told = Vec::new();
    for organization_id in [parent, sub] {
        let it = OutboxMessage { organization_id, ..message(parent) };
        enqueue(&s, &it).await;
        claim(&s, worker).await;
        let delay = event(&it, EmailEventType::DeliveryDelay, s.now());
        let retry = Outcome::Retry { at: s.now() + 1, error: "the mail server answered 450".to_owned() };
        assert!(
            s.store.settle_message(it.id, worker, &settlement(retry.clone(), Some(&delay))).await.unwrap()
        );
        s.clock.advance(1);
        claim(&s, worker).await;
        let bounce = event(&it, EmailEventType::Bounce, s.now());
        let failed = Outcome::Failed { error: "the mail server answered 550".to_owned() };
        assert!(
            s.store.settle_message(it.id, worker, &settlement(failed.clone(), Some(&bounce))).await.unwrap()
        );
        told.extend([delay, bounce]);
    }
    told.reverse();
    assert_eq!(events(&s, parent, key).await, told, "a parent sees what its sub-organizations sent");
    assert_eq!(events(&s, sub, key).await, told[..2]);
    assert_eq!(events(&s, other, key).await, []);
    assert_eq!(events(&s, s.parent().await, key).await, []);
    assert_eq!(events(&s, parent, contact("grace@example.com")).await, []);
}

pub async fn that_a_mail_is_late_is_told_once(s: Subject) {
    let tenant = s.parent().await;
    let (late, other) = (message(tenant), message(tenant));
    let worker = new_id();
    let mut told = Vec::new();
    for it in [&late, &other] {
        enqueue(&s, it).await;
        for number in 1..=3 {
            assert_eq!(claim(&s, worker).await.iter().map(|m| m.attempts).collect::<Vec<_>>(), [number]);
            // The first is given back by a shutdown: there is nothing to tell yet.
            let delay = (number > 1).then(|| event(it, EmailEventType::DeliveryDelay, s.now()));
            let retry = Outcome::Retry { at: s.now() + 1, error: "the mail server answered 450".to_owned() };
            let settled = s.store.settle_message(it.id, worker, &settlement(retry, delay.as_ref())).await;
            assert!(settled.unwrap());
            told.extend(delay.filter(|_| number == 2));
            s.clock.advance(1);
        }
        claim(&s, worker).await;
        let sent = event(it, EmailEventType::Send, s.now());
        assert!(
            s.store.settle_message(it.id, worker, &settlement(Outcome::Sent, Some(&sent))).await.unwrap()
        );
        told.push(sent);
    }
    told.reverse();
    assert_eq!(events(&s, tenant, contact("ada@example.com")).await, told);
}

pub async fn a_worker_that_lost_its_lease_tells_nothing(s: Subject) {
    let tenant = s.parent().await;
    let it = message(tenant);
    enqueue(&s, &it).await;
    let (dead, alive) = (new_id(), new_id());
    claim(&s, dead).await;
    s.clock.advance(LEASE);
    claim(&s, alive).await;
    let sent = |worker, at| {
        let (s, event) = (s.clone(), event(&it, EmailEventType::Send, at));
        async move {
            s.store.settle_message(it.id, worker, &settlement(Outcome::Sent, Some(&event))).await.unwrap()
        }
    };
    assert!(!sent(dead, START).await);
    assert!(sent(alive, START + 1).await);
    assert!(!sent(alive, START + 2).await, "it is settled");
    let found = events(&s, tenant, contact("ada@example.com")).await;
    assert_eq!(found.iter().map(|event| event.at).collect::<Vec<_>>(), [START + 1]);
}

pub async fn email_events_come_newest_first_by_page_and_type(s: Subject) {
    use EmailEventType::{Bounce, Complaint, Delivery, DeliveryDelay, Send};
    let tenant = s.parent().await;
    let key = contact("ada@example.com");
    let worker = new_id();
    let mut told = Vec::new();
    for event_type in [Send, Delivery, Bounce, DeliveryDelay, Complaint] {
        let it = message(tenant);
        enqueue(&s, &it).await;
        claim(&s, worker).await;
        let event = event(&it, event_type, START);
        assert!(
            s.store.settle_message(it.id, worker, &settlement(Outcome::Sent, Some(&event))).await.unwrap()
        );
        told.insert(0, event);
    }
    let page = async |event_type, limit, cursor| {
        let page = Page { limit, cursor };
        let found = s.store.email_events(tenant, key, event_type, page).await.unwrap();
        found.iter().map(|event| event.event_type).collect::<Vec<_>>()
    };
    assert_eq!(events(&s, tenant, key).await, told);
    assert_eq!(page(None, 2, Cursor::Start).await, [Complaint, DeliveryDelay]);
    assert_eq!(page(None, 2, Cursor::After(told[1].id.0)).await, [Bounce, Delivery]);
    assert_eq!(page(None, 2, Cursor::Before(told[4].id.0)).await, [Bounce, Delivery]);
    for event_type in [Send, Delivery, Bounce, DeliveryDelay, Complaint] {
        assert_eq!(page(Some(event_type), 10, Cursor::Start).await, [event_type]);
        assert_eq!(
            page(Some(event_type), 10, Cursor::Before(told[4].id.0)).await.is_empty(),
            event_type == Send
        );
    }
}
