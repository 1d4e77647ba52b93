use vestibule_engine::model::{Organization, User};
use vestibule_engine::store::{CallerKey, IntentKeys, SubOrganizationFilter, Write};
use vestibule_wire::query::{Cursor, Page};
use vestibule_wire::{OrganizationId, UserId};

use super::fixtures::*;

pub async fn an_organization_is_found_with_its_parent(s: Subject) {
    let parent = Organization { suspended_at: Some(START), ..organization(None) };
    let sub = organization(Some(parent.id));
    s.commit(vec![
        Write::InsertOrganization(Box::new(parent.clone())),
        Write::InsertOrganization(Box::new(sub.clone())),
    ])
    .await;
    let facts = s.read(sub.id, IntentKeys::default()).await;
    assert_eq!((facts.organization.as_ref(), facts.parent.as_ref()), (Some(&sub), Some(&parent)));
    assert_eq!(facts.now, START);
    let facts = s.read(parent.id, IntentKeys::default()).await;
    assert_eq!((facts.organization.as_ref(), facts.parent), (Some(&parent), None));
    assert_eq!(s.store.organization(sub.id).await.unwrap(), Some(sub));
    assert_eq!(s.store.organization(OrganizationId(new_id())).await.unwrap(), None);
}

pub async fn an_id_is_given_once(s: Subject) {
    let parent = organization(None);
    let person = user(parent.id, parent.id);
    s.commit(vec![
        Write::InsertOrganization(Box::new(parent.clone())),
        Write::InsertUser(Box::new(person.clone())),
    ])
    .await;
    s.conflict(vec![Write::InsertOrganization(Box::new(parent))], "InsertOrganization").await;
    s.conflict(vec![Write::InsertUser(Box::new(person))], "InsertUser").await;
}

pub async fn parents_are_listed_newest_first(s: Subject) {
    let (first, second) = (s.parent().await, s.parent().await);
    s.sub(first).await;
    let ids: Vec<_> = s.store.parents().await.unwrap().into_iter().map(|o| o.id).collect();
    assert_eq!(ids, [second, first]);
}

pub async fn only_parents_are_suspended(s: Subject) {
    let parent = s.parent().await;
    let sub = s.sub(parent).await;
    let write = |organization, suspended_at| Write::SetSuspended { organization, suspended_at };
    s.commit(vec![write(parent, Some(START))]).await;
    assert_eq!(s.store.organization(parent).await.unwrap().unwrap().suspended_at, Some(START));
    s.commit(vec![write(parent, None)]).await;
    let found = s.store.organization(parent).await.unwrap().unwrap();
    assert_eq!((found.suspended_at, found.version), (None, 3));
    s.conflict(vec![write(sub, Some(START))], "SetSuspended").await;
    s.conflict(vec![write(OrganizationId(new_id()), Some(START))], "SetSuspended").await;
}

pub async fn only_parents_have_a_language(s: Subject) {
    let parent = s.parent().await;
    let sub = s.sub(parent).await;
    let write = |organization, tag: Option<&str>| Write::SetLocale {
        organization,
        locale: tag.map(|tag| tag.parse().unwrap()),
    };
    s.commit(vec![write(parent, Some("zh-Hant"))]).await;
    let found = s.store.organization(parent).await.unwrap().unwrap();
    assert_eq!((found.locale, found.version), ("zh-Hant".parse().ok(), 2));
    assert_eq!(s.read(sub, IntentKeys::default()).await.parent.unwrap().locale, "zh-Hant".parse().ok());
    s.commit(vec![write(parent, None)]).await;
    assert_eq!(s.store.organization(parent).await.unwrap().unwrap().locale, None);
    s.conflict(vec![write(sub, Some("de"))], "SetLocale").await;
    s.conflict(vec![write(OrganizationId(new_id()), None)], "SetLocale").await;
}

pub async fn a_users_version_guards_its_changes(s: Subject) {
    let parent = s.parent().await;
    let id = s.user(parent, parent).await;
    let touch = |version| Write::TouchUser { organization: parent, user: id, version };
    s.clock.advance(9);
    let outcomes = parallel(20, |_| {
        let (s, write) = (s.clone(), touch(1));
        async move { s.try_commit(vec![write]).await }
    })
    .await;
    assert_eq!(applied(&outcomes), 1);
    let found = s.store.user(parent, id).await.unwrap().unwrap();
    assert_eq!((found.user.version, found.user.updated_at), (2, START + 9));
    s.conflict(vec![touch(1)], "TouchUser").await;
    s.commit(vec![touch(2)]).await;
}

