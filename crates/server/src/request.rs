//! `vestibule request`: completes a body, stamps it, sends it, prints the answer.

use std::collections::HashMap;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};
use vestibule_crypto::p256::SigningKey;
use vestibule_crypto::secret::Secret;
use vestibule_crypto::stamp::ApiStamp;
use vestibule_engine::Clock;
use vestibule_wire::ActivityType;

use crate::cli::{DEV_DATA_DIR, Request};
use crate::clock::SystemClock;
use crate::output::say;

const SUBMIT: &str = "/public/v1/submit/";
const QUERY: &str = "/public/v1/query/";
const PROXY: &str = "/v1/";

const TIMEOUT: Duration = Duration::from_secs(60);

/// Runs the command; the answer goes to standard output.
pub async fn run(arguments: &Request) -> Result<ExitCode> {
    let settings = Settings::read(arguments.env_file.as_deref())?;
    let url = match &arguments.url {
        Some(url) => url.clone(),
        None => settings.need("VESTIBULE_URL", "--url")?,
    };
    let path = &arguments.path;
    if !path.starts_with('/') {
        bail!("the path {path:?} does not start with a slash; write for example /public/v1/query/whoami");
    }
    let given = body_text(&arguments.body)?;
    let body = match arguments.raw {
        true => given,
        false => {
            let organization = settings.get("VESTIBULE_ORGANIZATION_ID");
            complete(path, &given, organization.as_deref(), SystemClock::default().wall_ms())?
        }
    };

    let mut client = reqwest::Client::builder().timeout(TIMEOUT);
    if is_this_machine(&url) {
        // A proxy of the environment is for the outside world.
        client = client.no_proxy();
    }
    let client = client.build().context("cannot start an HTTP client")?;
    let mut request = client
        .post(format!("{}{path}", url.trim_end_matches('/')))
        .header("content-type", "application/json");
    if path.starts_with(SUBMIT) || path.starts_with(QUERY) {
        request = request.header("x-stamp", ApiStamp::make(&settings.api_key()?, body.as_bytes()));
    } else if path.starts_with(PROXY) {
        let config = settings.need("VESTIBULE_AUTH_PROXY_CONFIG_ID", "the environment or --env-file")?;
        request = request.header("x-auth-proxy-config-id", config);
    }
    let answer = request
        .body(body)
        .send()
        .await
        .with_context(|| format!("cannot reach {url}; is the server running, and is this its URL?"))?;
    let status = answer.status();
    let text = answer.text().await.context("the server broke off its answer")?;
    match serde_json::from_str::<Value>(&text) {
        Ok(json) => say!("{json:#}"),
        Err(_) => say!("{text}"),
    }
    if status.is_success() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("the server answered {status}");
    Ok(ExitCode::FAILURE)
}

fn is_this_machine(url: &str) -> bool {
    let url = reqwest::Url::parse(url).ok();
    url.as_ref().and_then(|url| url.host_str()).is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}

fn body_text(argument: &str) -> Result<String> {
    if argument == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read the body from standard input")?;
        return Ok(text);
    }
    match argument.strip_prefix('@') {
        Some(path) => {
            std::fs::read_to_string(path).with_context(|| format!("cannot read the body from {path}"))
        }
        None => Ok(argument.to_owned()),
    }
}

/// Adds the members that every body of this path has and that can be known. Present members stay as they are.
fn complete(path: &str, given: &str, organization: Option<&str>, now_ms: i64) -> Result<String> {
    let mut body: Map<String, Value> = serde_json::from_str(given)
        .context("the body is not a JSON object (use --raw to send it all the same)")?;
    let mut fill = |name: &str, value: Value| {
        body.entry(name).or_insert(value);
    };
    if let Some(name) = path.strip_prefix(SUBMIT) {
        // The table lists the versions of an activity in their order.
        if let Some(newest) = ActivityType::ALL.iter().rfind(|kind| kind.path() == name) {
            fill("type", newest.name().into());
        }
        fill("timestampMs", now_ms.to_string().into());
        fill("parameters", Map::new().into());
    }
    let is_stamped = path.starts_with(SUBMIT) || path.starts_with(QUERY);
    if let Some(organization) = organization.filter(|_| is_stamped) {
        fill("organizationId", organization.into());
    }
    Ok(Value::Object(body).to_string())
}

