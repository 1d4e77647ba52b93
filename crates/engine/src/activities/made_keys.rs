//! Keys that the server makes and hands out as a bundle only their user's client can open (protocol 05 section 5).

use vestibule_crypto::bundle::seal_credential_bundle;
use vestibule_crypto::p256::{PublicKey, SigningKey};
use vestibule_wire::ApiKeyId;
use vestibule_wire::view::CredentialType;

use super::Context;
use crate::limits;
use crate::model::{Authentication, Credential, Owner};
use crate::store::{ChangeSet, Write};

/// A key to be made.
pub(super) struct NewKey<'a> {
    /// Whose.
    pub(super) owner: Owner,
    /// Which kind; all of them expire.
    pub(super) kind: CredentialType,
    /// Label.
    pub(super) name: String,
    /// Seconds it lives.
    pub(super) lifetime_s: u32,
    /// Whether the user's other keys of that kind go.
    pub(super) invalidate_existing: bool,
    /// The client's key.
    pub(super) target: &'a PublicKey,
    /// When and how its user authenticated to get it.
    pub(super) authentication: Authentication,
    /// The session profile that limits it.
    pub(super) session_profile_id: Option<uuid::Uuid>,
}

/// Makes a key; tells its id, and the bundle with its secret, which is stored nowhere.
pub(super) fn make_key(cx: &Context<'_>, new: NewKey<'_>, changes: &mut ChangeSet) -> (ApiKeyId, String) {
    let NewKey {
        owner,
        kind,
        name,
        lifetime_s,
        invalidate_existing,
        target,
        authentication,
        session_profile_id,
    } = new;
    let (organization, user) = (owner.organization_id, owner.user_id);
    let key = SigningKey::generate(cx.entropy);
    let public_key = key.public_key().compressed().to_vec();
    let credential = Credential {
        authentication: Some(authentication),
        session_profile_id,
        ..Credential::of_key(owner, cx.id(), kind, name, public_key, Some(lifetime_s), cx.facts.now)
    };
    let id = ApiKeyId(credential.id);
    let except = credential.lookup.clone();
    changes.push(Write::HoldUser { organization, user });
    if invalidate_existing {
        changes.push(Write::DeleteCredentialsOfType { organization, user, kind, except: except.clone() });
    }
    changes.push(Write::InsertCredential(Box::new(credential)));
    let mailed = matches!(kind, CredentialType::EmailAuthKeyP256 | CredentialType::RecoverUserKeyP256);
    let keep = if mailed { limits::MAILED_KEYS } else { limits::EXPIRING_KEYS };
    changes.push(Write::TrimExpiringKeys { organization, user, keep, except });
    (id, seal_credential_bundle(target, &key.secret_bytes(), cx.entropy))
}
