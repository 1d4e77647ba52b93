use vestibule_engine::Clock;
use vestibule_engine::model::{Credential, PasskeyDetails, User};
use vestibule_engine::store::{IntentKeys, Write};
use vestibule_wire::OrganizationId;
use vestibule_wire::view::CredentialType;

use super::fixtures::*;

async fn with_user(s: &Subject) -> (OrganizationId, User) {
    let parent = s.parent().await;
    let person = user(parent, parent);
    s.commit(vec![Write::InsertUser(Box::new(person.clone()))]).await;
    (parent, person)
}

fn insert(credential: &Credential) -> Vec<Write> {
    vec![Write::InsertCredential(Box::new(credential.clone()))]
}

fn put(credential: &Credential) -> Vec<Write> {
    vec![Write::PutSessionKey(Box::new(credential.clone()))]
}

async fn names(s: &Subject, person: &User) -> Vec<String> {
    let record = s.store.user(person.organization_id, person.id).await.unwrap().unwrap();
    record.credentials.into_iter().map(|credential| credential.name).collect()
}

pub async fn a_key_is_unique_within_an_organization(s: Subject) {
    let (parent, person) = with_user(&s).await;
    let sub = s.sub(parent).await;
    let first = credential(&person, b"key");
    s.commit(insert(&first)).await;
    let other = user(parent, parent);
    s.conflict(insert(&credential(&other, b"key")), "InsertCredential").await;
    s.conflict(insert(&first), "InsertCredential").await;
    s.commit(insert(&credential(&user(parent, sub), b"key"))).await;
    let intent = IntentKeys {
        existing_credentials: vec![b"key".to_vec(), b"unknown".to_vec()],
        ..IntentKeys::default()
    };
    assert_eq!(s.read(parent, intent).await.existing_credentials, [first]);
}

pub async fn a_passkey_comes_back_as_it_was_stored(s: Subject) {
    let (parent, person) = with_user(&s).await;
    let passkey = Credential {
        kind: CredentialType::WebauthnAuthenticator,
        public_key: vec![4; 65],
        passkey: Some(PasskeyDetails {
            transports: vec!["AUTHENTICATOR_TRANSPORT_HYBRID".to_owned()],
            attestation_type: "none".to_owned(),
            aaguid: "00000000-0000-0000-0000-000000000000".to_owned(),
            rp_id_hash: "ab".repeat(32),
            algorithm: -7,
            sign_count: 0,
        }),
        session_profile_id: Some(new_id()),
        ..session_key(&person, b"credential id", START, 60)
    };
    s.commit(insert(&passkey)).await;
    assert_eq!(s.store.user(parent, person.id).await.unwrap().unwrap().credentials, [passkey]);
}

pub async fn a_session_key_is_extended_by_its_user(s: Subject) {
    let (parent, person) = with_user(&s).await;
    let first = session_key(&person, b"key", START, 900);
    s.commit(put(&first)).await;
    let mut again = session_key(&person, b"key", START + 1000, 3600);
    again.name = "Login again".to_owned();
    again.session_profile_id = Some(new_id());
    s.commit(put(&again)).await;
    // The key keeps its id.
    again.id = first.id;
    assert_eq!(s.store.user(parent, person.id).await.unwrap().unwrap().credentials, [again]);
}

pub async fn a_session_key_of_another_user_or_kind_is_refused(s: Subject) {
    let (parent, person) = with_user(&s).await;
    let other = user(parent, parent);
    s.commit(put(&session_key(&person, b"session", START, 900))).await;
    s.conflict(put(&session_key(&other, b"session", START, 900)), "PutSessionKey").await;
    s.commit(insert(&credential(&person, b"long-lived"))).await;
    s.conflict(put(&session_key(&person, b"long-lived", START, 900)), "PutSessionKey").await;
    let outcomes = parallel(20, |n| {
        let (s, person) = (s.clone(), if n % 2 == 0 { person.clone() } else { other.clone() });
        async move { (n % 2, s.try_commit(put(&session_key(&person, b"raced", START, 900))).await) }
    })
    .await;
    let winner = outcomes.iter().find(|(_, outcome)| outcome.is_ok()).unwrap().0;
    for (who, outcome) in outcomes {
        assert_eq!(outcome.is_ok(), who == winner, "the key is that of one user, who extends it");
    }
}

pub async fn credentials_of_one_type_go_except_one(s: Subject) {
    let (_, person) = with_user(&s).await;
    let other = User { id: vestibule_wire::UserId(new_id()), ..person.clone() };
    let named = |mut credential: Credential, name: &str| {
        credential.name = name.to_owned();
        credential
    };
    for (n, key) in [
        named(session_key(&person, b"a", START, 900), "session a"),
        named(session_key(&person, b"b", START, 900), "session b"),
        named(credential(&person, b"c"), "long-lived"),
        named(session_key(&other, b"d", START, 900), "of another"),
    ]
    .into_iter()
    .enumerate()
    {
        s.commit(insert(&Credential { created_at: START + n as i64, ..key })).await;
    }
    let write = |except: &[u8]| Write::DeleteCredentialsOfType {
        organization: person.organization_id,
        user: person.id,
        kind: CredentialType::Login,
        except: except.to_vec(),
    };
    s.commit(vec![write(b"b")]).await;
    assert_eq!(names(&s, &person).await, ["session b", "long-lived"]);
    s.commit(vec![write(b"")]).await;
    assert_eq!(names(&s, &person).await, ["long-lived"]);
    let intent = IntentKeys { existing_credentials: vec![b"d".to_vec()], ..IntentKeys::default() };
    assert_eq!(s.read(person.organization_id, intent).await.existing_credentials.len(), 1);
}

