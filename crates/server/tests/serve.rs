//! `vestibule serve`, its configuration and its keys.

#![allow(clippy::unwrap_used, reason = "a failure here is the failure of the test that asked")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};
use support::{Server, command, json as run_json, refused, run, stderr, stdout, workspace};

const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Writes a configuration with SMS through `webhook`, and keys. Returns the path of the configuration.
fn set_up(directory: &Path, webhook: &str) -> &'static str {
    assert!(run(directory, &["keys", "generate", "--out", "keys.json"]).status.success());
    configure(directory, webhook, "");
    "vestibule.toml"
}

fn configure(directory: &Path, webhook: &str, more: &str) {
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\ndata_dir = \"data\"\n[keys]\nfile = \"keys.json\"\n[pumping]\ncountries = [\"*\"]\n[sms]\nwebhook_url = \"{webhook}\"\n{more}"
    );
    fs::write(directory.join("vestibule.toml"), text).unwrap();
}

fn serve(directory: &Path) -> Command {
    let mut command = command(directory);
    command.args(["serve", "--config", "vestibule.toml"]).env("VESTIBULE_SMS_WEBHOOK_SECRET", WEBHOOK_SECRET);
    command
}

/// What a command that must fail says, with the webhook's secret in its environment.
fn serve_refused(directory: &Path) -> String {
    let output = serve(directory).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}{}", stdout(&output), stderr(&output));
    stderr(&output)
}

/// Takes the SMS of one server: the bodies it posts.
fn webhook() -> (String, mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/sms", listener.local_addr().unwrap());
    let (sender, messages) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut length = 0;
            for line in reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
                let line = line.to_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            write!(stream, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").unwrap();
            let _ = sender.send(serde_json::from_slice(&body).unwrap());
        }
    });
    (url, messages)
}

#[test]
fn a_code_reaches_the_provider_of_the_configuration() {
    let directory = workspace();
    let directory = directory.path();
    let (url, messages) = webhook();
    let config = set_up(directory, &url);
    let server = Server::start(directory, &mut serve(directory));
    let made = run_json_with_secret(directory, &["org", "create", "--config", config, "--name", "Acme"]);
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let output = command(directory)
        .args(["request", "--url", &server.url, "--path", "/public/v1/submit/init_otp", "--body"])
        .arg(json!({"parameters": {"otpType": "OTP_TYPE_SMS", "contact": "+1 415 555 0123", "appName": "Acme"}}).to_string())
        .env("VESTIBULE_ORGANIZATION_ID", text("organizationId"))
        .env("VESTIBULE_API_PRIVATE_KEY", text("apiPrivateKey"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let message = messages.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
    assert_eq!(message["to"], "+14155550123");
    assert!(message["text"].as_str().unwrap().contains("Acme"));

    for path in ["/", "/dev/messages", "/dev/clock"] {
        assert_ne!(server.http("GET", path, "", "").0, 200, "{path} belongs to dev");
    }
    let log = server.stop();
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line} is no JSON"));
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
    assert!(!log.contains("4155550123"), "{log}");
}

fn run_json_with_secret(directory: &Path, arguments: &[&str]) -> Value {
    let mut command = command(directory);
    let output =
        command.args(arguments).env("VESTIBULE_SMS_WEBHOOK_SECRET", WEBHOOK_SECRET).output().unwrap();
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn keys_are_never_made_silently() {
    let directory = workspace();
    let directory = directory.path();
    configure(directory, "http://127.0.0.1:9/", "");
    let said = serve_refused(directory);
    assert!(said.contains("vestibule keys generate") && said.contains("keys.json"), "{said}");
    let text = fs::read_to_string(directory.join("vestibule.toml")).unwrap();
    fs::write(directory.join("vestibule.toml"), text.replace("[keys]\nfile = \"keys.json\"\n", "")).unwrap();
    let said = serve_refused(directory);
    assert!(said.contains("the server has no keys") && said.contains("VESTIBULE_KEYS"), "{said}");
    assert!(!directory.join("keys.json").exists());
    assert!(!directory.join("data").exists());
}

#[test]
fn keys_that_everybody_may_read_are_refused() {
    let directory = workspace();
    let directory = directory.path();
    set_up(directory, "http://127.0.0.1:9/");
    fs::set_permissions(directory.join("keys.json"), fs::Permissions::from_mode(0o644)).unwrap();
    let said = serve_refused(directory);
    assert!(said.contains("chmod 600"), "{said}");
}

#[test]
fn other_keys_than_the_databases_are_refused_until_accepted() {
    let directory = workspace();
    let directory = directory.path();
    set_up(directory, "http://127.0.0.1:9/");
    Server::start(directory, &mut serve(directory)).stop();

    // The new key set lost the sealing key: accepting it would lose what is sealed.
    fs::rename(directory.join("keys.json"), directory.join("old.json")).unwrap();
    assert!(run(directory, &["keys", "generate", "--out", "keys.json"]).status.success());
    let said = serve_refused(directory);
    assert!(said.contains("vestibule keys accept --config vestibule.toml"), "{said}");
    let said = refused_with_secret(directory, &["keys", "accept", "--config", "vestibule.toml"]);
    assert!(said.contains("lacks the sealing key") && said.contains("--forget-sealed"), "{said}");

    // A set that takes over the old keys as retired ones.
    let read = |name: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(directory.join(name)).unwrap()).unwrap()
    };
    let (mut set, old) = (read("keys.json"), read("old.json"));
    for key in old["keys"].as_array().unwrap() {
        let mut key = key.clone();
        key["state"] = json!("retired");
        set["keys"].as_array_mut().unwrap().push(key);
    }
    fs::write(directory.join("keys.json"), set.to_string()).unwrap();
    assert!(serve_refused(directory).contains("vestibule keys accept"));
    let accept = || {
        let mut command = command(directory);
        command.args(["keys", "accept", "--config", "vestibule.toml"]);
        let output = command.env("VESTIBULE_SMS_WEBHOOK_SECRET", WEBHOOK_SECRET).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    assert!(accept().contains("Accepted"));
    assert!(accept().contains("nothing to do"));
    let server = Server::start(directory, &mut serve(directory));
    let said = refused_with_secret(directory, &["keys", "accept", "--config", "vestibule.toml"]);
    assert!(said.contains("stop the server first"), "{said}");
    server.stop();
}

fn refused_with_secret(directory: &Path, arguments: &[&str]) -> String {
    let mut command = command(directory);
    let output =
        command.args(arguments).env("VESTIBULE_SMS_WEBHOOK_SECRET", WEBHOOK_SECRET).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}{}", stdout(&output), stderr(&output));
    stderr(&output)
}

