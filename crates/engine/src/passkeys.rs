//! Passkeys as they are registered (protocol 01 section 2, G-WA-2, G-WA-4).

use vestibule_crypto::webauthn::verify_registration;
use vestibule_wire::view::CredentialType;
use vestibule_wire::{AuthenticatorParamsV2, OrganizationId, Refusal, UserId, label};

use crate::activities::Context;
use crate::model::{Credential, PasskeyDetails};

const TRANSPORTS: &[&str] = &[
    "AUTHENTICATOR_TRANSPORT_BLE",
    "AUTHENTICATOR_TRANSPORT_INTERNAL",
    "AUTHENTICATOR_TRANSPORT_NFC",
    "AUTHENTICATOR_TRANSPORT_USB",
    "AUTHENTICATOR_TRANSPORT_HYBRID",
];

/// Checks a registration and makes its row.
pub(crate) fn new_credential(
    cx: &Context<'_>,
    organization: OrganizationId,
    tenant: OrganizationId,
    user: UserId,
    params: &AuthenticatorParamsV2,
) -> Result<Credential, Refusal> {
    label(&params.authenticator_name, "authenticatorName is not a label")?;
    let attestation = &params.attestation;
    if attestation.transports.iter().any(|t| !TRANSPORTS.contains(&t.as_str())) {
        return Err(Refusal::BadRequestBody);
    }
    let registration = verify_registration(
        &params.challenge,
        &attestation.credential_id,
        &attestation.client_data_json,
        &attestation.attestation_object,
    )
    .map_err(|_| Refusal::InvalidAttestation)?;
    let now = cx.facts.now;
    Ok(Credential {
        organization_id: organization,
        tenant_id: tenant,
        user_id: user,
        id: cx.id(),
        kind: CredentialType::WebauthnAuthenticator,
        name: params.authenticator_name.clone(),
        lookup: registration.credential_id,
        public_key: registration.public_key,
        passkey: Some(PasskeyDetails {
            transports: attestation.transports.clone(),
            attestation_type: registration.attestation_format,
            aaguid: registration.aaguid.to_string(),
            rp_id_hash: hex::encode(registration.rp_id_hash),
            algorithm: registration.algorithm,
        }),
        expiration_seconds: None,
        expires_at: None,
        session_profile_id: None,
        created_at: now,
        updated_at: now,
    })
}
