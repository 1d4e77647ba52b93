//! Authentication: from a stamp to a [`Caller`] (protocol 01).

mod ballot;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use vestibule_crypto::keyset::KeySet;
use vestibule_crypto::p256::KeyCache;
use vestibule_crypto::stamp::{ApiStamp, AttestedScheme, AttestedStamp, StampError, StampKey, StampScheme};
use vestibule_crypto::token::{self, PeekedToken};
use vestibule_crypto::webauthn::Assertion;
use vestibule_wire::view::CredentialType;
use vestibule_wire::{Contact, OrganizationId, OtpType, Refusal, TokenId};

use crate::model::{ContactKey, Credential, Millis, Organization, UserRecord, made_at};
use crate::passkeys::{self, Welcome};
use crate::read_only::ReadOnlySession;
use crate::settings::Settings;
use crate::store::{CallerKey, CallerMatch, Facts, IntentKeys, Write};

/// The stamp headers of a request, as they came.
#[derive(Clone, Copy, Default)]
pub struct StampHeaders<'a> {
    /// `X-Stamp`
    pub stamp: Option<&'a str>,
    /// `X-Stamp-Webauthn`
    pub webauthn: Option<&'a str>,
    /// `X-Stamp-Attested`
    pub attested: Option<&'a str>,
    /// `X-Session`
    pub session: Option<&'a str>,
}

/// What the request is; not all stamps may authenticate it, and refusals differ in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surface {
    Activity,
    Query,
    /// An ordinary token is asked for.
    Token,
}

/// A stamp that could be read; nothing of it is proved yet.
pub(crate) enum Stamp {
    Api { stamp: ApiStamp, key: Option<StampKey>, lookup: Vec<u8> },
    Passkey(Assertion),
    Session(ReadOnlySession),
    Attested { stamp: AttestedStamp, token: PeekedToken, contact: ContactKey },
}

impl Stamp {
    /// Reads the one stamp of a request (G-STAMP-1).
    pub(crate) fn parse(
        headers: &StampHeaders<'_>,
        surface: Surface,
        cache: &KeyCache,
        keys: &KeySet,
    ) -> Result<Self, Refusal> {
        let given = [headers.stamp, headers.webauthn, headers.attested, headers.session];
        if given.iter().flatten().count() > 1 {
            return Err(Refusal::MalformedStamp);
        }
        if let Some(header) = headers.stamp {
            return Self::api(header, surface, cache);
        }
        if let Some(header) = headers.webauthn {
            return Self::passkey(header, surface);
        }
        if let Some(text) = headers.session {
            return match surface {
                Surface::Query => ReadOnlySession::open(text, keys).map(Self::Session),
                Surface::Activity | Surface::Token => None,
            }
            .ok_or(Refusal::InvalidSession);
        }
        match (headers.attested, surface) {
            (Some(_), Surface::Query | Surface::Token) => Err(Refusal::NotAuthorized),
            (Some(header), Surface::Activity) => Self::attested(header, surface),
            (None, surface) => Err(unstamped(surface)),
        }
    }

    fn api(header: &str, surface: Surface, cache: &KeyCache) -> Result<Self, Refusal> {
        let stamp = ApiStamp::parse(header).map_err(|error| unreadable(error, surface))?;
        let canonical = stamp.canonical_key();
        // A point that is not on the curve can be nobody's key: it is looked up in vain.
        let key = stamp.key(cache).ok();
        let lookup = hex::decode(&canonical).map_err(|_| Refusal::MalformedStamp)?;
        Ok(Self::Api { stamp, key, lookup })
    }

    fn passkey(header: &str, surface: Surface) -> Result<Self, Refusal> {
        Assertion::parse(header).map(Self::Passkey).map_err(|error| match error {
            StampError::Empty => unstamped(surface),
            _ => Refusal::MalformedWebauthnStamp,
        })
    }

    fn attested(header: &str, surface: Surface) -> Result<Self, Refusal> {
        let stamp = AttestedStamp::parse(header).map_err(|error| unreadable(error, surface))?;
        match stamp.scheme {
            AttestedScheme::VerificationToken => {}
            AttestedScheme::Oidc => return Err(Refusal::OauthNotEnabled),
        }
        let token = token::peek(&stamp.attestation).map_err(|_| Refusal::BadApiKeySignature)?;
        let contact = Contact::stored(token.verification_type, &token.contact)
            .map_err(|_| Refusal::BadApiKeySignature)
            .map(|contact| ContactKey::of(&contact))?;
        Ok(Self::Attested { stamp, token, contact })
    }

