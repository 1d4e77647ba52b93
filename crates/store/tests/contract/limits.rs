use vestibule_engine::model::{ContactKey, ContactLimits, IdentifierKey, Slot};
use vestibule_engine::store::{IntentKeys, TakeSend, Write};
use vestibule_wire::{OrganizationId, OtpId};

use super::accounts::insert_contact;
use super::fixtures::*;

const WINDOW: i64 = 3 * MINUTE;
const LIFETIME: i64 = 5 * MINUTE;

fn send(tenant: OrganizationId, contact: ContactKey, slot: usize) -> TakeSend {
    TakeSend {
        tenant,
        contact,
        otp: OtpId(new_id()),
        lifetime_ms: LIFETIME,
        slot,
        replaces: None,
        reserved: false,
        window_ms: WINDOW,
        seen_failures: 0,
    }
}

fn take(take: TakeSend) -> Vec<Write> {
    vec![Write::TakeSend(take)]
}

async fn limits(s: &Subject, tenant: OrganizationId, contact: ContactKey) -> ContactLimits {
    s.read(tenant, IntentKeys { contact_limits: Some(contact), ..IntentKeys::default() }).await.contact_limits
}

pub async fn three_sends_fill_the_window(s: Subject) {
    let tenant = s.parent().await;
    let key = contact("ada@example.com");
    assert_eq!(limits(&s, tenant, key).await, ContactLimits::default());
    let mut slots = [Slot::default(); 3];
    for (slot, expected) in slots.iter_mut().enumerate() {
        let it = send(tenant, key, slot);
        s.commit(take(it)).await;
        *expected = Slot { otp: Some(it.otp), until: s.now() + LIFETIME };
        s.clock.advance(1000);
    }
    let found = limits(&s, tenant, key).await;
    assert_eq!(found.sends, [START, START + 1000, START + 2000]);
    assert_eq!((found.slots, found.reserve, found.failures), (slots, [0, 0], 0));
    // Every slot of the contact is free again, and yet the window is full until the first send is as old as it is long.
    for slot in slots {
        s.commit(vec![Write::ClearFailures { tenant, contact: key, otp: slot.otp }]).await;
    }
    s.clock.advance(WINDOW - 3000 - 1);
    s.conflict(take(send(tenant, key, 0)), "TakeSend").await;
    s.clock.advance(1);
    s.commit(take(send(tenant, key, 0))).await;
    s.conflict(take(send(tenant, key, 1)), "TakeSend").await;
    s.commit(take(send(tenant, contact("grace@example.com"), 0))).await;
    assert_eq!(limits(&s, s.parent().await, key).await, ContactLimits::default(), "limits are per tenant");
}

pub async fn fifty_parallel_sends_take_three(s: Subject) {
    let tenant = s.parent().await;
    let key = contact("ada@example.com");
    let sent = parallel(50, |_| {
        let s = s.clone();
        async move {
            // What the engine does: read, choose a free slot, commit; after a conflict read again.
            loop {
                let found = limits(&s, tenant, key).await;
                let free = found.slots.iter().position(|slot| slot.until <= s.now());
                let (Some(slot), true) = (free, found.sends[0] == 0) else { return false };
                if s.try_commit(take(send(tenant, key, slot))).await.is_ok() {
                    return true;
                }
            }
        }
    })
    .await;
    assert_eq!(sent.into_iter().filter(|sent| *sent).count(), 3);
    assert!(limits(&s, tenant, key).await.slots.iter().all(|slot| slot.otp.is_some()));
}

pub async fn a_live_slot_is_not_taken(s: Subject) {
    let tenant = s.parent().await;
    let key = contact("ada@example.com");
    for slot in 0..3 {
        // A window of no length, so that only the slot decides.
        let first = TakeSend { window_ms: 0, ..send(tenant, key, slot) };
        s.commit(take(first)).await;
        let second = TakeSend { window_ms: 0, ..send(tenant, key, slot) };
        s.conflict(take(second), "TakeSend").await;
        s.conflict(take(TakeSend { replaces: Some(OtpId(new_id())), ..second }), "TakeSend").await;
        s.commit(take(TakeSend { replaces: Some(first.otp), ..second })).await;
        assert_eq!(limits(&s, tenant, key).await.slots[slot].otp, Some(second.otp));
    }
}

