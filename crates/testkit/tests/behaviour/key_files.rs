//! The key file of a node against the keys of the database.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Value, json};
use vestibule_crypto::entropy::SeededEntropy;
use vestibule_crypto::keyset::{KeyFile, KeyRole, KeySetError, KeyState};
use vestibule_crypto::seal::place;
use vestibule_engine::keys::{self, KeyRing, KeyTableError};
use vestibule_engine::store::{ChangeSet, KeyWrite, Store, Write};
use vestibule_testkit::{EPOCH_MS, ManualClock, TestServer, new_store};

pub(super) fn document(file: &KeyFile) -> Value {
    serde_json::from_str(file.to_json().expose()).expect("JSON")
}

pub(super) fn file(document: &Value) -> KeyFile {
    KeyFile::from_json(&document.to_string()).expect("a key file")
}

pub(super) fn with(document: &Value, change: impl FnOnce(&mut Vec<Value>)) -> Value {
    let mut changed = document.clone();
    change(changed["keys"].as_array_mut().expect("keys"));
    changed
}

fn generated(seed: u64) -> KeyFile {
    KeyFile::generate(&SeededEntropy::new(seed))
}

/// The entry of a role in a generated file.
fn entry(seed: u64, role: KeyRole) -> Value {
    let document = document(&generated(seed));
    let keys = document["keys"].as_array().expect("keys").clone();
    keys.into_iter().find(|key| key["role"] == role.as_str()).expect("every role")
}

/// An empty store, and before it what must outlive it.
async fn empty() -> (impl Sized, Arc<dyn Store>) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (store, database) = new_store(dir.path(), Arc::new(ManualClock::at(EPOCH_MS))).await;
    ((dir, database), store)
}

async fn open(store: &Arc<dyn Store>, file: KeyFile) -> Result<KeyRing, KeyTableError> {
    KeyRing::open(&**store, file, &SeededEntropy::new(3)).await
}

#[tokio::test]
async fn a_sealing_key_alone_is_enough_once_the_database_has_keys() {
    let server = TestServer::start().await;
    let full = document(server.keys.file());
    let bare = with(&full, |keys| keys.retain(|key| key["role"] == "sealing-key"));
    let node = server.another_node(file(&bare)).await.expect("the table has the others");
    assert_eq!(node.key_set(), server.key_set());
    let account = node.create_user("user@acme.example").await;
    let verified = node.verify("user@acme.example").await;
    server.login(&account, &verified).await.text("session");

    let (_keep, store) = empty().await;
    let refused = open(&store, file(&bare)).await.expect_err("no first keys");
    let missing = KeyTableError::Keys(KeySetError::MissingRole(KeyRole::BundleSigner));
    assert_eq!(refused.to_string(), missing.to_string());
    assert_eq!(store.server_keys().await.expect("the store answers"), [], "nothing was made");
}

#[tokio::test]
async fn the_database_holds_no_secret_in_clear() {
    let server = TestServer::start().await;
    let rows = server.store.server_keys().await.expect("the store answers");
    assert_eq!(rows.len(), KeyRole::ALL.len());
    for key in document(server.keys.file())["keys"].as_array().expect("keys") {
        let secret = hex::decode(key["secret"].as_str().expect("text")).expect("hex");
        for row in &rows {
            assert!(!row.sealed.windows(secret.len()).any(|window| window == secret), "{}", row.id);
        }
    }
    // What is in the database opens nothing: the row of the sealing key is a probe.
    let sealing = rows.iter().find(|row| row.role == KeyRole::SealingKey).expect("a row");
    assert!(sealing.sealed.len() < 80);
}

#[tokio::test]
async fn of_nodes_that_start_at_once_with_other_files_one_is_taken() {
    let (_keep, store) = empty().await;
    let rings = join_all((0..6).map(|n| open(&store, generated(n % 3)))).await;
    let (taken, refused): (Vec<_>, Vec<_>) = rings.into_iter().partition(Result::is_ok);
    assert_eq!((taken.len(), refused.len()), (2, 4));
    let taken: Vec<KeyRing> = taken.into_iter().flatten().collect();
    assert_eq!(taken[0].current(), taken[1].current());
    for error in refused.into_iter().filter_map(Result::err) {
        assert!(matches!(error, KeyTableError::LacksSealingKeys(_)) && error.needs_acceptance(), "{error}");
    }
    assert_eq!(store.server_keys().await.expect("the store answers").len(), KeyRole::ALL.len());
}

