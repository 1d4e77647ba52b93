//! Every way a request is refused: one variant per row of the message table (protocol 00, section 6.2).

use std::fmt;

use crate::{OrganizationId, OtpType, UserId};

/// A refusal as the caller sees it. `Display` is the public message, exactly.
///
/// [`Refusal::row`] has its gRPC code and `turnkeyErrorCode` in one exhaustive match; the HTTP crate makes a status of the former.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// `organizationId` is not a UUID.
    MalformedOrganizationId,
    /// The body is not a JSON object, or a member has the wrong type.
    BadRequestBody,
    /// A required member is missing.
    MissingField(String),
    /// A member's value is out of its documented bounds; the text says which.
    InvalidField(&'static str),
    /// A member's value is not of its type; says where it stands.
    InvalidMember {
        /// As in `users[0].userName`.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An expression does not parse or does not type-check.
    InvalidExpression {
        /// Which one.
        expression: Expression,
        /// Where and why, as the policy language says it.
        problem: String,
    },
    /// Another one of the organization has this label.
    LabelTaken(Labelled),
    /// Removing a user, or its credentials, would leave the root quorum short of its threshold.
    QuorumTooSmall,
    /// The caller lives elsewhere and the activity is not one a parent may run there.
    OrganizationMismatch {
        /// Organization the request names.
        target: OrganizationId,
        /// Organization the caller lives in.
        caller: OrganizationId,
    },
    /// A parent-only activity called by a sub-organization.
    CallerIsSubOrganization,
    /// The activity's timestamp is outside of the liveness window (G-ENV-1).
    OutsideLivenessWindow,
    /// A user would have no usable credential; holds its name or id.
    MissingCredential(String),
    /// A key lifetime is not a positive number within the operator's limit.
    InvalidApiKeyExpiration,
    /// A key is not on its curve or not of its form.
    InvalidPublicKey,
    /// Another credential of the organization has this key (G-CRED-1).
    PublicKeyExists,
    /// `user authenticator attestation` is missing.
    MissingAttestation,
    /// The registration has no authenticator data.
    MissingAttestationData,
    /// The registration does not verify (protocol 01, section 2).
    InvalidAttestation,
    /// The root quorum threshold is zero or above the number of root users.
    InvalidQuorumThreshold,
    /// No root users.
    MissingQuorumUsers,
    /// `magicLinkTemplate` lacks `%s` or has a scheme that runs code (D-7).
    InvalidMagicLinkTemplate,
    /// `logoUrl` is not https (D-7).
    InvalidLogoUrl,
    /// The SMS template lacks the code (G-OTP-6).
    InvalidSmsTemplate,
    /// The named message template does not exist.
    UnknownTemplate,
    /// `templateVariables` is not a JSON object of strings.
    InvalidTemplateVariables,
    /// Not an e-mail address.
    InvalidEmail,
    /// Messages to the address came back for good, or were called spam, a while ago; or its domain takes no mail, where that is
    /// checked.
    UnreachableEmail,
    /// The same of a number.
    UnreachablePhone,
    /// What claims to be a provider's receipt was not signed by that provider: one answer for every reason.
    ReceiptRefused,
    /// Not an E.164 number, or one that no country has.
    InvalidPhone,
    /// No mail can be sent by this server.
    EmailSendingDisabled,
    /// Too many sends or live codes (D-3), or the contact's failures delay new sends.
    MaxOtpInitiated {
        /// Seconds until a send may be accepted again, when known.
        retry_after: Option<u32>,
    },
    /// Wrong, expired, spent, locked or unknown: one answer (G-OTP-4).
    InvalidOtpCode,
    /// The verification token is malformed, expired, of the wrong kind, or not of this organization.
    InvalidVerificationToken,
    /// The client signature does not prove the token's key.
    InvalidClientSignature,
    /// The token's contact is none of the root users' (G-USER-4).
    TokenContactMismatch,
    /// The token has already created an account (D-1).
    TokenUsedForSignup,
    /// The contact already belongs to a verified account of this parent (G-PXY-4).
    AccountExists,
    /// Wallets are outside this product (G-WALLET-1).
    WalletsUnsupported,
    /// OAuth on the public API (G-OAUTH-1).
    OauthNotEnabled,
    /// The provider's token does not verify.
    InvalidOidcToken,
    /// Another user of the organization has this issuer, subject and audience.
    OauthProviderExists,
    /// OAuth on the auth proxy; clients look for `OAUTH disallowed`.
    OauthDisallowed,
    /// More than one sub-organization answers to an account filter (G-PXY-3).
    AmbiguousAccount,
    /// `filterType` is unknown, or one of filterType and filterValue stands alone.
    InvalidFilter,
    /// `paginationOptions` is out of bounds.
    InvalidPagination,
    /// The auth proxy config id is missing or malformed (G-PXY-1).
    InvalidProxyConfigId,
    /// No auth proxy config has this id.
    UnknownProxyConfig(String),
    /// The auth proxy is switched off, or the method is not in its list.
    ProxyMethodDisabled,
    /// The Origin is not among the config's.
    OriginNotAllowed,
    /// The organization already has an auth proxy config.
    ProxyAlreadyEnabled,
    /// The auth proxy wants a captcha token, and the request brought none.
    MissingCaptcha,
    /// The provider of captchas does not confirm the token, or there were two.
    CaptchaFailed,
    /// The provider of captchas does not answer.
    CaptchaUnavailable,
    /// No stamp on a query.
    QueryUnstamped,
    /// No stamp on an activity.
    ActivityUnstamped,
    /// The stamp header does not decode, or there are several.
    MalformedStamp,
    /// A passkey stamp that cannot be read.
    MalformedWebauthnStamp,
    /// The stamp's signature does not verify.
    BadApiKeySignature,
    /// A passkey's signature does not verify, or was made for another site or request.
    BadWebauthnSignature,
    /// No passkey with this credential id; `parent` when the target has one.
    CredentialNotFound {
        /// Organization the request names.
        organization: OrganizationId,
        /// The stamp's credential id, base64url.
        credential_id: String,
        /// The organization's parent.
        parent: Option<OrganizationId>,
    },
    /// No credential with this key; `parent` when the target has one.
    PublicKeyNotFound {
        /// Organization the request names.
        organization: OrganizationId,
        /// The stamp's key, hex.
        public_key: String,
        /// The organization's parent.
        parent: Option<OrganizationId>,
    },
    /// The user of the session authenticated too long ago for this.
    AuthenticationTooOld,
    /// No user with the attested contact.
    AttestedIdentityNotFound(OrganizationId),
    /// One key in several sub-organizations.
    AmbiguousPublicKey,
    /// One passkey in several sub-organizations.
    AmbiguousCredential,
    /// The session or API key has expired.
    ApiKeyExpired {
        /// The stamp's key, hex.
        public_key: String,
        /// Organization it lives in.
        organization: OrganizationId,
    },
    /// A read-only session that is unknown or over.
    InvalidSession,
    /// No organization has this id.
    OrganizationNotFound,
    /// The operator suspended the organization.
    OrganizationSuspended,
    /// A feature is off, or the stamp kind may not submit this.
    NotAuthorized,
    /// No policy or quorum allows it.
    Denied {
        /// Outcomes of the policies that were considered.
        evaluations: Vec<PolicyOutcome>,
    },
    /// A resource is unknown: kind, id, organization.
    NotFound {
        /// `user`, `activity`, `api key`...
        kind: &'static str,
        /// The id asked for.
        id: String,
        /// Where it was looked for.
        organization: OrganizationId,
    },
    /// A passkey is unknown.
    AuthenticatorNotFound,
    /// A vote names no activity that waits for votes.
    FingerprintNotFound,
    /// OTP login: no user of the organization has the contact (G-LOGIN-1).
    ContactNotFound {
        /// Kind of the contact.
        kind: OtpType,
        /// Where it was looked for.
        organization: OrganizationId,
    },
    /// OTP login: several users of the organization have the contact.
    AmbiguousContact,
    /// Ten long-lived API keys are the most a user may have.
    TooManyLongLivedKeys(UserId),
    /// Ten authenticators are the most a user may have.
    TooManyAuthenticators(UserId),
    /// Ten OAuth identities are the most a user may have.
    TooManyOauthProviders(UserId),
    /// The organization has as many of them as it may (protocol 00, section 1).
    TooMany(Counted),
    /// The address sends too many requests (counted in memory, per node).
    RateLimited {
        /// Seconds until the next request is welcome.
        retry_after: u32,
    },
    /// A limit of the whole organization was met.
    OrganizationRateLimited {
        /// Whether the request concerned a sub-organization: limits are its parent's.
        sub_organization: bool,
        /// Seconds until requests are welcome again, when known.
        retry_after: Option<u32>,
    },
    /// The body is over 1 MiB (D-6).
    BodyTooLarge,
    /// `Content-Encoding` is not supported (D-6).
    EncodedBody,
    /// No such path.
    UnknownPath,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The store is away, or too many changes met; the same bytes may be sent again.
    Unavailable,
    /// A fault of ours; the id finds it in the logs.
    Internal(String),
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident => $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = $text] $variant,)*
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $text,)* })
            }
        }
    };
}