pub async fn a_mail_without_a_code_takes_a_send_and_no_slot(s: Subject) {
    let tenant = s.parent().await;
    let key = contact("ada@example.com");
    let mail = || vec![Write::TakeMail { tenant, contact: key, window_ms: WINDOW }];
    s.commit(mail()).await;
    s.clock.advance(1000);
    s.commit(take(send(tenant, key, 0))).await;
    s.commit(vec![Write::CountFailure { tenant, contact: key, locked: None }]).await;
    s.clock.advance(1000);
    // Failures since the read are none of its business.
    s.commit(mail()).await;
    let found = limits(&s, tenant, key).await;
    assert_eq!(found.sends, [START, START + 1000, START + 2000]);
    assert_eq!(found.slots.iter().filter(|slot| slot.otp.is_some()).count(), 1);
    assert_eq!((found.failures, found.reserve), (1, [0, 0]));
    s.clock.advance(WINDOW - 2000 - 1);
    s.conflict(mail(), "TakeMail").await;
    s.clock.advance(1);
    s.commit(mail()).await;
    s.conflict(mail(), "TakeMail").await;
    s.conflict(take(TakeSend { seen_failures: 1, ..send(tenant, key, 1) }), "TakeSend").await;
}

pub async fn of_fifty_parallel_mails_three_are_taken(s: Subject) {
    let tenant = s.parent().await;
    let contact = contact("ada@example.com");
    let taken = parallel(50, |_| {
        let s = s.clone();
        async move {
            s.try_commit(vec![Write::TakeMail { tenant, contact, window_ms: WINDOW }]).await.is_ok()
        }
    })
    .await;
    assert_eq!(taken.into_iter().filter(|taken| *taken).count(), 3);
}

pub async fn a_slot_frees_when_its_code_expires(s: Subject) {
    let tenant = s.parent().await;
    let key = contact("ada@example.com");
    s.commit(take(send(tenant, key, 1))).await;
    s.clock.advance(LIFETIME - 1);
    s.conflict(take(send(tenant, key, 1)), "TakeSend").await;
    s.clock.advance(1);
    s.commit(take(send(tenant, key, 1))).await;
}

pub async fn the_reserve_replaces_a_live_code_and_counts_apart(s: Subject) {
    let tenant = s.parent().await;
    let key = contact("ada@example.com");
    let mut live = Vec::new();
    for slot in 0..3 {
        let it = send(tenant, key, slot);
        s.commit(take(it)).await;
        live.push(it.otp);
    }
    for (slot, replaced) in live.into_iter().enumerate() {
        let reserved = TakeSend { reserved: true, replaces: Some(replaced), ..send(tenant, key, slot) };
        if slot < 2 {
            s.commit(take(reserved)).await;
            assert_eq!(limits(&s, tenant, key).await.slots[slot].otp, Some(reserved.otp));
        } else {
            s.conflict(take(reserved), "TakeSend").await;
            s.clock.advance(WINDOW);
            s.commit(take(reserved)).await;
        }
    }
    let found = limits(&s, tenant, key).await;
    assert_eq!((found.sends, found.reserve), ([START; 3], [START, START + WINDOW]));
    // The reserve of a contact that never sent anything.
    let fresh = contact("grace@example.com");
    for slot in 0..2 {
        s.commit(take(TakeSend { reserved: true, ..send(tenant, fresh, slot) })).await;
    }
    assert_eq!(limits(&s, tenant, fresh).await.sends, [0; 3]);
}

pub async fn failures_since_the_read_refuse_a_send(s: Subject) {
    let tenant = s.parent().await;
    let key = contact("ada@example.com");
    s.commit(vec![Write::CountFailure { tenant, contact: key, locked: None }]).await;
    s.conflict(take(send(tenant, key, 0)), "TakeSend").await;
    s.commit(take(TakeSend { seen_failures: 1, ..send(tenant, key, 0) })).await;
    s.commit(take(TakeSend { seen_failures: 2, ..send(tenant, key, 1) })).await;
}