pub async fn users_are_listed_with_their_credentials(s: Subject) {
    let parent = s.parent().await;
    let (bare, keyed) =
        (user(parent, parent), User { phone: Some("+15550100".to_owned()), ..user(parent, parent) });
    let mut older = credential(&keyed, b"older");
    older.created_at -= 1;
    let newer = credential(&keyed, b"newer");
    s.commit(vec![
        Write::InsertUser(Box::new(bare.clone())),
        Write::InsertUser(Box::new(keyed.clone())),
        Write::InsertCredential(Box::new(newer.clone())),
        Write::InsertCredential(Box::new(older.clone())),
    ])
    .await;
    let users = s.store.users(parent).await.unwrap();
    assert_eq!(users.iter().map(|r| &r.user).collect::<Vec<_>>(), [&keyed, &bare]);
    assert_eq!(users[0].credentials, [older.clone(), newer.clone()]);
    assert_eq!(users[1].credentials, []);
    let one = s.store.user(parent, keyed.id).await.unwrap().unwrap();
    assert_eq!(one, users[0]);
    let facts = s.read(parent, IntentKeys { user: Some(keyed.id), ..IntentKeys::default() }).await;
    assert_eq!(facts.user.as_ref(), Some(&one));
    assert_eq!(s.store.user(parent, UserId(new_id())).await.unwrap(), None);
}

pub async fn a_user_goes_with_its_contacts_credentials_and_claims(s: Subject) {
    let parent = s.parent().await;
    let sub = s.sub(parent).await;
    let person = user(parent, sub);
    let (key, shared) = (contact("ada@example.com"), contact("both@example.com"));
    let other = s.user(parent, parent).await;
    s.commit(vec![
        Write::InsertUser(Box::new(person.clone())),
        Write::InsertCredential(Box::new(credential(&person, b"key"))),
        insert_contact(parent, key, sub, person.id, Some(START)),
        Write::ClaimContact { tenant: parent, contact: key },
        insert_contact(parent, shared, sub, person.id, Some(START)),
        insert_contact(parent, shared, parent, other, Some(START)),
        Write::ClaimContact { tenant: parent, contact: shared },
    ])
    .await;
    let delete = || vec![Write::DeleteUser { organization: sub, user: person.id }];
    s.commit(delete()).await;
    s.conflict(delete(), "DeleteUser").await;
    let caller = CallerKey::Credential(b"key".to_vec());
    let intent = IntentKeys { contact_in_target: Some(key), ..IntentKeys::default() };
    let facts = s.read_as(sub, caller, None, intent).await;
    assert!(facts.callers.is_empty() && facts.contact_in_target.is_empty());
    assert_eq!(s.store.users(sub).await.unwrap(), []);
    // The claim of the last proven holder is free again, that of a contact another user proved is not.
    s.commit(vec![Write::ClaimContact { tenant: parent, contact: key }]).await;
    s.conflict(vec![Write::ClaimContact { tenant: parent, contact: shared }], "ClaimContact").await;
}

pub fn insert_contact(
    tenant: OrganizationId,
    contact: vestibule_engine::model::ContactKey,
    organization: OrganizationId,
    user: UserId,
    verified_at: Option<i64>,
) -> Write {
    Write::InsertContact { tenant, contact, organization, user, verified_at }
}

pub async fn a_contact_is_claimed_once(s: Subject) {
    let (one, two) = (s.parent().await, s.parent().await);
    let claim = |tenant| vec![Write::ClaimContact { tenant, contact: contact("ada@example.com") }];
    s.commit(claim(one)).await;
    s.conflict(claim(one), "ClaimContact").await;
    s.commit(claim(two)).await;
}

