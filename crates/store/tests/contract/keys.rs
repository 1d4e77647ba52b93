use vestibule_crypto::keyset::{KeyRole, KeyState};
use vestibule_engine::model::{ProxyConfig, ServerKey};
use vestibule_engine::store::{
    IntentKeys, KeyWrite, NewServerKey, Reseal, SealedPlace, SealedRow, SealedValue, Write,
};
use vestibule_wire::{OrganizationId, ProxyConfigId, ProxySettings, UserId};

use super::fixtures::*;

fn new_key(id: &str, activates_in_ms: Option<i64>) -> NewServerKey {
    NewServerKey {
        id: id.to_owned(),
        role: KeyRole::SessionSigner,
        state: KeyState::Active,
        activates_in_ms,
        sealed: vec![1, 2, 3],
    }
}

fn insert(id: &str, activates_in_ms: Option<i64>) -> Write {
    Write::ServerKey(KeyWrite::Insert(new_key(id, activates_in_ms)))
}

async fn keys(s: &Subject) -> Vec<ServerKey> {
    let mut keys = s.store.server_keys().await.unwrap();
    keys.sort_by(|a, b| a.id.cmp(&b.id));
    keys
}

pub async fn a_server_key_comes_back_as_it_was_stored(s: Subject) {
    assert_eq!(keys(&s).await, []);
    s.clock.advance(5);
    s.commit(vec![insert("a", Some(MINUTE)), insert("b", None)]).await;
    let stored = ServerKey {
        id: "a".to_owned(),
        role: KeyRole::SessionSigner,
        state: KeyState::Active,
        activates_at: START + 5 + MINUTE,
        sealed: vec![1, 2, 3],
        created_at: START + 5,
        updated_at: START + 5,
        version: 0,
    };
    let other = ServerKey { id: "b".to_owned(), activates_at: 0, ..stored.clone() };
    assert_eq!(keys(&s).await, [stored, other]);
    s.conflict(vec![insert("c", None), insert("a", None)], "ServerKey::Insert").await;
    assert_eq!(keys(&s).await.len(), 2);
    let all = KeyRole::ALL.map(|role| {
        let state = KeyState::Retired;
        Write::ServerKey(KeyWrite::Insert(NewServerKey { role, state, ..new_key(role.as_str(), None) }))
    });
    s.commit(all.into()).await;
    for key in keys(&s).await.iter().skip(2) {
        assert_eq!((key.role.as_str(), key.state), (key.id.as_str(), KeyState::Retired));
    }
}

pub async fn a_server_key_changes_only_from_the_version_that_was_read(s: Subject) {
    s.commit(vec![insert("a", None)]).await;
    s.clock.advance(MINUTE);
    let id = || "a".to_owned();
    let retire =
        |version| Write::ServerKey(KeyWrite::SetState { id: id(), state: KeyState::Retired, version });
    let reseal = |version| Write::ServerKey(KeyWrite::Reseal { id: id(), sealed: vec![4], version });
    let delete = |version| Write::ServerKey(KeyWrite::Delete { id: id(), version });
    s.conflict(vec![retire(1)], "ServerKey::SetState").await;
    s.commit(vec![retire(0)]).await;
    s.conflict(vec![reseal(0)], "ServerKey::Reseal").await;
    s.commit(vec![reseal(1)]).await;
    let key = keys(&s).await.remove(0);
    assert_eq!((key.state, key.sealed.as_slice(), key.version), (KeyState::Retired, &[4][..], 2));
    assert_eq!((key.created_at, key.updated_at), (START, START + MINUTE));
    s.conflict(vec![delete(1)], "ServerKey::Delete").await;
    s.commit(vec![delete(2)]).await;
    assert_eq!(keys(&s).await, []);
}

pub async fn only_a_key_that_has_begun_is_relied_on(s: Subject) {
    s.commit(vec![insert("a", Some(MINUTE))]).await;
    let rely = |version| Write::ServerKey(KeyWrite::RelyOn { id: "a".to_owned(), version });
    s.clock.advance(MINUTE - 1);
    s.conflict(vec![rely(0)], "ServerKey::RelyOn").await;
    s.clock.advance(1);
    s.commit(vec![rely(0)]).await;
    s.conflict(vec![rely(0)], "ServerKey::RelyOn").await;
    let retire = KeyWrite::SetState { id: "a".to_owned(), state: KeyState::Retired, version: 1 };
    s.commit(vec![Write::ServerKey(retire)]).await;
    s.conflict(vec![rely(2)], "ServerKey::RelyOn").await;
}

/// Two keys, each of which shall give way to the other: one stays.
pub async fn of_two_keys_that_retire_each_other_one_stays(s: Subject) {
    s.commit(vec![insert("a", None), insert("b", None)]).await;
    let outcomes = parallel(2, |n| {
        let s = s.clone();
        async move {
            let (heir, retired) = if n == 0 { ("a", "b") } else { ("b", "a") };
            let mut writes = vec![
                (heir, Write::ServerKey(KeyWrite::RelyOn { id: heir.to_owned(), version: 0 })),
                (
                    retired,
                    Write::ServerKey(KeyWrite::SetState {
                        id: retired.to_owned(),
                        state: KeyState::Retired,
                        version: 0,
                    }),
                ),
            ];
            writes.sort_by_key(|(id, _)| *id);
            s.try_commit(writes.into_iter().map(|(_, write)| write).collect()).await
        }
    })
    .await;
    assert_eq!(applied(&outcomes), 1);
    assert_eq!(keys(&s).await.iter().filter(|key| key.state == KeyState::Active).count(), 1);
}

