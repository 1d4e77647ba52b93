//! Lists of domains while `vestibule serve` runs.

#![allow(clippy::unwrap_used, reason = "a failure here is the failure of the test that asked")]

mod support;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::{Server, command, json as run_json, run, stderr, stdout, until, workspace};

fn configure(directory: &Path, more: &str) {
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\ndata_dir = \"data\"\n[keys]\nfile = \"keys.json\"\n[email]\nfrom = \"login@acme.example\"\n\
         host = \"127.0.0.1\"\nport = 9\ntls = \"none\"\n[addresses]\n{more}"
    );
    fs::write(directory.join("vestibule.toml"), text).unwrap();
}

/// Asks for a code by e-mail; the `turnkeyErrorCode` of a refusal, or nothing.
fn refusal(directory: &Path, server: &Server, made: &Value, email: &str) -> String {
    let parameters = json!({ "otpType": "OTP_TYPE_EMAIL", "contact": email, "appName": "Acme" });
    let output = command(directory)
        .args(["request", "--url", &server.url, "--path", "/public/v1/submit/init_otp", "--body"])
        .arg(json!({ "parameters": parameters }).to_string())
        .env("VESTIBULE_ORGANIZATION_ID", made["organizationId"].as_str().unwrap())
        .env("VESTIBULE_API_PRIVATE_KEY", made["apiPrivateKey"].as_str().unwrap())
        .output()
        .unwrap();
    let answer = format!("{}{}", stdout(&output), stderr(&output));
    if answer.contains("INVALID_EMAIL") {
        return "INVALID_EMAIL".to_owned();
    }
    assert!(output.status.success(), "{answer}");
    String::new()
}

/// Has the server read its lists anew, and waits until it says so for the `times`-th time.
fn reread(server: &Server, said: &str, times: usize) {
    server.signal("HUP");
    until(|| server.log(), || (server.log().matches(said).count() == times).then_some(()));
}

#[test]
fn lists_are_read_at_the_start_and_anew_at_sighup() {
    let directory = workspace();
    let directory = directory.path();
    assert!(run(directory, &["keys", "generate", "--out", "keys.json"]).status.success());
    configure(
        directory,
        "denied_domains_files = [\"disposable.txt\", \"own.txt\"]\nexempt_domains_file = \"exempt.txt\"\n",
    );
    fs::write(directory.join("disposable.txt"), "throwaway.example\n").unwrap();
    fs::write(directory.join("own.txt"), "# rivals\nrival.example\n").unwrap();
    let check = || run(directory, &["config", "check", "--config", "vestibule.toml"]);
    assert!(stderr(&check()).contains("exempt.txt"), "{}", stderr(&check()));
    fs::write(directory.join("exempt.txt"), "good.throwaway.example\n").unwrap();
    assert!(check().status.success(), "{}", stderr(&check()));

    let server = Server::start(directory, command(directory).args(["serve", "--config", "vestibule.toml"]));
    let made = run_json(directory, &["org", "create", "--config", "vestibule.toml", "--name", "Acme"]);
    let refused = |email: &str| refusal(directory, &server, &made, email);
    assert_eq!(refused("ann@mail.throwaway.example"), "INVALID_EMAIL");
    assert_eq!(refused("ann@rival.example"), "INVALID_EMAIL");
    assert_eq!(refused("ann@good.throwaway.example"), "");
    assert_eq!(refused("ann@friend.example"), "");

    fs::write(directory.join("own.txt"), "friend.example\n").unwrap();
    reread(&server, "were read anew", 1);
    assert_eq!(refused("bob@friend.example"), "INVALID_EMAIL");
    assert_eq!(refused("bob@rival.example"), "");

    fs::write(directory.join("own.txt"), "rival.example\nnot a domain\n").unwrap();
    reread(&server, "stay as they were", 1);
    assert_eq!(refused("eve@friend.example"), "INVALID_EMAIL");
    let log = server.stop();
    assert!(log.contains("own.txt") && log.contains("line 2"), "{log}");
}