pub async fn failures_are_counted_and_a_success_clears_them(s: Subject) {
    let tenant = s.parent().await;
    let key = contact("ada@example.com");
    let count = || vec![Write::CountFailure { tenant, contact: key, locked: None }];
    let outcomes = parallel(40, |_| {
        let (s, writes) = (s.clone(), count());
        async move { s.try_commit(writes).await }
    })
    .await;
    assert_eq!(applied(&outcomes), 40);
    s.clock.advance(7);
    s.commit(count()).await;
    let found = limits(&s, tenant, key).await;
    assert_eq!((found.failures, found.failed_at), (41, START + 7));
    let it = TakeSend { seen_failures: 41, ..send(tenant, key, 2) };
    s.commit(take(it)).await;
    s.commit(vec![Write::ClearFailures { tenant, contact: key, otp: Some(it.otp) }]).await;
    let found = limits(&s, tenant, key).await;
    assert_eq!((found.failures, found.slots, found.sends[2]), (0, [Slot::default(); 3], START + 7));
    // Without an attempt no slot is touched, and a contact without limits gets none.
    let it = TakeSend { window_ms: 0, ..send(tenant, key, 2) };
    s.commit(take(it)).await;
    s.commit(vec![Write::ClearFailures { tenant, contact: key, otp: None }]).await;
    assert_eq!(limits(&s, tenant, key).await.slots[2].otp, Some(it.otp));
    s.commit(vec![Write::ClearFailures { tenant, contact: contact("grace@example.com"), otp: None }]).await;
}

pub async fn only_a_proven_holder_clears_failures_of_its_own(s: Subject) {
    let tenant = s.parent().await;
    let key = contact("ada@example.com");
    let (proven, unproven, stranger) =
        (s.user(tenant, tenant).await, s.user(tenant, tenant).await, s.user(tenant, tenant).await);
    let it = send(tenant, key, 0);
    s.commit(vec![
        insert_contact(tenant, key, tenant, proven, Some(START)),
        insert_contact(tenant, key, tenant, unproven, None),
        Write::TakeSend(it),
        Write::CountFailure { tenant, contact: key, locked: None },
    ])
    .await;
    for (user, failures) in [(stranger, 1), (unproven, 1), (proven, 0), (proven, 0)] {
        s.commit(vec![Write::ClearOwnFailures { tenant, contact: key, organization: tenant, user }]).await;
        assert_eq!(limits(&s, tenant, key).await.failures, failures);
    }
    assert_eq!(limits(&s, tenant, key).await.slots[0].otp, Some(it.otp), "its live code stays");
}

pub async fn a_locked_attempt_frees_its_slot(s: Subject) {
    let tenant = s.parent().await;
    let key = contact("ada@example.com");
    let mut taken = Vec::new();
    for slot in 0..3 {
        let it = send(tenant, key, slot);
        s.commit(take(it)).await;
        taken.push(it.otp);
    }
    s.commit(vec![Write::CountFailure { tenant, contact: key, locked: Some(taken[1]) }]).await;
    let found = limits(&s, tenant, key).await;
    assert_eq!(found.slots.map(|slot| slot.otp), [Some(taken[0]), None, Some(taken[2])]);
    assert_eq!(found.sends, [START; 3], "it still counts as a send");
}

pub async fn an_identifier_sends_three_times_in_a_window(s: Subject) {
    let tenant = s.parent().await;
    let (key, identifier) =
        (contact("ada@example.com"), IdentifierKey::of(OrganizationId::from_bytes([1; 16]), "203.0.113.7"));
    let send = || vec![Write::TakeIdentifierSend { tenant, identifier, window_ms: WINDOW }];
    let outcomes = parallel(50, |_| {
        let (s, writes) = (s.clone(), send());
        async move { s.try_commit(writes).await }
    })
    .await;
    assert_eq!(applied(&outcomes), 3);
    let read = || IntentKeys { identifier: Some((key, identifier)), ..IntentKeys::default() };
    assert_eq!(s.read(tenant, read()).await.identifier_limits.sends, [START; 3]);
    s.clock.advance(WINDOW - 1);
    s.conflict(send(), "TakeIdentifierSend").await;
    s.clock.advance(1);
    s.commit(send()).await;
    assert_eq!(s.read(tenant, read()).await.identifier_limits.sends, [START, START, START + WINDOW]);
}

pub async fn an_identifier_is_trusted_with_the_contact_it_succeeded_with(s: Subject) {
    let tenant = s.parent().await;
    let (ada, grace) = (contact("ada@example.com"), contact("grace@example.com"));
    let (known, unknown) = (
        IdentifierKey::of(OrganizationId::from_bytes([1; 16]), "known"),
        IdentifierKey::of(OrganizationId::from_bytes([1; 16]), "unknown"),
    );
    let trust = || vec![Write::TrustIdentifier { tenant, contact: ada, identifier: known }];
    s.commit(trust()).await;
    s.commit(trust()).await;
    for (contact, identifier, trusted) in [(ada, known, true), (ada, unknown, false), (grace, known, false)] {
        let intent = IntentKeys { identifier: Some((contact, identifier)), ..IntentKeys::default() };
        assert_eq!(s.read(tenant, intent).await.trusted_identifier, trusted);
    }
}
