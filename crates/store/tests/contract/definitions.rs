use vestibule_engine::model::{
    Authentication, Ballot, BallotCredential, Credential, Definition, DefinitionKind, Deliberation,
    EvaluationRecord, Method, MfaPolicy, OauthIdentity, Organization, StoredFailure, User,
};
use vestibule_engine::store::{IntentKeys, SubOrganizationFilter, Write};
use vestibule_wire::query::Page;
use vestibule_wire::view::{ActivityStatus, Outcome, PolicyResult, Quorum};
use vestibule_wire::{
    AuthenticationType, MfaPolicyId, OrganizationId, PolicyEvaluationId, PolicyId, SessionProfileId, TagId,
    UserId, VoteId,
};

use super::fixtures::*;

fn definition(organization_id: OrganizationId, kind: DefinitionKind, name: &str) -> Definition {
    Definition {
        organization_id,
        kind,
        id: new_id(),
        name: name.to_owned(),
        body: r#"{"scope":"true"}"#.to_owned(),
        created_at: START,
        updated_at: START,
    }
}

fn put(definition: &Definition) -> Write {
    Write::PutDefinition(Box::new(definition.clone()))
}

pub async fn definitions_are_kept_by_kind_and_name(s: Subject) {
    use DefinitionKind::{Policy, SessionProfile, UserTag};
    let parent = s.parent().await;
    let sub = s.sub(parent).await;
    let (first, second) = (definition(parent, Policy, "a"), definition(parent, Policy, "b"));
    let profile = definition(parent, SessionProfile, "a");
    s.commit(vec![put(&first), put(&second), put(&profile), put(&definition(sub, Policy, "a"))]).await;
    assert_eq!(s.store.definitions(parent, Policy).await.unwrap(), [first.clone(), second.clone()]);
    assert_eq!(s.store.definitions(parent, UserTag).await.unwrap(), []);
    assert_eq!(s.store.definition(parent, Policy, first.id).await.unwrap(), Some(first.clone()));
    assert_eq!(s.store.definition(parent, SessionProfile, first.id).await.unwrap(), None);

    let profile_key = Some(SessionProfileId(profile.id));
    let keys =
        |definitions, session_profile| IntentKeys { definitions, session_profile, ..Default::default() };
    let facts = s.read(sub, keys(vec![UserTag], profile_key)).await;
    assert_eq!((facts.definitions, facts.session_profile), (vec![], Some(profile.clone())));
    let facts = s.read(parent, keys(vec![Policy, SessionProfile], None)).await;
    assert_eq!(facts.definitions, [first.clone(), second.clone(), profile.clone()]);
    assert_eq!(facts.session_profile, None);

    let renamed = Definition { name: "c".to_owned(), updated_at: START + 1, ..first.clone() };
    s.commit(vec![put(&renamed)]).await;
    assert_eq!(s.store.definition(parent, Policy, first.id).await.unwrap(), Some(renamed));
    let delete = || vec![Write::DeleteDefinition { organization: parent, kind: Policy, id: first.id }];
    s.commit(delete()).await;
    s.conflict(delete(), "DeleteDefinition").await;
    assert_eq!(s.store.definitions(parent, Policy).await.unwrap(), [second]);
}

pub async fn an_organization_changes_only_from_the_version_that_was_read(s: Subject) {
    let id = s.parent().await;
    s.clock.advance(5);
    let read = s.store.organization(id).await.unwrap().unwrap();
    let quorum = Quorum { threshold: 2, user_ids: vec![UserId(new_id()), UserId(new_id())] };
    let changed = Organization { name: "Other".to_owned(), features: vec![], quorum, ..read.clone() };
    let write = || Write::UpdateOrganization(Box::new(changed.clone()));
    let outcomes = parallel(20, |_| {
        let (s, write) = (s.clone(), write());
        async move { s.try_commit(vec![write]).await }
    })
    .await;
    assert_eq!(applied(&outcomes), 1);
    let found = s.store.organization(id).await.unwrap().unwrap();
    assert_eq!(found, Organization { version: 2, updated_at: START + 5, ..changed.clone() });
    s.conflict(vec![write()], "UpdateOrganization").await;
}

