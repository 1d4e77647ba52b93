//! Refusals on the wire: the one place where a refusal becomes a status (protocol 00, section 6).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use vestibule_wire::Refusal;
use vestibule_wire::view::ErrorBody;

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
    let (code, reason) = refusal.row();
    let status = match (refusal, code) {
        (Refusal::MethodNotAllowed, _) => StatusCode::METHOD_NOT_ALLOWED,
        (Refusal::BodyTooLarge, _) => StatusCode::PAYLOAD_TOO_LARGE,
        (Refusal::EncodedBody, _) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        (_, 3) => StatusCode::BAD_REQUEST,
        (_, 5) => StatusCode::NOT_FOUND,
        (_, 7) => StatusCode::FORBIDDEN,
        (_, 8) => StatusCode::TOO_MANY_REQUESTS,
        (_, 14) => StatusCode::SERVICE_UNAVAILABLE,
        (_, 16) => StatusCode::UNAUTHORIZED,
        (_, _) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Mapping { status, code, reason }
}

/// The answer to a refused request: status, `Retry-After` where a time is known, and the JSON body.
pub fn response(refusal: &Refusal) -> Response {
    let Mapping { status, code, reason } = mapping(refusal);
    let body = ErrorBody {
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
        Refusal::OrganizationRateLimited { retry_after, .. } => *retry_after,
        Refusal::RateLimited { retry_after } => Some(*retry_after),
        Refusal::Unavailable | Refusal::CaptchaUnavailable => Some(1),
        _ => None,
    }
}
