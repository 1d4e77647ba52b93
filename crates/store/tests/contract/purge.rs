use vestibule_engine::limits::CounterWindow;
use vestibule_engine::model::{ContactKey, IdentifierKey, Otp, Token};
use vestibule_engine::store::{ActivityFilter, IntentKeys, Outcome, Retention, TakeSend, Write};
use vestibule_wire::query::Page;
use vestibule_wire::view::EmailEventType;
use vestibule_wire::{OrganizationId, OtpId, UserId};

use super::fixtures::*;
use super::limits::abuse;
use super::outbox::{event, settlement};

const RETENTION: Retention = Retention {
    activities_ms: 2 * DAY,
    expired_credentials_ms: DAY,
    handed_over_ms: DAY,
    idle_limits_ms: DAY,
    abuse_ms: 2 * DAY,
    batch: 100,
};

fn send(tenant: OrganizationId, contact: ContactKey, lifetime_ms: i64) -> Write {
    Write::TakeSend(TakeSend {
        tenant,
        contact,
        otp: OtpId(new_id()),
        lifetime_ms,
        slot: 0,
        replaces: None,
        reserved: false,
        window_ms: 3 * MINUTE,
        sends: 3,
        seen_failures: 0,
    })
}

struct Everything {
    tenant: OrganizationId,
    submitter: UserId,
    otp: Otp,
    token: Token,
    contact: ContactKey,
    identifier: IdentifierKey,
}

/// One of everything that a purge removes: twelve rows, and a message that nobody settled.
async fn everything(s: &Subject) -> Everything {
    let tenant = s.parent().await;
    let submitter = user(tenant, tenant);
    let it = Everything {
        tenant,
        submitter: submitter.id,
        otp: otp(tenant, tenant),
        token: token(tenant, tenant),
        contact: contact("ada@example.com"),
        identifier: IdentifierKey::of(OrganizationId::from_bytes([1; 16]), "identifier"),
    };
    let sent = message(tenant);
    let failed = message(tenant);
    s.commit(vec![
        Write::InsertUser(Box::new(submitter.clone())),
        Write::InsertActivity(Box::new(activity(tenant, tenant, submitter.id))),
        Write::InsertOtp(Box::new(it.otp.clone())),
        Write::InsertToken(Box::new(it.token.clone())),
        Write::RememberRefusedGuess {
            organization: tenant,
            fingerprint: new_hash(),
            otp: it.otp.id,
            expires_at: START + 60 * MINUTE,
        },
        send(tenant, it.contact, 5 * MINUTE),
        Write::TakeIdentifierSend { tenant, identifier: it.identifier, window_ms: 3 * MINUTE, sends: 3 },
        Write::Count {
            tenant,
            scope: "prefix_sends +1415555".to_owned(),
            window: CounterWindow::from_first(DAY / 2, s.now()),
            amount: 1,
            ceiling: 1,
        },
        Write::AddAbuse(Box::new(abuse(tenant, s.now(), "+1415555"))),
        Write::PutSessionKey(Box::new(session_key(&submitter, b"session", START, 900))),
        Write::InsertCredential(Box::new(credential(&submitter, b"long-lived"))),
        Write::TrustIdentifier { tenant, contact: it.contact, identifier: it.identifier },
        Write::Enqueue(Box::new(sent.clone())),
        Write::Enqueue(Box::new(failed.clone())),
    ])
    .await;
    let worker = new_id();
    let told = event(&sent, EmailEventType::Send, START);
    assert_eq!(s.store.claim_messages(worker, 10, MINUTE).await.unwrap().len(), 2);
    assert!(s.store.settle_message(sent.id, worker, &settlement(Outcome::Sent, Some(&told))).await.unwrap());
    let failure = Outcome::Failed { error: "refused".to_owned() };
    assert!(s.store.settle_message(failed.id, worker, &failure.into()).await.unwrap());
    it
}

async fn keys(s: &Subject, it: &Everything) -> usize {
    s.store.user(it.tenant, it.submitter).await.unwrap().unwrap().credentials.len()
}

async fn activities(s: &Subject, it: &Everything) -> usize {
    s.store.activities(it.tenant, &ActivityFilter::default(), Page::default()).await.unwrap().len()
}

