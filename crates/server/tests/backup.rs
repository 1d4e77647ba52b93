//! A backup of a server at work, and what a server restored from it knows.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod client;
mod load;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use client::{Client, Source, WRONG};
use load::{Journal, Load, Purpose, Records};
use serde_json::{Value, json};
use support::{Server, refused, run, stderr, stdout, workspace};
use tokio::task::JoinSet;
use tokio::time::timeout;
use vestibule_wire::ActivityType;

const STREAMS: usize = 8;
const SEED: u64 = 21;
/// Acknowledgements before the backup begins, and how many come after it until the server dies.
const ACKNOWLEDGEMENTS: usize = 150;

/// A data directory for another server with the same keys.
fn beside(directory: &Path) -> PathBuf {
    let other = directory.join("other");
    let data = other.join("vestibule-data");
    fs::create_dir_all(&data).unwrap();
    for name in ["keys.json", "dev.env"] {
        fs::copy(directory.join("vestibule-data").join(name), data.join(name)).unwrap();
    }
    other
}

/// Everything that was acknowledged so far.
fn acknowledged(journal: &Journal) -> Records {
    let records = journal.records();
    let entries = records.entries.iter().filter(|entry| entry.reply.is_some()).cloned().collect();
    Records { entries, attempts: records.attempts.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_is_restored_elsewhere_and_sessions_of_before_go_on() {
    let directory = workspace();
    let source = Source::new(SEED);
    let mut server = Server::dev(directory.path());
    let client = Client::of_dev(&server, directory.path(), &source);
    let journal = Arc::new(Journal::new(ACKNOWLEDGEMENTS));
    let mut streams = JoinSet::new();
    for stream in 0..STREAMS {
        let (client, journal) = (client.clone(), Arc::clone(&journal));
        streams.spawn(async move {
            Load { client: &client, journal: &journal }.run(&format!("stream-{stream}"), stream).await;
        });
    }
    timeout(client::DEADLINE, journal.enough()).await.expect("the server is too slow");
    let before = acknowledged(&journal);
    let said = tokio::task::spawn_blocking({
        let directory = directory.path().to_owned();
        move || run(&directory, &["backup", "--out", "backup.db"])
    })
    .await
    .unwrap();
    assert!(said.status.success(), "{}", stderr(&said));
    // The load went on meanwhile, and goes on.
    support::until(
        || "the load stood still".to_owned(),
        || (acknowledged(&journal).entries.len() > before.entries.len() + ACKNOWLEDGEMENTS).then_some(()),
    );
    server.signal("KILL");
    server.wait();
    while let Some(ended) = streams.join_next().await {
        ended.unwrap();
    }
    let said = stdout(&said);
    assert!(said.contains("SHA-256 ") && said.contains("sealing key is not in it"), "{said}");

    let other = beside(directory.path());
    let restored = run(&other, &["restore", "--from", "../backup.db"]);
    assert!(restored.status.success(), "{}", stderr(&restored));
    assert!(stdout(&restored).contains("Given up: "), "{}", stdout(&restored));
    let server = Server::dev(&other);
    let client = Client::of_dev(&server, &other, &source);
    let mut sessions = 0;
    for entry in &before.entries {
        let reply = entry.reply.as_ref().unwrap();
        match &entry.purpose {
            Purpose::Login { user, key } => {
                let whoami =
                    client.query_by(key, "whoami", &json!({ "organizationId": user.organization })).await;
                assert_eq!(
                    (whoami.status, &whoami.body["userId"]),
                    (200, &json!(user.id)),
                    "{}",
                    whoami.body
                );
                sessions += 1;
            }
            Purpose::CreateUser { .. } | Purpose::Init { .. } | Purpose::Guess { .. } => {
                assert_eq!(client.ask(&entry.request).await, *reply, "{:?}", entry.purpose);
            }
        }
    }
    let mut codes = 0;
    // Codes that were spent or locked before, those that may have been since, and those that live.
    for sent in &before.attempts {
        let Some(code) = &sent.code else { continue };
        let guess = client.guess(&sent.attempt, code, &source.key());
        assert_eq!(client.ask(&guess).await.refusal(), WRONG, "{} works", sent.attempt.contact);
        assert_eq!(
            client.messages(&sent.attempt.contact).await.unwrap(),
            Vec::<Value>::new(),
            "a code was sent again"
        );
        codes += 1;
    }
    assert!(sessions > STREAMS && codes > STREAMS, "{sessions} sessions, {codes} codes");
    load::log_in(&client, "new@acme.example").await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_code_ends_with_a_restore_and_its_contact_is_sent_another() {
    let directory = workspace();
    let source = Source::new(SEED);
    let server = Server::dev(directory.path());
    let client = Client::of_dev(&server, directory.path(), &source);
    let attempt = client.initiate("ann@acme.example").await;
    let code = client.code(&attempt).await.unwrap();
    assert!(run(directory.path(), &["backup", "--out", "backup.db"]).status.success());
    let key = source.key();
    client.ask(&client.guess(&attempt, &code, &key)).await.text("verificationToken");
    server.stop();

    let other = beside(directory.path());
    assert!(run(&other, &["restore", "--from", "../backup.db"]).status.success());
    let server = Server::dev(&other);
    let client = Client::of_dev(&server, &other, &source);
    assert_eq!(client.ask(&client.guess(&attempt, &code, &key)).await.refusal(), WRONG);
    let attempt = client.initiate("ann@acme.example").await;
    let code = client.code(&attempt).await.unwrap();
    client.ask(&client.guess(&attempt, &code, &key)).await.text("verificationToken");
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_the_key_file_is_in_a_backup() {
    let directory = workspace();
    let source = Source::new(SEED);
    let server = Server::dev(directory.path());
    let client = Client::of_dev(&server, directory.path(), &source);
    load::log_in(&client, "ann@acme.example").await;
    client.ask(&client.init(ActivityType::InitOtpV3, "bob@acme.example")).await.activity();
    assert!(run(directory.path(), &["backup", "--out", "backup.db"]).status.success());
    server.stop();

    let backup = fs::read(directory.path().join("backup.db")).unwrap();
    let contains = |needle: &[u8]| backup.windows(needle.len()).any(|window| window == needle);
    assert!(contains(b"ann@acme.example"), "the search finds what is there");
    let keys: Value =
        serde_json::from_slice(&fs::read(directory.path().join("vestibule-data/keys.json")).unwrap())
            .unwrap();
    let mut secrets = Vec::new();
    gather(&keys, &mut secrets);
    assert!(secrets.len() >= 5, "the key file has a secret for each of its roles");
    for secret in secrets {
        let bytes = hex::decode(&secret).unwrap();
        assert!(!contains(secret.as_bytes()) && !contains(&bytes), "a secret key is in the backup");
        assert!(!contains(secret.to_uppercase().as_bytes()), "a secret key is in the backup");
    }
}

/// Every text under a member named `secret`.
fn gather(value: &Value, secrets: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "secret" => secrets.push(text.clone()),
                    _ => gather(value, secrets),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| gather(value, secrets)),
        _ => {}
    }
}

#[test]
fn backup_and_restore_say_what_is_wrong() {
    let directory = workspace();
    let directory = directory.path();
    let said = refused(directory, &["backup", "--out", "backup.db"]);
    assert!(said.contains("there is no database in vestibule-data"), "{said}");
    let server = Server::dev(directory);
    assert!(run(directory, &["backup", "--out", "backup.db"]).status.success());
    let said = refused(directory, &["backup", "--out", "backup.db"]);
    assert!(said.contains("left alone"), "{said}");
    let said = refused(directory, &["restore", "--from", "backup.db"]);
    assert!(said.contains("in use"), "{said}");
    server.stop();
    let said = refused(directory, &["restore", "--from", "backup.db"]);
    assert!(said.contains("without a database"), "{said}");
    let mut bytes = fs::read(directory.join("backup.db")).unwrap();
    let at = bytes.windows(9).position(|window| window == b"Vestibule").unwrap();
    bytes[at] = b'W';
    fs::write(directory.join("damaged.db"), bytes).unwrap();
    let said = refused(directory, &["restore", "--from", "damaged.db", "--data-dir", "elsewhere"]);
    assert!(said.contains("damaged"), "{said}");
    assert!(!directory.join("elsewhere").exists());
}
