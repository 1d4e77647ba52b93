use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use vestibule_delivery::MessageSettings;
use vestibule_delivery::routing::Routing;
use vestibule_wire::OrganizationId;

use super::load::parse;
use super::{EXAMPLE, load};

const PAGE: &str = include_str!("../../../../docs/configuration.md");

/// The example with every setting that stands behind a `#` switched on.
fn example_in_full() -> String {
    let is_setting = |rest: &str| {
        rest.starts_with('[')
            || rest
                .split_once(" = ")
                .is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    };
    EXAMPLE
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| is_setting(rest)).unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Every setting by its name: `section.key`, or `providers.TYPE.key`. What is absent is null.
fn settings(file: &Value) -> BTreeMap<String, Value> {
    let object = |value: &Value, section: &str| {
        let members = value.as_object().unwrap_or_else(|| panic!("the example lacks [{section}]"));
        members.clone()
    };
    let mut all = BTreeMap::new();
    for (section, keys) in object(file, "") {
        for (key, value) in object(&keys, &section) {
            if section != "providers" {
                all.insert(format!("{section}.{key}"), value);
                continue;
            }
            let kind = value["type"].as_str().unwrap().to_owned();
            let settings = object(&value, &key).into_iter().filter(|(key, _)| key != "type");
            all.extend(settings.map(|(key, value)| (format!("providers.{kind}.{key}"), value)));
        }
    }
    all
}

fn known_settings(text: &str) -> BTreeMap<String, Value> {
    settings(&serde_json::to_value(parse(text).unwrap()).unwrap())
}

fn names<V>(settings: &BTreeMap<String, V>) -> BTreeSet<&str> {
    settings.keys().map(String::as_str).collect()
}

/// The rows of the page's tables by the settings they explain. Those under a heading with a provider's type are of such.
fn explained() -> BTreeMap<String, &'static str> {
    let (mut rows, mut prefix) = (BTreeMap::new(), String::new());
    for line in PAGE.lines() {
        if line.starts_with('#') {
            let kind = line.split_once("`type = \"").and_then(|(_, rest)| rest.split_once('"'));
            prefix = kind.map_or_else(String::new, |(kind, _)| format!("providers.{kind}."));
        } else if let Some((key, _)) = line.strip_prefix("| `").and_then(|rest| rest.split_once('`')) {
            assert_eq!(rows.insert(format!("{prefix}{key}"), line), None, "{prefix}{key} is explained twice");
        }
    }
    rows
}

#[test]
fn the_example_names_every_setting() {
    let full: toml::Table = example_in_full().parse().unwrap();
    let named = settings(&serde_json::to_value(full).unwrap());
    let known = known_settings(&example_in_full());
    assert_eq!(names(&named), names(&known));
}

#[test]
fn the_page_explains_every_setting_and_no_other() {
    assert_eq!(names(&explained()), names(&known_settings(&example_in_full())));
}

/// Values in the example and on the page are the defaults, except where an absent setting means none.
#[test]
fn the_defaults_shown_are_the_defaults() {
    const LEAST: &str = r#"
        [server]
        data_dir = "data"
        [email]
        from = "no-reply@example.com"
        [sms]
        [providers.a]
        type = "smtp"
        host = "h"
        [providers.b]
        type = "webhook"
        url = "https://s"
        [captcha]
        provider = "turnstile"
        site_key = "k"
        [providers.c]
        type = "ses"
        region = "eu-central-1"
        access_key_id = "AKID"
        [providers.d]
        type = "twilio"
        account_sid = "AC"
        from = "+1"
        [providers.e]
        type = "sns"
        region = "eu-central-1"
        access_key_id = "AKID"
    "#;
    let least = settings(&serde_json::to_value(LEAST.parse::<toml::Table>().unwrap()).unwrap());
    let (full, defaults, explained) =
        (known_settings(&example_in_full()), known_settings(LEAST), explained());
    assert_eq!(names(&full), names(&defaults), "the least has one provider of each type");
    let mut compared = 0;
    for (name, value) in &defaults {
        let is_empty = value.is_null()
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(serde_json::Map::is_empty);
        if is_empty || least.contains_key(name) {
            continue;
        }
        assert_eq!(full[name], *value, "{name} in the example");
        let shown = explained[name].split('|').nth(2).unwrap().trim().trim_matches('`').to_owned();
        let shown: toml::Table = format!("shown = {shown}").parse().unwrap();
        assert_eq!(serde_json::to_value(&shown["shown"]).unwrap(), *value, "{name} on the page");
        compared += 1;
    }
    assert!(compared > 30, "{compared}");
}

