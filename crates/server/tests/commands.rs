//! The administrative commands, on a running server and without one, and `vestibule request`.

#![allow(clippy::unwrap_used, reason = "a failure here is the failure of the test that asked")]

mod support;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::{Server, command, env_file, json as run_json, refused, run, stderr, stdout, workspace};

fn whoami(directory: &Path, env: &[(&str, &str)]) -> (Option<i32>, Value) {
    let output = command(directory)
        .args(["request", "--path", "/public/v1/query/whoami"])
        .envs(env.iter().copied())
        .output()
        .unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn an_organization_is_made_and_suspended_on_a_running_server() {
    let directory = workspace();
    let directory = directory.path();
    let server = Server::dev(directory);
    let made = run_json(directory, &["org", "create", "--name", "Acme", "--auth-proxy"]);
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let (id, key, public) = (text("organizationId"), text("apiPrivateKey"), text("apiPublicKey"));
    assert!(made["authProxyConfigId"].is_string(), "{made}");
    let env = [
        ("VESTIBULE_ORGANIZATION_ID", id.as_str()),
        ("VESTIBULE_API_PRIVATE_KEY", &key),
        ("VESTIBULE_API_PUBLIC_KEY", &public),
    ];
    let (code, answer) = whoami(directory, &env);
    assert_eq!((code, &answer["organizationName"]), (Some(0), &json!("Acme")), "{answer}");

    assert!(run(directory, &["org", "suspend", &id]).status.success());
    let (code, answer) = whoami(directory, &env);
    assert_eq!((code, &answer["message"]), (Some(1), &json!("this organization has been suspended")));
    assert!(run_json(directory, &["org", "list"])[0]["suspendedAt"].is_i64());
    assert!(run(directory, &["org", "resume", &id]).status.success());
    assert_eq!(whoami(directory, &env).0, Some(0));
    server.stop();
}

#[test]
fn an_organization_is_made_on_a_stopped_servers_data() {
    let directory = workspace();
    let directory = directory.path();
    Server::dev(directory).stop();
    let public = "0367eaf811ac7a191256ee39417150321bfd4301714e94b7fb1b168b04d162ecd3";
    let made = run_json(directory, &["org", "create", "--name", "Acme", "--api-public-key", public]);
    assert_eq!(made["apiPublicKey"], public);
    assert!(made.get("apiPrivateKey").is_none_or(Value::is_null), "{made}");
    let server = Server::dev(directory);
    let names: Vec<Value> =
        run_json(directory, &["org", "list"]).as_array().unwrap().iter().map(|o| o["name"].clone()).collect();
    assert_eq!(names, ["Acme", "Vestibule"]);
    server.stop();
}

#[test]
fn commands_say_what_is_missing() {
    let directory = workspace();
    let directory = directory.path();
    let said = refused(directory, &["org", "list"]);
    assert!(said.contains("vestibule-data") && said.contains("--config"), "{said}");
    let said = refused(directory, &["request", "--path", "/public/v1/query/whoami"]);
    assert!(said.contains("VESTIBULE_URL") && said.contains("--env-file"), "{said}");
    let said =
        refused(directory, &["request", "--url", "http://127.0.0.1:9", "--path", "/public/v1/query/whoami"]);
    assert!(said.contains("VESTIBULE_API_PRIVATE_KEY"), "{said}");

    let server = Server::dev(directory);
    let said = refused(directory, &["org", "suspend", "acme"]);
    assert!(said.contains("vestibule org list"), "{said}");
    let unknown = "7ff189fb-df7d-452e-8540-57632e380b77";
    let said = refused(directory, &["org", "suspend", unknown]);
    assert!(said.contains("no organization found with the given ID"), "{said}");
    let said = refused(directory, &["org", "create", "--name", "Acme", "--api-public-key", "02ff"]);
    assert!(said.contains("invalid public key"), "{said}");
    server.stop();
}

fn template<'a>(organization: &'a str, given: &[&'a str]) -> Vec<&'a str> {
    [&["template"], &given[..1], &["--organization", organization], &given[1..]].concat()
}

#[test]
fn a_template_is_added_used_listed_shown_and_removed() {
    let directory = workspace();
    let directory = directory.path();
    let server = Server::dev(directory);
    let env = env_file(&directory.join("vestibule-data/dev.env"));
    let organization = env["VESTIBULE_ORGANIZATION_ID"].as_str();
    fs::write(directory.join("mail.html"), "<p>Your <b>code</b>: {{ .OtpCode }}</p>").unwrap();
    let added = template(
        organization,
        &["add", "--name", "short", "--subject", "Code {{ .OtpCode }}", "--html", "mail.html"],
    );
    let added = run_json(directory, &added);
    let id = added[0]["id"].as_str().unwrap();

    let header = format!("X-Auth-Proxy-Config-Id: {}\r\n", env["VESTIBULE_AUTH_PROXY_CONFIG_ID"]);
    let body = r#"{"otpType":"OTP_TYPE_EMAIL","contact":"ann@example.com"}"#;
    let begun = server.post("/v1/otp_init", &header, body);
    let message = server.message(begun["otpId"].as_str().unwrap());
    let code = message["otpCode"].as_str().unwrap();
    assert_eq!(message["subject"], format!("Code {code}"));
    assert_eq!(message["html"], format!("<p>Your <b>code</b>: {code}</p>"));

    assert_eq!(run_json(directory, &template(organization, &["list"]))[0]["name"], "short");
    assert_eq!(
        run_json(directory, &template(organization, &["show", id]))[0]["subject"],
        "Code {{ .OtpCode }}"
    );
    assert!(run(directory, &template(organization, &["remove", id])).status.success());
    assert_eq!(run_json(directory, &template(organization, &["list"])), json!([]));
    let said = refused(directory, &template(organization, &["show", id]));
    assert!(said.contains("unable to find template"), "{said}");

    fs::write(directory.join("mail.html"), "<p>Hello {{ .Nobody }}</p>").unwrap();
    let wrong =
        template(organization, &["add", "--name", "wrong", "--subject", "Code", "--html", "mail.html"]);
    let said = refused(directory, &wrong);
    assert!(said.contains("html, line 1"), "{said}");
    assert_eq!(run_json(directory, &template(organization, &["list"])), json!([]));
    server.stop();
}

#[test]
fn a_template_is_checked_and_shown_without_a_server() {
    let directory = workspace();
    let directory = directory.path();
    let write = |name: &str, text: &str| fs::write(directory.join(name), text).unwrap();
    write("login.html", "<p>{{ .OtpCode }}</p>\n<p>{{ index .TemplateVariables \"givenName\" }}</p>");
    write("login.txt", "{{ .OtpCode }}\n");
    write("login.sms", "{{ .AppName }}: {{ .OtpCode }}\n");
    write("logo.png", "<svg>");
    let lint = |more: &[&str]| {
        let files = ["template", "lint", "login.html", "login.txt", "login.sms"];
        let output = run(directory, &[&files[..], more].concat());
        (output.status.code(), stdout(&output))
    };
    let (status, said) = lint(&[]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("login.html:2:4: note: \"givenName\" is empty unless"), "{said}");
    assert!(
        said.contains(
            "login.sms:1:1: warning: with the longest app name (256 bytes) it takes up to 4 segments"
        )
    );
    assert_eq!(lint(&["--deny-warnings"]).0, Some(1));
    let (status, said) = lint(&["--variable", "firstName"]);
    assert_eq!(status, Some(1));
    assert!(said.contains("login.html:2:4: error: unknown variable \"givenName\""), "{said}");
    let (status, said) = lint(&["logo.png"]);
    assert_eq!(status, Some(1));
    assert!(said.contains("logo.png: error: the logo is no PNG"), "{said}");
    fs::write(directory.join("logo"), b"GIF89a\xff").unwrap();
    for other in ["logo.bmp", "logo.ico", "logo.svg", "logo.webp", "logo"] {
        if other != "logo" {
            write(other, "BM");
        }
        let (status, said) = lint(&[other]);
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains(&format!("{other}: error: the logo is no PNG")), "{said}");
    }
    let (status, said) = lint(&["--logo-url", "https://cdn.example/logo.webp?as=logo.png"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("warning: the logo is no PNG by its name"), "{said}");
    assert_eq!(lint(&["--logo-url", "https://cdn.example/logo.webp", "--deny-warnings"]).0, Some(1));
    write("login.txt", "no code");
    let (status, said) = lint(&[]);
    assert_eq!(status, Some(1));
    assert!(said.contains("login.txt:1:1: error: expected {{ .OtpCode }} somewhere"), "{said}");
    let unknown = refused(directory, &["template", "lint", "login.doc"]);
    assert!(unknown.contains("what it is cannot be told"), "{unknown}");

    let preview = |more: &[&str]| stdout(&run(directory, &[&["template", "preview"], more].concat()));
    assert!(
        preview(&["--locale", "de-AT"]).starts_with("Subject: 7G3K9QW2X ist Ihr Code für Example Shop\n")
    );
    assert!(preview(&["--message", "login", "--app-name", "Acme"]).starts_with("Subject: Log in to Acme\n"));
    let sms = ["--message", "sms", "--sms-origin", "app.example.com", "--locale", "ja"];
    assert_eq!(
        preview(&sms),
        "Example Shop の認証コード: 7G3K9QW2X（5分間有効）\n\n@app.example.com #7G3K9QW2X\n"
    );
    let warned = |more: &[&str]| {
        let output = run(directory, &[&["template", "preview"], more].concat());
        assert!(output.status.success());
        stderr(&output)
    };
    let svg = warned(&["--logo-url", "https://cdn.example/x.svg"]);
    assert!(svg.contains("warning: the logo is no PNG by its name"), "{svg}");
    assert!(warned(&["--logo-url", "x.svg"]).contains("the logo is not at an https:// URL"));
    assert_eq!(warned(&["--logo-url", "https://cdn.example/x.png"]), "");
    write("pictured.html", "<p>{{ .OtpCode }}</p><img src=\"https://cdn.example/x.jpg\" alt=\"\">");
    let literal = warned(&["--subject", "s", "--html", "pictured.html"]);
    assert!(literal.contains("html:1:22: warning: the image is no PNG by its name"), "{literal}");
    let own = ["--subject", "For {{ .AppName }}", "--html", "login.html", "--html-out", "out.html"];
    assert!(preview(&own).starts_with("Subject: For Example Shop\n\nYour Example Shop code is 7G3K9QW2X\n"));
    let html = fs::read_to_string(directory.join("out.html")).unwrap();
    assert_eq!(html, "<p>7G3K9QW2X</p>\n<p>givenName</p>");
}

#[test]
fn a_template_and_an_organization_have_a_language() {
    let directory = workspace();
    let directory = directory.path();
    let server = Server::dev(directory);
    let env = env_file(&directory.join("vestibule-data/dev.env"));
    let organization = env["VESTIBULE_ORGANIZATION_ID"].as_str();
    fs::write(directory.join("code.sms"), "{{ .AppName }}: {{ .OtpCode }} ist da\n").unwrap();
    let add = ["add", "--name", "sms", "--locale", "de", "--sms", "code.sms"];
    let added = run(directory, &template(organization, &add));
    assert!(added.status.success(), "{}", stderr(&added));
    assert!(stderr(&added).contains("sms:1:1: warning: with the longest app name"), "{}", stderr(&added));

    let header = format!("X-Auth-Proxy-Config-Id: {}\r\n", env["VESTIBULE_AUTH_PROXY_CONFIG_ID"]);
    let message = |kind: &str, contact: &str, header: &str| {
        let body = format!(r#"{{"otpType":"{kind}","contact":"{contact}"}}"#);
        server.message(server.post("/v1/otp_init", header, &body)["otpId"].as_str().unwrap())
    };
    let plain = message("OTP_TYPE_SMS", "+14155550111", &header);
    assert!(plain["text"].as_str().unwrap().starts_with("Vestibule: your code is "), "{plain}");

    let set = |tag: &str| run(directory, &["org", "set-locale", organization, tag]);
    assert!(set("de").status.success());
    let listed = run_json(directory, &["org", "list"]);
    assert_eq!(listed[0]["locale"], "de");
    let german = message("OTP_TYPE_SMS", "+14155550112", &header);
    assert!(german["text"].as_str().unwrap().ends_with(" ist da"), "{german}");
    let english =
        message("OTP_TYPE_EMAIL", "ann@example.com", &format!("{header}Accept-Language: en-GB\r\n"));
    assert!(english["subject"].as_str().unwrap().ends_with(" is your Vestibule code"), "{english}");
    assert!(set("-").status.success());
    assert_eq!(run_json(directory, &["org", "list"])[0]["locale"], serde_json::Value::Null);
    assert!(stderr(&set("*")).contains("expected a language tag"), "{}", stderr(&set("*")));
    server.stop();
}

#[test]
fn a_reader_that_goes_away_ends_a_command_quietly() {
    let directory = workspace();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command(directory.path()).arg("init").stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(141), ""));
}

#[test]
fn a_contact_is_reset() {
    let directory = workspace();
    let directory = directory.path();
    let server = Server::dev(directory);
    let env = env_file(&directory.join("vestibule-data/dev.env"));
    let reset = |kind: &str, contact: &str| {
        let organization = env["VESTIBULE_ORGANIZATION_ID"].as_str();
        run(directory, &["contact", "reset", "--organization", organization, "--type", kind, contact])
    };
    let output = reset("email", "ann@example.com");
    assert!(output.status.success() && stdout(&output).is_empty(), "{}", stderr(&output));
    assert!(reset("sms", "+14155550123").status.success());
    let output = reset("sms", "ann@example.com");
    assert!(stderr(&output).contains("invalid phone number"), "{}", stderr(&output));
    server.stop();
}

#[test]
fn a_contact_is_shown_and_only_one_that_is_left_alone_is_lifted() {
    let directory = workspace();
    let directory = directory.path();
    let server = Server::dev(directory);
    let env = env_file(&directory.join("vestibule-data/dev.env"));
    let organization = env["VESTIBULE_ORGANIZATION_ID"].as_str();
    let contact =
        |command| ["contact", command, "--organization", organization, "--type", "email", "ann@example.com"];
    let shown = run_json(directory, &contact("show"));
    assert_eq!(
        shown,
        json!({
            "suppressed": null, "failures": 0, "pausedUntilMs": null, "liveCodes": 0, "lastUsedMs": null, "lastSendMs": null,
            "messages": [],
        })
    );
    let said = refused(directory, &contact("lift"));
    assert!(said.contains("unable to find suppressed contact"), "{said}");
    server.stop();
}

#[test]
fn routes_are_set_listed_and_cleared_and_name_known_providers() {
    let directory = workspace();
    let directory = directory.path();
    let server = Server::dev(directory);
    let env = env_file(&directory.join("vestibule-data/dev.env"));
    let organization = env["VESTIBULE_ORGANIZATION_ID"].as_str();
    let route = |command, rest: &[&'static str]| {
        [&["route", command, "--organization", organization][..], rest].concat()
    };
    assert_eq!(run_json(directory, &route("list", &[])), json!({}));
    let set = run_json(directory, &route("set", &["--channel", "email", "inbox"]));
    assert_eq!(set, json!({ "email": ["inbox"] }));
    run_json(directory, &route("set", &["--channel", "sms", "--prefix", "+49", "inbox"]));
    let listed = json!({ "email": ["inbox"], "sms": { "+49": ["inbox"] } });
    assert_eq!(run_json(directory, &route("list", &[])), listed);

    for (rest, reason) in [
        (&["--channel", "email", "ses"][..], "provider \"ses\": the configuration has none of this name"),
        (&["--channel", "email", "inbox", "inbox"], "more than once"),
        (&["--channel", "email", "--prefix", "+49", "inbox"], "a prefix is"),
        (&["--channel", "sms", "--prefix", "49", "inbox"], "a prefix is"),
    ] {
        let said = refused(directory, &route("set", rest));
        assert!(said.contains(reason) && !said.contains("request body"), "{said}");
    }
    let left = run_json(directory, &route("clear", &["--channel", "email"]));
    assert_eq!(left, json!({ "sms": { "+49": ["inbox"] } }));
    let said = refused(directory, &route("clear", &["--channel", "email"]));
    assert!(said.contains("unable to find route"), "{said}");
    server.stop();
    assert_eq!(run_json(directory, &route("list", &[])), left, "without a server, too");
    let said = refused(directory, &route("set", &["--channel", "sms", "--prefix", "49", "inbox"]));
    assert!(said.contains("a prefix is") && !said.contains("request body"), "{said}");
}

#[test]
fn a_request_takes_its_body_from_a_file_or_standard_input() {
    let directory = workspace();
    let directory = directory.path();
    let server = Server::dev(directory);
    let body = r#"{"parameters":{"otpType":"OTP_TYPE_EMAIL","contact":"ann@example.com","appName":"Acme"}}"#;
    fs::write(directory.join("body.json"), body).unwrap();
    let begun =
        run_json(directory, &["request", "--path", "/public/v1/submit/init_otp", "--body", "@body.json"]);
    let activity = &begun["activity"];
    assert_eq!(activity["status"], "ACTIVITY_STATUS_COMPLETED", "{begun}");
    assert_eq!(activity["type"], "ACTIVITY_TYPE_INIT_OTP_V3");
    assert!(
        server.message(activity["result"]["initOtpResultV2"]["otpId"].as_str().unwrap())["otpCode"]
            .is_string()
    );

    let output = command(directory)
        .args(["request", "--path", "/public/v1/query/whoami", "--body", "-"])
        .stdin(fs::File::open(directory.join("body.json")).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));

    let proxied = [
        "request",
        "--path",
        "/v1/account",
        "--body",
        r#"{"filterType":"EMAIL","filterValue":"a@b.example"}"#,
    ];
    assert!(run(directory, &proxied).status.success());
    let raw = ["request", "--raw", "--path", "/public/v1/query/whoami", "--body", "[]"];
    let output = run(directory, &raw);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("bad request body"), "{}", stdout(&output));
    server.stop();
}

