//! What Amazon's APIs have in common: signed requests (Signature Version 4) and the names of their errors.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningParams, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use reqwest::Url;
use vestibule_crypto::secret::Secret;
use vestibule_engine::model::Millis;

use super::SendError;
use super::client::{Answer, ProviderConfigError, Refusal, ask, client, endpoint};

/// Errors that every API of Amazon's knows, and what they come to.
const COMMON_ERRORS: &[(&str, Refusal)] = &[
    ("AccessDenied", Refusal::Account),
    ("AccessDeniedException", Refusal::Account),
    ("ExpiredToken", Refusal::Account),
    ("ExpiredTokenException", Refusal::Account),
    ("IncompleteSignature", Refusal::Account),
    ("InvalidAction", Refusal::Account),
    ("InvalidClientTokenId", Refusal::Account),
    ("InvalidSignatureException", Refusal::Account),
    ("MissingAuthenticationToken", Refusal::Account),
    ("MissingAuthenticationTokenException", Refusal::Account),
    ("NotAuthorized", Refusal::Account),
    ("OptInRequired", Refusal::Account),
    ("RequestExpired", Refusal::Account),
    ("SignatureDoesNotMatch", Refusal::Account),
    ("UnrecognizedClientException", Refusal::Account),
    ("InternalFailure", Refusal::Busy),
    ("InternalServerError", Refusal::Busy),
    ("RequestThrottled", Refusal::Busy),
    ("RequestTimeout", Refusal::Busy),
    ("ServiceUnavailable", Refusal::Busy),
    ("Throttling", Refusal::Busy),
    ("ThrottlingException", Refusal::Busy),
];

/// Where an API of Amazon's is, and who asks it.
#[derive(Debug, Clone)]
pub struct AwsSettings {
    /// Such as `eu-central-1`.
    pub region: String,
    /// Id of an access key: a user of IAM with no other right than to send.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: Secret<String>,
    /// Goes with keys that are made for a while.
    pub session_token: Option<Secret<String>>,
    /// Another address of the API, for a private endpoint or for tests.
    pub endpoint: Option<String>,
    /// Limit of a whole request.
    pub timeout: Duration,
}

/// Asks one API.
pub(super) struct AwsClient {
    client: reqwest::Client,
    base: Url,
    region: String,
    /// As signatures name it: `ses`, `sns`.
    service: &'static str,
    identity: Identity,
    /// As errors name it.
    name: &'static str,
}

impl AwsClient {
    /// `host` begins the API's usual host name; `service` names it in signatures.
    pub(super) fn new(
        settings: &AwsSettings,
        host: &str,
        service: &'static str,
        name: &'static str,
    ) -> Result<Self, ProviderConfigError> {
        use ProviderConfigError::Setting;
        let AwsSettings { region, access_key_id, secret_access_key, session_token, endpoint: other, timeout } =
            settings;
        if !is_region(region) {
            return Err(Setting("the AWS region is written as eu-central-1"));
        }
        if access_key_id.is_empty() || !access_key_id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Setting("the id of an AWS access key has letters and digits alone"));
        }
        if secret_access_key.expose().is_empty() {
            return Err(Setting("the secret of the AWS access key is empty"));
        }
        let suffix = domain_suffix(region);
        let usual = format!("https://{host}.{region}.{suffix}");
        let base = endpoint(other.as_deref().unwrap_or(&usual), name)?;
        let token = session_token.as_ref().map(|token| token.expose().clone());
        let secret = secret_access_key.expose().clone();
        let credentials = Credentials::new(access_key_id.clone(), secret, token, None, "configuration");
        Ok(Self {
            client: client(&base, *timeout)?,
            base,
            region: region.clone(),
            service,
            identity: credentials.into(),
            name,
        })
    }

    /// Posts a body to a path of the API.
    pub(super) async fn post(
        &self,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
        now: Millis,
    ) -> Result<Answer, SendError> {
        let url = self.base.join(path).map_err(|_| self.unsigned())?;
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let headers = [("content-type", content_type), ("host", host.as_str())];
        let request = Request { method: "POST", url: url.as_str(), headers: &headers, body: &body };
        let signature = signature(&request, &self.identity, &self.region, self.service, now)
            .ok_or_else(|| self.unsigned())?;
        let mut request = self.client.post(url.clone()).header("content-type", content_type);
        for (name, value) in signature {
            request = request.header(name, value);
        }
        // The older APIs answer in either form; what is read of SNS is XML.
        let accept = if self.service == "sns" { "text/xml" } else { "application/json" };
        ask(request.header("accept", accept).body(body), self.name).await
    }

    fn unsigned(&self) -> SendError {
        SendError::next_provider(format!("the request to {} cannot be signed", self.name))
    }

    /// What an error comes to: by the table of the API, by that of all APIs, by its status.
    pub(super) fn refused(&self, status: u16, code: Option<&str>, table: &[(&str, Refusal)]) -> SendError {
        let known = |code: &str| {
            let all = table.iter().chain(COMMON_ERRORS);
            all.clone().find(|(name, _)| *name == code).map(|(name, refusal)| (*name, *refusal))
        };
        match code.and_then(known) {
            // The name as the table has it: what a server sends is not repeated in a log.
            Some((name, refusal)) => refusal.error(format!("{} answered {status} with {name}", self.name)),
            None => Refusal::of_status(status).error(format!("{} answered {status}", self.name)),
        }
    }
}