    /// How the store finds the caller.
    pub(crate) fn caller_key(&self) -> CallerKey {
        match self {
            Self::Api { lookup, .. } => CallerKey::Credential(lookup.clone()),
            Self::Passkey(assertion) => CallerKey::Credential(assertion.credential_id.clone()),
            Self::Session(session) => CallerKey::User(session.user),
            Self::Attested { contact, .. } => CallerKey::Contact(*contact),
        }
    }

    /// What the stamp itself needs to be loaded.
    pub(crate) fn add_keys(&self, keys: &mut IntentKeys) {
        if let Self::Attested { token, .. } = self {
            keys.token = Some(TokenId(token.id));
        }
    }

    /// Checks the signature over the raw body, and for attested stamps the token.
    fn verify(
        &self,
        body: &[u8],
        facts: &Facts,
        settings: &Settings,
        credential: Option<&Credential>,
    ) -> Result<(), Refusal> {
        match self {
            Self::Passkey(assertion) => {
                let credential = credential.ok_or(Refusal::BadWebauthnSignature)?;
                passkeys::verify(assertion, credential, body, &Welcome::of(facts, settings))
            }
            Self::Api { stamp, key, .. } => {
                let fits = credential.is_some_and(|c| scheme_fits(stamp.scheme, c.kind));
                match key {
                    Some(key) if fits => stamp.verify(key, body).map_err(|_| Refusal::BadApiKeySignature),
                    _ => Err(Refusal::BadApiKeySignature),
                }
            }
            Self::Session(session) => match session.expires_at > facts.now {
                true => Ok(()),
                false => Err(Refusal::InvalidSession),
            },
            Self::Attested { stamp, token, .. } => {
                let row = facts.token.as_ref();
                let known = row.is_some_and(|row| {
                    !row.legacy && row.hash == token::hash(&stamp.attestation) && row.expires_at > facts.now
                });
                let bound =
                    token.public_key.as_deref().is_some_and(|k| k.eq_ignore_ascii_case(&stamp.public_key));
                if !known || !bound {
                    return Err(Refusal::BadApiKeySignature);
                }
                stamp.verify(body).map_err(|_| Refusal::BadApiKeySignature)
            }
        }
    }

    /// What a vote keeps (G-VOTE-1).
    fn record(&self, credential: Option<&Credential>) -> StampRecord {
        match self {
            Self::Passkey(assertion) => StampRecord {
                public_key: credential.map(|c| hex::encode(&c.public_key)).unwrap_or_default(),
                signature: hex::encode(&assertion.signature),
                scheme: "SIGNATURE_SCHEME_TK_WEBAUTHN".into(),
            },
            Self::Api { stamp, .. } => StampRecord {
                public_key: stamp.canonical_key(),
                signature: hex::encode(&stamp.signature),
                scheme: stamp.scheme.as_str().into(),
            },
            // Sessions submit nothing, so there is no vote to keep.
            Self::Session(_) => {
                StampRecord { public_key: String::new(), signature: String::new(), scheme: "".into() }
            }
            Self::Attested { stamp, .. } => StampRecord {
                public_key: stamp.public_key.to_ascii_lowercase(),
                signature: hex::encode(&stamp.signature),
                scheme: "SIGNATURE_SCHEME_TK_ATTESTED_P256".into(),
            },
        }
    }
}

fn unstamped(surface: Surface) -> Refusal {
    match surface {
        Surface::Activity => Refusal::ActivityUnstamped,
        Surface::Query | Surface::Token => Refusal::QueryUnstamped,
    }
}

fn unreadable(error: StampError, surface: Surface) -> Refusal {
    match error {
        StampError::Empty => unstamped(surface),
        StampError::TooLong | StampError::Malformed | StampError::UnknownScheme => Refusal::MalformedStamp,
    }
}