/// The environment, and behind it the file of `--env-file`.
struct Settings {
    file: HashMap<String, String>,
}

impl Settings {
    fn read(path: Option<&Path>) -> Result<Self> {
        let default = Path::new(DEV_DATA_DIR).join("dev.env");
        let path = match path {
            Some(path) => path,
            None if default.exists() => &default,
            None => return Ok(Self { file: HashMap::new() }),
        };
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self { file: parse_env(&text) })
    }

    fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty()).or_else(|| self.file.get(name).cloned())
    }

    fn need(&self, name: &str, otherwise: &str) -> Result<String> {
        self.get(name).with_context(|| {
            format!("{name} is not set; set it, give it by {otherwise}, or name a dev.env with --env-file")
        })
    }

    fn api_key(&self) -> Result<SigningKey> {
        let private = Secret::new(self.need("VESTIBULE_API_PRIVATE_KEY", "--env-file")?);
        let key = SigningKey::from_hex(private.expose())
            .context("VESTIBULE_API_PRIVATE_KEY is not a P-256 private key of 64 hex characters")?;
        match self.get("VESTIBULE_API_PUBLIC_KEY") {
            Some(public) if !public.eq_ignore_ascii_case(&key.public_key().to_hex()) => {
                bail!(
                    "VESTIBULE_API_PUBLIC_KEY does not belong to VESTIBULE_API_PRIVATE_KEY; set both to one key pair"
                )
            }
            _ => Ok(key),
        }
    }
}

/// Reads `NAME=VALUE` lines; empty lines and those that start with `#` say nothing.
pub fn parse_env(text: &str) -> HashMap<String, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORGANIZATION: &str = "7ff189fb-df7d-452e-8540-57632e380b77";

    #[test]
    fn an_activity_gets_the_members_it_lacks_and_keeps_those_it_has() {
        let path = "/public/v1/submit/init_otp";
        let body =
            complete(path, r#"{"parameters":{"contact":"a@b.example"}}"#, Some(ORGANIZATION), 17).unwrap();
        assert_eq!(
            body,
            r#"{"parameters":{"contact":"a@b.example"},"type":"ACTIVITY_TYPE_INIT_OTP_V3","timestampMs":"17","organizationId":"7ff189fb-df7d-452e-8540-57632e380b77"}"#
        );
        let given =
            r#"{"type":"ACTIVITY_TYPE_INIT_OTP","timestampMs":"1","organizationId":"x","parameters":{}}"#;
        assert_eq!(complete(path, given, Some(ORGANIZATION), 17).unwrap(), given);
    }

    #[test]
    fn a_query_gets_the_organization_alone_and_a_proxy_call_nothing() {
        let body = complete("/public/v1/query/whoami", "{}", Some(ORGANIZATION), 17).unwrap();
        assert_eq!(body, r#"{"organizationId":"7ff189fb-df7d-452e-8540-57632e380b77"}"#);
        assert_eq!(complete("/v1/otp_init_v2", "{}", Some(ORGANIZATION), 17).unwrap(), "{}");
    }

    #[test]
    fn a_body_that_is_no_object_is_refused_with_the_way_out() {
        let refused = complete("/public/v1/query/whoami", "[]", None, 17).unwrap_err().to_string();
        assert!(refused.contains("--raw"), "{refused}");
    }

    #[test]
    fn this_machine_is_reached_without_a_proxy() {
        for url in ["http://127.0.0.1:7007", "http://localhost", "http://[::1]:7007/"] {
            assert!(is_this_machine(url), "{url}");
        }
        for url in ["https://login.example.com", "http://127.0.0.1.example.com", "nonsense"] {
            assert!(!is_this_machine(url), "{url}");
        }
    }

    #[test]
    fn env_files_are_names_and_values() {
        let env = parse_env("# made by vestibule dev\nA=1\n\nB=x=y\n");
        assert_eq!((env.len(), env["A"].as_str(), env["B"].as_str()), (2, "1", "x=y"));
    }
}
