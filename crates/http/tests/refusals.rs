//! Every refusal on the wire, against the message table (protocol 00, section 6.2) and the decisions in GAPS.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

use axum::http::header;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use uuid::Uuid;
use vestibule_http::refusal::{mapping, response};
use vestibule_wire::{
    Counted, Expression, Labelled, OrganizationId, OtpType, PolicyOutcome, Refusal, UserId,
};

const A: OrganizationId = OrganizationId(Uuid::from_u128(0xa));
const B: OrganizationId = OrganizationId(Uuid::from_u128(0xb));

struct Row {
    refusal: Refusal,
    status: u16,
    code: u8,
    reason: &'static str,
}

/// Makes the table, and with the same patterns a match without a wildcard: a variant without a row breaks the build.
macro_rules! table {
    ($($pattern:pat = $refusal:expr => $status:literal $code:literal $reason:literal;)*) => {
        fn table() -> Vec<Row> {
            use Refusal::*;
            let rows = vec![$(Row { refusal: $refusal, status: $status, code: $code, reason: $reason },)*];
            for row in &rows {
                match &row.refusal { $($pattern => {})* }
            }
            rows
        }
    };
}

table! {
    MalformedOrganizationId = MalformedOrganizationId => 400 3 "INVALID_ORGANIZATION_ID";
    BadRequestBody = BadRequestBody => 400 3 "REQUEST_INVALID";
    MissingField(_) = MissingField("userId".into()) => 400 3 "REQUEST_INVALID";
    InvalidField(_) = InvalidField("otpLength must be 6 to 9") => 400 3 "REQUEST_INVALID";
    OrganizationMismatch { .. } = OrganizationMismatch { target: A, caller: B } => 400 3 "ORGANIZATION_MISMATCH";
    CallerIsSubOrganization = CallerIsSubOrganization => 400 3 "INVALID_ACTIVITY_CALLER";
    OutsideLivenessWindow = OutsideLivenessWindow => 400 3 "REQUEST_INVALID";
    MissingCredential(_) = MissingCredential("Ann".into()) => 400 3 "REQUEST_INVALID";
    InvalidApiKeyExpiration = InvalidApiKeyExpiration => 400 3 "REQUEST_INVALID";
    InvalidPublicKey = InvalidPublicKey => 400 3 "REQUEST_INVALID";
    PublicKeyExists = PublicKeyExists => 400 3 "REQUEST_INVALID";
    MissingAttestation = MissingAttestation => 400 3 "REQUEST_INVALID";
    InvalidAttestation = InvalidAttestation => 400 3 "REQUEST_INVALID";
    InvalidQuorumThreshold = InvalidQuorumThreshold => 400 3 "REQUEST_INVALID";
    MissingQuorumUsers = MissingQuorumUsers => 400 3 "REQUEST_INVALID";
    InvalidMagicLinkTemplate = InvalidMagicLinkTemplate => 400 3 "REQUEST_INVALID";
    InvalidLogoUrl = InvalidLogoUrl => 400 3 "REQUEST_INVALID";
    InvalidSmsTemplate = InvalidSmsTemplate => 400 3 "REQUEST_INVALID";
    UnknownTemplate = UnknownTemplate => 400 3 "REQUEST_INVALID";
    InvalidTemplateVariables = InvalidTemplateVariables => 400 3 "REQUEST_INVALID";
    InvalidEmail = InvalidEmail => 400 3 "INVALID_EMAIL";
    UnreachableEmail = UnreachableEmail => 400 3 "INVALID_FQDN";
    UnreachablePhone = UnreachablePhone => 400 3 "REQUEST_INVALID";
    ReceiptRefused = ReceiptRefused => 401 16 "SIGNATURE_INVALID";
    InvalidPhone = InvalidPhone => 400 3 "REQUEST_INVALID";
    EmailSendingDisabled = EmailSendingDisabled => 400 3 "EMAIL_SENDING_DISABLED";
    InvalidMember { .. } = InvalidMember { path: "users[0].userName".into(), problem: "not a UUID" } => 400 3 "REQUEST_INVALID";
    InvalidExpression { .. } = InvalidExpression { expression: Expression::PolicyCondition, problem: "line 1".into() } => 400 3 "REQUEST_INVALID";
    LabelTaken(_) = LabelTaken(Labelled::Policy) => 400 3 "REQUEST_INVALID";
    QuorumTooSmall = QuorumTooSmall => 400 3 "REQUEST_INVALID";
    MissingAttestationData = MissingAttestationData => 400 3 "REQUEST_INVALID";
    InvalidOidcToken = InvalidOidcToken => 400 3 "INVALID_OIDC_TOKEN";
    OauthProviderExists = OauthProviderExists => 400 3 "OAUTH_PROVIDER_ALREADY_EXISTS";
    BadWebauthnSignature = BadWebauthnSignature => 401 16 "SIGNATURE_INVALID";
    CredentialNotFound { .. } = CredentialNotFound { organization: A, credential_id: "AQ".into(), parent: Some(B) } => 401 16 "CREDENTIAL_NOT_FOUND";
    AmbiguousCredential = AmbiguousCredential => 401 16 "CREDENTIAL_CONFLICT";
    AuthenticatorNotFound = AuthenticatorNotFound => 404 5 "";
    FingerprintNotFound = FingerprintNotFound => 404 5 "";
    TooManyOauthProviders(_) = TooManyOauthProviders(UserId(Uuid::nil())) => 429 8 "";
    TooMany(_) = TooMany(Counted::Users) => 429 8 "";
    MaxOtpInitiated { .. } = MaxOtpInitiated { retry_after: Some(42) } => 400 3 "MAX_OTP_INITIATED";
    InvalidOtpCode = InvalidOtpCode => 400 3 "REQUEST_INVALID";
    InvalidVerificationToken = InvalidVerificationToken => 400 3 "REQUEST_INVALID";
    InvalidClientSignature = InvalidClientSignature => 400 3 "REQUEST_INVALID";
    TokenContactMismatch = TokenContactMismatch => 400 3 "REQUEST_INVALID";
    TokenUsedForSignup = TokenUsedForSignup => 400 3 "REQUEST_INVALID";
    AccountExists = AccountExists => 400 3 "REQUEST_INVALID";
    WalletsUnsupported = WalletsUnsupported => 400 3 "REQUEST_INVALID";
    OauthNotEnabled = OauthNotEnabled => 400 3 "REQUEST_INVALID";
    OauthDisallowed = OauthDisallowed => 403 7 "";
    AmbiguousAccount = AmbiguousAccount => 400 3 "REQUEST_INVALID";
    InvalidFilter = InvalidFilter => 400 3 "REQUEST_INVALID";
    InvalidPagination = InvalidPagination => 400 3 "REQUEST_INVALID";
    InvalidProxyConfigId = InvalidProxyConfigId => 400 3 "REQUEST_INVALID";
    UnknownProxyConfig(_) = UnknownProxyConfig(A.to_string()) => 404 5 "";
    ProxyMethodDisabled = ProxyMethodDisabled => 403 7 "FORBIDDEN";
    OriginNotAllowed = OriginNotAllowed => 403 7 "FORBIDDEN";
    ProxyAlreadyEnabled = ProxyAlreadyEnabled => 400 3 "REQUEST_INVALID";
    MissingCaptcha = MissingCaptcha => 400 3 "REQUEST_INVALID";
    CaptchaFailed = CaptchaFailed => 403 7 "FORBIDDEN";
    CaptchaUnavailable = CaptchaUnavailable => 503 14 "";
    QueryUnstamped = QueryUnstamped => 401 16 "SIGNATURE_MISSING";
    ActivityUnstamped = ActivityUnstamped => 401 16 "SIGNATURE_MISSING";
    MalformedStamp = MalformedStamp => 401 16 "SIGNATURE_INVALID";
    MalformedWebauthnStamp = MalformedWebauthnStamp => 401 16 "SIGNATURE_INVALID";
    BadApiKeySignature = BadApiKeySignature => 401 16 "SIGNATURE_INVALID";
    PublicKeyNotFound { .. } = PublicKeyNotFound { organization: A, public_key: "02ab".into(), parent: Some(B) } => 401 16 "PUBLIC_KEY_NOT_FOUND";
    AttestedIdentityNotFound(_) = AttestedIdentityNotFound(A) => 401 16 "PUBLIC_KEY_NOT_FOUND";
    AmbiguousPublicKey = AmbiguousPublicKey => 401 16 "CREDENTIAL_CONFLICT";
    ApiKeyExpired { .. } = ApiKeyExpired { public_key: "02ab".into(), organization: A } => 401 16 "API_KEY_EXPIRED";
    InvalidSession = InvalidSession => 401 16 "UNAUTHENTICATED";
    OrganizationNotFound = OrganizationNotFound => 404 5 "ORGANIZATION_NOT_FOUND";
    OrganizationSuspended = OrganizationSuspended => 403 7 "API_OPERATIONS_DISABLED";
    NotAuthorized = NotAuthorized => 403 7 "REQUEST_NOT_AUTHORIZED";
    AuthenticationTooOld = AuthenticationTooOld => 403 7 "REQUEST_NOT_AUTHORIZED";
    Denied { .. } = Denied { evaluations: Vec::new() } => 403 7 "";
    NotFound { .. } = NotFound { kind: "user", id: "x".into(), organization: A } => 404 5 "";
    ContactNotFound { .. } = ContactNotFound { kind: OtpType::Email, organization: A } => 404 5 "";
    AmbiguousContact = AmbiguousContact => 401 16 "CREDENTIAL_CONFLICT";
    TooManyLongLivedKeys(_) = TooManyLongLivedKeys(UserId(Uuid::nil())) => 429 8 "";
    TooManyAuthenticators(_) = TooManyAuthenticators(UserId(Uuid::nil())) => 429 8 "";
    RateLimited { .. } = RateLimited { retry_after: 7 } => 429 8 "RATE_LIMIT_EXCEEDED";
    OrganizationRateLimited { .. } = OrganizationRateLimited { sub_organization: false, retry_after: Some(7) } => 429 8 "RATE_LIMIT_EXCEEDED";
    BodyTooLarge = BodyTooLarge => 413 3 "REQUEST_INVALID";
    EncodedBody = EncodedBody => 415 3 "REQUEST_INVALID";
    UnknownPath = UnknownPath => 404 5 "";
    MethodNotAllowed = MethodNotAllowed => 405 12 "";
    Unavailable = Unavailable => 503 14 "";
    Internal(_) = Internal("e-1".into()) => 500 13 "INTERNAL";
}

