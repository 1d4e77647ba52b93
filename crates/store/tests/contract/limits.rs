use std::collections::BTreeSet;

use vestibule_engine::limits::{Bucket, Counter, CounterWindow, MAX_COUNTERS};
use vestibule_engine::model::{AbuseRecord, ContactKey, ContactLimits, IdentifierKey, Slot};
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
        sends: 3,
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
    let mail = || vec![Write::TakeMail { tenant, contact: key, window_ms: WINDOW, sends: 3 }];
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
            s.try_commit(vec![Write::TakeMail { tenant, contact, window_ms: WINDOW, sends: 3 }]).await.is_ok()
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
    let send = || vec![Write::TakeIdentifierSend { tenant, identifier, window_ms: WINDOW, sends: 3 }];
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

pub async fn fewer_sends_than_three_fill_a_window_that_takes_fewer(s: Subject) {
    let tenant = s.parent().await;
    for count in 1..=3_u32 {
        let key = contact(&format!("user{count}@example.com"));
        let identifier = IdentifierKey::of(tenant, &count.to_string());
        let begun = s.now();
        let send = |slot| vec![Write::TakeSend(TakeSend { sends: count, ..send(tenant, key, slot) })];
        let mail = || vec![Write::TakeMail { tenant, contact: key, window_ms: WINDOW, sends: count }];
        let by_identifier =
            || vec![Write::TakeIdentifierSend { tenant, identifier, window_ms: WINDOW, sends: count }];
        for slot in 0..count as usize {
            s.commit(send(slot)).await;
            s.commit(by_identifier()).await;
            s.clock.advance(1000);
        }
        let last = count as usize % 3;
        s.clock.advance(WINDOW - 1000 * i64::from(count) - 1);
        if count < 3 {
            s.conflict(send(last), "TakeSend").await;
        }
        s.conflict(mail(), "TakeMail").await;
        s.conflict(by_identifier(), "TakeIdentifierSend").await;
        s.clock.advance(1);
        assert_eq!(s.now(), begun + WINDOW);
        s.commit(by_identifier()).await;
        s.commit(mail()).await;
        s.conflict(mail(), "TakeMail").await;
        s.clock.advance(WINDOW);
    }
}

pub async fn a_contact_is_proven_by_a_code_that_was_used(s: Subject) {
    let tenant = s.parent().await;
    let key = contact("ada@example.com");
    let it = send(tenant, key, 0);
    s.commit(take(it)).await;
    s.commit(vec![Write::ClearFailures { tenant, contact: key, otp: None }]).await;
    assert_eq!(limits(&s, tenant, key).await.proven_at, 0, "an operator proves nothing");
    s.clock.advance(5);
    s.commit(vec![Write::ClearFailures { tenant, contact: key, otp: Some(it.otp) }]).await;
    assert_eq!(limits(&s, tenant, key).await.proven_at, START + 5);
    s.clock.advance(5);
    s.commit(vec![Write::ClearFailures { tenant, contact: key, otp: None }]).await;
    assert_eq!(limits(&s, tenant, key).await.proven_at, START + 5);
}

fn count(s: &Subject, tenant: OrganizationId, scope: &str, amount: i64, ceiling: i64) -> Vec<Write> {
    let window = CounterWindow::from_first(WINDOW, s.now());
    vec![Write::Count { tenant, scope: scope.to_owned(), window, amount, ceiling }]
}

async fn counters(s: &Subject, tenant: OrganizationId, names: &[&str]) -> Vec<(String, Counter)> {
    let counters: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    s.read(tenant, IntentKeys { counters, ..IntentKeys::default() }).await.counters.into_iter().collect()
}

