//! Refusals on the wire: the one place where a refusal becomes a status (protocol 00, section 6).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};
use vestibule_wire::Refusal;

use crate::answer;

/// What a refusal is on the wire, beside its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// HTTP status.
    pub status: StatusCode,
    /// gRPC code, the `code` member.
    pub code: u8,
    /// `turnkeyErrorCode`; empty when there is none.
    pub reason: &'static str,
}

/// The row of the message table (protocol 00, section 6.2) that a refusal belongs to.
pub fn mapping(refusal: &Refusal) -> Mapping {
    use Refusal as R;
    let (status, code, reason) = match refusal {
        R::MalformedOrganizationId => (StatusCode::BAD_REQUEST, 3, "INVALID_ORGANIZATION_ID"),
        R::OrganizationMismatch { .. } => (StatusCode::BAD_REQUEST, 3, "ORGANIZATION_MISMATCH"),
        R::CallerIsSubOrganization => (StatusCode::BAD_REQUEST, 3, "INVALID_ACTIVITY_CALLER"),
        R::InvalidEmail => (StatusCode::BAD_REQUEST, 3, "INVALID_EMAIL"),
        R::InvalidOidcToken => (StatusCode::BAD_REQUEST, 3, "INVALID_OIDC_TOKEN"),
        R::OauthProviderExists => (StatusCode::BAD_REQUEST, 3, "OAUTH_PROVIDER_ALREADY_EXISTS"),
        R::EmailSendingDisabled => (StatusCode::BAD_REQUEST, 3, "EMAIL_SENDING_DISABLED"),
        R::MaxOtpInitiated { .. } => (StatusCode::BAD_REQUEST, 3, "MAX_OTP_INITIATED"),
        R::BadRequestBody
        | R::MissingField(_)
        | R::InvalidField(_)
        | R::InvalidMember { .. }
        | R::InvalidExpression { .. }
        | R::LabelTaken(_)
        | R::QuorumTooSmall
        | R::OutsideLivenessWindow
        | R::MissingCredential(_)
        | R::InvalidApiKeyExpiration
        | R::InvalidPublicKey
        | R::PublicKeyExists
        | R::MissingAttestation
        | R::MissingAttestationData
        | R::InvalidAttestation
        | R::InvalidQuorumThreshold
        | R::MissingQuorumUsers
        | R::InvalidMagicLinkTemplate
        | R::InvalidLogoUrl
        | R::InvalidSmsTemplate
        | R::UnknownTemplate
        | R::InvalidTemplateVariables
        | R::InvalidPhone
        | R::InvalidOtpCode
        | R::InvalidVerificationToken
        | R::InvalidClientSignature
        | R::TokenContactMismatch
        | R::TokenUsedForSignup
        | R::AccountExists
        | R::WalletsUnsupported
        | R::OauthNotEnabled
        | R::AmbiguousAccount
        | R::InvalidFilter
        | R::InvalidPagination
        | R::InvalidProxyConfigId
        | R::ProxyAlreadyEnabled => (StatusCode::BAD_REQUEST, 3, "REQUEST_INVALID"),

        R::QueryUnstamped | R::ActivityUnstamped => (StatusCode::UNAUTHORIZED, 16, "SIGNATURE_MISSING"),
        R::MalformedStamp | R::MalformedWebauthnStamp | R::BadApiKeySignature | R::BadWebauthnSignature => {
            (StatusCode::UNAUTHORIZED, 16, "SIGNATURE_INVALID")
        }
        R::CredentialNotFound { .. } => (StatusCode::UNAUTHORIZED, 16, "CREDENTIAL_NOT_FOUND"),
        R::PublicKeyNotFound { .. } | R::AttestedIdentityNotFound(_) => {
            (StatusCode::UNAUTHORIZED, 16, "PUBLIC_KEY_NOT_FOUND")
        }
        R::AmbiguousPublicKey | R::AmbiguousCredential | R::AmbiguousContact => {
            (StatusCode::UNAUTHORIZED, 16, "CREDENTIAL_CONFLICT")
        }
        R::ApiKeyExpired { .. } => (StatusCode::UNAUTHORIZED, 16, "API_KEY_EXPIRED"),
        R::InvalidSession => (StatusCode::UNAUTHORIZED, 16, "UNAUTHENTICATED"),

        R::OrganizationSuspended => (StatusCode::FORBIDDEN, 7, "API_OPERATIONS_DISABLED"),
        R::NotAuthorized => (StatusCode::FORBIDDEN, 7, "REQUEST_NOT_AUTHORIZED"),
        R::ProxyMethodDisabled | R::OriginNotAllowed => (StatusCode::FORBIDDEN, 7, "FORBIDDEN"),
        R::OauthDisallowed | R::Denied { .. } => (StatusCode::FORBIDDEN, 7, ""),

        R::OrganizationNotFound => (StatusCode::NOT_FOUND, 5, "ORGANIZATION_NOT_FOUND"),
        R::UnknownProxyConfig(_)
        | R::NotFound { .. }
        | R::AuthenticatorNotFound
        | R::FingerprintNotFound
        | R::ContactNotFound { .. }
        | R::UnknownPath => (StatusCode::NOT_FOUND, 5, ""),
        R::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, 12, ""),
        R::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, 3, "REQUEST_INVALID"),
        R::EncodedBody => (StatusCode::UNSUPPORTED_MEDIA_TYPE, 3, "REQUEST_INVALID"),

        R::TooManyLongLivedKeys(_)
        | R::TooManyAuthenticators(_)
        | R::TooManyOauthProviders(_)
        | R::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, 8, ""),
        R::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, 8, "RATE_LIMIT_EXCEEDED"),

        R::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, 13, "INTERNAL"),
        R::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, 14, ""),
    };
    Mapping { status, code, reason }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    code: u8,
    message: String,
    details: Vec<Value>,
    turnkey_error_code: &'a str,
}

/// The answer to a refused request: status, `Retry-After` where a time is known, and the JSON body.
pub fn response(refusal: &Refusal) -> Response {
    let Mapping { status, code, reason } = mapping(refusal);
    let body = Body {
        code,
        message: refusal.to_string(),
        details: details(refusal, reason),
        turnkey_error_code: reason,
    };
    // Strings and numbers under fixed names: nothing here that JSON cannot hold.
    let bytes = serde_json::to_vec(&body).unwrap_or_default();
    let mut response = answer::bytes(status, bytes.into());
    if let Some(seconds) = retry_after(refusal) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn details(refusal: &Refusal, reason: &str) -> Vec<Value> {
    if let Refusal::Denied { evaluations } = refusal {
        let evaluations: Vec<Value> = evaluations
            .iter()
            .map(|evaluation| json!({ "policyId": evaluation.policy_id, "outcome": evaluation.outcome }))
            .collect();
        return vec![json!({
            "@type": "type.googleapis.com/errors.v1.PolicyEnginePermissionError",
            "message": "No policies evaluated to outcome: Allow",
            "policyEvaluations": evaluations,
        })];
    }
    if reason.is_empty() {
        return Vec::new();
    }
    vec![json!({ "@type": "type.googleapis.com/errors.v1.TurnkeyErrorDetail", "turnkeyErrorCode": reason })]
}

/// Seconds after which the request may fare better.
fn retry_after(refusal: &Refusal) -> Option<u32> {
    match refusal {
        Refusal::MaxOtpInitiated { retry_after } => *retry_after,
        Refusal::RateLimited { retry_after } => Some(*retry_after),
        Refusal::Unavailable => Some(1),
        _ => None,
    }
}