#[test]
fn an_unknown_key_is_named_and_its_value_is_not_shown() {
    let refused = |text: &str| format!("{:#}", parse(text).unwrap_err());
    let error = refused(
        "[server]\ndata_dir = \"d\"\n[email]\nfrom = \"a@b.example\"\nhost = \"h\"\npassword = \"hunter2\"\n",
    );
    assert!(error.contains("`password`") && error.contains("email") && error.contains("line 6"), "{error}");
    assert!(error.contains("docs/configuration.md") && !error.contains("hunter2"), "{error}");
    let error = refused("[server]\ndata_dir = \"d\"\n[htp]\n");
    assert!(error.contains("htp"), "{error}");
    let error = refused("[server]\nlisten = \"127.0.0.1:1\"\n");
    assert!(error.contains("data_dir") && error.contains("server"), "{error}");
    let error = refused("[server]\ndata_dir = \"d\"\nshutdown_seconds = \"soon\"\n");
    assert!(error.contains("`server.shutdown_seconds`") && error.contains("line 3"), "{error}");
    let error = refused("[server\n");
    assert!(error.contains("line 1") && error.contains("not TOML"), "{error}");
}

/// Loads a file made of the least sections and `more`; the problems found.
fn problems(more: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vestibule.toml");
    let text = format!("[server]\ndata_dir = \"data\"\n{more}");
    fs::write(&path, text).unwrap();
    load(&path).map(|config| panic!("{config:?} was accepted")).unwrap_err().to_string()
}

const MAIL: &str = "[email]\nfrom = \"no-reply@example.com\"\nhost = \"smtp.example.com\"\n";