pub async fn a_counter_fills_its_window_and_opens_the_next_one(s: Subject) {
    let tenant = s.parent().await;
    let name = "prefix_sends +1415555";
    assert_eq!(counters(&s, tenant, &[name]).await, []);
    for _ in 0..3 {
        s.commit(count(&s, tenant, name, 1, 3)).await;
    }
    s.conflict(count(&s, tenant, name, 1, 3), "Count").await;
    s.commit(count(&s, tenant, name, 0, i64::MAX)).await;
    s.commit(vec![Write::CreditVerified { tenant, scope: name.to_owned() }]).await;
    let mut expected = Counter { since: START, amount: 3, verified: 1, ..Counter::default() };
    assert_eq!(counters(&s, tenant, &[name]).await, [(name.to_owned(), expected)]);
    s.clock.advance(WINDOW - 1);
    s.conflict(count(&s, tenant, name, 1, 3), "Count").await;
    s.clock.advance(1);
    s.commit(count(&s, tenant, name, 2, 3)).await;
    expected =
        Counter { since: START + WINDOW, amount: 2, previous_amount: 3, previous_verified: 1, verified: 0 };
    assert_eq!(counters(&s, tenant, &[name]).await, [(name.to_owned(), expected)]);
    // A window that ended longer ago than it lasts is not the one before.
    s.clock.advance(2 * WINDOW);
    s.commit(vec![Write::CreditVerified { tenant, scope: name.to_owned() }]).await;
    s.commit(count(&s, tenant, name, 1, 3)).await;
    expected = Counter { since: START + 3 * WINDOW, amount: 1, ..Counter::default() };
    assert_eq!(counters(&s, tenant, &[name]).await, [(name.to_owned(), expected)]);
}

/// A bucket that takes three drops of a second each, and remembers two seconds more.
const BUCKET: Bucket = Bucket { drop_us: 1_000_000, burst_us: 3_000_000, most_us: 5_000_000 };

fn fill(tenant: OrganizationId, scope: &str, drops: u32, guarded: bool) -> Vec<Write> {
    vec![Write::Fill { tenant, scope: scope.to_owned(), bucket: BUCKET, drops, guarded }]
}

async fn level(s: &Subject, tenant: OrganizationId, name: &str) -> i64 {
    let found = counters(s, tenant, &[name]).await;
    found.first().map_or(0, |(_, counter)| BUCKET.level_us(counter, s.now()))
}

pub async fn a_bucket_takes_its_burst_and_runs_out_with_time(s: Subject) {
    let tenant = s.parent().await;
    let name = "prefix_sends +1415555";
    for filled in 1..=3 {
        s.commit(fill(tenant, name, 1, true)).await;
        assert_eq!(level(&s, tenant, name).await, filled * 1_000_000);
    }
    s.conflict(fill(tenant, name, 1, true), "Fill").await;
    s.commit(fill(tenant, name, 0, false)).await;
    assert_eq!(level(&s, tenant, name).await, 3_000_000, "what is to count for nothing does");
    s.clock.advance(999);
    s.conflict(fill(tenant, name, 1, true), "Fill").await;
    s.clock.advance(1);
    s.commit(fill(tenant, name, 1, true)).await;
    assert_eq!(level(&s, tenant, name).await, 3_000_000);
    for _ in 0..5 {
        s.commit(fill(tenant, name, 1, false)).await;
    }
    assert_eq!(level(&s, tenant, name).await, BUCKET.most_us, "and no more is remembered");
    s.clock.advance(1500);
    assert_eq!(level(&s, tenant, name).await, 3_500_000);
    s.conflict(fill(tenant, name, 1, true), "Fill").await;
    s.clock.advance(60_000);
    assert_eq!(level(&s, tenant, name).await, 0);
    s.commit(fill(tenant, name, 2, true)).await;
    assert_eq!(level(&s, tenant, name).await, 2_000_000, "an empty bucket does not go below");
}

pub async fn of_fifty_parallel_drops_as_many_as_fit_are_taken(s: Subject) {
    let tenant = s.parent().await;
    let outcomes = parallel(50, |_| {
        let (s, writes) = (s.clone(), fill(tenant, "country_sends DE", 1, true));
        async move { s.try_commit(writes).await }
    })
    .await;
    assert_eq!(applied(&outcomes), 3);
    assert_eq!(level(&s, tenant, "country_sends DE").await, BUCKET.burst_us);
}