pub async fn a_credential_is_deleted_once(s: Subject) {
    let (parent, person) = with_user(&s).await;
    let key = credential(&person, b"key");
    s.commit(insert(&key)).await;
    let delete = |user| vec![Write::DeleteCredential { organization: parent, user, id: key.id }];
    s.conflict(delete(vestibule_wire::UserId(new_id())), "DeleteCredential").await;
    s.commit(delete(person.id)).await;
    s.conflict(delete(person.id), "DeleteCredential").await;
    assert_eq!(names(&s, &person).await, Vec::<String>::new());
}

/// Puts keys of these names: when each was made, relative to the start, and its lifetime in seconds.
async fn put_keys(s: &Subject, person: &User, keys: &[(&str, i64, u32)]) {
    for (name, made, lifetime_s) in keys {
        let mut key = session_key(person, name.as_bytes(), START + made, *lifetime_s);
        key.name = (*name).to_owned();
        s.commit(put(&key)).await;
    }
}

async fn trim(s: &Subject, person: &User, keep: u32, except: &str) {
    s.commit(vec![Write::TrimExpiringKeys {
        organization: person.organization_id,
        user: person.id,
        keep,
        except: except.as_bytes().to_vec(),
    }])
    .await;
}

pub async fn the_best_expiring_keys_stay(s: Subject) {
    let (_, person) = with_user(&s).await;
    s.commit(insert(&Credential { name: "long-lived".to_owned(), ..credential(&person, b"long-lived") }))
        .await;
    put_keys(
        &s,
        &person,
        &[
            ("expired long ago", -3 * DAY, 60),
            ("expired lately", -2 * DAY, 47 * 60 * 60),
            ("oldest", -30, 900),
            ("older", -20, 900),
            ("newer", -10, 900),
        ],
    )
    .await;
    trim(&s, &person, 4, "newer").await;
    let everything = ["expired long ago", "expired lately", "oldest", "older", "newer", "long-lived"];
    assert_eq!(names(&s, &person).await, everything, "four count, four may stay");
    trim(&s, &person, 3, "newer").await;
    assert_eq!(names(&s, &person).await, everything[1..], "what expired long ago goes first");
    trim(&s, &person, 2, "newer").await;
    assert_eq!(names(&s, &person).await, ["expired lately", "older", "newer", "long-lived"]);
    s.clock.advance(DAY);
    trim(&s, &person, 2, "newer").await;
    // All have expired a day ago by now, save that none of the two newest has for a whole day.
    assert_eq!(names(&s, &person).await, ["expired lately", "older", "newer", "long-lived"]);
    s.clock.advance(DAY);
    trim(&s, &person, 1, "newer").await;
    assert_eq!(names(&s, &person).await, ["newer", "long-lived"]);
}

pub async fn a_key_counts_as_one_for_keeping_even_when_it_is_oldest(s: Subject) {
    let (_, person) = with_user(&s).await;
    put_keys(&s, &person, &[("kept", -50, 900), ("a", -30, 900), ("b", -20, 900), ("c", -10, 900)]).await;
    trim(&s, &person, 2, "kept").await;
    assert_eq!(names(&s, &person).await, ["kept", "c"]);
    trim(&s, &person, 0, "kept").await;
    assert_eq!(names(&s, &person).await, ["kept"]);
}

pub async fn only_a_live_credential_carries_a_change_set(s: Subject) {
    let (parent, person) = with_user(&s).await;
    let mut key = credential(&person, b"key");
    key.expires_at = Some(s.clock.now_ms() + 1000);
    s.commit(insert(&key)).await;
    let require = |lookup: &[u8]| {
        vec![Write::RequireCredential { tenant: parent, organization: parent, lookup: lookup.to_vec() }]
    };
    s.commit(require(b"key")).await;
    s.conflict(require(b"unknown"), "RequireCredential").await;
    s.clock.advance(1000);
    s.conflict(require(b"key"), "RequireCredential").await;
}

pub async fn only_a_user_that_exists_is_held(s: Subject) {
    let (parent, person) = with_user(&s).await;
    let login = |lookup: &[u8]| {
        let hold = Write::HoldUser { organization: parent, user: person.id };
        let key = session_key(&person, lookup, START, 60);
        vec![hold, Write::PutSessionKey(Box::new(key))]
    };
    s.commit(login(b"first")).await;
    s.commit(vec![Write::DeleteUser { organization: parent, user: person.id }]).await;
    s.conflict(login(b"second"), "HoldUser").await;
}

pub async fn of_parallel_logins_that_end_all_others_one_key_stays(s: Subject) {
    let (parent, person) = with_user(&s).await;
    let outcomes = parallel(20, |n| {
        let key = session_key(&person, format!("key {n}").as_bytes(), START, 60);
        let writes = vec![
            Write::HoldUser { organization: parent, user: person.id },
            Write::DeleteCredentialsOfType {
                organization: parent,
                user: person.id,
                kind: key.kind,
                except: key.lookup.clone(),
            },
            Write::PutSessionKey(Box::new(key)),
        ];
        let s = s.clone();
        async move { s.try_commit(writes).await }
    })
    .await;
    assert_eq!(applied(&outcomes), 20);
    assert_eq!(names(&s, &person).await.len(), 1);
}
