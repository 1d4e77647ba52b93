//! A caller as a voter, and a proposer who is not there any more when its activity is carried out.

use vestibule_wire::view::CredentialType;
use vestibule_wire::{AuthenticationType, OtpType, Refusal, VoteId};

use super::{Caller, StampRecord, Via, refuse_suspended};
use crate::authority::ballot_credential;
use crate::model::{Ballot, BallotCredential, Method, Millis};
use crate::store::Facts;

impl Caller {
    /// How it authenticated.
    pub(crate) fn method(&self) -> Method {
        use AuthenticationType as A;
        let credential = self.credential.as_ref();
        let id = credential.map(|credential| credential.id);
        match self.via {
            Via::Attested { channel: OtpType::Email, .. } => Method { kind: A::EmailOtp, id: None },
            Via::Attested { channel: OtpType::Sms, .. } => Method { kind: A::SmsOtp, id: None },
            Via::Passkey => Method { kind: A::Passkey, id },
            Via::ApiKey if credential.is_none_or(|credential| is_durable_kind(credential.kind)) => {
                Method { kind: A::ApiKey, id }
            }
            // The nil UUID is the default session (protocol 02, section 5).
            Via::ApiKey | Via::Session => {
                let profile = credential.and_then(|credential| credential.session_profile_id);
                Method { kind: A::Session, id: Some(profile.unwrap_or_default()) }
            }
            Via::Proxy => Method { kind: A::ApiKey, id: None },
        }
    }

    /// Its vote.
    pub(crate) fn ballot(&self, vote_id: VoteId, approve: bool, message: String, now: Millis) -> Ballot {
        let StampRecord { public_key, signature, scheme } = self.stamp.clone();
        let credential = match &self.credential {
            Some(credential) => ballot_credential(credential),
            None => BallotCredential {
                id: String::new(),
                kind: String::new(),
                credential_id: String::new(),
                public_key: public_key.clone(),
            },
        };
        Ballot {
            vote_id,
            organization_id: self.home.id,
            user_id: self.record.user.id,
            approve,
            method: self.method(),
            credential,
            public_key,
            signature,
            scheme: scheme.into_owned(),
            message,
            created_at: now,
        }
    }

    /// The proposer of an activity that is carried out now, whose stamp was verified when it was proposed. `ballot` is its
    /// first vote; `facts` were read with the proposer as the caller.
    pub(crate) fn proposer(facts: &Facts, ballot: &Ballot) -> Result<Self, Refusal> {
        let target = facts.organization.clone().ok_or(Refusal::OrganizationNotFound)?;
        let found = facts.callers.iter().find(|found| found.organization.id == ballot.organization_id);
        let found = found.ok_or_else(|| Refusal::NotFound {
            kind: "user",
            id: ballot.user_id.to_string(),
            organization: ballot.organization_id,
        })?;
        refuse_suspended(facts)?;
        let credential = found.record.credentials.iter().find(|c| c.id.to_string() == ballot.credential.id);
        if credential.is_none() && !ballot.credential.id.is_empty() {
            // Whoever took the credential away wants nothing done in its name.
            return Err(Refusal::NotAuthorized);
        }
        let via = match ballot.method.kind {
            AuthenticationType::EmailOtp => Via::Attested { channel: OtpType::Email, at: ballot.created_at },
            AuthenticationType::SmsOtp => Via::Attested { channel: OtpType::Sms, at: ballot.created_at },
            AuthenticationType::Passkey => Via::Passkey,
            AuthenticationType::ApiKey | AuthenticationType::Oauth | AuthenticationType::Session => {
                Via::ApiKey
            }
        };
        Ok(Self {
            record: found.record.clone(),
            home: found.organization.clone(),
            target,
            via,
            stamp: StampRecord {
                public_key: ballot.public_key.clone(),
                signature: ballot.signature.clone(),
                scheme: ballot.scheme.clone().into(),
            },
            credential: credential.cloned(),
            _made_here: (),
        })
    }
}

/// Whether a key of this type is an API key of its own, not a session's.
fn is_durable_kind(kind: CredentialType) -> bool {
    matches!(
        kind,
        CredentialType::ApiKeyP256 | CredentialType::ApiKeySecp256k1 | CredentialType::ApiKeyEd25519
    )
}