pub async fn what_is_over_goes(s: Subject) {
    let it = everything(&s).await;
    s.clock.advance(3 * DAY);
    assert_eq!(s.store.purge(&RETENTION).await.unwrap(), 12);
    assert_eq!(s.store.purge(&RETENTION).await.unwrap(), 0);
    let intent = IntentKeys {
        otp: Some(it.otp.id),
        token: Some(it.token.id),
        contact_limits: Some(it.contact),
        identifier: Some((it.contact, it.identifier)),
        ..IntentKeys::default()
    };
    let facts = s.read(it.tenant, intent).await;
    assert!(facts.otp.is_none() && facts.token.is_none());
    assert_eq!((facts.contact_limits.sends, facts.identifier_limits.sends), ([0; 3], [0; 3]));
    assert!(facts.trusted_identifier, "trust is no limit");
    assert_eq!((keys(&s, &it).await, activities(&s, &it).await), (1, 0));
}

pub async fn what_still_counts_stays(s: Subject) {
    let it = everything(&s).await;
    assert_eq!(s.store.purge(&RETENTION).await.unwrap(), 0, "nothing is over yet");
    s.clock.advance(5 * MINUTE);
    assert_eq!(s.store.purge(&RETENTION).await.unwrap(), 3, "the attempt, and two settled messages");
    s.clock.advance(DAY - 5 * MINUTE - 1);
    assert_eq!(s.store.purge(&RETENTION).await.unwrap(), 2, "the token, and the refused guess");
    assert_eq!((keys(&s, &it).await, activities(&s, &it).await), (2, 1));
    s.clock.advance(1);
    let (late, failed) = (contact("late@example.com"), contact("failed@example.com"));
    s.commit(vec![
        // Failures and live codes outlast any idleness.
        Write::CountFailure { tenant: it.tenant, contact: failed, locked: None },
        send(it.tenant, late, 10 * DAY),
    ])
    .await;
    assert_eq!(
        s.store.purge(&RETENTION).await.unwrap(),
        3,
        "idle limits of the contact and the identifier, and the counter"
    );
    s.clock.advance(5 * DAY);
    assert_eq!(
        s.store.purge(&RETENTION).await.unwrap(),
        4,
        "the session key, the activity, the event and who was limited"
    );
    for (key, failures, sends) in [(failed, 1, 0), (late, 0, 1)] {
        let intent = IntentKeys { contact_limits: Some(key), ..IntentKeys::default() };
        let limits = s.read(it.tenant, intent).await.contact_limits;
        assert_eq!((limits.failures, limits.sends.iter().filter(|at| **at > 0).count()), (failures, sends));
    }
    s.commit(vec![Write::ClearFailures { tenant: it.tenant, contact: failed, otp: None }]).await;
    s.clock.advance(6 * DAY);
    assert_eq!(s.store.purge(&RETENTION).await.unwrap(), 2);
    // A message that waits is not over, however old it is; it is failed when it is looked at.
    s.commit(vec![Write::Enqueue(Box::new(message(it.tenant)))]).await;
    assert_eq!(s.store.purge(&RETENTION).await.unwrap(), 0);
    assert_eq!(s.store.claim_messages(new_id(), 10, MINUTE).await.unwrap(), []);
    assert_eq!(s.store.purge(&RETENTION).await.unwrap(), 1);
}

pub async fn small_batches_purge_everything(s: Subject) {
    let tenant = s.parent().await;
    for n in 0..10 {
        let key = contact(&format!("user{n}@example.com"));
        s.commit(vec![
            Write::InsertOtp(Box::new(otp(tenant, tenant))),
            Write::InsertActivity(Box::new(activity(tenant, tenant, UserId(new_id())))),
            send(tenant, key, MINUTE),
        ])
        .await;
    }
    s.clock.advance(10 * DAY);
    let kept = contact("user3@example.com");
    s.commit(vec![Write::CountFailure { tenant, contact: kept, locked: None }]).await;
    assert_eq!(s.store.purge(&Retention { batch: 3, ..RETENTION }).await.unwrap(), 29);
}
