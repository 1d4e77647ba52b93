//! Routes, messages that providers took, and contacts that are left alone.

use vestibule_engine::model::{
    HandedOver, MailHead, MessageFate, OutboxMessage, Routes, StoredRoutes, SuppressedFor, Suppression,
};
use vestibule_engine::store::{IntentKeys, Outcome, Retention, Settlement, SuppressContact, Write};
use vestibule_wire::view::EmailEventType;
use vestibule_wire::{MessageId, OrganizationId, OtpType};

use super::fixtures::*;
use super::outbox::{claim_up_to, event};

fn routes(name: &str, version: i64) -> StoredRoutes {
    let mut routes = Routes::default();
    routes.set(OtpType::Email, "", vec![name.to_owned(), "smtp".to_owned()]);
    routes.set(OtpType::Sms, "+49", vec!["twilio".to_owned()]);
    StoredRoutes { routes, version }
}

fn put(organization: OrganizationId, stored: StoredRoutes) -> Vec<Write> {
    vec![Write::PutRoutes { organization, stored }]
}

pub async fn a_claim_brings_the_routes_of_its_tenant(s: Subject) {
    let (parent, other) = (s.parent().await, s.parent().await);
    let sub = s.sub(parent).await;
    s.commit(put(parent, routes("ses", 0))).await;
    for (organization_id, tenant_id) in [(parent, parent), (sub, parent), (other, other)] {
        let message = OutboxMessage { organization_id, tenant_id, ..message(tenant_id) };
        s.commit(vec![Write::Enqueue(Box::new(message))]).await;
    }
    let claimed = s.store.claim_messages(new_id(), 10, MINUTE).await.unwrap();
    assert_eq!(claimed.len(), 3);
    for claimed in claimed {
        let expected = (claimed.message.tenant_id == parent).then(|| routes("ses", 0).routes);
        assert_eq!(claimed.routes, expected, "{:?}", claimed.message.organization_id);
    }
}

pub async fn routes_change_only_from_the_version_that_was_read(s: Subject) {
    let parent = s.parent().await;
    assert_eq!(s.store.routes(parent).await.unwrap(), None);
    let writers = parallel(8, |n| {
        let s = s.clone();
        async move { s.try_commit(put(parent, routes(&format!("p{n}"), 0))).await }
    })
    .await;
    assert_eq!(applied(&writers), 1);
    let first = s.store.routes(parent).await.unwrap().unwrap();
    assert_eq!(first.version, 1);
    s.commit(put(parent, routes("ses", 1))).await;
    s.conflict(put(parent, routes("late", 1)), "PutRoutes").await;
    s.conflict(put(parent, routes("late", 0)), "PutRoutes").await;
    assert_eq!(s.store.routes(parent).await.unwrap(), Some(routes("ses", 2)));
    assert_eq!(s.store.routes(s.parent().await).await.unwrap(), None);
}

fn handed_over(message: &OutboxMessage, name: &str) -> HandedOver {
    HandedOver {
        provider: "ses".to_owned(),
        provider_message_id: name.to_owned(),
        message_id: message.id,
        organization_id: message.organization_id,
        tenant_id: message.tenant_id,
        channel: message.channel,
        contact_key: contact("ada@example.com"),
        mail: (message.channel == OtpType::Email).then(|| MailHead {
            message_id: format!("<{}@mail.example>", message.id),
            from: "no-reply@mail.example".to_owned(),
            to: "Ada@example.com".to_owned(),
        }),
        at: START,
        fate: MessageFate::Taken,
    }
}

/// A message that the provider `ses` took under this name.
async fn hand_over(s: &Subject, message: OutboxMessage, name: &str) -> HandedOver {
    s.commit(vec![Write::Enqueue(Box::new(message.clone()))]).await;
    let worker = new_id();
    assert_eq!(claim_up_to(s, worker, 1).await.len(), 1);
    let handed = HandedOver { at: s.now(), ..handed_over(&message, name) };
    let settlement = Settlement { handed_over: Some(handed.clone()), ..Outcome::Sent.into() };
    assert!(s.store.settle_message(message.id, worker, &settlement).await.unwrap());
    handed
}

async fn found(s: &Subject, name: &str) -> Option<HandedOver> {
    s.store.handed_over("ses", name).await.unwrap()
}

pub async fn a_message_is_found_by_what_its_provider_calls_it(s: Subject) {
    let parent = s.parent().await;
    let mail = hand_over(&s, message(parent), "m-1").await;
    let sms = hand_over(&s, OutboxMessage { channel: OtpType::Sms, ..message(parent) }, "m-2").await;
    s.clock.advance(DAY / 2);
    let retention = Retention {
        activities_ms: DAY,
        expired_credentials_ms: DAY,
        handed_over_ms: DAY,
        idle_limits_ms: DAY,
        abuse_ms: 2 * DAY,
        batch: 100,
    };
    s.store.purge(&retention).await.unwrap();
    assert_eq!(found(&s, "m-1").await, Some(mail), "long after the message itself went");
    assert_eq!(found(&s, "m-2").await, Some(sms));
    assert_eq!(found(&s, "m-3").await, None);
    assert_eq!(s.store.handed_over("twilio", "m-1").await.unwrap(), None, "names are the provider's own");
}

