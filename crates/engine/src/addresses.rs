//! Which e-mail addresses are taken, beyond their syntax: lists of domains, and domains that no mail reaches.
//!
//! Promise: the answer depends on nothing but the domain. It is asked for after the stamp is verified and before anything is
//! decided, whatever was read, so that known and unknown addresses cost the same and are told the same.

use async_trait::async_trait;
use vestibule_wire::{Contact, Intent, Refusal};

/// What is known of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DomainVerdict {
    /// Mail may go there; also where nobody could be asked.
    Accepted,
    /// The domain says that it takes no mail, or does not exist.
    Unreachable,
    /// The operator does not want it.
    Unwanted,
}

/// Judges the domains of addresses. Received like time: the server asks lists and the DNS, tests say what they like.
#[async_trait]
pub trait DomainCheck: Send + Sync {
    /// The worst verdict over all of `domains`, which are lower-case A-labels, each once. Answers within a bounded time,
    /// and when in doubt that the domain is accepted.
    async fn judge(&self, domains: &[&str]) -> DomainVerdict;
}

/// Refuses an intent that brings an address whose domain is not taken.
pub(crate) async fn check(check: &dyn DomainCheck, intent: &Intent) -> Result<(), Refusal> {
    let mut domains: Vec<&str> = addresses(intent).filter_map(Contact::domain).collect();
    domains.sort_unstable();
    domains.dedup();
    if domains.is_empty() {
        return Ok(());
    }
    match check.judge(&domains).await {
        DomainVerdict::Accepted => Ok(()),
        DomainVerdict::Unreachable => Err(Refusal::UnreachableEmail),
        DomainVerdict::Unwanted => Err(Refusal::InvalidEmail),
    }
}

/// The contacts that an intent sends a message to, or gives to somebody. What merely names somebody by a contact is not among
/// them: nobody is kept from looking up or leaving behind an address that was taken once.
fn addresses(intent: &Intent) -> Box<dyn Iterator<Item = &Contact> + Send + '_> {
    match intent {
        Intent::InitOtp(i) => Box::new(std::iter::once(&i.contact)),
        Intent::EmailAuth(i) => Box::new(std::iter::once(&i.email)),
        Intent::CreateSubOrganization(i) => {
            Box::new(i.root_users.iter().filter_map(|user| user.email.as_ref()))
        }
        Intent::CreateUsers(i) => Box::new(i.users.iter().filter_map(|user| user.email.as_ref())),
        Intent::UpdateUser(i) => Box::new(i.email.iter()),
        Intent::UpdateContact(i) => Box::new(i.contact.iter()),
        Intent::VerifyOtp(_)
        | Intent::OtpLogin(_)
        | Intent::OtpAuth(_)
        | Intent::StampLogin(_)
        | Intent::CreateApiKeys(_)
        | Intent::DeleteApiKeys(_)
        | Intent::SetOrganizationFeature(_)
        | Intent::RemoveOrganizationFeature(_)
        | Intent::EnableAuthProxy
        | Intent::DisableAuthProxy
        | Intent::UpdateAuthProxyConfig(_)
        | Intent::RecoverUser(_)
        | Intent::CreateReadWriteSession(_)
        | Intent::CreateReadOnlySession
        | Intent::DeleteSubOrganization
        | Intent::UpdateOrganizationName(_)
        | Intent::UpdateRootQuorum(_)
        | Intent::DeleteUsers(_)
        | Intent::CreateUserTag(_)
        | Intent::UpdateUserTag(_)
        | Intent::DeleteUserTags(_)
        | Intent::CreateAuthenticators(_)
        | Intent::DeleteAuthenticators(_)
        | Intent::CreateOauthProviders(_)
        | Intent::DeleteOauthProviders(_)
        | Intent::Oauth
        | Intent::CreatePolicies(_)
        | Intent::UpdatePolicy(_)
        | Intent::DeletePolicies(_)
        | Intent::Vote(_)
        | Intent::CreateWebhookEndpoint(_)
        | Intent::UpdateWebhookEndpoint(_)
        | Intent::DeleteWebhookEndpoint(_)
        | Intent::CreateMfaPolicy(_)
        | Intent::UpdateMfaPolicy(_)
        | Intent::DeleteMfaPolicy(_)
        | Intent::CreateSessionProfile(_) => Box::new(std::iter::empty()),
    }
}