#[test]
fn settings_that_would_do_harm_are_refused_with_their_key() {
    let cases = [
        (String::new(), "neither [email] nor [sms]"),
        (format!("{MAIL}username = \"u\"\n"), "`email.username`"),
        (format!("{MAIL}[retention]\nactivities_days = 0\n"), "`retention.activities_days`"),
        (
            format!("{MAIL}[retention]\nactivities_days = 1\n[activities]\naccept_past_seconds = 90000\n"),
            "`retention.activities_days`",
        ),
        (
            format!("{MAIL}[retention]\nexpired_credentials_hours = 1\n"),
            "`retention.expired_credentials_hours`",
        ),
        (format!("{MAIL}[delivery]\nconcurrency = 0\n"), "`delivery.concurrency`"),
        (format!("{MAIL}[keys]\nrefresh_seconds = 30\n"), "`keys.activation_seconds`"),
        (format!("{MAIL}[delivery]\nlease_seconds = 59\n"), "`delivery.lease_seconds` must be at least 60"),
        (
            format!("{MAIL}[delivery]\nsend_timeout_seconds = 3\nlease_seconds = 15\n"),
            "`delivery.lease_seconds` must be at least 16",
        ),
        (format!("{MAIL}[metrics]\nlisten = \"127.0.0.1:7007\"\n"), "`metrics.listen`"),
        (format!("{MAIL}[tokens]\nissuer = \"\"\n"), "`tokens.issuer`"),
        (format!("{MAIL}[webauthn]\nrp_ids = [\"https://example.com\"]\n"), "`webauthn.rp_ids`"),
        (
            format!(
                "{MAIL}[limits]\ncontact_sends = {{ count = 4, window_seconds = 180, action = \"refuse\" }}\n"
            ),
            "`limits.contact_sends`",
        ),
        (format!("{MAIL}[pumping]\nprices = {{ \"49\" = 1 }}\n"), "`pumping.prices`"),
        ("[sms]\nwebhook_url = \"https://sms.example.com\"\n".to_owned(), "sms.webhook_secret_file"),
        ("[email]\nfrom = \"a@b.example\"\n".to_owned(), "`email.host`"),
        (
            format!("{MAIL}[sms]\nwebhook_url = \"https://sms.example.com\"\n"),
            "`pumping.countries` names no country",
        ),
        (format!("{MAIL}[pumping]\ncountries = [\"Germany\"]\n"), "\"Germany\" is no country"),
        (format!("{MAIL}[sms]\norigin = \"b.example\"\n"), "`sms.webhook_url`"),
        (format!("{MAIL}[providers.\"B c\"]\ntype = \"smtp\"\nhost = \"h\"\n"), "`providers.B c`"),
        (format!("{MAIL}[providers.smtp]\ntype = \"smtp\"\nhost = \"h\"\n"), "`providers.smtp`"),
        (
            format!("{MAIL}[providers.b]\ntype = \"smtp\"\nhost = \"h\"\nusername = \"u\"\n"),
            "`providers.b.username` and a password (`providers.b.password_file` or VESTIBULE_PROVIDER_B_PASSWORD)",
        ),
        (
            format!("{MAIL}[providers.b-c]\ntype = \"webhook\"\nurl = \"https://s\"\n"),
            "set `providers.b-c.secret_file` or VESTIBULE_PROVIDER_B_C_SECRET",
        ),
        (format!("{MAIL}[delivery]\nbreaker_failures = 0\n"), "`delivery.breaker_failures`"),
        (format!("{MAIL}[addresses]\ndot_domains = [\"a b\"]\n"), "`addresses.dot_domains`"),
        (format!("{MAIL}[addresses]\nmx_timeout_seconds = 0\n"), "`addresses.mx_timeout_seconds`"),
        (format!("{MAIL}[captcha]\nprovider = \"turnstile\"\nsite_key = \"k\"\n"), "`captcha.secret_file`"),
        (format!("{MAIL}[captcha]\nprovider = \"turnstile\"\nsite_key = \"\"\n"), "`captcha.site_key`"),
        (
            format!("{MAIL}[captcha]\nprovider = \"hcaptcha\"\nsite_key = \"k\"\nmin_score = 0.5\n"),
            "`captcha.min_score`",
        ),
    ];
    for (more, key) in cases {
        let found = problems(&more);
        assert!(found.contains(key), "{more} {found}");
    }
    let bad_network =
        format!("[server]\ndata_dir = \"d\"\n{MAIL}[http]\ntrusted_proxies = [\"10.0.0.0/33\"]\n");
    assert!(format!("{:#}", parse(&bad_network).unwrap_err()).contains("10.0.0.0/33"));
}

#[test]
fn a_public_url_is_a_scheme_and_a_host() {
    for url in
        ["login.example.com", "https://", "https://a.example/", "https://a.example/x", "ftp://a.example"]
    {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vestibule.toml");
        let text = format!("[server]\ndata_dir = \"data\"\npublic_url = \"{url}\"\n{MAIL}");
        fs::write(&path, text).unwrap();
        let refused = load(&path).map(|_| panic!("{url} was accepted")).unwrap_err().to_string();
        assert!(refused.contains("`server.public_url`"), "{refused}");
    }
}

