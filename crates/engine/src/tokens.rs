//! Ordinary tokens: whoever can stamp gets a JWT that its own backend checks with any library.
//!
//! Promise: a token says of its bearer only what the stamp proved: the user, and the organization that user lives in. What
//! else the caller may do, to a sub-organization of its own say, is in no token.

use vestibule_crypto::entropy::uuid_v7;
use vestibule_crypto::token::OrdinaryToken;
use vestibule_wire::token::{DEFAULT_LIFETIME_S, TokenAnswer, TokenBody};
use vestibule_wire::view::CredentialType;
use vestibule_wire::{Refusal, seconds};

use crate::caller::{Caller, Stamp, StampHeaders, Surface, authenticate};
use crate::engine::{Engine, unavailable};
use crate::model::Credential;
use crate::store::{IntentKeys, ReadKeys};

impl Engine {
    /// Answers `POST /vestibule/v1/token`.
    pub async fn token(&self, body: &[u8], headers: &StampHeaders<'_>) -> Result<TokenAnswer, Refusal> {
        let key_set = self.services.keys.current();
        let stamp = Stamp::parse(headers, Surface::Token, &self.cache, &key_set)?;
        let token_body = TokenBody::parse(body)?;
        let keys = ReadKeys {
            organization: token_body.organization_id(),
            caller: stamp.caller_key(),
            fingerprint: None,
            intent: IntentKeys::default(),
        };
        let facts = self.services.store.read(&keys).await.map_err(|error| unavailable(&error))?;
        let caller = authenticate(&facts, &stamp, body, &self.settings, false, None)?;
        let request = token_body.request()?;
        self.check_liveness(request.timestamp_ms, facts.now)?;
        if !caller.at_home() {
            // A backend that asks in the name of a sub-organization might take the answer for one about its user.
            return Err(Refusal::OrganizationMismatch { target: caller.target.id, caller: caller.home.id });
        }
        // The scope of a session cannot be told to whoever checks the token, and a key to recover its user with does nothing
        // else (G-REC-1).
        let narrow =
            |c: &Credential| c.session_profile_id.is_some() || c.kind == CredentialType::RecoverUserKeyP256;
        if caller.credential.as_ref().is_some_and(narrow) {
            return Err(Refusal::NotAuthorized);
        }
        let max = self.settings.max_token_s;
        let problem = "expirationSeconds must be a number of seconds from 1 to the operator's limit";
        let lifetime_s = seconds(request.expiration.as_ref(), DEFAULT_LIFETIME_S.min(max), max, problem)?;
        let issued_at_s = facts.now / 1000;
        let token = OrdinaryToken {
            issuer: self.settings.token_issuer.clone(),
            audience: request.audience,
            user_id: caller.record.user.id.0,
            organization_id: caller.home.id.0,
            issued_at_s,
            expires_at_s: (issued_at_s + i64::from(lifetime_s)).min(self.latest_end_s(&caller)),
            id: uuid_v7(&*self.services.entropy, facts.now),
        };
        let (key_id, signer) = key_set.token_signer(facts.now);
        Ok(TokenAnswer { token: token.issue(key_id, signer), expires_at: token.expires_at_s.to_string() })
    }

    /// Until when the caller's credential is good, in epoch seconds: no token outlives it.
    fn latest_end_s(&self, caller: &Caller) -> i64 {
        let credential = caller.credential.as_ref();
        let expires =
            credential.and_then(|credential| credential.expires_at).map_or(i64::MAX, |at| at / 1000);
        let authenticated = credential.and_then(|credential| credential.authentication.as_ref());
        match (self.settings.max_session_age_s, authenticated) {
            (Some(most), Some(authentication)) => expires.min(authentication.at / 1000 + i64::from(most)),
            _ => expires,
        }
    }
}
