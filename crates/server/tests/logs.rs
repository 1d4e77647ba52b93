//! What the logs must not have, at any level.

#![allow(clippy::unwrap_used, reason = "a failure here is the failure of the test that asked")]

mod support;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::{Server, command, env_file, workspace};

const EMAIL: &str = "ann.of.green.gables@example.com";
const PHONE: &str = "+14155550123";

struct Flow<'a> {
    directory: &'a Path,
    server: &'a Server,
    secrets: Vec<String>,
}

impl Flow<'_> {
    /// Submits an activity with the backend's key; the one member of its result.
    fn submit(&self, path: &str, body: Value) -> Value {
        let path = format!("/public/v1/submit/{path}");
        let answer =
            support::json(self.directory, &["request", "--path", &path, "--body", &body.to_string()]);
        let result = answer["activity"]["result"].as_object().unwrap();
        result.values().next().unwrap_or_else(|| panic!("{answer}")).clone()
    }

    /// Submits what the server must refuse.
    fn refused(&self, path: &str, body: &str) {
        let path = format!("/public/v1/submit/{path}");
        let output = support::run(self.directory, &["request", "--path", &path, "--body", body]);
        assert_eq!(output.status.code(), Some(1), "{}", support::stdout(&output));
    }

    fn secret(&mut self, value: &Value) -> String {
        let text = value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned();
        assert!(text.len() >= 6, "{text}");
        self.secrets.push(text.clone());
        text
    }
}

#[test]
fn no_level_shows_codes_tokens_keys_or_contacts() {
    let directory = workspace();
    let directory = directory.path();
    let mut program = command(directory);
    let server = Server::start(
        directory,
        program.args(["dev", "--listen", "127.0.0.1:0"]).env("VESTIBULE_LOG", "trace"),
    );
    let env = env_file(&directory.join("vestibule-data/dev.env"));
    let mut flow =
        Flow { directory, server: &server, secrets: vec![env["VESTIBULE_API_PRIVATE_KEY"].clone()] };
    let keys: Value =
        serde_json::from_str(&fs::read_to_string(directory.join("vestibule-data/keys.json")).unwrap())
            .unwrap();
    for key in keys["keys"].as_array().unwrap() {
        flow.secret(&key["secret"]);
    }

    // An endpoint that is told of all that follows, and does not answer. Its URL may have a secret in it.
    flow.secrets.push("key-of-the-hook".into());
    let endpoint = json!({"url": "http://127.0.0.1:9/key-of-the-hook", "name": "Audit", "subscriptions": [{"eventType": "ACTIVITY_UPDATES"}]});
    flow.submit("create_webhook_endpoint", json!({"parameters": endpoint}));

    // The user of a sub-organization, made by the backend.
    let user = json!({"userName": "Ann", "userEmail": EMAIL, "userPhoneNumber": PHONE, "apiKeys": [], "authenticators": [], "oauthProviders": []});
    let made = flow.submit(
        "create_sub_organization",
        json!({
            "type": "ACTIVITY_TYPE_CREATE_SUB_ORGANIZATION_V7",
            "parameters": {"subOrganizationName": "Ann's", "rootUsers": [user], "rootQuorumThreshold": 1},
        }),
    );
    let sub = made["subOrganizationId"].as_str().unwrap().to_owned();

    // The legacy flow, in which the code travels as it is.
    let begin = |kind: &str, contact: &str| json!({"type": "ACTIVITY_TYPE_INIT_OTP", "parameters": {"otpType": kind, "contact": contact, "userIdentifier": "an-identifier-of-ann"}});
    flow.secrets.push("an-identifier-of-ann".into());
    for (kind, contact) in [("OTP_TYPE_EMAIL", EMAIL), ("OTP_TYPE_SMS", PHONE)] {
        let begun = flow.submit("init_otp", begin(kind, contact));
        let id = begun["otpId"].as_str().unwrap();
        let code = flow.server.message(id)["otpCode"].clone();
        let code = flow.secret(&code);
        // Refusals are where a log is most tempted to quote.
        flow.secrets.push("WR0NGGUES".into());
        for wrong in [
            json!({"type": "ACTIVITY_TYPE_VERIFY_OTP", "parameters": {"otpId": id, "otpCode": "WR0NGGUES"}}),
            json!({"type": "ACTIVITY_TYPE_VERIFY_OTP", "parameters": {"otpId": {"contact": contact}, "otpCode": code}}),
            json!({"type": "ACTIVITY_TYPE_OTP_LOGIN", "parameters": {"otpId": id, "otpCode": code}}),
        ] {
            flow.refused("verify_otp", &wrong.to_string());
        }
        let proved = flow.submit(
            "verify_otp",
            json!({"type": "ACTIVITY_TYPE_VERIFY_OTP", "parameters": {"otpId": id, "otpCode": code}}),
        );
        let token = flow.secret(&proved["verificationToken"]);
        let login = flow.submit(
            "otp_login",
            json!({
                "type": "ACTIVITY_TYPE_OTP_LOGIN",
                "organizationId": sub,
                "parameters": {"verificationToken": token, "publicKey": env["VESTIBULE_API_PUBLIC_KEY"]},
            }),
        );
        flow.secret(&login["session"]);
    }

    // A key bundle, a new tenant's key, and an attempt through the auth proxy.
    let target = &env["VESTIBULE_BUNDLE_SIGNER_PUBLIC_KEY"];
    let begun = flow.submit(
        "init_otp_auth",
        json!({
            "type": "ACTIVITY_TYPE_INIT_OTP_AUTH_V2",
            "organizationId": sub,
            "parameters": {"otpType": "OTP_TYPE_EMAIL", "contact": EMAIL},
        }),
    );
    let id = begun["otpId"].as_str().unwrap().to_owned();
    let code = flow.server.message(&id)["otpCode"].clone();
    let code = flow.secret(&code);
    let opened = flow.submit(
        "otp_auth",
        json!({
            "type": "ACTIVITY_TYPE_OTP_AUTH",
            "organizationId": sub,
            "parameters": {"otpId": id, "otpCode": code, "targetPublicKey": target},
        }),
    );
    flow.secret(&opened["credentialBundle"]);
    let tenant = support::json(directory, &["org", "create", "--name", "Acme"]);
    flow.secret(&tenant["apiPrivateKey"]);
    let header = format!("X-Auth-Proxy-Config-Id: {}\r\n", env["VESTIBULE_AUTH_PROXY_CONFIG_ID"]);
    let proxied = json!({"otpType": "OTP_TYPE_EMAIL", "contact": "bob.of.avonlea@example.com"}).to_string();
    let begun = server.post("/v1/otp_init", &header, &proxied);
    let code = flow.server.message(begun["otpId"].as_str().unwrap())["otpCode"].clone();
    flow.secret(&code);

    let mut secrets = flow.secrets;
    secrets.extend([EMAIL, PHONE, "bob.of.avonlea@example.com"].map(str::to_owned));
    let log = server.stop();
    assert!(log.contains("TRACE") && log.contains("ecdsa_verify"), "the log is at its most open");
    assert!(log.contains("event not delivered"), "the endpoint was tried");
    for secret in secrets {
        let found =
            log.to_lowercase().lines().find(|line| line.contains(&secret.to_lowercase())).map(str::to_owned);
        assert_eq!(found, None, "{secret} is in the log");
    }
}