/// A file with these sections, ready to be used.
fn routed(more: &str) -> anyhow::Result<Routing> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vestibule.toml");
    fs::write(&path, format!("[server]\ndata_dir = \"data\"\n[pumping]\ncountries = [\"DE\"]\n{more}"))
        .unwrap();
    let secret = "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    let weak = include_str!("../../../crypto/tests/mail_key/rsa-1024.pem");
    for (name, content) in [("secret", secret), ("other", secret), ("rsa-1024.pem", weak)] {
        let file = directory.path().join(name);
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    load(&path)?.routing()
}

#[test]
fn routes_name_providers_of_their_channel() {
    let texts = "[sms]\nroute = [\"texts\", \"more\"]\nprefix_routes = { \"+49\" = [\"more\"] }\n\
        [providers.texts]\ntype = \"webhook\"\nurl = \"https://a.example\"\nsecret_file = \"secret\"\n\
        [providers.more]\ntype = \"webhook\"\nurl = \"https://b.example\"\nsecret_file = \"other\"\n";
    assert!(routed(texts).is_ok());
    let short = "[sms]\nwebhook_url = \"https://a.example\"\nwebhook_secret_file = \"secret\"\n";
    assert!(routed(short).is_ok());
    for (more, reason) in [
        (
            texts.replace("[\"more\"]", "[\"smtp\"]"),
            "`sms.prefix_routes.\"+49\"` does not work: no provider is called \"smtp\"",
        ),
        (texts.replace("+49", "49"), "`sms.prefix_routes.\"49\"` does not work: \"49\" is no prefix"),
        (
            texts.replace("[\"texts\", ", "[\"text\", "),
            "`sms.route` does not work: no provider is called \"text\"",
        ),
        (
            format!("{MAIL}route = [\"texts\"]\n{texts}"),
            "`email.route` does not work: the provider \"texts\" does not carry email",
        ),
        (
            format!("{MAIL}route = [\"smtp\", \"smtp\"]\n"),
            "`email.route` does not work: a route names the provider \"smtp\" more than once",
        ),
    ] {
        let refused = format!("{:#}", routed(&more).err().unwrap());
        assert!(refused.contains(reason), "{more} {refused}");
    }
}

#[test]
fn what_a_mail_server_cannot_work_with_is_named_once_with_its_setting_and_file() {
    let dkim = |domain: &str, file: &str| {
        format!("dkim = [{{ domain = \"{domain}\", selector = \"s\", key_file = \"{file}\" }}]\n")
    };
    let mail = "[email]\nfrom = \"no-reply@example.com\"\nroute = [\"it\"]\n[providers.it]\ntype = \"smtp\"\nhost = \"h\"\n";
    for (more, start, end) in [
        (
            format!("{MAIL}ca_file = \"secret\"\n"),
            "`email.ca_file` does not work: ",
            "secret: the trusted certificates are not PEM; the file must have at least one BEGIN CERTIFICATE block",
        ),
        (
            format!("{MAIL}{}", dkim("example.com", "rsa-1024.pem")),
            "`email.dkim` does not work: ",
            "rsa-1024.pem: mail is signed with an RSA key of at least 2048 bits or an Ed25519 key",
        ),
        (
            format!("{MAIL}{}", dkim("example.com", "secret")),
            "`email.dkim` does not work: ",
            "secret: not an unencrypted private key in PEM; it begins with BEGIN PRIVATE KEY or BEGIN RSA PRIVATE KEY",
        ),
        (
            format!("{mail}{}", dkim("a b", "secret")),
            "`providers.it.dkim` does not work: ",
            "\"a b\" is no domain to sign for; write one such as example.com",
        ),
        (
            format!("{mail}ca_file = \"other\"\n"),
            "`providers.it.ca_file` does not work: ",
            "CERTIFICATE block",
        ),
        (
            format!("{mail}hello_name = \"a b\"\n"),
            "`providers.it.hello_name` does not work: ",
            "write this machine's public host name",
        ),
        (format!("{mail}tls = \"none\"\n"), "`providers.it.tls` does not work: ", "may do without"),
    ] {
        let refused = format!("{:#}", routed(&more).err().unwrap());
        assert!(refused.starts_with(start) && refused.ends_with(end), "{more} {refused}");
        assert_eq!(refused.matches("does not work").count(), 1, "{refused}");
        assert_eq!(refused.matches(end).count(), 1, "{refused}");
    }
}

