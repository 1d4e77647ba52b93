use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::load::parse;
use super::{Config, EXAMPLE, load};

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

/// `section.key` of everything the structures know; they serialise what is absent as null.
fn known_keys(config: &Config) -> BTreeSet<String> {
    let json = serde_json::to_value(config).unwrap();
    let sections = json.as_object().unwrap().iter();
    sections
        .flat_map(|(section, keys)| {
            let keys = keys.as_object().unwrap_or_else(|| panic!("the example lacks [{section}]"));
            keys.keys().map(move |key| format!("{section}.{key}"))
        })
        .collect()
}

#[test]
fn the_example_names_every_setting() {
    let full: toml::Table = example_in_full().parse().unwrap();
    let named: BTreeSet<String> = full
        .iter()
        .flat_map(|(section, keys)| {
            keys.as_table().unwrap().keys().map(move |key| format!("{section}.{key}"))
        })
        .collect();
    assert_eq!(named, known_keys(&parse(&example_in_full()).unwrap()));
}

#[test]
fn the_page_explains_every_setting_and_no_other() {
    let explained: BTreeSet<String> = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(key, _)| key.to_owned())
        .collect();
    assert_eq!(explained, known_keys(&parse(&example_in_full()).unwrap()));
}

/// Values in the example and on the page are the defaults, except where an absent setting means none.
#[test]
fn the_defaults_shown_are_the_defaults() {
    let full = serde_json::to_value(parse(&example_in_full()).unwrap()).unwrap();
    let least = "[server]\ndata_dir = \"data\"\n[email]\nfrom = \"no-reply@example.com\"\nhost = \"h\"\n[sms]\nwebhook_url = \"https://s\"\n";
    let defaults = serde_json::to_value(parse(least).unwrap()).unwrap();
    let mut compared = 0;
    for (section, keys) in defaults.as_object().unwrap() {
        for (key, value) in keys.as_object().unwrap() {
            let name = format!("{section}.{key}");
            let given_above = ["server.data_dir", "email.from", "email.host", "sms.webhook_url"];
            let has_no_default = value.is_null()
                || value.as_array().is_some_and(Vec::is_empty)
                || given_above.contains(&name.as_str());
            if has_no_default {
                continue;
            }
            assert_eq!(full[section][key], *value, "{name} in the example");
            let row = PAGE.lines().find(|line| line.starts_with(&format!("| `{name}`"))).unwrap();
            let shown = row.split('|').nth(2).unwrap().trim().trim_matches('`').to_owned();
            assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), *value, "{name} on the page");
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared}");
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
        (format!("{MAIL}[delivery]\nlease_seconds = 30\n"), "`delivery.lease_seconds`"),
        (format!("{MAIL}[metrics]\nlisten = \"127.0.0.1:7007\"\n"), "`metrics.listen`"),
        (format!("{MAIL}[tokens]\nissuer = \"\"\n"), "`tokens.issuer`"),
        (format!("{MAIL}[webauthn]\nrp_ids = [\"https://example.com\"]\n"), "`webauthn.rp_ids`"),
        ("[sms]\nwebhook_url = \"https://sms.example.com\"\n".to_owned(), "sms.webhook_secret_file"),
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