words! {
    /// Which expression is wrong.
    Expression {
        PolicyCondition => "policy condition",
        PolicyConsensus => "policy consensus",
        PolicyTime => "policy time",
        MfaCondition => "mfa policy condition",
        SessionScope => "session profile scope",
    }
}

words! {
    /// What has labels of its own.
    Labelled {
        Policy => "policy",
        UserTag => "user tag",
        SessionProfile => "session profile",
        MfaPolicy => "mfa policy",
    }
}

words! {
    /// What an organization has a limited number of.
    Counted {
        Users => "users",
        Policies => "policies",
        Tags => "tags",
        SessionProfiles => "session profiles",
        MfaPolicies => "mfa policies",
        WebhookEndpoints => "webhook endpoints",
    }
}

/// What one policy said of a refused activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyOutcome {
    /// The policy.
    pub policy_id: String,
    /// `OUTCOME_...`
    pub outcome: &'static str,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MalformedOrganizationId => f.write_str("malformed organization ID provided"),
            Self::BadRequestBody => f.write_str("bad request body"),
            Self::MissingField(name) => write!(f, "invalid request body: missing field `{name}`"),
            Self::InvalidField(text) => write!(f, "invalid request body: {text}"),
            Self::OrganizationMismatch { target, caller } => write!(
                f,
                "organization mismatch: request is targeting organization (\"{target}\"), but voters are in organization (\"{caller}\")"
            ),
            Self::CallerIsSubOrganization => f.write_str("this activity cannot be called by sub-organizations"),
            Self::InvalidMember { path, problem } => write!(f, "invalid request body: {path}: {problem}"),
            Self::InvalidExpression { expression, problem } => write!(f, "invalid {expression}: {problem}"),
            Self::LabelTaken(what) => write!(f, "{what} label must be unique"),
            Self::QuorumTooSmall => f.write_str("root quorum would fall below its threshold"),
            Self::OutsideLivenessWindow => f.write_str("request timestamp is outside of the allowed window"),
            Self::MissingCredential(user) => write!(f, "user missing valid credential: {user}"),
            Self::InvalidApiKeyExpiration => f.write_str("invalid api key expiration"),
            Self::InvalidPublicKey => f.write_str("invalid public key"),
            Self::PublicKeyExists => f.write_str("public key already exists"),
            Self::MissingAttestation => f.write_str("missing parameter: user authenticator attestation"),
            Self::MissingAttestationData => {
                f.write_str("missing parameter: user authenticator attestation auth data")
            }
            Self::InvalidAttestation => f.write_str("invalid authenticator attestation"),
            Self::InvalidQuorumThreshold => f.write_str("quorum threshold must be non-zero integer"),
            Self::MissingQuorumUsers => f.write_str("quorum users missing"),
            Self::InvalidMagicLinkTemplate => f.write_str("invalid magic link template"),
            Self::InvalidLogoUrl => f.write_str("invalid logo url"),
            Self::InvalidSmsTemplate => f.write_str("invalid sms template"),
            Self::UnknownTemplate => f.write_str("failed to get email template contents"),
            Self::InvalidTemplateVariables => f.write_str("failed to unmarshal template variables"),
            Self::InvalidEmail => f.write_str("invalid email address"),
            Self::UnreachableEmail => f.write_str("could not reach email"),
            Self::UnreachablePhone => f.write_str("could not reach phone number"),
            Self::ReceiptRefused => f.write_str("could not verify the receipt"),
            Self::InvalidPhone => f.write_str("invalid phone number"),
            Self::EmailSendingDisabled => f.write_str("email sending is disabled"),
            Self::MaxOtpInitiated { .. } => {
                f.write_str("Max number of OTPs have been initiated please wait and try again")
            }
            Self::InvalidOtpCode => f.write_str("Invalid OTP code"),
            Self::InvalidVerificationToken => f.write_str("invalid verification token"),
            Self::InvalidClientSignature => f.write_str("invalid client signature"),
            Self::TokenContactMismatch => f.write_str("verification token contact does not match any root user"),
            Self::TokenUsedForSignup => f.write_str("verification token has already been used to sign up"),
            Self::AccountExists => f.write_str("an account with this contact already exists"),
            Self::WalletsUnsupported => f.write_str("wallets are not supported by this server"),
            Self::OauthNotEnabled => f.write_str("OAuth is not enabled"),
            Self::InvalidOidcToken => f.write_str("invalid OIDC token"),
            Self::OauthProviderExists => f.write_str("OAuth provider already exists"),
            Self::OauthDisallowed => f.write_str("OAUTH disallowed"),
            Self::AmbiguousAccount => f.write_str("more than one suborg associated with filter"),
            Self::InvalidFilter => f.write_str("invalid filter"),
            Self::InvalidPagination => f.write_str("invalid pagination options"),
            Self::InvalidProxyConfigId => f.write_str("invalid auth proxy config id"),
            Self::UnknownProxyConfig(id) => write!(f, "unable to find auth proxy config {id}"),
            Self::ProxyMethodDisabled => f.write_str("auth method is not enabled for this auth proxy"),
            Self::OriginNotAllowed => f.write_str("origin is not allowed"),
            Self::ProxyAlreadyEnabled => f.write_str("auth proxy is already enabled"),
            Self::MissingCaptcha => f.write_str("missing captcha token (X-Captcha-Token header)"),
            Self::CaptchaFailed => f.write_str("captcha verification failed, please try again"),
            Self::CaptchaUnavailable => {
                f.write_str("the captcha could not be verified at the moment, please try again")
            }
            Self::QueryUnstamped => f.write_str("no valid authentication signature found for request"),
            Self::ActivityUnstamped => f.write_str(
                "cannot authenticate public API activity request without a stamp (X-Stamp/X-Stamp-Webauthn header)",
            ),
            Self::MalformedStamp => f.write_str("malformed activity stamp"),
            Self::MalformedWebauthnStamp => f.write_str("could not extract webauthn stamp"),
            Self::BadApiKeySignature => f.write_str("could not verify api key signature"),
            Self::BadWebauthnSignature => f.write_str("could not verify WebAuthN signature"),
            Self::CredentialNotFound { organization, credential_id, parent: Some(_) } => write!(
                f,
                "credential ID could not be found in organization or its parent organization organizationId={organization} credentialId={credential_id}"
            ),
            Self::CredentialNotFound { organization, credential_id, parent: None } => write!(
                f,
                "credential ID could not be found in organization organizationId={organization} credentialId={credential_id}"
            ),
            Self::PublicKeyNotFound { organization, public_key, parent: Some(parent) } => write!(
                f,
                "could not find public key in organization or its parent organization organizationId={organization} publicKey={public_key} parentOrganizationId={parent}"
            ),
            Self::PublicKeyNotFound { organization, public_key, parent: None } => write!(
                f,
                "could not find public key in organization organizationId={organization} publicKey={public_key}"
            ),
            Self::AttestedIdentityNotFound(organization) => {
                write!(f, "no user found for attested identity organizationId={organization}")
            }
            Self::AmbiguousPublicKey => f.write_str("more than one suborg associated with a public key"),
            Self::AmbiguousCredential => f.write_str("more than one suborg associated with a credential ID"),
            Self::ApiKeyExpired { public_key, organization } => write!(
                f,
                "rpc error: code = Unauthenticated desc = expired api key publicKey={public_key} organizationId={organization}"
            ),
            Self::InvalidSession => f.write_str("invalid or expired session"),
            Self::OrganizationNotFound => f.write_str("no organization found with the given ID"),
            Self::OrganizationSuspended => f.write_str("this organization has been suspended"),
            Self::NotAuthorized => f.write_str("request not authorized"),
            Self::AuthenticationTooOld => {
                f.write_str("authentication is too old for this request, please authenticate again")
            }
            Self::Denied { .. } => f.write_str(
                "You don't have sufficient permissions to take this action. Please add a policy granting this user permissions.",
            ),
            Self::NotFound { kind, id, organization } => {
                write!(f, "unable to find {kind} {id} in organization {organization}")
            }
            Self::AuthenticatorNotFound => f.write_str("webauthn authenticator not found in organization"),
            Self::FingerprintNotFound => f.write_str(
                "No activity found with fingerprint. Consensus activities must target an existing activity by fingerprint",
            ),
            Self::ContactNotFound { kind: _, organization } => {
                write!(f, "unable to find user with contact in organization {organization}")
            }
            Self::AmbiguousContact => f.write_str("more than one user associated with a contact"),
            Self::TooManyLongLivedKeys(_) => f.write_str("user has exceeded maximum long-lived api keys"),
            Self::TooManyAuthenticators(_) => f.write_str("user has exceeded maximum authenticators"),
            Self::TooManyOauthProviders(_) => f.write_str("user has exceeded maximum oauth providers"),
            Self::TooMany(what) => write!(f, "organization has exceeded maximum {what}"),
            Self::RateLimited { .. } => f.write_str("too many requests from this address, please wait and try again"),
            Self::OrganizationRateLimited { sub_organization: false, .. } => {
                f.write_str("this organization cannot execute activities because it has been rate limited.")
            }
            Self::OrganizationRateLimited { sub_organization: true, .. } => f.write_str(
                "this sub-organization cannot execute activities because its parent has been rate limited.",
            ),
            Self::BodyTooLarge => f.write_str("request body is too large"),
            Self::EncodedBody => f.write_str("encoded request bodies are not supported"),
            Self::UnknownPath => f.write_str("not found"),
            Self::MethodNotAllowed => f.write_str("method not allowed"),
            Self::Unavailable => f.write_str("the server is temporarily unavailable, please try again"),
            Self::Internal(id) => write!(f, "internal server error ({id})"),
        }
    }
}