pub async fn the_messages_of_a_contact_come_latest_first(s: Subject) {
    let (parent, other) = (s.parent().await, s.parent().await);
    let mut sent = Vec::new();
    for name in ["m-1", "m-2", "m-3"] {
        sent.insert(0, hand_over(&s, message(parent), name).await);
        s.clock.advance(MINUTE);
    }
    let bounced = Write::TellFate {
        provider: "ses".to_owned(),
        provider_message_id: "m-2".to_owned(),
        fate: MessageFate::Bounced,
    };
    s.commit(vec![bounced]).await;
    sent[1].fate = MessageFate::Bounced;
    let of = |tenant, address, most| s.store.handed_over_to(tenant, contact(address), most);
    assert_eq!(of(parent, "ada@example.com", 10).await.unwrap(), sent);
    assert_eq!(of(parent, "ada@example.com", 2).await.unwrap(), sent[..2]);
    assert_eq!(of(parent, "bob@example.com", 10).await.unwrap(), []);
    assert_eq!(of(other, "ada@example.com", 10).await.unwrap(), []);
}

pub async fn what_a_provider_took_is_remembered_whoever_has_the_lease(s: Subject) {
    let parent = s.parent().await;
    let it = message(parent);
    s.commit(vec![Write::Enqueue(Box::new(it.clone()))]).await;
    let (dead, alive) = (new_id(), new_id());
    claim_up_to(&s, dead, 1).await;
    s.clock.advance(MINUTE);
    claim_up_to(&s, alive, 1).await;
    let handed = handed_over(&it, "m-1");
    let event = event(&it, EmailEventType::Send, s.now());
    let settlement =
        Settlement { event: Some(event), handed_over: Some(handed.clone()), ..Outcome::Sent.into() };
    assert!(!s.store.settle_message(it.id, dead, &settlement).await.unwrap());
    assert_eq!(found(&s, "m-1").await, Some(handed));
    let told = s.store.email_events(parent, contact("ada@example.com"), None, Default::default()).await;
    assert_eq!(told.unwrap(), [], "the worker that has the lease tells of it");
    let again = Settlement {
        handed_over: Some(HandedOver { at: s.now(), ..handed_over(&it, "m-1") }),
        ..Outcome::Sent.into()
    };
    assert!(s.store.settle_message(it.id, alive, &again).await.unwrap());
    assert_eq!(found(&s, "m-1").await.map(|handed| handed.at), Some(START), "the first word counts");
}

pub async fn a_provider_may_tell_of_a_message_before_the_worker(s: Subject) {
    let (parent, worker) = (s.parent().await, new_id());
    let sub = s.sub(parent).await;
    let sms =
        OutboxMessage { organization_id: sub, tenant_id: parent, channel: OtpType::Sms, ..message(parent) };
    s.commit(vec![Write::Enqueue(Box::new(sms.clone()))]).await;
    let record = |name: &str, message, channel| {
        vec![Write::RecordHandOver {
            provider: "ses".to_owned(),
            provider_message_id: name.to_owned(),
            message,
            channel,
            contact: contact("ada@example.com"),
        }]
    };
    claim_up_to(&s, worker, 1).await;
    s.commit(record("m-2", MessageId(new_id()), OtpType::Sms)).await;
    s.commit(record("m-3", sms.id, OtpType::Email)).await;
    assert_eq!((found(&s, "m-2").await, found(&s, "m-3").await), (None, None));
    let expected = HandedOver { at: s.now(), ..handed_over(&sms, "m-1") };
    let recorded = parallel(6, |_| {
        let s = s.clone();
        let writes = [record("m-1", sms.id, OtpType::Sms), tell("m-1", MessageFate::Bounced)].concat();
        async move { s.try_commit(writes).await }
    })
    .await;
    assert_eq!(applied(&recorded), 1);
    s.clock.advance(10);
    let late = HandedOver { at: s.now(), ..handed_over(&sms, "m-1") };
    let settlement = Settlement { handed_over: Some(late), ..Outcome::Sent.into() };
    assert!(s.store.settle_message(sms.id, worker, &settlement).await.unwrap());
    let bounced = HandedOver { fate: MessageFate::Bounced, ..expected };
    assert_eq!(found(&s, "m-1").await, Some(bounced), "what was told stays told");
    s.commit(record("m-4", sms.id, OtpType::Sms)).await;
    assert!(found(&s, "m-4").await.is_some(), "of a message whose body is gone, too");
}

fn tell(name: &str, fate: MessageFate) -> Vec<Write> {
    vec![Write::TellFate { provider: "ses".to_owned(), provider_message_id: name.to_owned(), fate }]
}