#[tokio::test]
async fn a_file_that_was_changed_is_refused_until_it_is_accepted() {
    let server = TestServer::start().await;
    let own = document(server.keys.file());
    let first = own["keys"][1].clone();
    assert_eq!(first["role"], "session-signer");

    // A new signer before the old one: it takes over, and the old one verifies on.
    let new = entry(50, KeyRole::SessionSigner);
    let added = with(&own, |keys| keys.insert(0, new.clone()));
    let refused = server.another_node(file(&added)).await.map(|_| ()).expect_err("a new key");
    assert!(matches!(&refused, KeyTableError::NewKeys(ids) if json!(ids) == json!([new["id"]])), "{refused}");
    assert!(
        keys::accept(&*server.store, &file(&added), &*server.entropy, 60_000, false).await.expect("known")
    );
    let node = server.another_node(file(&added)).await.expect("accepted");
    let old_signer = server.session_signer();
    assert_eq!(node.session_signer(), old_signer, "the other nodes must learn of it first");
    server.clock.advance_s(60);
    assert_ne!(node.session_signer(), old_signer);
    server.another_node(file(&own)).await.expect("a file that knows less is no danger");

    // The old one retired in the file, and not in the database.
    let retired = with(&added, |keys| {
        keys.iter_mut()
            .filter(|key| key["id"] == first["id"])
            .for_each(|key| key["state"] = json!("retired"));
    });
    let refused = server.another_node(file(&retired)).await.map(|_| ()).expect_err("still active");
    assert!(matches!(&refused, KeyTableError::RetiredInFile(_)), "{refused}");
    keys::accept(&*server.store, &file(&retired), &*server.entropy, 0, false).await.expect("known");
    let node = server.another_node(file(&retired)).await.expect("accepted");
    assert_eq!(node.key_set().public_keys(KeyRole::SessionSigner).count(), 1);

    // A file that retires the last one of a role, or gives a name away twice.
    let none = with(&own, |keys| {
        keys.iter_mut()
            .filter(|key| key["role"] == "code-hmac")
            .for_each(|key| key["state"] = json!("retired"));
    });
    let refused = keys::accept(&*server.store, &file(&none), &*server.entropy, 0, false).await;
    assert!(matches!(refused, Err(KeyTableError::Keys(KeySetError::MissingRole(KeyRole::CodeHmac)))));
    let twice = with(&own, |keys| keys[3]["secret"] = entry(51, KeyRole::CodeHmac)["secret"].clone());
    let refused = keys::accept(&*server.store, &file(&twice), &*server.entropy, 0, false).await;
    assert!(matches!(&refused, Err(KeyTableError::NameTaken(id)) if own["keys"][3]["id"] == id.as_str()));
    let started = server.another_node(file(&twice)).await.map(|_| ()).expect_err("not the key it was");
    assert!(matches!(started, KeyTableError::NewKeys(_)), "{started}");
}

#[tokio::test]
async fn a_second_sealing_key_may_wait_in_the_file() {
    let server = TestServer::start().await;
    let waiting = with(&document(server.keys.file()), |keys| keys.push(entry(50, KeyRole::SealingKey)));
    let node = server.another_node(file(&waiting)).await.expect("it opens nothing and seals nothing yet");
    node.verify("user@acme.example").await;

    // Another key under the old one's name is another key.
    let forged = with(&document(server.keys.file()), |keys| {
        keys[6]["secret"] = entry(51, KeyRole::SealingKey)["secret"].clone();
    });
    let refused = server.another_node(file(&forged)).await.map(|_| ()).expect_err("it opens nothing");
    assert!(matches!(&refused, KeyTableError::LacksSealingKeys(ids) if ids.len() == 1), "{refused}");
}

/// What a release before the key table left in a database that was started with `file`.
async fn started_before(store: &dyn Store, file: &KeyFile, sealing: &[&KeyFile]) {
    let aad = place("meta", "value", b"key_set_probes");
    let probe = |file: &&KeyFile| {
        let sealed = file.sealing_key().seal(&SeededEntropy::new(4), &aad, b"probe");
        (file.sealing_key().id().to_owned(), json!(hex::encode(sealed)))
    };
    let probes: serde_json::Map<String, Value> = sealing.iter().map(probe).collect();
    store.put_meta("key_set_probes", &Value::Object(probes).to_string()).await.expect("stored");
    store.put_meta("key_set_fingerprint", &file.fingerprint()).await.expect("stored");
}

