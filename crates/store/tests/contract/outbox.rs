use std::collections::BTreeSet;

use vestibule_engine::model::OutboxMessage;
use vestibule_engine::store::{Outcome, Write};
use vestibule_wire::{OrganizationId, OtpType};

use super::fixtures::*;

const LEASE: i64 = MINUTE;

async fn enqueue(s: &Subject, message: &OutboxMessage) {
    s.commit(vec![Write::Enqueue(Box::new(message.clone()))]).await;
}

fn tenant() -> OrganizationId {
    OrganizationId(new_id())
}

async fn claim(s: &Subject, worker: uuid::Uuid) -> Vec<OutboxMessage> {
    s.store.claim_messages(worker, 10, LEASE).await.unwrap()
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
        async move { s.store.claim_messages(new_id(), 5, LEASE).await.unwrap() }
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
        assert!(!s.store.settle_message(it.id, dead, &outcome).await.unwrap(), "the lease went to another");
    }
    assert!(s.store.settle_message(it.id, alive, &Outcome::Sent).await.unwrap());
}

pub async fn a_message_that_is_tried_again_waits_for_its_time(s: Subject) {
    let it = message(tenant());
    enqueue(&s, &it).await;
    let worker = new_id();
    claim(&s, worker).await;
    let retry = |at| Outcome::Retry { at, error: "connection refused".to_owned() };
    assert!(s.store.settle_message(it.id, worker, &retry(START + 2 * MINUTE)).await.unwrap());
    assert!(!s.store.settle_message(it.id, worker, &Outcome::Sent).await.unwrap(), "the lease is given back");
    assert_eq!(s.store.next_message_due().await.unwrap(), Some(START + 2 * MINUTE));
    s.clock.advance(2 * MINUTE - 1);
    assert_eq!(claim(&s, worker).await, []);
    s.clock.advance(1);
    let again = claim(&s, worker).await;
    assert_eq!((again[0].attempts, again[0].payload.as_slice()), (2, b"sealed".as_slice()));
    // A time beyond the code's life is no time at all.
    assert!(s.store.settle_message(it.id, worker, &retry(START + DAY)).await.unwrap());
    assert_eq!(s.store.next_message_due().await.unwrap(), Some(it.expires_at));
}

pub async fn a_settled_message_is_never_claimed_again(s: Subject) {
    let worker = new_id();
    for outcome in [Outcome::Sent, Outcome::Failed { error: "no such mailbox".to_owned() }] {
        let it = message(tenant());
        enqueue(&s, &it).await;
        assert!(!s.store.settle_message(it.id, worker, &outcome).await.unwrap(), "nobody claimed it yet");
        assert_eq!(claim(&s, worker).await.len(), 1);
        assert!(s.store.settle_message(it.id, worker, &outcome).await.unwrap());
        assert!(!s.store.settle_message(it.id, worker, &outcome).await.unwrap());
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
    let one = s.store.claim_messages(worker, 1, LEASE).await.unwrap();
    assert_eq!(one.iter().map(|m| m.id).collect::<Vec<_>>(), [first.id]);
    assert_eq!(claim(&s, worker).await.iter().map(|m| m.id).collect::<Vec<_>>(), [second.id]);
    assert_eq!(s.store.next_message_due().await.unwrap(), Some(START + 10));
}

pub async fn a_claim_of_any_size_comes_back_whole(s: Subject) {
    let tenant = tenant();
    let all: Vec<_> = (0..200).map(|_| OutboxMessage { payload: vec![7; 4096], ..message(tenant) }).collect();
    s.commit(all.iter().map(|message| Write::Enqueue(Box::new(message.clone()))).collect()).await;
    let claimed = s.store.claim_messages(new_id(), 200, LEASE).await.unwrap();
    assert!(claimed.iter().all(|message| message.payload.len() == 4096));
    let ids = |messages: &[OutboxMessage]| messages.iter().map(|message| message.id).collect::<BTreeSet<_>>();
    assert_eq!(ids(&claimed), ids(&all));
}