#[test]
fn the_table_of_limits_in_the_documentation_is_the_table() {
    let page = include_str!("../../../../docs/abuse.md");
    let table = vestibule_engine::limits::LimitTable::default().markdown();
    assert!(page.contains(&table), "docs/abuse.md must have this table:\n{table}");
    for guard in vestibule_engine::limits::Guard::ALL {
        assert!(page.contains(&format!("`{}`", guard.name())), "docs/abuse.md lacks {}", guard.name());
    }
}

#[test]
fn limits_are_read_into_the_table_that_is_enforced() {
    let text = format!(
        "[server]\ndata_dir = \"d\"\n{MAIL}[limits]\nprefix_sends = {{ count = 7, window_seconds = 60, action = \"delay\" }}\n\
         address_sends = {{ action = \"off\" }}\n[pumping]\nspend_per_day = 5\nprices = {{ \"+49\" = 3 }}\n"
    );
    let config = parse(&text).unwrap();
    let settings = config.engine_settings();
    let row = settings.limits.prefix_sends;
    assert_eq!((row.count, row.window_seconds, row.action.name()), (7, 60, "delay"));
    assert_eq!(settings.limits.contact_sends, vestibule_engine::limits::Limit::refuse(3, 180));
    assert_eq!((settings.pumping.spend_per_day, settings.pumping.prices["+49"]), (5, 3));
    assert!(!config.request_limits().addresses.sends.is_on());
    assert!(config.request_limits().addresses.requests.is_on());
    let unknown = format!("[server]\ndata_dir = \"d\"\n{MAIL}[limits]\ncontact_send = {{ count = 1 }}\n");
    assert!(format!("{:#}", parse(&unknown).unwrap_err()).contains("contact_send"));
}

#[test]
fn every_problem_is_told_at_once() {
    let found = problems("[retention]\nactivities_days = 0\npurge_batch = 0\n");
    assert!(
        found.contains("neither [email]")
            && found.contains("activities_days")
            && found.contains("purge_batch")
    );
}

#[test]
fn paths_start_from_the_directory_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vestibule.toml");
    fs::write(&path, EXAMPLE).unwrap();
    let config = load(&path).unwrap();
    assert_eq!(config.server.data_dir, directory.path().join("data"));
    assert_eq!(config.keys.file.as_deref(), Some(directory.path().join("keys.json").as_path()));
    let missing = load(Path::new("no-such.toml")).unwrap_err().to_string();
    assert!(missing.contains("vestibule init"), "{missing}");
}

/// What a provider of each kind needs, with its secrets in files that `routed` writes.
const KINDS: [(&str, &str); 3] = [
    (
        "email",
        "type = \"ses\"\nregion = \"eu-central-1\"\naccess_key_id = \"AKID\"\nsecret_access_key_file = \"other\"\n\
         events_topic = \"arn:aws:sns:eu-central-1:123456789012:events\"\n",
    ),
    (
        "sms",
        "type = \"twilio\"\naccount_sid = \"ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\nauth_token_file = \"other\"\nfrom = \"+15557122661\"\n",
    ),
    (
        "sms",
        "type = \"sns\"\nregion = \"eu-central-1\"\naccess_key_id = \"AKID\"\nsecret_access_key_file = \"other\"\n",
    ),
];

fn with_kind(channel: &str, settings: &str) -> String {
    let from = if channel == "email" { "from = \"no-reply@example.com\"\n" } else { "" };
    format!("[{channel}]\n{from}route = [\"it\"]\n[providers.it]\n{settings}")
}