#[tokio::test]
async fn a_database_from_before_the_table_takes_its_own_file_alone() {
    let (_keep, store) = empty().await;
    let own = generated(1);
    let both = with(&document(&own), |keys| {
        let mut old = entry(2, KeyRole::SealingKey);
        old["state"] = json!("retired");
        keys.push(old);
        let mut signer = entry(2, KeyRole::BundleSigner);
        signer["state"] = json!("retired");
        keys.push(signer);
    });
    started_before(&*store, &file(&both), &[&own, &generated(2)]).await;

    let refused = open(&store, generated(3)).await.expect_err("another file");
    assert!(matches!(refused, KeyTableError::OtherFile { .. }) && refused.needs_acceptance(), "{refused}");
    let accepted = keys::accept(&*store, &own, &SeededEntropy::new(3), 0, false).await;
    let lacking = [generated(2).sealing_key().id().to_owned()];
    assert!(
        matches!(&accepted, Err(KeyTableError::LacksSealingKeys(ids)) if *ids == lacking),
        "{accepted:?}"
    );

    let ring = open(&store, file(&both)).await.expect("its own file");
    let rows = store.server_keys().await.expect("the store answers");
    assert_eq!(rows.iter().filter(|row| row.role == KeyRole::SealingKey).count(), 2, "both are in use");
    assert_eq!(rows.iter().filter(|row| row.state == KeyState::Retired).count(), 2);
    let signer = ring.current().bundle_signer(EPOCH_MS).public_key().clone();
    let file_keys = vestibule_crypto::keyset::KeySet::of_file(&own).expect("complete");
    assert_eq!(&signer, file_keys.bundle_signer(0).public_key());
    let refused = open(&store, own).await.expect_err("the retired sealing key is needed");
    assert!(matches!(&refused, KeyTableError::LacksSealingKeys(ids) if *ids == lacking), "{refused}");
}

/// The names of the keys of a role in the table.
async fn named(store: &Arc<dyn Store>, role: KeyRole) -> Vec<String> {
    let rows = store.server_keys().await.expect("the store answers");
    rows.into_iter().filter(|row| row.role == role).map(|row| row.id).collect()
}

/// Which key of a role a node uses at the beginning.
fn signer(ring: &KeyRing, role: KeyRole) -> String {
    let keys = ring.current();
    match role {
        KeyRole::WebhookSigner => keys.webhook_signer(EPOCH_MS).0.to_owned(),
        _ => keys.token_signer(EPOCH_MS).0.to_owned(),
    }
}

#[tokio::test]
async fn a_database_from_before_a_role_that_servers_fill_gets_one_key_of_it() {
    for role in [KeyRole::TokenSigner, KeyRole::WebhookSigner] {
        let (_keep, store) = empty().await;
        let before =
            || file(&with(&document(&generated(1)), |keys| keys.retain(|key| key["role"] != role.as_str())));
        let ring = open(&store, before()).await.expect("an older file is enough for a new database");
        let first = named(&store, role).await;
        assert_eq!(first, [signer(&ring, role)]);

        // A table that was filled before there was such a role: of servers that start at once, one makes the key for all.
        let drop_signer = Write::ServerKey(KeyWrite::Delete { id: first[0].clone(), version: 0 });
        store.commit(ChangeSet { writes: vec![drop_signer] }).await.expect("it was there");
        let rings = join_all((0..5).map(|n| {
            let store = store.clone();
            async move {
                KeyRing::open(&*store, before(), &SeededEntropy::new(100 + n)).await.expect("its own file")
            }
        }))
        .await;
        assert_eq!(named(&store, role).await.len(), 1);
        for ring in &rings {
            assert_eq!(ring.current(), rings[0].current());
        }
        let before_restart = named(&store, role).await;
        open(&store, before()).await.expect("again");
        assert_eq!(named(&store, role).await, before_restart, "it is made once");

        // The file's own key counts where it has one and the table is empty.
        let (_keep, store) = empty().await;
        open(&store, generated(1)).await.expect("first keys");
        let own = entry(1, role);
        assert_eq!(json!(named(&store, role).await), json!([own["id"]]));
    }
}
