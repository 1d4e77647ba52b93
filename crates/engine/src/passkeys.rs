//! Passkeys as they are registered and as they stamp (protocol 01 section 2, G-WA-1 to G-WA-4).

use vestibule_crypto::fingerprint::sha256;
use vestibule_crypto::webauthn::{Asserted, Assertion, verify_registration};
use vestibule_wire::view::CredentialType;
use vestibule_wire::{AuthenticatorParamsV2, FeatureName, Refusal, label};

use crate::activities::Context;
use crate::model::{Credential, Owner, PasskeyDetails};
use crate::settings::Settings;
use crate::store::Facts;

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
    let ceremony = Ceremony {
        rp_id_hash: &registration.rp_id_hash,
        origin: &registration.origin,
        cross_origin: registration.cross_origin,
        user_verified: registration.user_verified,
    };
    if !Welcome::of(cx.facts, cx.settings).takes(&ceremony) {
        return Err(Refusal::InvalidAttestation);
    }
    Ok(Credential {
        lookup: registration.credential_id,
        passkey: Some(PasskeyDetails {
            transports: attestation.transports.clone(),
            attestation_type: registration.attestation_format,
            aaguid: registration.aaguid.to_string(),
            rp_id_hash: hex::encode(registration.rp_id_hash),
            algorithm: registration.algorithm,
            sign_count: registration.sign_count,
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

/// The raw credential id that a registration is about, if it can be read.
pub(crate) fn credential_id(params: &AuthenticatorParamsV2) -> Option<Vec<u8>> {
    vestibule_crypto::webauthn::decode(&params.attestation.credential_id).ok()
}

/// Verifies that a passkey signed a request, where passkeys may be used from.
pub(crate) fn verify(
    assertion: &Assertion,
    credential: &Credential,
    body: &[u8],
    welcome: &Welcome<'_>,
) -> Result<(), Refusal> {
    let details = credential.passkey.as_ref().ok_or(Refusal::BadWebauthnSignature)?;
    let asserted = assertion.verify(&credential.public_key, details.algorithm, body).map_err(|error| {
        tracing::debug!(%error, "a passkey's assertion is refused");
        Refusal::BadWebauthnSignature
    })?;
    let Asserted { rp_id_hash, origin, cross_origin, user_verified, sign_count } = &asserted;
    let ceremony =
        Ceremony { rp_id_hash, origin, cross_origin: *cross_origin, user_verified: *user_verified };
    if hex::encode(rp_id_hash) != details.rp_id_hash || !welcome.takes(&ceremony) {
        return Err(Refusal::BadWebauthnSignature);
    }
    // Synchronised passkeys report 0, and copies of one authenticator are not refused: the operator hears of them (G-WA-3).
    if details.sign_count > 0 && *sign_count <= details.sign_count {
        tracing::warn!(authenticator = %credential.id, sign_count, "a passkey's counter is behind its registration");
    }
    Ok(())
}

/// What a client reported of a ceremony.
struct Ceremony<'a> {
    rp_id_hash: &'a [u8; 32],
    origin: &'a str,
    cross_origin: bool,
    user_verified: bool,
}

/// Where passkeys may be used from: what the parent says of origins, and the operator of the rest.
pub(crate) struct Welcome<'a> {
    /// A comma-separated list; `None` for all origins.
    origins: Option<&'a str>,
    settings: &'a Settings,
}

impl<'a> Welcome<'a> {
    /// What holds in the organization that was read.
    pub(crate) fn of(facts: &'a Facts, settings: &'a Settings) -> Self {
        let tenant = facts.parent.as_ref().or(facts.organization.as_ref());
        let features = tenant.map(|organization| organization.features.as_slice()).unwrap_or_default();
        let origins = features.iter().find(|feature| feature.name == FeatureName::WebauthnOrigins);
        Self { origins: origins.map(|feature| feature.value.as_str()), settings }
    }

    fn takes(&self, ceremony: &Ceremony<'_>) -> bool {
        let rp_ids = &self.settings.passkey_rp_ids;
        let known_rp =
            rp_ids.is_empty() || rp_ids.iter().any(|id| sha256(id.as_bytes()) == *ceremony.rp_id_hash);
        let verified = ceremony.user_verified || !self.settings.passkeys_verify_users;
        known_rp && verified && self.takes_origin(ceremony.origin, ceremony.cross_origin)
    }

    /// Origins are compared as text. A page that another origin embeds acts for both, and the list names one.
    fn takes_origin(&self, origin: &str, cross_origin: bool) -> bool {
        let Some(list) = self.origins else { return true };
        let mut allowed = list.split(',').map(str::trim);
        allowed.any(|one| one == "*" || (one == origin && !cross_origin))
    }
}