pub async fn a_fate_is_told_once(s: Subject) {
    let parent = s.parent().await;
    hand_over(&s, message(parent), "m-1").await;
    s.conflict(tell("m-2", MessageFate::Delivered), "TellFate").await;
    s.conflict(tell("m-1", MessageFate::Taken), "TellFate").await;
    for fate in [MessageFate::Delayed, MessageFate::Complained, MessageFate::Delivered, MessageFate::Bounced]
    {
        let told = parallel(6, |_| {
            let s = s.clone();
            async move { s.try_commit(tell("m-1", fate)).await }
        })
        .await;
        assert_eq!(applied(&told), 1, "{fate:?}");
        let greatest = if fate == MessageFate::Delayed { fate } else { MessageFate::Complained };
        assert_eq!(found(&s, "m-1").await.map(|handed| handed.fate), Some(greatest));
    }
    for fate in MessageFate::ALL {
        s.conflict(tell("m-1", fate), "TellFate").await;
    }
}

pub async fn an_event_with_one_id_is_one_event(s: Subject) {
    let parent = s.parent().await;
    let it = event(&message(parent), EmailEventType::Delivery, START);
    let tell = || vec![Write::InsertEmailEvent(Box::new(it.clone()))];
    s.commit(tell()).await;
    s.conflict(tell(), "InsertEmailEvent").await;
    let told = s.store.email_events(parent, it.contact_key, None, Default::default()).await;
    assert_eq!(told.unwrap(), [it]);
}

fn suppress(tenant: OrganizationId, reason: SuppressedFor, until: i64) -> SuppressContact {
    let contact = contact("ada@example.com");
    SuppressContact { tenant, contact, suppression: Suppression { reason, until } }
}

async fn suppression(s: &Subject, tenant: OrganizationId) -> Option<Suppression> {
    let contact_limits = Some(contact("ada@example.com"));
    s.read(tenant, IntentKeys { contact_limits, ..IntentKeys::default() }).await.contact_limits.suppression
}

pub async fn a_suppressed_contact_is_read_with_its_limits(s: Subject) {
    let (tenant, other) = (s.parent().await, s.parent().await);
    let lift = || vec![Write::LiftSuppression { tenant, contact: contact("ada@example.com") }];
    s.conflict(lift(), "LiftSuppression").await;
    let put = async |reason, until| s.commit(vec![Write::Suppress(suppress(tenant, reason, until))]).await;
    put(SuppressedFor::Bounce, START + DAY).await;
    let bounced = Suppression { reason: SuppressedFor::Bounce, until: START + DAY };
    assert_eq!(suppression(&s, tenant).await, Some(bounced));
    assert_eq!(suppression(&s, other).await, None, "one tenant learns nothing of another");
    put(SuppressedFor::Complaint, START + MINUTE).await;
    assert_eq!(suppression(&s, tenant).await, Some(bounced), "what lasts longer stays");
    put(SuppressedFor::Complaint, START + 2 * DAY).await;
    let complained = Suppression { reason: SuppressedFor::Complaint, until: START + 2 * DAY };
    assert_eq!(suppression(&s, tenant).await, Some(complained));
    s.commit(lift()).await;
    assert_eq!(suppression(&s, tenant).await, None);
    s.conflict(lift(), "LiftSuppression").await;
    put(SuppressedFor::Bounce, START + MINUTE).await;
    s.clock.advance(MINUTE);
    s.conflict(lift(), "LiftSuppression").await;
}

pub async fn a_refusal_for_good_suppresses_with_its_outcome(s: Subject) {
    let tenant = s.parent().await;
    let it = message(tenant);
    s.commit(vec![Write::Enqueue(Box::new(it.clone()))]).await;
    let worker = new_id();
    claim_up_to(&s, worker, 1).await;
    let refused = Outcome::Failed { error: "the mail server answered 550".to_owned() };
    let suppress = Some(suppress(tenant, SuppressedFor::Bounce, START + DAY));
    let settlement = Settlement { suppress, ..refused.into() };
    assert!(s.store.settle_message(it.id, worker, &settlement).await.unwrap());
    let bounced = Suppression { reason: SuppressedFor::Bounce, until: START + DAY };
    assert_eq!(suppression(&s, tenant).await, Some(bounced));
}

pub async fn suppressions_and_names_of_messages_go_when_they_are_over(s: Subject) {
    let tenant = s.parent().await;
    hand_over(&s, message(tenant), "m-1").await;
    s.commit(vec![Write::Suppress(suppress(tenant, SuppressedFor::Bounce, START + 3 * DAY))]).await;
    let retention = Retention {
        activities_ms: 9 * DAY,
        expired_credentials_ms: 9 * DAY,
        handed_over_ms: 2 * DAY,
        idle_limits_ms: DAY,
        abuse_ms: 2 * DAY,
        batch: 100,
    };
    s.clock.advance(2 * DAY - 1);
    s.store.purge(&retention).await.unwrap();
    assert!(found(&s, "m-1").await.is_some() && suppression(&s, tenant).await.is_some());
    s.clock.advance(1);
    assert_eq!(s.store.purge(&retention).await.unwrap(), 1, "the name of the message");
    assert_eq!(found(&s, "m-1").await, None);
    s.clock.advance(DAY);
    assert_eq!(s.store.purge(&retention).await.unwrap(), 1, "the limits of the contact, long idle");
    assert_eq!(suppression(&s, tenant).await, None);
}