pub async fn of_many_parallel_claims_one_succeeds(s: Subject) {
    let parent = s.parent().await;
    let key = contact("ada@example.com");
    let outcomes = parallel(50, |_| {
        let s = s.clone();
        async move {
            let sub = organization(Some(parent));
            let person = user(parent, sub.id);
            s.try_commit(vec![
                Write::InsertUser(Box::new(person.clone())),
                insert_contact(parent, key, sub.id, person.id, Some(START)),
                Write::ClaimContact { tenant: parent, contact: key },
                Write::InsertOrganization(Box::new(sub)),
            ])
            .await
        }
    })
    .await;
    assert_eq!(applied(&outcomes), 1);
    let facts = s.read(parent, IntentKeys { verified_contact: Some(key), ..IntentKeys::default() }).await;
    assert_eq!(facts.verified_contact.len(), 1);
    assert_eq!(s.store.sub_organizations(parent, None, Page::default()).await.unwrap().len(), 1);
}

pub async fn verifying_a_contact_claims_it(s: Subject) {
    let parent = s.parent().await;
    let sub = s.sub(parent).await;
    let person = s.user(parent, sub).await;
    let key = contact("ada@example.com");
    s.commit(vec![insert_contact(parent, key, sub, person, None)]).await;
    let intent =
        || IntentKeys { contact_in_target: Some(key), verified_contact: Some(key), ..IntentKeys::default() };
    let facts = s.read(sub, intent()).await;
    assert_eq!(
        facts.contact_in_target.iter().map(|h| (h.user.id, h.verified)).collect::<Vec<_>>(),
        [(person, false)]
    );
    assert!(facts.verified_contact.is_empty());
    let verify =
        || vec![Write::VerifyContact { tenant: parent, contact: key, organization: sub, user: person }];
    s.commit(verify()).await;
    let facts = s.read(sub, intent()).await;
    assert_eq!(
        facts.contact_in_target.iter().map(|h| (h.user.id, h.verified)).collect::<Vec<_>>(),
        [(person, true)]
    );
    assert_eq!(facts.verified_contact, facts.contact_in_target);
    s.conflict(vec![Write::ClaimContact { tenant: parent, contact: key }], "ClaimContact").await;
    // Whoever claimed it before: verifying again is no conflict.
    s.commit(verify()).await;
}

pub async fn only_a_contact_the_user_has_is_verified(s: Subject) {
    let parent = s.parent().await;
    let (owner, other) = (s.user(parent, parent).await, s.user(parent, parent).await);
    let key = contact("ada@example.com");
    s.commit(vec![insert_contact(parent, key, parent, owner, None)]).await;
    let verify = |user| Write::VerifyContact { tenant: parent, contact: key, organization: parent, user };
    s.conflict(vec![verify(other)], "VerifyContact").await;
    s.commit(vec![Write::ClaimContact { tenant: parent, contact: key }]).await;
}

pub async fn verified_holders_are_told_the_targets_first(s: Subject) {
    let parent = s.parent().await;
    let key = contact("ada@example.com");
    let mut subs = Vec::new();
    for _ in 0..4 {
        let sub = s.sub(parent).await;
        let (verified, unverified) = (s.user(parent, sub).await, s.user(parent, sub).await);
        s.commit(vec![
            insert_contact(parent, key, sub, unverified, None),
            insert_contact(parent, key, sub, verified, Some(START)),
        ])
        .await;
        subs.push((sub, verified));
    }
    let read = |organization| {
        let s = s.clone();
        async move {
            let intent = IntentKeys {
                verified_contact: Some(key),
                contact_in_target: Some(key),
                ..IntentKeys::default()
            };
            s.read(organization, intent).await
        }
    };
    let facts = read(subs[3].0).await;
    let found: Vec<_> = facts.verified_contact.iter().map(|h| (h.user.organization_id, h.user.id)).collect();
    assert_eq!(found, [subs[3], subs[0], subs[1]]);
    let in_target: Vec<_> = facts.contact_in_target.iter().map(|h| h.verified).collect();
    assert_eq!(in_target, [true, false]);
    let facts = read(parent).await;
    assert_eq!((facts.verified_contact.len(), facts.contact_in_target.len()), (3, 0));
}