#[test]
fn keys_are_made_once_and_shown_without_secrets() {
    let directory = workspace();
    let directory = directory.path();
    let output = run(directory, &["keys", "generate", "--out", "keys.json"]);
    assert!(output.status.success());
    let text = fs::read_to_string(directory.join("keys.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let said = refused(directory, &["keys", "generate", "--out", "keys.json"]);
    assert!(said.contains("keys.json exists and is left alone"), "{said}");
    assert_eq!(fs::read_to_string(directory.join("keys.json")).unwrap(), text);

    let shown = run(directory, &["keys", "show", "--file", "keys.json"]);
    assert!(shown.status.success());
    let printed = stdout(&shown);
    for key in document["keys"].as_array().unwrap() {
        assert!(!printed.contains(key["secret"].as_str().unwrap()), "{}", key["role"]);
    }
    let shown: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(shown["keys"].as_array().unwrap().len(), 4);
    assert!(stdout(&output).contains(shown["fingerprint"].as_str().unwrap()));
}

#[test]
fn policies_are_tested_without_a_server() {
    let directory = workspace();
    let directory = directory.path();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policies.example.toml");
    let output = run(directory, &["policy", "test", example]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).ends_with(" cases, 0 failed\n"), "{}", stdout(&output));

    let altered = fs::read_to_string(example).unwrap().replace("expect = \"deny\"", "expect = \"allow\"");
    fs::write(directory.join("altered.toml"), altered).unwrap();
    let output = run(directory, &["policy", "test", "altered.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("expected allow, found deny"), "{}", stdout(&output));

    fs::write(
        directory.join("broken.toml"),
        "cases = []\nusers = {}\n[[policies]]\nname = 'p'\neffect = 'EFFECT_ALLOW'\ncondition = 'true &&'",
    )
    .unwrap();
    assert_eq!(
        refused(directory, &["policy", "test", "broken.toml"]),
        "error: broken.toml is at fault: policy \"p\": invalid policy condition: line 1, column 8: expected an \
         expression, found the end\n"
    );
}

#[test]
fn who_was_limited_is_told_by_a_running_server_and_from_a_stopped_ones_data() {
    let directory = workspace();
    let directory = directory.path();
    let server = Server::dev(directory);
    let body = r#"{"otpType":"OTP_TYPE_EMAIL","contact":"ada@acme.example"}"#;
    let codes: Vec<Option<i32>> = (0..4)
        .map(|_| run(directory, &["request", "--path", "/v1/otp_init", "--body", body]).status.code())
        .collect();
    assert_eq!(codes, [Some(0), Some(0), Some(0), Some(1)]);
    let report = ["abuse", "report", "--json"];
    let told = run_json(directory, &report);
    assert_eq!(told.as_array().unwrap().len(), 1, "{told}");
    assert_eq!((&told[0]["limit"], &told[0]["action"]), (&json!("contact_sends"), &json!("refuse")));
    assert_eq!((&told[0]["subject"], &told[0]["hits"]), (&json!("a***@acme.example"), &json!(1)));
    let text = stdout(&run(directory, &["abuse", "report"]));
    assert!(text.contains("a***@acme.example") && text.contains("contact_sends: "), "{text}");
    let other = run_json(directory, &["abuse", "report", "--json", "--limit", "prefix_ratio"]);
    assert_eq!(other, json!([]));
    let said = refused(directory, &["abuse", "report", "--limit", "nonsense"]);
    assert!(said.contains("docs/abuse.md"), "{said}");
    server.stop();
    assert_eq!(run_json(directory, &report), told);
}
