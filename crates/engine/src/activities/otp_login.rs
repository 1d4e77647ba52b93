//! OTP_LOGIN: a verification token and the client's proof become a session (protocol 02 section 2, D-1, D-12).

use vestibule_crypto::client_signature::{ClientSignature, LoginExpectation};
use vestibule_crypto::token;
use vestibule_wire::{
    AuthenticationType, ClientSignatureParams, Contact, OrganizationId, OtpLogin, OtpType, Refusal, TokenId,
};

use super::session::grant;
use super::{Context, Effect, result, session};
use crate::caller::Via;
use crate::model::{Authentication, ContactKey, Owner, Token, made_at};
use crate::store::{ChangeSet, IntentKeys, Write};

pub(super) fn keys(intent: &OtpLogin) -> IntentKeys {
    let Ok(claims) = token::peek(&intent.verification_token) else { return IntentKeys::default() };
    let contact = Contact::stored(claims.verification_type, &claims.contact).ok();
    let key = intent.session.public_key.as_ref().or(claims.public_key.as_ref());
    IntentKeys {
        token: Some(TokenId(claims.id)),
        contact_in_target: contact.as_ref().map(ContactKey::of),
        existing_credentials: key.and_then(|k| session::lookup(k)).into_iter().collect(),
        session_profile: session::profile_id(&intent.session),
        ..Default::default()
    }
}

pub(super) fn decide(cx: &Context<'_>, intent: &OtpLogin) -> Result<Effect, Refusal> {
    let target = &cx.caller.target;
    let row = issued_token(cx, &intent.verification_token, target.id, Some(target.tenant()))?;
    if intent.strict && row.legacy {
        return Err(Refusal::InvalidVerificationToken);
    }
    let request = &intent.session;
    let key_hex = request.public_key.as_ref().or(row.public_key.as_ref());
    let key = cx.public_key(key_hex.ok_or_else(|| Refusal::MissingField("publicKey".to_owned()))?)?;
    if let Some(bound) = &row.public_key {
        let expected = LoginExpectation {
            public_key: &key.to_hex(),
            organization_id: &target.id.to_string(),
            invalidate_existing: request.invalidate_existing,
            expiration_seconds: request.expiration.as_ref().map(|text| text.0.as_str()),
            session_profile_id: request.session_profile_id.as_deref(),
        };
        let message = usage(cx, intent.client_signature.as_ref(), bound)?;
        if !message.matches_login_request(row.id.0, &expected) {
            return Err(Refusal::InvalidClientSignature);
        }
    } else if intent.strict {
        return Err(Refusal::InvalidClientSignature);
    }
    // Through the proxy only a proved contact finds its user (D-12); and whoever has proved it is not confused with others
    // who merely name it.
    let proved = cx.caller.via == Via::Proxy || cx.facts.contact_in_target.iter().any(|h| h.verified);
    let mut holders = cx.facts.contact_in_target.iter().filter(|h| h.verified || !proved);
    let holder = match (holders.next(), holders.next()) {
        (Some(holder), None) => holder,
        (Some(_), Some(_)) => return Err(Refusal::AmbiguousContact),
        (None, _) => return Err(Refusal::ContactNotFound { kind: row.otp_type, organization: target.id }),
    };
    let owner = Owner { organization_id: target.id, tenant_id: target.tenant(), user_id: holder.user.id };
    let mut changes = ChangeSet::new();
    if !holder.verified {
        changes.push(Write::VerifyContact {
            tenant: owner.tenant_id,
            contact: row.contact_key,
            organization: owner.organization_id,
            user: owner.user_id,
        });
    }
    let method = match row.otp_type {
        OtpType::Email => AuthenticationType::EmailOtp,
        OtpType::Sms => AuthenticationType::SmsOtp,
    };
    // The code was given when the token was made.
    let authentication = Authentication { at: made_at(row.id.0), method };
    let session = grant(cx, &owner, request, &key, authentication, &mut changes)?;
    Ok(Effect { result: result! { "session": session }, changes })
}

/// The stored row of a token this server issued for `organization` or its parent `parent`.
///
/// The hash of the text answers what the signature would: whether we issued it.
pub(super) fn issued_token<'a>(
    cx: &Context<'a>,
    text: &str,
    organization: OrganizationId,
    parent: Option<OrganizationId>,
) -> Result<&'a Token, Refusal> {
    let fits = |row: &&Token| {
        row.hash == token::hash(text)
            && row.expires_at > cx.facts.now
            && (row.organization_id == organization || Some(row.organization_id) == parent)
    };
    cx.facts.token.as_ref().filter(fits).ok_or(Refusal::InvalidVerificationToken)
}

/// Checks that the key in the token signed the message, and reads it (protocol 05, section 10).
pub(super) fn usage(
    cx: &Context<'_>,
    signature: Option<&ClientSignatureParams>,
    bound_key: &str,
) -> Result<vestibule_crypto::client_signature::UsageMessage, Refusal> {
    let signature = signature.ok_or(Refusal::InvalidClientSignature)?;
    let signature = ClientSignature {
        public_key: signature.public_key.clone(),
        scheme: signature.scheme.clone(),
        message: signature.message.clone(),
        signature: signature.signature.clone(),
    };
    signature.check_with(&cx.public_key(bound_key)?).map_err(|_| Refusal::InvalidClientSignature)
}
