//! OTP_AUTH: a right code becomes an API key that the server makes (protocol 02 section 2, protocol 05 section 5).

use vestibule_crypto::bundle::seal_credential_bundle;
use vestibule_crypto::p256::SigningKey;
use vestibule_wire::view::CredentialType;
use vestibule_wire::{ApiKeyId, OtpAuth, OtpFlavour, Refusal};

use super::session::{DEFAULT_LIFETIME_S, lifetime};
use super::{Context, Decision, Effect, guess, result};
use crate::limits;
use crate::model::{Credential, Owner};
use crate::store::Write;

pub(super) fn decide(cx: &Context<'_>, intent: &OtpAuth) -> Decision {
    // What is wrong with the request itself is told before the guess is looked at.
    let checked = intent
        .target_public_key
        .as_deref()
        .map(|key| cx.public_key(key))
        .transpose()
        .and_then(|target| Ok((target, lifetime(cx, intent.expiration.as_ref(), DEFAULT_LIFETIME_S)?)));
    let (target, lifetime_s) = match checked {
        Ok(checked) => checked,
        Err(refusal) => return Err(refusal).into(),
    };
    let proof = match guess::judge(cx, intent.otp_id, &intent.guess, OtpFlavour::Auth) {
        Ok(proof) => proof,
        Err(decision) => return decision,
    };
    let otp = proof.otp;
    let Some(user_id) = otp.user_id else { return Err(Refusal::InvalidOtpCode).into() };
    let mut changes = guess::settle(otp);
    changes.push(Write::VerifyContact {
        tenant: otp.tenant_id,
        contact: otp.contact_key,
        organization: otp.organization_id,
        user: user_id,
    });
    let mut members = result! { "userId": user_id.to_string() };
    if let Some(target) = target {
        let key = SigningKey::generate(cx.entropy);
        let name = intent.api_key_name.clone().unwrap_or_else(|| format!("OTP Auth - {}", cx.facts.now));
        let credential = Credential::of_key(
            Owner { organization_id: otp.organization_id, tenant_id: otp.tenant_id, user_id },
            cx.id(),
            CredentialType::OtpAuthKeyP256,
            name,
            key.public_key().compressed().to_vec(),
            Some(lifetime_s),
            cx.facts.now,
        );
        members.insert("apiKeyId".to_owned(), ApiKeyId(credential.id).to_string().into());
        let bundle = seal_credential_bundle(&target, &key.secret_bytes(), cx.entropy);
        members.insert("credentialBundle".to_owned(), bundle.into());
        let except = credential.lookup.clone();
        changes.push(Write::HoldUser { organization: otp.organization_id, user: user_id });
        if intent.invalidate_existing {
            changes.push(Write::DeleteCredentialsOfType {
                organization: otp.organization_id,
                user: user_id,
                kind: credential.kind,
                except: except.clone(),
            });
        }
        changes.push(Write::InsertCredential(Box::new(credential)));
        changes.push(Write::TrimExpiringKeys {
            organization: otp.organization_id,
            user: user_id,
            keep: limits::EXPIRING_KEYS,
            except,
        });
    }
    Decision::Complete(Effect { result: members, changes })
}