pub async fn a_user_changes_only_from_the_version_that_was_read(s: Subject) {
    let parent = s.parent().await;
    let before = user(parent, parent);
    s.commit(vec![Write::InsertUser(Box::new(before.clone()))]).await;
    s.clock.advance(3);
    let after = User {
        name: "Grace".to_owned(),
        email: None,
        phone: Some("+14155550100".to_owned()),
        tags: vec![TagId(new_id())],
        mfa_policies: vec![MfaPolicy {
            id: MfaPolicyId(new_id()),
            name: "codes".to_owned(),
            condition: "true".to_owned(),
            required: serde_json::from_str(r#"[{"any":[{"type":"AUTHENTICATION_TYPE_EMAIL_OTP"}]}]"#)
                .unwrap(),
            order: 1,
            notes: None,
            created_at: START,
            updated_at: START,
        }],
        ..before.clone()
    };
    let write = || vec![Write::UpdateUser(Box::new(after.clone()))];
    s.commit(write()).await;
    let found = s.store.user(parent, before.id).await.unwrap().unwrap();
    assert_eq!(found.user, User { version: 2, updated_at: START + 3, ..after.clone() });
    s.conflict(write(), "UpdateUser").await;
    let facts = s.read(parent, IntentKeys { users: true, ..Default::default() }).await;
    assert_eq!(facts.users, [found]);
}

pub async fn a_contact_goes_with_its_claim_unless_another_user_proved_it(s: Subject) {
    let parent = s.parent().await;
    let (one, two) = (s.sub(parent).await, s.sub(parent).await);
    let (first, second) = (s.user(parent, one).await, s.user(parent, two).await);
    let address = contact("grace@example.com");
    let add = |organization, user| {
        vec![
            Write::InsertContact { tenant: parent, contact: address, organization, user, verified_at: None },
            Write::VerifyContact { tenant: parent, contact: address, organization, user },
        ]
    };
    let remove = |organization, user| {
        vec![Write::RemoveContact { tenant: parent, contact: address, organization, user }]
    };
    let claim = || vec![Write::ClaimContact { tenant: parent, contact: address }];
    s.commit(add(one, first)).await;
    s.commit(add(two, second)).await;
    s.commit(remove(one, first)).await;
    s.conflict(remove(one, first), "RemoveContact").await;
    s.conflict(claim(), "ClaimContact").await;
    s.commit(remove(two, second)).await;
    s.commit(claim()).await;
}

pub async fn a_sub_organization_goes_with_all_that_is_in_it(s: Subject) {
    let parent = s.parent().await;
    let (gone, stays) = (s.sub(parent).await, s.sub(parent).await);
    let (person, neighbour) = (user(parent, gone), s.user(parent, stays).await);
    let (own, shared) = (contact("own@example.com"), contact("shared@example.com"));
    let add = |contact, organization, user| {
        [
            Write::InsertContact { tenant: parent, contact, organization, user, verified_at: None },
            Write::VerifyContact { tenant: parent, contact, organization, user },
        ]
    };
    let mut writes = vec![Write::InsertUser(Box::new(person.clone()))];
    writes.push(Write::InsertCredential(Box::new(credential(&person, b"key"))));
    writes.push(put(&definition(gone, DefinitionKind::Policy, "a")));
    writes.extend(add(own, gone, person.id));
    writes.extend(add(shared, gone, person.id));
    writes.extend(add(shared, stays, neighbour));
    s.commit(writes).await;
    let record = activity(parent, gone, person.id);
    s.commit(vec![Write::InsertActivity(Box::new(record.clone()))]).await;

    let delete = |organization, version| vec![Write::DeleteOrganization { organization, version }];
    s.conflict(delete(gone, 9), "DeleteOrganization").await;
    s.conflict(delete(parent, 1), "DeleteOrganization").await;
    s.commit(delete(gone, 1)).await;
    s.conflict(delete(gone, 1), "DeleteOrganization").await;
    assert_eq!(s.store.organization(gone).await.unwrap(), None);
    assert_eq!(s.store.users(gone).await.unwrap(), []);
    assert_eq!(s.store.definitions(gone, DefinitionKind::Policy).await.unwrap(), []);
    for filter in [SubOrganizationFilter::Credential(b"key".to_vec()), SubOrganizationFilter::Contact(own)] {
        let found = s.store.sub_organizations(parent, Some(&filter), Page::default()).await.unwrap();
        assert_eq!(found, [], "{filter:?}");
    }
    let shared_with = SubOrganizationFilter::VerifiedContact(shared);
    assert_eq!(
        s.store.sub_organizations(parent, Some(&shared_with), Page::default()).await.unwrap(),
        [stays]
    );
    s.commit(vec![Write::ClaimContact { tenant: parent, contact: own }]).await;
    s.conflict(vec![Write::ClaimContact { tenant: parent, contact: shared }], "ClaimContact").await;
    assert_eq!(s.store.activity(parent, record.id).await.unwrap(), Some(record));
}

pub async fn an_activity_that_waits_changes_only_from_the_version_that_was_read(s: Subject) {
    let parent = s.parent().await;
    let voter = s.user(parent, parent).await;
    let mut waiting = activity(parent, parent, voter);
    waiting.status = ActivityStatus::ConsensusNeeded;
    waiting.result = "{}".to_owned();
    waiting.sealed = Some(b"body".to_vec());
    waiting.deliberation = Some(Deliberation {
        ballots: vec![Ballot {
            vote_id: VoteId(new_id()),
            organization_id: parent,
            user_id: voter,
            approve: true,
            method: Method { kind: AuthenticationType::ApiKey, id: Some(new_id()) },
            credential: BallotCredential {
                id: new_id().to_string(),
                kind: "CREDENTIAL_TYPE_API_KEY_P256".to_owned(),
                credential_id: String::new(),
                public_key: "02ab".to_owned(),
            },
            public_key: "02ab".to_owned(),
            signature: "3045".to_owned(),
            scheme: "SIGNATURE_SCHEME_TK_API_P256".to_owned(),
            message: String::new(),
            created_at: START,
        }],
        evaluations: vec![EvaluationRecord {
            id: PolicyEvaluationId(new_id()),
            vote_id: VoteId(new_id()),
            policies: vec![PolicyResult {
                policy_id: PolicyId(new_id()),
                outcome: Outcome::RequiresConsensus,
                reason: Some("one approver is missing".to_owned()),
            }],
            created_at: START,
        }],
    });
    s.commit(vec![Write::InsertActivity(Box::new(waiting.clone()))]).await;
    assert_eq!(s.store.activity(parent, waiting.id).await.unwrap(), Some(waiting.clone()));
    let facts = s.read(parent, IntentKeys { voted: Some(waiting.fingerprint), ..Default::default() }).await;
    assert_eq!((facts.voted, facts.activity), (Some(waiting.clone()), None));

    let mut done = waiting.clone();
    done.status = ActivityStatus::Failed;
    done.sealed = None;
    done.failure = Some(StoredFailure { code: 3, message: "no".to_owned() });
    done.updated_at = START + 7;
    let write = || vec![Write::UpdateActivity(Box::new(done.clone()))];
    s.commit(write()).await;
    s.conflict(write(), "UpdateActivity").await;
    done.version += 1;
    assert_eq!(s.store.activity(parent, waiting.id).await.unwrap(), Some(done));
}

pub async fn a_session_remembers_how_its_user_authenticated(s: Subject) {
    let parent = s.parent().await;
    let person = user(parent, parent);
    let mut key = session_key(&person, b"session", START, 900);
    key.authentication = Some(Authentication { at: START, method: AuthenticationType::EmailOtp });
    let mut identity = Credential { public_key: Vec::new(), ..credential(&person, b"identity") };
    identity.oauth = Some(OauthIdentity {
        issuer: "https://issuer.example".to_owned(),
        subject: "1".to_owned(),
        audience: "app".to_owned(),
    });
    s.commit(vec![
        Write::InsertUser(Box::new(person.clone())),
        Write::PutSessionKey(Box::new(key.clone())),
        Write::InsertCredential(Box::new(identity.clone())),
    ])
    .await;
    let found = s.store.user(parent, person.id).await.unwrap().unwrap().credentials;
    assert_eq!(found.len(), 2);
    assert!(found.contains(&key) && found.contains(&identity), "{found:?}");
    key.authentication = Some(Authentication { at: START + 1, method: AuthenticationType::Passkey });
    s.commit(vec![Write::PutSessionKey(Box::new(key.clone()))]).await;
    let found = s.store.user(parent, person.id).await.unwrap().unwrap().credentials;
    assert!(found.contains(&key), "{found:?}");
}