pub async fn of_nodes_that_start_at_once_one_fills_the_key_table(s: Subject) {
    let outcomes = parallel(10, |n| {
        let s = s.clone();
        async move {
            let first = Write::InsertMeta { key: "first".to_owned(), value: n.to_string() };
            s.try_commit(vec![first, insert(&format!("key-{n}"), None)]).await
        }
    })
    .await;
    assert_eq!(applied(&outcomes), 1);
    let winner = s.store.meta("first").await.unwrap().unwrap();
    assert_eq!(keys(&s).await.remove(0).id, format!("key-{winner}"));
    assert_eq!(keys(&s).await.len(), 1);
}

/// A row of every kind with something sealed in it, and its name.
async fn sealed(s: &Subject, tenant: OrganizationId) -> Vec<(SealedPlace, SealedRow)> {
    let organization = s.sub(tenant).await;
    let (otp, message) = (otp(tenant, organization), message(tenant));
    let mut activity = activity(tenant, organization, UserId(new_id()));
    activity.sealed = Some(vec![1, 2, 3]);
    let parent = s.parent().await;
    let config = ProxyConfig {
        id: ProxyConfigId(new_id()),
        organization_id: parent,
        user_id: UserId(new_id()),
        sealed_key: vec![1, 2, 3],
        settings: ProxySettings::default(),
        version: 0,
        created_at: START,
        updated_at: START,
    };
    let rows = vec![
        (SealedPlace::OtpTarget, SealedRow(tenant.0, otp.id.0)),
        (SealedPlace::ActivitySecrets, SealedRow(organization.0, activity.id.0)),
        (SealedPlace::Message, SealedRow(message.id.0, tenant.0)),
        (SealedPlace::ProxyKey, SealedRow(parent.0, config.id.0)),
    ];
    s.commit(vec![
        Write::InsertOtp(Box::new(otp)),
        Write::InsertActivity(Box::new(activity)),
        Write::Enqueue(Box::new(message)),
        Write::InsertProxyConfig(Box::new(config)),
    ])
    .await;
    rows
}

async fn walk(s: &Subject, place: SealedPlace, limit: u32) -> Vec<SealedValue> {
    let (mut found, mut after) = (Vec::new(), SealedRow::START);
    loop {
        let page = s.store.sealed_values(place, after, limit).await.unwrap();
        let full = page.len() == limit as usize;
        found.extend(page);
        match found.last() {
            Some(last) if full => after = last.row,
            _ => return found,
        }
    }
}

pub async fn a_walk_finds_every_sealed_value_once(s: Subject) {
    let tenant = s.parent().await;
    let mut rows = Vec::new();
    for _ in 0..5 {
        rows.extend(sealed(&s, tenant).await);
    }
    // What holds nothing is named, so that every page takes as long as its limit says.
    let bare = activity(tenant, tenant, UserId(new_id()));
    s.commit(vec![Write::InsertActivity(Box::new(bare.clone()))]).await;
    let empty = SealedRow(tenant.0, bare.id.0);
    for place in SealedPlace::ALL {
        let mut expected: Vec<SealedRow> =
            rows.iter().filter(|(at, _)| *at == place).map(|(_, row)| *row).collect();
        expected.extend((place == SealedPlace::ActivitySecrets).then_some(empty));
        expected.sort();
        for limit in [2, 100] {
            let found = walk(&s, place, limit).await;
            assert_eq!(found.iter().map(|value| value.row).collect::<Vec<_>>(), expected, "{place:?}");
            assert!(found.iter().all(|value| value.sealed.is_some() == (value.row != empty)), "{place:?}");
        }
    }
}

pub async fn a_sealed_value_is_replaced_where_it_is_still_the_one_that_was_read(s: Subject) {
    let tenant = s.parent().await;
    let rows = sealed(&s, tenant).await;
    let others = sealed(&s, tenant).await;
    for (place, row) in rows {
        let was = walk(&s, place, 100).await.into_iter().find(|v| v.row == row).unwrap().sealed.unwrap();
        let before = walk(&s, place, 100).await;
        let replace = |was: &[u8], becomes: &[u8]| {
            let (was, becomes) = (was.to_vec(), becomes.to_vec());
            vec![Write::Reseal(Box::new(Reseal { place, row, was, becomes }))]
        };
        s.commit(replace(&[0], &[9])).await;
        assert_eq!(walk(&s, place, 100).await, before, "{place:?} has changed since");
        s.commit(replace(&was, &[9])).await;
        for value in walk(&s, place, 100).await {
            let expected = if value.row == row { vec![9] } else { was.clone() };
            assert_eq!(value.sealed, Some(expected), "{place:?}");
            assert!(value.row == row || others.contains(&(place, value.row)));
        }
    }
}

pub async fn a_destroyed_value_is_not_brought_back(s: Subject) {
    let tenant = s.parent().await;
    let otp = otp(tenant, tenant);
    s.commit(vec![Write::InsertOtp(Box::new(otp.clone()))]).await;
    s.commit(vec![Write::ConsumeOtp { organization: tenant, otp: otp.id }]).await;
    let row = SealedRow(tenant.0, otp.id.0);
    assert_eq!(walk(&s, SealedPlace::OtpTarget, 10).await, [SealedValue { row, sealed: None }]);
    let (place, was, becomes) = (SealedPlace::OtpTarget, otp.target_key.clone().unwrap(), vec![9]);
    s.commit(vec![Write::Reseal(Box::new(Reseal { place, row, was, becomes }))]).await;
    let intent = IntentKeys { otp: Some(otp.id), ..IntentKeys::default() };
    assert_eq!(s.read(tenant, intent).await.otp.unwrap().target_key, None);
}