async fn body_of(refusal: &Refusal) -> String {
    let body = response(refusal).into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[test]
fn every_refusal_has_the_status_and_codes_of_its_row() {
    for Row { refusal, status, code, reason } in table() {
        let mapped = mapping(&refusal);
        assert_eq!(
            (mapped.status.as_u16(), mapped.code, mapped.reason),
            (status, code, reason),
            "{refusal:?}"
        );
    }
}

#[tokio::test]
async fn every_refusal_is_written_in_the_one_shape_of_error_bodies() {
    for Row { refusal, code, reason, .. } in table() {
        let answered = response(&refusal);
        assert_eq!(answered.headers()[header::CONTENT_TYPE], "application/json", "{refusal:?}");
        let body: Value = serde_json::from_str(&body_of(&refusal).await).unwrap();
        let members: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["code", "message", "details", "turnkeyErrorCode"], "{refusal:?}");
        assert_eq!(body["code"], code);
        assert_eq!(body["message"], refusal.to_string());
        assert_eq!(body["turnkeyErrorCode"], reason);
        let details = body["details"].as_array().unwrap();
        match (&refusal, reason) {
            (Refusal::Denied { .. }, _) => assert_eq!(details.len(), 1),
            (_, "") => assert_eq!(details.len(), 0, "{refusal:?}"),
            _ => assert_eq!(
                details,
                &[
                    json!({"@type": "type.googleapis.com/errors.v1.TurnkeyErrorDetail", "turnkeyErrorCode": reason})
                ]
            ),
        }
    }
}

