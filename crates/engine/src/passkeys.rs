//! Passkeys as they are registered (protocol 01 section 2, G-WA-2, G-WA-4).

use vestibule_crypto::webauthn::verify_registration;
use vestibule_wire::view::CredentialType;
use vestibule_wire::{AuthenticatorParamsV2, Refusal, label};

use crate::activities::Context;
use crate::model::{Credential, Owner, PasskeyDetails};

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
    owner: Owner,
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
    Ok(Credential {
        lookup: registration.credential_id,
        passkey: Some(PasskeyDetails {
            transports: attestation.transports.clone(),
            attestation_type: registration.attestation_format,
            aaguid: registration.aaguid.to_string(),
            rp_id_hash: hex::encode(registration.rp_id_hash),
            algorithm: registration.algorithm,
        }),
        ..Credential::of_key(
            owner,
            cx.id(),
            CredentialType::WebauthnAuthenticator,
            params.authenticator_name.clone(),
            registration.public_key,
            None,
            cx.facts.now,
        )
    })
}