/// The scheme must fit the curve of the registered key (protocol 01, section 1).
fn scheme_fits(scheme: StampScheme, kind: CredentialType) -> bool {
    match kind {
        CredentialType::ApiKeyP256
        | CredentialType::OtpAuthKeyP256
        | CredentialType::Login
        | CredentialType::RecoverUserKeyP256
        | CredentialType::EmailAuthKeyP256
        | CredentialType::ReadWriteSessionKeyP256
        | CredentialType::OauthKeyP256 => scheme == StampScheme::P256,
        CredentialType::ApiKeySecp256k1 => {
            matches!(scheme, StampScheme::Secp256k1 | StampScheme::Secp256k1Eip191)
        }
        CredentialType::ApiKeyEd25519 => scheme == StampScheme::Ed25519,
        CredentialType::WebauthnAuthenticator | CredentialType::OauthIdentity => false,
    }
}

/// What a vote keeps of its stamp.
#[derive(Debug, Clone)]
pub(crate) struct StampRecord {
    pub(crate) public_key: String,
    pub(crate) signature: String,
    pub(crate) scheme: Cow<'static, str>,
}

/// How a caller proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    /// An API or session key.
    ApiKey,
    /// A passkey.
    Passkey,
    /// A verification token.
    Attested {
        /// What it proves.
        channel: OtpType,
        /// When the code was given.
        at: Millis,
    },
    /// A read-only session.
    Session,
    /// A valid auth proxy configuration.
    Proxy,
}

/// Somebody who proved to be who they are, and what they act on. Made here only.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) record: UserRecord,
    pub(crate) home: Organization,
    pub(crate) target: Organization,
    pub(crate) via: Via,
    pub(crate) stamp: StampRecord,
    /// The key or passkey that stamped.
    pub(crate) credential: Option<Credential>,
    _made_here: (),
}

impl Caller {
    /// Whether the caller lives in the organization acted on.
    pub(crate) fn at_home(&self) -> bool {
        self.home.id == self.target.id
    }

    /// The parent of the organization acted on, or that organization.
    pub(crate) fn tenant(&self) -> OrganizationId {
        self.target.tenant()
    }

    /// The guard that its key was not revoked between the read and the commit.
    pub(crate) fn still_authorized(&self) -> Option<Write> {
        let lookup = self.credential.as_ref()?.lookup.clone();
        Some(Write::RequireCredential { tenant: self.home.tenant(), organization: self.home.id, lookup })
    }

    /// The auth proxy's service user, vouched for by its configuration.
    pub(crate) fn proxy(facts: &Facts, stamp: StampRecord) -> Result<Self, Refusal> {
        let target = facts.organization.clone().ok_or(Refusal::OrganizationNotFound)?;
        let Some(found) = facts.callers.first() else { return Err(Refusal::ProxyMethodDisabled) };
        refuse_suspended(facts)?;
        Ok(Self {
            record: found.record.clone(),
            home: found.organization.clone(),
            target,
            via: Via::Proxy,
            stamp,
            credential: None,
            _made_here: (),
        })
    }
}

/// Finds the caller among the facts and verifies its stamp (protocol 01, section 6).
///
/// `resolves` marks the requests that may name the parent for the one sub-organization that the credential lives in
/// (G-STAMP-4). `verified` is the credential whose signature was checked in an earlier round over the
/// same bytes, which need not be done again.
pub(crate) fn authenticate(
    facts: &Facts,
    stamp: &Stamp,
    body: &[u8],
    settings: &Settings,
    resolves: bool,
    verified: Option<&Credential>,
) -> Result<Caller, Refusal> {
    let target = facts.organization.as_ref().ok_or(Refusal::OrganizationNotFound)?;
    // Whoever proves a contact must have proved it before the answer depends on who has that contact.
    if matches!(stamp, Stamp::Attested { .. }) {
        stamp.verify(body, facts, settings, None)?;
    }
    let found = find(facts, stamp, target, resolves)?;
    if let Some(credential) = &found.credential
        && !credential.live(facts.now)
    {
        let public_key = hex::encode(&credential.public_key);
        return Err(Refusal::ApiKeyExpired { public_key, organization: credential.organization_id });
    }
    // A key of the same name that took the place of the one that was verified has proved nothing.
    let same = |v: &Credential, c: &Credential| v.id == c.id && v.public_key == c.public_key;
    let known = verified.zip(found.credential.as_ref()).is_some_and(|(v, c)| same(v, c));
    if !known && !matches!(stamp, Stamp::Attested { .. }) {
        stamp.verify(body, facts, settings, found.credential.as_ref())?;
    }
    if let (Stamp::Attested { .. }, Some(token)) = (stamp, &facts.token)
        && token.organization_id != found.organization.id
        && token.organization_id != found.organization.tenant()
    {
        return Err(Refusal::AttestedIdentityNotFound(target.id));
    }
    refuse_suspended(facts)?;
    let in_target = found.organization.id == target.id || Some(found.organization.id) == target.parent_id;
    let target = if in_target { target.clone() } else { found.organization.clone() };
    Ok(Caller {
        record: found.record.clone(),
        home: found.organization.clone(),
        target,
        via: match stamp {
            Stamp::Api { .. } => Via::ApiKey,
            Stamp::Passkey(_) => Via::Passkey,
            Stamp::Session(_) => Via::Session,
            Stamp::Attested { token, .. } => {
                Via::Attested { channel: token.verification_type, at: made_at(token.id) }
            }
        },
        stamp: stamp.record(found.credential.as_ref()),
        credential: found.credential.clone(),
        _made_here: (),
    })
}