pub async fn sub_organizations_are_found_by_each_filter(s: Subject) {
    use SubOrganizationFilter as F;
    let (parent, stranger) = (s.parent().await, s.parent().await);
    let key = contact("ada@example.com");
    let named = Organization { name: "Named".to_owned(), ..organization(Some(parent)) };
    let plain = organization(Some(parent));
    let person = User { name: "ada".to_owned(), ..user(parent, plain.id) };
    let root = User { name: "ada".to_owned(), ..user(parent, parent) };
    s.commit(vec![
        Write::InsertOrganization(Box::new(named.clone())),
        Write::InsertOrganization(Box::new(plain.clone())),
        Write::InsertUser(Box::new(person.clone())),
        Write::InsertUser(Box::new(root.clone())),
        Write::InsertCredential(Box::new(credential(&person, b"key"))),
        Write::InsertCredential(Box::new(credential(&root, b"key"))),
        insert_contact(parent, key, plain.id, person.id, None),
        insert_contact(parent, key, parent, root.id, Some(START)),
    ])
    .await;
    let find = |organization, filter: Option<F>| {
        let s = s.clone();
        async move {
            let newest =
                s.store.sub_organizations(organization, filter.as_ref(), Page::default()).await.unwrap();
            let before = Page { limit: 10, cursor: Cursor::Before(uuid::Uuid::nil()) };
            assert_eq!(
                s.store.sub_organizations(organization, filter.as_ref(), before).await.unwrap(),
                newest,
                "the same from below"
            );
            newest
        }
    };
    // The parent itself, which has the same name, key and contact, is never among them.
    assert_eq!(find(parent, None).await, [plain.id, named.id]);
    assert_eq!(find(parent, Some(F::Name("Named".to_owned()))).await, [named.id]);
    assert_eq!(find(parent, Some(F::Username("ada".to_owned()))).await, [plain.id]);
    assert_eq!(find(parent, Some(F::Credential(b"key".to_vec()))).await, [plain.id]);
    assert_eq!(find(parent, Some(F::Contact(key))).await, [plain.id]);
    assert_eq!(find(parent, Some(F::VerifiedContact(key))).await, []);
    assert_eq!(find(parent, Some(F::AnyVerifiedContact)).await, []);
    s.commit(vec![Write::VerifyContact {
        tenant: parent,
        contact: key,
        organization: plain.id,
        user: person.id,
    }])
    .await;
    assert_eq!(find(parent, Some(F::VerifiedContact(key))).await, [plain.id]);
    assert_eq!(find(parent, Some(F::AnyVerifiedContact)).await, [plain.id]);
    assert_eq!(find(parent, Some(F::Name("named".to_owned()))).await, [], "names are compared exactly");
    for filter in [None, Some(F::Username("ada".to_owned())), Some(F::Credential(b"key".to_vec()))] {
        assert_eq!(find(stranger, filter).await, []);
    }
}

pub async fn pages_run_from_the_newest_to_the_oldest(s: Subject) {
    let parent = s.parent().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, s.sub(parent).await);
    }
    let page = |limit, cursor| {
        let s = s.clone();
        async move { s.store.sub_organizations(parent, None, Page { limit, cursor }).await.unwrap() }
    };
    assert_eq!(page(2, Cursor::Start).await, ids[..2]);
    assert_eq!(page(2, Cursor::After(ids[1].0)).await, ids[2..4]);
    assert_eq!(page(2, Cursor::After(ids[3].0)).await, ids[4..]);
    assert_eq!(page(2, Cursor::After(ids[4].0)).await, []);
    assert_eq!(page(2, Cursor::Before(ids[4].0)).await, ids[2..4]);
    assert_eq!(page(2, Cursor::Before(ids[1].0)).await, ids[..1]);
    assert_eq!(page(100, Cursor::Start).await, ids);
}

pub async fn a_claim_outlives_a_user_while_another_one_proves_the_contact(s: Subject) {
    let parent = s.parent().await;
    for round in 0..20 {
        let key = contact(&format!("shared{round}@example.com"));
        let (leaving, staying) = (s.user(parent, parent).await, s.user(parent, parent).await);
        s.commit(vec![
            insert_contact(parent, key, parent, leaving, Some(START)),
            insert_contact(parent, key, parent, staying, None),
            Write::ClaimContact { tenant: parent, contact: key },
        ])
        .await;
        let outcomes = parallel(2, |n| {
            let write = match n {
                0 => Write::DeleteUser { organization: parent, user: leaving },
                _ => {
                    Write::VerifyContact { tenant: parent, contact: key, organization: parent, user: staying }
                }
            };
            let s = s.clone();
            async move { s.try_commit(vec![write]).await }
        })
        .await;
        assert_eq!(applied(&outcomes), 2);
        s.conflict(vec![Write::ClaimContact { tenant: parent, contact: key }], "ClaimContact").await;
    }
}