#[test]
fn keys_may_come_from_the_environment() {
    let directory = workspace();
    let directory = directory.path();
    set_up(directory, "http://127.0.0.1:9/");
    let keys = fs::read_to_string(directory.join("keys.json")).unwrap();
    let both = serve(directory).env("VESTIBULE_KEYS", &keys).output().unwrap();
    assert!(stderr(&both).contains("both `keys.file` and VESTIBULE_KEYS are set"), "{}", stderr(&both));
    let text = fs::read_to_string(directory.join("vestibule.toml")).unwrap();
    fs::write(directory.join("vestibule.toml"), text.replace("[keys]\nfile = \"keys.json\"\n", "")).unwrap();
    Server::start(directory, serve(directory).env("VESTIBULE_KEYS", &keys)).stop();
}

#[test]
fn a_key_of_the_configuration_that_is_unknown_is_named() {
    let directory = workspace();
    let directory = directory.path();
    set_up(directory, "http://127.0.0.1:9/");
    configure(directory, "http://127.0.0.1:9/", "[http]\nmax_sockets = 5\n");
    let said = serve_refused(directory);
    assert!(said.contains("`http.max_sockets`") || said.contains("`max_sockets`"), "{said}");
    assert!(said.contains("line 11") && said.contains("max_sockets"), "{said}");
    let said = refused(directory, &["config", "check", "--config", "vestibule.toml"]);
    assert!(said.contains("max_sockets"), "{said}");
}

#[test]
fn what_init_writes_is_valid_and_never_overwritten() {
    let directory = workspace();
    let directory = directory.path();
    let output = run(directory, &["init"]);
    assert!(output.status.success());
    assert!(stdout(&output).contains("vestibule keys generate --out keys.json"), "{}", stdout(&output));
    let check = ["config", "check", "--config", "vestibule.toml"];
    let said = refused(directory, &check);
    assert!(said.contains("vestibule keys generate"), "{said}");
    assert!(run(directory, &["keys", "generate", "--out", "keys.json"]).status.success());
    let output = run(directory, &check);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("vestibule.toml is valid"), "{}", stdout(&output));
    let by_variable =
        command(directory).args(["config", "check"]).env("VESTIBULE_CONFIG", "vestibule.toml").output();
    assert!(by_variable.unwrap().status.success(), "the variable stands in for --config");
    let fingerprint =
        run_json(directory, &["keys", "show", "--config", "vestibule.toml"])["fingerprint"].clone();
    assert!(stdout(&output).contains(fingerprint.as_str().unwrap()));

    fs::write(directory.join("vestibule.toml"), "mine").unwrap();
    let said = refused(directory, &["init"]);
    assert!(said.contains("left alone"), "{said}");
    assert_eq!(fs::read_to_string(directory.join("vestibule.toml")).unwrap(), "mine");
}

#[test]
fn commands_wait_for_a_first_start() {
    let directory = workspace();
    let directory = directory.path();
    set_up(directory, "http://127.0.0.1:9/");
    let said = refused_with_secret(directory, &["org", "list", "--config", "vestibule.toml"]);
    assert!(said.contains("start the server once"), "{said}");
    assert!(!directory.join("data").exists());
}