fn refuse_suspended(facts: &Facts) -> Result<(), Refusal> {
    let suspended = |o: &Option<Organization>| o.as_ref().is_some_and(|o| o.suspended_at.is_some());
    if suspended(&facts.organization) || suspended(&facts.parent) {
        return Err(Refusal::OrganizationSuspended);
    }
    Ok(())
}

fn find<'a>(
    facts: &'a Facts,
    stamp: &Stamp,
    target: &Organization,
    resolves: bool,
) -> Result<&'a CallerMatch, Refusal> {
    if let Stamp::Session(session) = stamp {
        let mut users = facts.callers.iter();
        let own =
            |c: &&CallerMatch| c.organization.id == session.organization && c.record.user.id == session.user;
        return users.find(own).ok_or(Refusal::InvalidSession);
    }
    // A credential id is what its client says it is, even another's public key: the two are never taken for each other.
    let passkey = matches!(stamp, Stamp::Passkey(_));
    let named = |c: &&CallerMatch| c.credential.as_ref().is_none_or(|c| c.passkey.is_some() == passkey);
    let living_in = |id| facts.callers.iter().filter(named).filter(move |c| c.organization.id == id);
    let mut at_home = living_in(target.id);
    if let Some(found) = at_home.next() {
        return match (stamp, at_home.next()) {
            (Stamp::Attested { .. }, Some(_)) => Err(Refusal::AmbiguousPublicKey),
            _ => Ok(found),
        };
    }
    match (stamp, target.parent_id) {
        // A contact of the parent's own users proves nothing in a sub-organization.
        (Stamp::Attested { .. }, Some(_)) => Err(Refusal::AttestedIdentityNotFound(target.id)),
        (Stamp::Api { .. } | Stamp::Passkey(_) | Stamp::Session(_), Some(parent)) => {
            living_in(parent).next().ok_or_else(|| unknown(stamp, target))
        }
        (_, None) if resolves => {
            let mut elsewhere = facts.callers.iter().filter(named);
            match (elsewhere.next(), elsewhere.next()) {
                (Some(found), None) => Ok(found),
                (Some(_), Some(_)) if passkey => Err(Refusal::AmbiguousCredential),
                (Some(_), Some(_)) => Err(Refusal::AmbiguousPublicKey),
                (None, _) => Err(unknown(stamp, target)),
            }
        }
        (_, None) => Err(unknown(stamp, target)),
    }
}

fn unknown(stamp: &Stamp, target: &Organization) -> Refusal {
    match stamp {
        Stamp::Attested { .. } => Refusal::AttestedIdentityNotFound(target.id),
        Stamp::Session(_) => Refusal::InvalidSession,
        Stamp::Passkey(assertion) => Refusal::CredentialNotFound {
            organization: target.id,
            credential_id: URL_SAFE_NO_PAD.encode(&assertion.credential_id),
            parent: target.parent_id,
        },
        Stamp::Api { stamp, .. } => Refusal::PublicKeyNotFound {
            organization: target.id,
            public_key: stamp.canonical_key(),
            parent: target.parent_id,
        },
    }
}
