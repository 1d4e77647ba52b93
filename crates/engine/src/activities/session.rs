//! Sessions: a key of the client that works until it expires (protocol 01 section 5, protocol 05 section 11).

use vestibule_crypto::p256::PublicKey;
use vestibule_crypto::token::SessionJwt;
use vestibule_wire::view::CredentialType;
use vestibule_wire::{DecimalText, Refusal, SessionProfileId, SessionRequest};

use super::Context;
use crate::limits;
use crate::model::{Authentication, Credential, Definition, Millis, Owner, SessionProfileBody};
use crate::store::{ChangeSet, IntentKeys, Write};

/// Default lifetime of session keys and of keys made by OTP_AUTH, seconds.
pub(super) const DEFAULT_LIFETIME_S: u32 = 900;

pub(super) fn keys(request: &SessionRequest) -> IntentKeys {
    IntentKeys {
        existing_credentials: request.public_key.iter().filter_map(|k| lookup(k)).collect(),
        session_profile: profile_id(request),
        ..Default::default()
    }
}

/// The profile asked for. A text that is no id is one that no profile has.
pub(super) fn profile_id(request: &SessionRequest) -> Option<SessionProfileId> {
    request.session_profile_id.as_deref().and_then(|text| text.parse().ok())
}

/// Look-up bytes of a P-256 key in hex, without checking the curve.
pub(super) fn lookup(hex_key: &str) -> Option<Vec<u8>> {
    let bytes = hex::decode(hex_key).ok()?;
    match (bytes.len(), bytes.first()) {
        (33, _) => Some(bytes),
        (65, Some(4)) => {
            let mut compressed = Vec::with_capacity(33);
            compressed.push(2 | (bytes[64] & 1));
            compressed.extend_from_slice(&bytes[1..33]);
            Some(compressed)
        }
        _ => None,
    }
}

/// A lifetime within the operator's limit (D-8).
pub(super) fn lifetime(cx: &Context<'_>, text: Option<&DecimalText>, default: u32) -> Result<u32, Refusal> {
    match text {
        None => Ok(default),
        Some(text) => match text.number() {
            Some(n) if (1..=u64::from(cx.settings.max_session_s)).contains(&n) => Ok(n as u32),
            _ => Err(Refusal::InvalidApiKeyExpiration),
        },
    }
}

/// What of a lifetime is left of how long one authentication is good for: neither refreshing nor another key carries a
/// session beyond that.
pub(super) fn within_age(
    cx: &Context<'_>,
    lifetime_s: u32,
    authenticated_at: Millis,
) -> Result<u32, Refusal> {
    let Some(most) = cx.settings.max_session_age_s else { return Ok(lifetime_s) };
    let left = authenticated_at / 1000 + i64::from(most) - cx.facts.now / 1000;
    match u32::try_from(left).unwrap_or(0) {
        0 => Err(Refusal::AuthenticationTooOld),
        left => Ok(lifetime_s.min(left)),
    }
}

/// Grants a session: registers the key and signs the token. `authentication` is when and how its user authenticated.
pub(super) fn grant(
    cx: &Context<'_>,
    owner: &Owner,
    request: &SessionRequest,
    key: &PublicKey,
    authentication: Authentication,
    changes: &mut ChangeSet,
) -> Result<String, Refusal> {
    let now = cx.facts.now;
    let mut lifetime_s = lifetime(cx, request.expiration.as_ref(), DEFAULT_LIFETIME_S)?;
    let profile = match &request.session_profile_id {
        None => None,
        Some(id) => Some(profile(cx, id, owner)?),
    };
    if let Some(most) = profile.as_ref().and_then(|(_, says)| says.expiration_seconds) {
        lifetime_s = lifetime_s.min(most);
    }
    lifetime_s = within_age(cx, lifetime_s, authentication.at)?;
    let lookup = key.compressed().to_vec();
    let existing = cx.facts.existing_credentials.iter().find(|c| c.lookup == lookup);
    if existing.is_some_and(|c| c.user_id != owner.user_id || c.kind != CredentialType::Login) {
        return Err(Refusal::PublicKeyExists);
    }
    changes.push(Write::HoldUser { organization: owner.organization_id, user: owner.user_id });
    if request.invalidate_existing {
        changes.push(Write::DeleteCredentialsOfType {
            organization: owner.organization_id,
            user: owner.user_id,
            kind: CredentialType::Login,
            except: lookup.clone(),
        });
    }
    changes.push(Write::PutSessionKey(Box::new(Credential {
        session_profile_id: profile.as_ref().map(|(definition, _)| definition.id),
        authentication: Some(authentication),
        ..Credential::of_key(
            *owner,
            existing.map_or_else(|| cx.id(), |c| c.id),
            CredentialType::Login,
            format!("Login - {now}"),
            lookup.clone(),
            Some(lifetime_s),
            now,
        )
    })));
    changes.push(Write::TrimExpiringKeys {
        organization: owner.organization_id,
        user: owner.user_id,
        keep: limits::EXPIRING_KEYS,
        except: lookup,
    });
    let jwt = SessionJwt {
        expires_at_s: now / 1000 + i64::from(lifetime_s),
        public_key: key.to_hex(),
        session_type: match &profile {
            Some((definition, _)) => definition.name.clone(),
            None => "SESSION_TYPE_READ_WRITE".to_owned(),
        },
        user_id: owner.user_id.0,
        organization_id: owner.organization_id.0,
        session_profile_id: profile.as_ref().map(|(definition, _)| definition.id.to_string()),
        scope: profile.map(|(_, says)| says.scope),
    };
    Ok(jwt.issue(cx.keys.session_signer(cx.facts.now)))
}

/// The session profile of the tenant that a request names (protocol 02, section 5).
fn profile<'a>(
    cx: &Context<'a>,
    id: &str,
    owner: &Owner,
) -> Result<(&'a Definition, SessionProfileBody), Refusal> {
    let found =
        cx.facts.session_profile.as_ref().and_then(|definition| Some((definition, definition.read()?)));
    found.ok_or_else(|| Refusal::NotFound {
        kind: "session profile",
        id: id.to_owned(),
        organization: owner.organization_id,
    })
}