#[tokio::test]
async fn the_recorded_answer_of_the_hosted_service_is_met_to_the_byte() {
    let recorded = r#"{"code":3,"message":"Max number of OTPs have been initiated please wait and try again","details":[{"@type":"type.googleapis.com/errors.v1.TurnkeyErrorDetail","turnkeyErrorCode":"MAX_OTP_INITIATED"}],"turnkeyErrorCode":"MAX_OTP_INITIATED"}"#;
    assert_eq!(body_of(&Refusal::MaxOtpInitiated { retry_after: None }).await, recorded);
}

#[tokio::test]
async fn a_denial_lists_what_each_policy_said() {
    let policy_id = Uuid::from_u128(5).to_string();
    let evaluations = vec![PolicyOutcome { policy_id: policy_id.clone(), outcome: "OUTCOME_DENY_IMPLICIT" }];
    let body: Value = serde_json::from_str(&body_of(&Refusal::Denied { evaluations }).await).unwrap();
    assert_eq!(
        body["details"],
        json!([{
            "@type": "type.googleapis.com/errors.v1.PolicyEnginePermissionError",
            "message": "No policies evaluated to outcome: Allow",
            "policyEvaluations": [{"policyId": policy_id, "outcome": "OUTCOME_DENY_IMPLICIT"}],
        }])
    );
}

#[test]
fn a_refusal_that_passes_with_time_says_when() {
    let retry_after = |refusal: Refusal| {
        response(&refusal).headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(retry_after(Refusal::MaxOtpInitiated { retry_after: Some(42) }).as_deref(), Some("42"));
    assert_eq!(retry_after(Refusal::MaxOtpInitiated { retry_after: None }), None);
    assert_eq!(retry_after(Refusal::RateLimited { retry_after: 7 }).as_deref(), Some("7"));
    assert_eq!(retry_after(Refusal::Unavailable).as_deref(), Some("1"));
    assert_eq!(retry_after(Refusal::InvalidOtpCode), None);
}