/// What is signed.
struct Request<'a> {
    method: &'a str,
    url: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
}

/// The headers that make a request a signed one. None where it cannot be signed at all.
fn signature(
    request: &Request<'_>,
    identity: &Identity,
    region: &str,
    service: &str,
    now: Millis,
) -> Option<Vec<(String, String)>> {
    let now = Duration::from_millis(u64::try_from(now).ok()?);
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let parameters: SigningParams<'_> = v4::SigningParams::builder()
        .identity(identity)
        .region(region)
        .name(service)
        .time(SystemTime::UNIX_EPOCH + now)
        .settings(settings)
        .build()
        .ok()?
        .into();
    let Request { method, url, headers, body } = *request;
    let signable =
        SignableRequest::new(method, url, headers.iter().copied(), SignableBody::Bytes(body)).ok()?;
    let (instructions, _) = sign(signable, &parameters).ok()?.into_parts();
    Some(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Whether `text` can be the name of a region: it becomes a part of a host name.
pub(super) fn is_region(text: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    (2..=32).contains(&text.len()) && text.contains('-') && text.split('-').all(part)
}

/// What follows the region in a host name.
pub(super) fn domain_suffix(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Fault, Retry};

    /// AWS's published test suite for Signature Version 4: its credentials, region, service and time.
    const TIME: Millis = 1_440_938_160_000;

    fn authorization(token: Option<&str>, request: &Request<'_>) -> (Vec<(String, String)>, String) {
        let credentials = Credentials::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            token.map(str::to_owned),
            None,
            "test",
        );
        let signed = signature(request, &credentials.into(), "us-east-1", "service", TIME).unwrap();
        let found = signed.iter().find(|(name, _)| name == "authorization").unwrap().1.clone();
        (signed, found)
    }

    const SCOPE: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, ";

    #[test]
    fn signatures_are_those_of_the_published_test_suite() {
        let form = "application/x-www-form-urlencoded";
        let charset = "application/x-www-form-urlencoded; charset=utf-8";
        for (case, content_type, expected) in [
            (
                "post-x-www-form-urlencoded",
                form,
                "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
            ),
            (
                "post-x-www-form-urlencoded-parameters",
                charset,
                "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
            ),
        ] {
            let request = Request {
                method: "POST",
                url: "https://example.amazonaws.com/",
                headers: &[
                    ("content-type", content_type),
                    ("host", "example.amazonaws.com"),
                    ("content-length", "13"),
                ],
                body: b"Param1=value1",
            };
            let (signed, authorization) = authorization(None, &request);
            assert_eq!(
                authorization,
                format!(
                    "{SCOPE}SignedHeaders=content-length;content-type;host;x-amz-content-sha256;x-amz-date, \
                     Signature={expected}"
                ),
                "{case}"
            );
            let value = |name: &str| signed.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
            assert_eq!(value("x-amz-date"), Some("20150830T123600Z"));
            assert_eq!(
                value("x-amz-content-sha256"),
                Some("9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e")
            );
            assert_eq!(value("x-amz-security-token"), None);
        }
    }

    #[test]
    fn a_session_token_is_signed_with_the_request() {
        let request = Request {
            method: "GET",
            url: "https://example.amazonaws.com/",
            headers: &[("host", "example.amazonaws.com")],
            body: b"",
        };
        let token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
        let (signed, authorization) = authorization(Some(token), &request);
        assert!(signed.contains(&("x-amz-security-token".to_owned(), token.to_owned())));
        assert!(
            authorization
                .contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, "),
            "{authorization}"
        );
    }

    fn settings() -> AwsSettings {
        AwsSettings {
            region: "eu-central-1".to_owned(),
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::new("wJalrXUtnFEMI".to_owned()),
            session_token: None,
            endpoint: None,
            timeout: Duration::from_secs(1),
        }
    }

    fn made(settings: &AwsSettings) -> Result<AwsClient, ProviderConfigError> {
        AwsClient::new(settings, "email", "ses", "Amazon SES")
    }

    #[test]
    fn the_region_chooses_the_host_and_an_endpoint_stands_over_it() {
        for (region, expected) in [
            ("eu-central-1", "https://email.eu-central-1.amazonaws.com/"),
            ("us-gov-west-1", "https://email.us-gov-west-1.amazonaws.com/"),
            ("cn-north-1", "https://email.cn-north-1.amazonaws.com.cn/"),
        ] {
            let settings = AwsSettings { region: region.to_owned(), ..settings() };
            assert_eq!(made(&settings).unwrap().base.as_str(), expected);
        }
        let endpoint = Some("http://127.0.0.1:4566".to_owned());
        let local = AwsSettings { endpoint, ..settings() };
        assert_eq!(made(&local).unwrap().base.as_str(), "http://127.0.0.1:4566/");
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let text = |settings: AwsSettings| made(&settings).err().unwrap().to_string();
        for region in ["", "eu", "eu-central-1.evil.example", "EU-CENTRAL-1", "eu--1", "eu-central-1/"] {
            let refused = text(AwsSettings { region: region.to_owned(), ..settings() });
            assert!(refused.contains("region"), "{region}: {refused}");
        }
        let secret_access_key = Secret::new(String::new());
        assert!(text(AwsSettings { secret_access_key, ..settings() }).contains("empty"));
        assert!(text(AwsSettings { access_key_id: "a b".to_owned(), ..settings() }).contains("letters"));
        let endpoint = Some("http://email.example.com".to_owned());
        assert!(text(AwsSettings { endpoint, ..settings() }).contains("unprotected"));
        assert!(!format!("{:?}", settings()).contains("wJalrXUtnFEMI"));
    }

    #[test]
    fn an_error_is_judged_by_its_name_and_else_by_its_status() {
        let aws = made(&settings()).unwrap();
        let of = |status, code| {
            let refused = aws.refused(status, code, &[("Special", Refusal::Recipient)]);
            (refused.retry, refused.fault, refused.text)
        };
        let text = |end: &str| format!("Amazon SES answered {end}");
        assert_eq!(of(400, Some("Special")), (Retry::Never, Fault::Recipient, text("400 with Special")));
        let expired = (Retry::NextProvider, Fault::Provider, text("403 with ExpiredTokenException"));
        assert_eq!(of(403, Some("ExpiredTokenException")), expired);
        let throttled = (Retry::Later, Fault::Provider, text("400 with Throttling"));
        assert_eq!(of(400, Some("Throttling")), throttled);
        let unknown = (Retry::NextProvider, Fault::Message, text("400"));
        assert_eq!(of(400, Some("ann@example.com is bad")), unknown);
        assert_eq!(of(503, None), (Retry::Later, Fault::Provider, text("503")));
    }
}
