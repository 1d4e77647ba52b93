//! The keys of a server that runs: replaced, retired, and moved to another sealing key.

#![allow(clippy::unwrap_used, reason = "a failure here is the failure of the test that asked")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::{Server, command, env_file, json as run_json, refused, run, stderr, stdout, until, workspace};

const WHOAMI: [&str; 3] = ["request", "--path", "/public/v1/query/whoami"];

/// The public keys of a role that a server publishes as active.
fn published(server: &Server, role: &str) -> Vec<String> {
    let document = server.get("/.well-known/vestibule/keys");
    let keys = document["keys"].as_array().unwrap().iter();
    let of_role = keys.filter(|key| key["role"] == role && key["state"] == "active");
    of_role.map(|key| key["uncompressedHex"].as_str().unwrap().to_owned()).collect()
}

fn key_file(directory: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(directory.join("vestibule-data/keys.json")).unwrap()).unwrap()
}

fn write_key_file(directory: &Path, keys: &[Value]) {
    let text = json!({ "version": 1, "keys": keys }).to_string();
    fs::write(directory.join("vestibule-data/keys.json"), text).unwrap();
}

#[test]
fn a_signing_key_is_replaced_while_the_server_runs() {
    let directory = workspace();
    let directory = directory.path();
    let server = Server::dev(directory);
    let old = run_json(directory, &["keys", "list"]);
    let old = old.as_array().unwrap().iter().find(|key| key["role"] == "session-signer").unwrap().clone();
    assert_eq!((&old["inCharge"], &old["state"]), (&json!(true), &json!("active")));
    let signer = || server.get("/dev/config")["sessionSignerPublicKey"].as_str().unwrap().to_owned();
    let first = signer();

    let made = run_json(directory, &["keys", "rotate", "--role", "session-signer"]);
    assert_eq!(made[0]["inCharge"], false);
    let both = published(&server, "session-signer");
    assert_eq!((both.len(), signer()), (2, first.clone()));
    let id = old["id"].as_str().unwrap();
    let said = refused(directory, &["keys", "retire", id]);
    assert!(said.contains("has not begun"), "{said}");
    server.post("/dev/clock", "", r#"{"advanceSeconds":60}"#);
    assert_ne!(signer(), first);
    assert!(run(directory, &["keys", "retire", id]).status.success());
    assert_eq!(published(&server, "session-signer"), [signer()]);
    let second = signer();
    server.stop();

    // Also on the data of a server that does not run; and the page and dev.env go by what signs.
    let made = run_json(directory, &["keys", "rotate", "--role", "code-hmac", "--after-seconds", "3600"]);
    let begins = made[0]["activatesAt"].as_i64().unwrap() - made[0]["createdAt"].as_i64().unwrap();
    assert_eq!(begins, 3_600_000);
    let server = Server::dev(directory);
    let env = env_file(&directory.join("vestibule-data/dev.env"));
    assert_eq!(env["VESTIBULE_SESSION_SIGNER_PUBLIC_KEY"], second);
    let listed = run_json(directory, &["keys", "list"]);
    assert_eq!(listed.as_array().unwrap().iter().filter(|key| key["inCharge"] == true).count(), 7);
    assert!(!listed.to_string().contains("sealed"));
    run_json(directory, &WHOAMI);
    server.stop();
}

#[test]
fn the_sealing_key_is_replaced_and_the_old_one_leaves_the_file() {
    let directory = workspace();
    let directory = directory.path();
    let server = Server::dev(directory);
    let before = run_json(directory, &WHOAMI);
    let said = refused(directory, &["keys", "accept"]);
    assert!(said.contains("stop the server first"), "{said}");
    server.stop();

    assert!(run(directory, &["keys", "generate", "--sealing-only", "--out", "new.json"]).status.success());
    let made: Value = serde_json::from_str(&fs::read_to_string(directory.join("new.json")).unwrap()).unwrap();
    let new = made["keys"].as_array().unwrap().clone();
    assert_eq!((new.len(), &new[0]["role"]), (1, &json!("sealing-key")));
    let own = key_file(directory)["keys"].as_array().unwrap().clone();
    let old = own.iter().find(|key| key["role"] == "sealing-key").unwrap().clone();
    let old_id = old["id"].as_str().unwrap();

    // Alone, the new key opens nothing.
    write_key_file(directory, &new);
    let start = ["dev", "--listen", "127.0.0.1:0"];
    let said = refused(directory, &start);
    assert!(
        said.contains(old_id) && said.contains("vestibule keys accept --data-dir vestibule-data"),
        "{said}"
    );
    let said = refused(directory, &["keys", "accept"]);
    assert!(said.contains("lacks the sealing key") && said.contains("keys rewrap"), "{said}");
    // Before the old one, it must be accepted once. Signing keys need not be in the file any more.
    write_key_file(directory, &[new[0].clone(), old.clone()]);
    let said = refused(directory, &start);
    assert!(said.contains("new to the database"), "{said}");
    assert!(stdout(&run(directory, &["keys", "accept"])).contains("Accepted"));

    let server = Server::dev(directory);
    let begun = server.post(
        "/v1/otp_init_v2",
        &format!(
            "X-Auth-Proxy-Config-Id: {}\r\n",
            env_file(&directory.join("vestibule-data/dev.env"))["VESTIBULE_AUTH_PROXY_CONFIG_ID"]
        ),
        r#"{"otpType":"OTP_TYPE_EMAIL","contact":"ann@example.com"}"#,
    );
    assert!(server.message(begun["otpId"].as_str().unwrap())["otpCode"].is_string());
    let done = run_json(directory, &["keys", "rewrap"]);
    assert_eq!((&done["sealingKey"], &done["superseded"]), (&new[0]["id"], &json!([old_id])));
    assert_eq!((&done["keys"], &done["proxyKeys"], &done["unreadable"]), (&json!(6), &json!(1), &json!(0)));
    // A file that was changed under a running server does not count yet.
    write_key_file(directory, &[old.clone(), new[0].clone()]);
    let output = run(directory, &["keys", "rewrap"]);
    assert!(!output.status.success() && stderr(&output).contains("restart it"), "{}", stderr(&output));
    server.stop();

    write_key_file(directory, &new);
    let server = Server::dev(directory);
    assert_eq!(run_json(directory, &WHOAMI), before);
    server.stop();
    write_key_file(directory, &own);
    let said = refused(directory, &start);
    assert!(said.contains("lacks the sealing key"), "{said}");
}

/// A command on a server of the database at `url`.
fn on_database(directory: &Path, url: &str, arguments: &[&str]) -> Command {
    let mut command = command(directory);
    command.args(arguments).args(["--config", "vestibule.toml"]);
    command.env("VESTIBULE_DATABASE_URL", url);
    command.env("VESTIBULE_SMS_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    command
}

/// Writes what a server needs that looks every second.
fn configure(directory: &Path, keys: &str) {
    let text = "[server]\nlisten = \"127.0.0.1:0\"\ndata_dir = \"data\"\n[keys]\nfile = \"keys.json\"\nrefresh_seconds = 1\n\
        activation_seconds = 3\n[pumping]\ncountries = [\"*\"]\n[sms]\nwebhook_url = \"http://127.0.0.1:9/\"\n";
    fs::write(directory.join("vestibule.toml"), text).unwrap();
    assert!(run(directory, &["keys", "generate", "--out", "keys.json"]).status.success());
    fs::write(directory.join("keys.json"), keys).unwrap();
}

#[test]
fn servers_on_one_database_share_their_keys_and_see_a_rotation() {
    let database = vestibule_cluster::fresh_database();
    let url = database.url();
    let (first, second) = (workspace(), workspace());
    assert!(run(first.path(), &["keys", "generate", "--out", "made.json"]).status.success());
    let made = fs::read_to_string(first.path().join("made.json")).unwrap();
    configure(first.path(), &made);
    let mut sealing: Value = serde_json::from_str(&made).unwrap();
    sealing["keys"].as_array_mut().unwrap().retain(|key| key["role"] == "sealing-key");
    configure(second.path(), &sealing.to_string());

    // The second one has nothing but the sealing key: not enough for an empty database.
    let output = on_database(second.path(), &url, &["serve"]).output().unwrap();
    assert!(stderr(&output).contains("no active key with role bundle-signer"), "{}", stderr(&output));
    let a = Server::start(first.path(), &mut on_database(first.path(), &url, &["serve"]));
    let b = Server::start(second.path(), &mut on_database(second.path(), &url, &["serve"]));
    let old = published(&a, "session-signer");
    assert_eq!(published(&b, "session-signer"), old);

    let rotate = ["keys", "rotate", "--role", "session-signer"];
    let output = on_database(first.path(), &url, &rotate).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(published(&a, "session-signer").len(), 2);
    until(|| b.log(), || (published(&b, "session-signer").len() == 2).then_some(()));

    // Through the other server, once the new key has begun.
    let listed = on_database(second.path(), &url, &["keys", "list"]).output().unwrap();
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let mut signers = listed.as_array().unwrap().iter().filter(|key| key["role"] == "session-signer");
    let id = signers.next().unwrap()["id"].as_str().unwrap();
    until(
        || b.log(),
        || {
            let output = on_database(second.path(), &url, &["keys", "retire", id]).output().unwrap();
            output.status.success().then_some(())
        },
    );
    until(|| a.log(), || (published(&a, "session-signer").len() == 1).then_some(()));
    assert_ne!(published(&a, "session-signer"), old);
    assert_eq!(published(&a, "session-signer"), published(&b, "session-signer"));
    a.stop();
    b.stop();
}
