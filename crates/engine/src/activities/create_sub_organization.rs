//! CREATE_SUB_ORGANIZATION: an organization per end user (protocol 02 section 2b, G-USER-1, G-USER-4, D-1, D-12).

use serde_json::Value;
use vestibule_crypto::client_signature::SignupExpectation;
use vestibule_crypto::token;
use vestibule_wire::view::Quorum;
use vestibule_wire::{
    Contact, CreateSubOrganization, DisabledFeatures, Feature, FeatureName, NewRootUser, OrganizationId,
    OtpType, Refusal, TokenId, UserId,
};

use super::credentials::add_credentials;
use super::otp_login::{issued_token, usage};
use super::{Context, Effect, result};
use crate::caller::Via;
use crate::model::{ContactKey, Organization, Owner, Token, User};
use crate::store::{ChangeSet, IntentKeys, Write};

pub(super) fn keys(intent: &CreateSubOrganization) -> IntentKeys {
    let claims = intent.verification_token.as_deref().and_then(|text| token::peek(text).ok());
    let contact = claims.as_ref().and_then(|c| Contact::stored(c.verification_type, &c.contact).ok());
    IntentKeys {
        token: claims.map(|c| TokenId(c.id)),
        verified_contact: contact.as_ref().map(ContactKey::of),
        ..Default::default()
    }
}

pub(super) fn decide(cx: &Context<'_>, intent: &CreateSubOrganization) -> Result<Effect, Refusal> {
    let parent = &cx.caller.target;
    let proved = match &intent.verification_token {
        Some(text) => Some(prove(cx, intent, text)?),
        None => None,
    };
    let id = OrganizationId(cx.id());
    let user_ids: Vec<UserId> = intent.root_users.iter().map(|_| UserId(cx.id())).collect();
    let mut changes = ChangeSet::new();
    if let Some((row, _)) = &proved {
        if cx.caller.via == Via::Proxy {
            if !cx.facts.verified_contact.is_empty() {
                return Err(Refusal::AccountExists);
            }
            changes.push(Write::ClaimContact { tenant: parent.id, contact: row.contact_key });
        }
        changes.push(Write::UseTokenForSignup { tenant: parent.id, token: row.id });
    }
    changes.push(Write::InsertOrganization(Box::new(Organization {
        id,
        parent_id: Some(parent.id),
        name: intent.name.clone(),
        features: features(intent.disabled),
        quorum: Quorum { threshold: intent.threshold, user_ids: user_ids.clone() },
        webhooks: Vec::new(),
        suspended_at: None,
        locale: None,
        version: 0,
        created_at: cx.facts.now,
        updated_at: cx.facts.now,
    })));
    let mut taken: Vec<Vec<u8>> = Vec::new();
    for (index, (user, &user_id)) in intent.root_users.iter().zip(&user_ids).enumerate() {
        let verified = proved.as_ref().filter(|(_, owner)| *owner == index).map(|(row, _)| row.contact_key);
        add_user(cx, id, user_id, user, verified, &mut taken, &mut changes)?;
    }
    let root_user_ids: Vec<Value> = user_ids.iter().map(|id| id.to_string().into()).collect();
    Ok(Effect {
        result: result! { "subOrganizationId": id.to_string(), "rootUserIds": root_user_ids },
        changes,
    })
}

fn features(disabled: DisabledFeatures) -> Vec<Feature> {
    [
        (FeatureName::EmailAuth, disabled.email_auth),
        (FeatureName::EmailRecovery, disabled.email_recovery),
        (FeatureName::SmsAuth, disabled.sms_auth),
        (FeatureName::OtpEmailAuth, disabled.otp_email_auth),
    ]
    .into_iter()
    .filter(|(_, off)| !off)
    .map(|(name, _)| Feature { name, value: String::new() })
    .collect()
}

/// Checks the token and the client signature; tells whose contact it proves.
fn prove<'a>(
    cx: &Context<'a>,
    intent: &CreateSubOrganization,
    text: &str,
) -> Result<(&'a Token, usize), Refusal> {
    let row = issued_token(cx, text, cx.caller.target.id, None)?;
    if intent.strict && row.legacy {
        return Err(Refusal::InvalidVerificationToken);
    }
    if row.signed_up_at.is_some() {
        return Err(Refusal::TokenUsedForSignup);
    }
    let has_contact = |user: &NewRootUser| {
        let own = match row.otp_type {
            OtpType::Email => user.email.as_ref(),
            OtpType::Sms => user.phone.as_ref(),
        };
        own.is_some_and(|own| ContactKey::of(own) == row.contact_key)
    };
    let mut owners = intent.root_users.iter().enumerate().filter(|(_, user)| has_contact(user));
    let (index, owner) = match (owners.next(), owners.next()) {
        (Some(owner), None) => owner,
        _ => return Err(Refusal::TokenContactMismatch),
    };
    if let Some(bound) = &row.public_key {
        let message = usage(cx, intent.client_signature.as_ref(), bound)?;
        let signed = &owner.signed;
        let expected = SignupExpectation {
            api_keys: signed.api_keys.clone(),
            authenticators: signed.authenticators.clone(),
            oauth_providers: signed.oauth_providers.clone(),
            email: signed.email.as_deref(),
            phone_number: signed.phone_number.as_deref(),
        };
        if !message.matches_signup(row.id.0, &expected, !intent.strict) {
            return Err(Refusal::InvalidClientSignature);
        }
    } else if intent.strict {
        return Err(Refusal::InvalidClientSignature);
    }
    Ok((row, index))
}

fn add_user(
    cx: &Context<'_>,
    organization: OrganizationId,
    id: UserId,
    user: &NewRootUser,
    verified: Option<ContactKey>,
    taken: &mut Vec<Vec<u8>>,
    changes: &mut ChangeSet,
) -> Result<(), Refusal> {
    let tenant = cx.caller.target.id;
    let now = cx.facts.now;
    if user.oauth_providers > 0 {
        return Err(Refusal::OauthNotEnabled);
    }
    let durable_key = user.api_keys.iter().any(|key| key.expiration.is_none());
    if !durable_key && user.authenticators.is_empty() && user.email.is_none() && user.phone.is_none() {
        return Err(Refusal::MissingCredential(user.name.clone()));
    }
    let owner = Owner { organization_id: organization, tenant_id: tenant, user_id: id };
    let row = User::new(owner, user.name.clone(), user.email.as_ref(), user.phone.as_ref(), now);
    changes.push(Write::InsertUser(Box::new(row)));
    for contact in user.email.iter().chain(&user.phone).map(ContactKey::of) {
        changes.push(Write::InsertContact { tenant, contact, organization, user: id, verified_at: None });
        if verified == Some(contact) {
            changes.push(Write::VerifyContact { tenant, contact, organization, user: id });
        }
    }
    add_credentials(cx, owner, &user.api_keys, &user.authenticators, &[], taken, changes)
}