#[test]
fn an_organization_has_senders_and_an_origin_of_its_own_and_the_rest_as_all_have() {
    let ids = [1, 2, 3].map(|number| OrganizationId(uuid::Uuid::from_u128(number)));
    let [both, unbound, absent] = ids;
    let text = format!(
        "[server]\ndata_dir = \"d\"\n[email]\nfrom = \"no-reply@mail.example\"\nfrom_name = \"Codes\"\nhost = \"h\"\n\
         allowed_sender_domains = [\"first.example\"]\n\
         organizations = {{ \"{both}\" = {{ allowed_sender_domains = [\"second.example\"] }} }}\n\
         [sms]\nwebhook_url = \"https://sms.example\"\norigin = \"app.first.example\"\n\
         organizations = {{ \"{both}\" = {{ origin = \"app.second.example\" }}, \"{unbound}\" = {{ origin = \"\" }} }}\n"
    );
    let settings = |domain: &str| {
        let settings =
            MessageSettings::new("no-reply@mail.example").unwrap().with_from_name("Codes").unwrap();
        settings.with_allowed_sender_domains([domain]).unwrap()
    };
    let table = parse(&text).unwrap().message_settings().unwrap();
    assert_eq!(*table.of(both), settings("second.example").with_sms_origin("app.second.example").unwrap());
    assert_eq!(*table.of(unbound), settings("first.example"), "no site at all");
    assert_eq!(*table.of(absent), settings("first.example").with_sms_origin("app.first.example").unwrap());

    for (good, bad, named) in [
        (
            "[\"second.example\"]",
            "[\"https://second.example\"]",
            "email.organizations.{}.allowed_sender_domains",
        ),
        ("app.second.example", "app.second.example/login", "sms.organizations.{}.origin"),
    ] {
        let refused = parse(&text.replace(good, bad)).unwrap().message_settings().unwrap_err();
        let named = named.replace("{}", &both.to_string());
        assert!(format!("{refused:#}").contains(&named), "{refused:#}");
    }
    let unknown = parse(&text.replace("{ origin = \"\" }", "{ from = \"\" }")).unwrap_err();
    assert!(format!("{unknown:#}").contains("unknown field `from`"), "{unknown:#}");
}

#[test]
fn a_provider_of_every_kind_can_be_set_up() {
    for (channel, settings) in KINDS {
        let text = with_kind(channel, settings);
        assert!(routed(&text).is_ok(), "{text} {:#}", routed(&text).err().unwrap());
    }
}

#[test]
fn what_a_provider_lacks_is_named_with_its_setting() {
    let [(_, ses), (_, twilio), (_, sns)] = KINDS;
    for (channel, settings, reason) in [
        (
            "email",
            ses.replace("secret_access_key_file = \"other\"\n", ""),
            "`providers.it.secret_access_key_file`",
        ),
        ("email", ses.replace("arn:aws:sns", "arn:aws:sqs"), "`providers.it.events_topic`"),
        ("email", ses.replace("eu-central-1\"\nacc", "Frankfurt\"\nacc"), "`providers.it` does not work"),
        ("email", format!("{ses}timeout_seconds = 0\n"), "`providers.it.timeout_seconds`"),
        ("sms", twilio.replace("auth_token_file = \"other\"\n", ""), "VESTIBULE_PROVIDER_IT_AUTH_TOKEN"),
        ("sms", format!("{twilio}api_key_sid = \"SK\"\n"), "`providers.it.api_key_secret_file`"),
        ("sms", twilio.replace("ACaa", "AC"), "account sid"),
        ("sms", format!("{sns}india_entity_id = \"1101\"\n"), "`providers.it.india_template_id`"),
        ("sms", format!("{sns}endpoint = \"http://sns.example.com\"\n"), "unprotected"),
        ("sms", format!("{sns}secret_access_key = \"x\"\n"), "secret_access_key"),
    ] {
        let refused = format!("{:#}", routed(&with_kind(channel, &settings)).err().unwrap());
        assert!(refused.contains(reason), "{settings} {refused}");
    }
}
