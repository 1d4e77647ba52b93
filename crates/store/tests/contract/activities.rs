use vestibule_engine::model::{ActivityRecord, Submitter};
use vestibule_engine::store::{ActivityFilter, CallerKey, IntentKeys, Write};
use vestibule_wire::query::{Cursor, Page};
use vestibule_wire::view::ActivityStatus;
use vestibule_wire::{ActivityId, UserId};

use super::fixtures::*;

fn insert(activity: &ActivityRecord) -> Vec<Write> {
    vec![Write::InsertActivity(Box::new(activity.clone()))]
}

pub async fn an_activity_comes_back_as_it_was_stored(s: Subject) {
    let parent = s.parent().await;
    let sub = s.sub(parent).await;
    let submitter = user(parent, parent);
    let key = credential(&submitter, b"key");
    let mut stored = activity(parent, sub, submitter.id);
    stored.sealed = Some(vec![0, 255, 1]);
    stored.submitter =
        Submitter { organization_id: parent, message: "{\"a\":\"ä\"}".to_owned(), ..stored.submitter };
    stored.status = ActivityStatus::Failed;
    let mut writes = insert(&stored);
    writes.push(Write::InsertUser(Box::new(submitter.clone())));
    writes.push(Write::InsertCredential(Box::new(key.clone())));
    s.commit(writes).await;

    let caller = || CallerKey::User(UserId(new_id()));
    let facts = s.read_as(parent, caller(), Some(stored.fingerprint), IntentKeys::default()).await;
    assert_eq!(facts.activity.as_ref(), Some(&stored), "found from anywhere in the tenant");
    let found = facts.submitter.unwrap();
    assert_eq!((found.user, found.credentials), (submitter, vec![key]));
    let facts = s.read_as(parent, caller(), Some(new_hash()), IntentKeys::default()).await;
    assert!(facts.activity.is_none() && facts.submitter.is_none());

    assert_eq!(s.store.activity(sub, stored.id).await.unwrap(), Some(stored.clone()));
    assert_eq!(
        s.store.activity(parent, stored.id).await.unwrap(),
        Some(stored.clone()),
        "a parent finds it too"
    );
    assert_eq!(s.store.activity(s.parent().await, stored.id).await.unwrap(), None);
    assert_eq!(s.store.activity(sub, ActivityId(new_id())).await.unwrap(), None);
}

pub async fn a_body_is_one_activity_within_a_tenant(s: Subject) {
    let (one, two) = (s.parent().await, s.parent().await);
    let first = activity(one, one, UserId(new_id()));
    s.commit(insert(&first)).await;
    let again = ActivityRecord {
        fingerprint: first.fingerprint,
        ..activity(one, s.sub(one).await, UserId(new_id()))
    };
    s.conflict(insert(&again), "InsertActivity").await;
    let elsewhere = ActivityRecord { fingerprint: first.fingerprint, ..activity(two, two, UserId(new_id())) };
    s.commit(insert(&elsewhere)).await;
}

pub async fn of_fifty_equal_bodies_at_once_one_is_stored(s: Subject) {
    let parent = s.parent().await;
    let fingerprint = new_hash();
    let outcomes = parallel(50, |_| {
        let s = s.clone();
        async move {
            let mut writes =
                insert(&ActivityRecord { fingerprint, ..activity(parent, parent, UserId(new_id())) });
            writes.insert(0, Write::Enqueue(Box::new(message(parent))));
            s.try_commit(writes).await
        }
    })
    .await;
    assert_eq!(applied(&outcomes), 1);
    let filter = ActivityFilter::default();
    assert_eq!(s.store.activities(parent, &filter, Page::default()).await.unwrap().len(), 1);
    assert_eq!(s.store.claim_messages(new_id(), 100, MINUTE).await.unwrap().len(), 1, "one message");
}

pub async fn a_conflict_undoes_the_writes_before_it(s: Subject) {
    let parent = s.parent().await;
    let first = activity(parent, parent, UserId(new_id()));
    s.commit(insert(&first)).await;
    let attempt = otp(parent, parent);
    let mut writes = vec![
        Write::InsertOtp(Box::new(attempt.clone())),
        Write::CountFailure { tenant: parent, contact: attempt.contact_key, locked: None },
    ];
    writes.extend(insert(&first));
    writes.push(Write::Enqueue(Box::new(message(parent))));
    s.conflict(writes, "InsertActivity").await;
    let intent = IntentKeys {
        otp: Some(attempt.id),
        contact_limits: Some(attempt.contact_key),
        ..IntentKeys::default()
    };
    let facts = s.read(parent, intent).await;
    assert_eq!((facts.otp, facts.contact_limits.failures), (None, 0));
    assert_eq!(s.store.next_message_due().await.unwrap(), None);
}