pub async fn counters_are_read_by_name_within_a_tenant(s: Subject) {
    let (tenant, other) = (s.parent().await, s.parent().await);
    let names: Vec<String> = (0..=MAX_COUNTERS).map(|n| format!("name {n:02}")).collect();
    for (n, name) in names.iter().enumerate() {
        s.commit(count(&s, tenant, name, n as i64 + 1, i64::MAX)).await;
    }
    let asked: Vec<&str> = names[..MAX_COUNTERS].iter().map(String::as_str).collect();
    let found = counters(&s, tenant, &asked).await;
    let amounts: Vec<i64> = found.iter().map(|(_, counter)| counter.amount).collect();
    assert_eq!(amounts, (1..=MAX_COUNTERS as i64).collect::<Vec<_>>());
    assert_eq!(counters(&s, other, &asked).await, []);
    let sub = s.sub(tenant).await;
    assert_eq!(
        counters(&s, sub, &["name 00", "no such"]).await.len(),
        1,
        "a sub-organization's are its parent's"
    );
}

pub async fn of_fifty_parallel_counts_as_many_as_the_ceiling_are_applied(s: Subject) {
    let tenant = s.parent().await;
    let outcomes = parallel(50, |_| {
        let (s, writes) = (s.clone(), count(&s, tenant, "spend_per_day", 10, 120));
        async move { s.try_commit(writes).await }
    })
    .await;
    assert_eq!(applied(&outcomes), 12);
    assert_eq!(counters(&s, tenant, &["spend_per_day"]).await[0].1.amount, 120);
}

pub fn abuse(tenant: OrganizationId, hour: i64, subject: &str) -> AbuseRecord {
    AbuseRecord {
        tenant_id: tenant,
        hour,
        limit: "prefix_ratio".to_owned(),
        action: "withhold".to_owned(),
        subject: subject.to_owned(),
        hits: 2,
        first_at: hour + 1,
        last_at: hour + 2,
    }
}

pub async fn who_was_limited_is_added_up_and_told_newest_first(s: Subject) {
    let (tenant, other) = (s.parent().await, s.parent().await);
    let first = abuse(tenant, START, "+1415555");
    let insert = |record: &AbuseRecord| vec![Write::InsertAbuse(Box::new(record.clone()))];
    let add = |record: &AbuseRecord| vec![Write::AddAbuse(Box::new(record.clone()))];
    s.commit(insert(&first)).await;
    s.conflict(insert(&first), "InsertAbuse").await;
    let more = AbuseRecord { hits: 5, first_at: START + 7, last_at: START + 9, ..first.clone() };
    s.commit(add(&more)).await;
    let later = abuse(tenant, START + 60 * MINUTE, "+1415556");
    s.commit(add(&later)).await;
    s.commit(add(&abuse(other, START, "+1415555"))).await;
    let sum = AbuseRecord { hits: 7, last_at: START + 9, ..first };
    let told = |since, most| s.store.abuse_records(tenant, since, None, most);
    assert_eq!(told(START, 10).await.unwrap(), [later.clone(), sum]);
    assert_eq!(told(START, 1).await.unwrap(), std::slice::from_ref(&later));
    assert_eq!(told(START + 1, 10).await.unwrap(), [later]);
    let older = AbuseRecord { limit: "spend_per_day".to_owned(), ..abuse(tenant, START - 60 * MINUTE, "") };
    s.commit(insert(&older)).await;
    let named = |limit| s.store.abuse_records(tenant, 0, Some(limit), 1);
    assert_eq!(named("spend_per_day").await.unwrap(), [older], "newer ones of other limits take no place");
    assert_eq!(named("no_such_limit").await.unwrap(), []);
}
