use vestibule_engine::store::{CallerKey, CallerMatch, IntentKeys, TemplateKey, Write};
use vestibule_wire::{OrganizationId, TemplateId, UserId};

use super::accounts::insert_contact;
use super::fixtures::*;

fn homes(callers: &[CallerMatch]) -> Vec<OrganizationId> {
    callers.iter().map(|caller| caller.organization.id).collect()
}

pub async fn callers_of_a_key_come_from_the_target_then_its_parent_then_two_others(s: Subject) {
    let parent = s.parent().await;
    let mut subs = Vec::new();
    for _ in 0..4 {
        subs.push(s.sub(parent).await);
    }
    for organization in subs.iter().chain([&parent]) {
        let person = user(parent, *organization);
        let mut second = session_key(&person, b"another", START, 900);
        second.created_at -= 1;
        s.commit(vec![
            Write::InsertUser(Box::new(person.clone())),
            Write::InsertCredential(Box::new(credential(&person, b"key"))),
            Write::InsertCredential(Box::new(second)),
        ])
        .await;
    }
    let read = |organization| {
        let s = s.clone();
        async move {
            s.read_as(organization, CallerKey::Credential(b"key".to_vec()), None, IntentKeys::default())
                .await
                .callers
        }
    };
    let callers = read(subs[2]).await;
    assert_eq!(homes(&callers), [subs[2], parent, subs[0], subs[1]]);
    for caller in &callers {
        let CallerMatch { record, organization, credential } = caller;
        assert_eq!(s.store.organization(organization.id).await.unwrap().as_ref(), Some(organization));
        let stored = s.store.user(organization.id, record.user.id).await.unwrap();
        assert_eq!(stored.as_ref(), Some(record));
        let keys: Vec<_> = record.credentials.iter().map(|key| key.lookup.as_slice()).collect();
        assert_eq!(keys, [b"another".as_slice(), b"key"]);
        assert_eq!(credential.as_ref(), Some(&record.credentials[1]));
    }
    assert_eq!(homes(&read(parent).await), [parent, subs[0], subs[1]]);
    let late = s.sub(parent).await;
    assert_eq!(homes(&read(late).await), [parent, subs[0], subs[1]]);
    assert!(read(s.parent().await).await.is_empty());
}

pub async fn callers_of_a_contact_have_verified_it(s: Subject) {
    let parent = s.parent().await;
    let key = contact("ada@example.com");
    let mut subs = Vec::new();
    for n in 0..5 {
        let sub = s.sub(parent).await;
        let person = s.user(parent, sub).await;
        s.commit(vec![insert_contact(parent, key, sub, person, (n > 0).then_some(START))]).await;
        subs.push(sub);
    }
    let root = user(parent, parent);
    s.commit(vec![
        Write::InsertUser(Box::new(root.clone())),
        Write::InsertCredential(Box::new(credential(&root, b"root"))),
        insert_contact(parent, key, parent, root.id, Some(START)),
    ])
    .await;
    let read = |organization| {
        let s = s.clone();
        async move { s.read_as(organization, CallerKey::Contact(key), None, IntentKeys::default()).await.callers }
    };
    let callers = read(subs[4]).await;
    assert_eq!(homes(&callers), [subs[4], parent, subs[1], subs[2]]);
    assert!(callers.iter().all(|caller| caller.credential.is_none()));
    assert!(callers[0].record.credentials.is_empty(), "a user needs no key for this");
    assert_eq!(callers[1].record.credentials.len(), 1);
    assert_eq!(homes(&read(subs[0]).await), [parent, subs[1], subs[2]]);
}

