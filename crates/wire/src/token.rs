//! `POST /vestibule/v1/token`: an ordinary token for a backend. The published API has none; the path is ours alone.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::query::QueryBody;
use crate::{DecimalText, Label, OrganizationId, Refusal, decode};

/// Default lifetime of an ordinary token, seconds.
pub const DEFAULT_LIFETIME_S: u32 = 900;

/// Unknown members are refused: a body that was stamped for something else must never mint a token.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Members {
    #[serde(rename = "organizationId")]
    _organization_id: Value,
    audience: Label,
    expiration_seconds: Option<DecimalText>,
    timestamp_ms: DecimalText,
}

/// The outer form of the body: enough to find the caller.
#[derive(Debug)]
pub struct TokenBody(QueryBody);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// The one backend that the token is for: 1 to 256 bytes without control characters.
    pub audience: String,
    /// How long it shall live, seconds; [`DEFAULT_LIFETIME_S`] when absent.
    pub expiration: Option<DecimalText>,
    /// Epoch milliseconds by the client's clock.
    pub timestamp_ms: i64,
}

impl TokenBody {
    /// Reads the outer form: a JSON object with `organizationId`.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        QueryBody::parse(body).map(Self)
    }

    /// Where the caller lives.
    pub fn organization_id(&self) -> OrganizationId {
        self.0.organization_id
    }

    /// Reads the other members.
    pub fn request(&self) -> Result<TokenRequest, Refusal> {
        let members: Members = decode(self.0.members())?;
        let timestamp_ms = members.timestamp_ms.number().and_then(|n| i64::try_from(n).ok());
        Ok(TokenRequest {
            audience: members.audience.into(),
            expiration: members.expiration_seconds,
            timestamp_ms: timestamp_ms.ok_or(Refusal::BadRequestBody)?,
        })
    }
}

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenAnswer {
    /// A JWT signed with ES256 by a key of `/.well-known/jwks.json`.
    pub token: String,
    /// When it expires, epoch seconds, decimal text.
    pub expires_at: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORGANIZATION: &str = "7ff189fb-df7d-452e-8540-57632e380b77";

    fn read(members: &str) -> Result<TokenRequest, Refusal> {
        TokenBody::parse(format!(r#"{{"organizationId":"{ORGANIZATION}"{members}}}"#).as_bytes())?.request()
    }

    #[test]
    fn full_and_minimal_bodies_are_read() {
        let full = read(r#","audience":"api","expirationSeconds":"60","timestampMs":"12""#).expect("full");
        assert_eq!((full.audience.as_str(), full.timestamp_ms), ("api", 12));
        assert_eq!(full.expiration.and_then(|e| e.number()), Some(60));
        let least = read(r#","audience":"api","timestampMs":12"#).expect("minimal");
        assert_eq!((least.expiration, least.timestamp_ms), (None, 12));
    }

    #[test]
    fn missing_and_foreign_members_are_refused() {
        for (members, expected) in [
            (r#","timestampMs":"1""#, Refusal::MissingField("audience".to_owned())),
            (r#","audience":"api""#, Refusal::MissingField("timestampMs".to_owned())),
            (r#","audience":"api","timestampMs":"-1""#, Refusal::BadRequestBody),
            (r#","audience":["api"],"timestampMs":"1""#, Refusal::BadRequestBody),
            (
                r#","audience":"api","timestampMs":"1","type":"ACTIVITY_TYPE_STAMP_LOGIN""#,
                Refusal::BadRequestBody,
            ),
        ] {
            assert_eq!(read(members), Err(expected), "{members}");
        }
        let control = read(r#","audience":"a\u0007","timestampMs":"1""#);
        assert!(matches!(control, Err(Refusal::InvalidMember { .. })), "{control:?}");
        assert_eq!(
            TokenBody::parse(b"{}").map(|_| ()),
            Err(Refusal::MissingField("organizationId".to_owned()))
        );
    }
}