pub async fn a_conflict_leaves_other_sets_alone(s: Subject) {
    let parent = s.parent().await;
    let taken = activity(parent, parent, UserId(new_id()));
    s.commit(insert(&taken)).await;
    let outcomes = parallel(64, |n| {
        let (s, taken) = (s.clone(), taken.clone());
        async move {
            let attempt = otp(parent, parent);
            let mut writes = vec![Write::InsertOtp(Box::new(attempt.clone()))];
            let bad = n % 2 == 0;
            writes.extend(if bad {
                insert(&taken)
            } else {
                insert(&activity(parent, parent, UserId(new_id())))
            });
            assert_eq!(s.try_commit(writes).await.is_err(), bad);
            let facts = s.read(parent, IntentKeys { otp: Some(attempt.id), ..IntentKeys::default() }).await;
            assert_eq!(facts.otp.is_none(), bad);
            bad
        }
    })
    .await;
    assert_eq!(outcomes.len(), 64);
}

pub async fn lists_follow_filters_and_pages(s: Subject) {
    let parent = s.parent().await;
    let mut stored = Vec::new();
    for n in 0..6 {
        let mut record = activity(parent, parent, UserId(new_id()));
        if n % 2 == 1 {
            record.status = ActivityStatus::Failed;
        }
        if n < 3 {
            record.activity_type = "ACTIVITY_TYPE_OTP_LOGIN".to_owned();
        }
        s.commit(insert(&record)).await;
        stored.insert(0, record);
    }
    s.commit(insert(&activity(parent, s.sub(parent).await, UserId(new_id())))).await;
    let list = |statuses: Vec<ActivityStatus>, types: &[&str], limit, cursor| {
        let filter = ActivityFilter { statuses, types: types.iter().map(|&t| t.to_owned()).collect() };
        let s = s.clone();
        async move { s.store.activities(parent, &filter, Page { limit, cursor }).await.unwrap() }
    };
    assert_eq!(list(vec![], &[], 10, Cursor::Start).await, stored);
    assert_eq!(list(vec![], &[], 2, Cursor::After(stored[1].id.0)).await, stored[2..4]);
    assert_eq!(list(vec![], &[], 2, Cursor::Before(stored[5].id.0)).await, stored[3..5]);
    let failed = list(vec![ActivityStatus::Failed], &[], 10, Cursor::Start).await;
    assert_eq!(failed, [stored[0].clone(), stored[2].clone(), stored[4].clone()]);
    let logins = || stored[3..].to_vec();
    assert_eq!(list(vec![], &["ACTIVITY_TYPE_OTP_LOGIN"], 10, Cursor::Start).await, logins());
    let twice = ["ACTIVITY_TYPE_OTP_LOGIN", "ACTIVITY_TYPE_OTP_LOGIN"];
    assert_eq!(list(vec![], &twice, 2, Cursor::Start).await, logins()[..2], "each once");
    let several = ["ACTIVITY_TYPE_INIT_OTP_V3", "ACTIVITY_TYPE_OTP_LOGIN"];
    assert_eq!(list(vec![], &several, 4, Cursor::After(stored[0].id.0)).await, stored[1..5]);
    assert_eq!(list(vec![], &several, 4, Cursor::Before(stored[5].id.0)).await, stored[1..5]);
    assert_eq!(list(vec![], &["X"], 10, Cursor::Start).await, [], "a name that no activity has");
    let both = list(vec![ActivityStatus::Failed], &["ACTIVITY_TYPE_OTP_LOGIN", "X"], 10, Cursor::Start).await;
    assert_eq!(both, [stored[4].clone()]);
    let before =
        list(vec![ActivityStatus::Failed, ActivityStatus::Pending], &[], 1, Cursor::Before(stored[4].id.0))
            .await;
    assert_eq!(before, [stored[2].clone()]);
    assert_eq!(list(vec![ActivityStatus::Rejected], &[], 10, Cursor::Start).await, []);
}