pub async fn a_service_user_is_found_from_its_parent_and_its_sub_organizations(s: Subject) {
    let parent = s.parent().await;
    let sub = s.sub(parent).await;
    let service = s.user(parent, parent).await;
    let member = s.user(parent, sub).await;
    let read = |organization, user| {
        let s = s.clone();
        async move {
            let found =
                s.read_as(organization, CallerKey::User(user), None, IntentKeys::default()).await.callers;
            found
                .into_iter()
                .map(|caller| (caller.organization.id, caller.record.user.id))
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(read(parent, service).await, [(parent, service)]);
    assert_eq!(read(sub, service).await, [(parent, service)]);
    assert_eq!(read(sub, member).await, [(sub, member)]);
    assert_eq!(read(parent, member).await, []);
    assert_eq!(read(s.parent().await, service).await, []);
}

pub async fn an_unknown_organization_has_no_facts(s: Subject) {
    let parent = s.parent().await;
    let person = user(parent, parent);
    s.commit(vec![
        Write::InsertUser(Box::new(person.clone())),
        Write::InsertCredential(Box::new(credential(&person, b"key"))),
    ])
    .await;
    s.clock.advance(3);
    let caller = CallerKey::Credential(b"key".to_vec());
    let facts = s.read_as(OrganizationId(new_id()), caller, Some(new_hash()), IntentKeys::default()).await;
    assert_eq!(facts.now, START + 3);
    assert!(facts.organization.is_none() && facts.parent.is_none() && facts.callers.is_empty());
}

pub async fn nothing_of_another_tenant_is_read(s: Subject) {
    let (ours, theirs) = (s.parent().await, s.parent().await);
    let person = user(theirs, theirs);
    let (attempt, issued, key) = (otp(theirs, theirs), token(theirs, theirs), contact("ada@example.com"));
    let stored = activity(theirs, theirs, person.id);
    s.commit(vec![
        Write::InsertUser(Box::new(person.clone())),
        Write::InsertCredential(Box::new(credential(&person, b"key"))),
        Write::InsertActivity(Box::new(stored.clone())),
        Write::InsertOtp(Box::new(attempt.clone())),
        Write::InsertToken(Box::new(issued.clone())),
        Write::CountFailure { tenant: theirs, contact: key, locked: None },
        insert_contact(theirs, key, theirs, person.id, Some(START)),
    ])
    .await;
    let intent = || IntentKeys {
        otp: Some(attempt.id),
        contact_limits: Some(key),
        token: Some(issued.id),
        contact_in_target: Some(key),
        verified_contact: Some(key),
        existing_credentials: vec![b"key".to_vec()],
        user: Some(person.id),
        template: Some(TemplateKey::Id(TemplateId(new_id()))),
        proxy_config: true,
        ..IntentKeys::default()
    };
    for caller in
        [CallerKey::Credential(b"key".to_vec()), CallerKey::Contact(key), CallerKey::User(person.id)]
    {
        let facts = s.read_as(theirs, caller.clone(), Some(stored.fingerprint), intent()).await;
        assert_eq!(facts.callers.len(), 1);
        assert!(
            facts.activity.is_some() && facts.otp.is_some() && facts.token.is_some() && facts.user.is_some()
        );
        assert_eq!((facts.verified_contact.len(), facts.existing_credentials.len()), (1, 1));

        let facts = s.read_as(ours, caller, Some(stored.fingerprint), intent()).await;
        assert!(facts.callers.is_empty() && facts.activity.is_none() && facts.submitter.is_none());
        assert!(
            facts.otp.is_none()
                && facts.token.is_none()
                && facts.user.is_none()
                && facts.templates.is_empty()
        );
        assert!(facts.contact_in_target.is_empty() && facts.verified_contact.is_empty());
        assert!(facts.existing_credentials.is_empty() && facts.proxy_config.is_none());
        assert_eq!(facts.contact_limits.failures, 0);
    }
    assert_eq!(s.store.user(ours, person.id).await.unwrap(), None);
    assert_eq!(s.store.users(ours).await.unwrap(), []);
    s.conflict(vec![Write::UseTokenForSignup { tenant: ours, token: issued.id }], "UseTokenForSignup").await;
    s.conflict(vec![Write::DeleteUser { organization: ours, user: UserId(person.id.0) }], "DeleteUser").await;
}