impl Refusal {
    /// gRPC code and `turnkeyErrorCode`, which is empty where there is none (protocol 00, section 6.2).
    pub fn row(&self) -> (u8, &'static str) {
        match self {
            Self::MalformedOrganizationId => (3, "INVALID_ORGANIZATION_ID"),
            Self::OrganizationMismatch { .. } => (3, "ORGANIZATION_MISMATCH"),
            Self::CallerIsSubOrganization => (3, "INVALID_ACTIVITY_CALLER"),
            Self::InvalidEmail => (3, "INVALID_EMAIL"),
            Self::UnreachableEmail => (3, "INVALID_FQDN"),
            Self::ReceiptRefused => (16, "SIGNATURE_INVALID"),
            Self::InvalidOidcToken => (3, "INVALID_OIDC_TOKEN"),
            Self::OauthProviderExists => (3, "OAUTH_PROVIDER_ALREADY_EXISTS"),
            Self::EmailSendingDisabled => (3, "EMAIL_SENDING_DISABLED"),
            Self::MaxOtpInitiated { .. } => (3, "MAX_OTP_INITIATED"),
            Self::BadRequestBody
            | Self::MissingField(_)
            | Self::InvalidField(_)
            | Self::InvalidMember { .. }
            | Self::InvalidExpression { .. }
            | Self::LabelTaken(_)
            | Self::QuorumTooSmall
            | Self::OutsideLivenessWindow
            | Self::MissingCredential(_)
            | Self::InvalidApiKeyExpiration
            | Self::InvalidPublicKey
            | Self::PublicKeyExists
            | Self::MissingAttestation
            | Self::MissingAttestationData
            | Self::InvalidAttestation
            | Self::InvalidQuorumThreshold
            | Self::MissingQuorumUsers
            | Self::InvalidMagicLinkTemplate
            | Self::InvalidLogoUrl
            | Self::InvalidSmsTemplate
            | Self::UnknownTemplate
            | Self::InvalidTemplateVariables
            | Self::InvalidPhone
            | Self::InvalidOtpCode
            | Self::InvalidVerificationToken
            | Self::InvalidClientSignature
            | Self::TokenContactMismatch
            | Self::TokenUsedForSignup
            | Self::AccountExists
            | Self::WalletsUnsupported
            | Self::OauthNotEnabled
            | Self::AmbiguousAccount
            | Self::InvalidFilter
            | Self::InvalidPagination
            | Self::InvalidProxyConfigId
            | Self::UnreachablePhone
            | Self::ProxyAlreadyEnabled
            | Self::MissingCaptcha => (3, "REQUEST_INVALID"),

            Self::QueryUnstamped | Self::ActivityUnstamped => (16, "SIGNATURE_MISSING"),
            Self::MalformedStamp
            | Self::MalformedWebauthnStamp
            | Self::BadApiKeySignature
            | Self::BadWebauthnSignature => (16, "SIGNATURE_INVALID"),
            Self::CredentialNotFound { .. } => (16, "CREDENTIAL_NOT_FOUND"),
            Self::PublicKeyNotFound { .. } | Self::AttestedIdentityNotFound(_) => {
                (16, "PUBLIC_KEY_NOT_FOUND")
            }
            Self::AmbiguousPublicKey | Self::AmbiguousCredential | Self::AmbiguousContact => {
                (16, "CREDENTIAL_CONFLICT")
            }
            Self::ApiKeyExpired { .. } => (16, "API_KEY_EXPIRED"),
            Self::InvalidSession => (16, "UNAUTHENTICATED"),

            Self::OrganizationSuspended => (7, "API_OPERATIONS_DISABLED"),
            Self::NotAuthorized | Self::AuthenticationTooOld => (7, "REQUEST_NOT_AUTHORIZED"),
            Self::ProxyMethodDisabled | Self::OriginNotAllowed | Self::CaptchaFailed => (7, "FORBIDDEN"),
            Self::OauthDisallowed | Self::Denied { .. } => (7, ""),

            Self::OrganizationNotFound => (5, "ORGANIZATION_NOT_FOUND"),
            Self::UnknownProxyConfig(_)
            | Self::NotFound { .. }
            | Self::AuthenticatorNotFound
            | Self::FingerprintNotFound
            | Self::ContactNotFound { .. }
            | Self::UnknownPath => (5, ""),
            Self::MethodNotAllowed => (12, ""),
            Self::BodyTooLarge => (3, "REQUEST_INVALID"),
            Self::EncodedBody => (3, "REQUEST_INVALID"),

            Self::TooManyLongLivedKeys(_)
            | Self::TooManyAuthenticators(_)
            | Self::TooManyOauthProviders(_)
            | Self::TooMany(_) => (8, ""),
            Self::RateLimited { .. } | Self::OrganizationRateLimited { .. } => (8, "RATE_LIMIT_EXCEEDED"),

            Self::Internal(_) => (13, "INTERNAL"),
            Self::Unavailable | Self::CaptchaUnavailable => (14, ""),
        }
    }
}

impl std::error::Error for Refusal {}
