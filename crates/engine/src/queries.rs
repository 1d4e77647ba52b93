//! Queries (protocol 03): any user of an organization, or of its parent, may ask.

use vestibule_wire::query::{Filter, ProxyConfigAnswer, Query, QueryAnswer, QueryBody, Whoami};
use vestibule_wire::view::{Config, CredentialType};
use vestibule_wire::{Contact, OrganizationId, Refusal, UserId};

use crate::activities;
use crate::caller::{Caller, Stamp, StampHeaders, Surface, authenticate};
use crate::engine::{Engine, unavailable};
use crate::model::{ContactKey, Credential, DefinitionKind, UserRecord};
use crate::store::{ActivityFilter, IntentKeys, ReadKeys, SubOrganizationFilter};
use crate::views;
use crate::votes::is_open;

impl Engine {
    /// Answers `/public/v1/query/<name>`.
    pub async fn query(
        &self,
        name: &str,
        body: &[u8],
        headers: &StampHeaders<'_>,
    ) -> Result<QueryAnswer, Refusal> {
        if !vestibule_wire::query::QUERIES.contains(&name) {
            return Err(Refusal::UnknownPath);
        }
        let stamp = Stamp::parse(headers, Surface::Query, &self.cache, &self.services.keys.current())?;
        let query_body = QueryBody::parse(body)?;
        let mut keys = ReadKeys {
            organization: query_body.organization_id,
            caller: stamp.caller_key(),
            fingerprint: None,
            intent: IntentKeys::default(),
        };
        let resolves = name == "whoami";
        let read =
            async |keys: &ReadKeys| self.services.store.read(keys).await.map_err(|error| unavailable(&error));
        let mut facts = read(&keys).await?;
        if let (Stamp::Session(session), true, true) = (&stamp, resolves, facts.callers.is_empty())
            && facts.organization.is_some()
        {
            // The parent's id, for the one sub-organization that the session is of (G-STAMP-4).
            keys.organization = session.organization;
            facts = read(&keys).await?;
            if facts.parent.as_ref().map(|parent| parent.id) != Some(query_body.organization_id) {
                return Err(Refusal::InvalidSession);
            }
        }
        let caller = authenticate(&facts, &stamp, body, &self.settings, resolves, None)?;
        // A key to recover its user with says who it is and what became of the recovery, and no more (G-REC-1).
        let recovers = |c: &Credential| c.kind == CredentialType::RecoverUserKeyP256;
        if caller.credential.as_ref().is_some_and(recovers) && !["whoami", "get_activity"].contains(&name) {
            return Err(Refusal::NotAuthorized);
        }
        let query = query_body.query(name).ok_or(Refusal::UnknownPath)??;
        self.answer(query, &caller, facts.now).await
    }

    async fn answer(&self, query: Query, caller: &Caller, now: i64) -> Result<QueryAnswer, Refusal> {
        let store = &*self.services.store;
        let organization = caller.target.id;
        let away = |error| unavailable(&error);
        let missing = |kind, id: String| Refusal::NotFound { kind, id, organization };
        Ok(match query {
            Query::Whoami => QueryAnswer::Whoami(Whoami {
                organization_id: organization,
                organization_name: caller.target.name.clone(),
                user_id: caller.record.user.id,
                username: caller.record.user.name.clone(),
            }),
            Query::GetActivity(id) => {
                let record = store.activity(organization, id).await.map_err(away)?;
                let record = record.ok_or_else(|| missing("activity", id.to_string()))?;
                let keys = self.services.keys.current();
                QueryAnswer::Activity(Box::new(self.show(&keys, &record, None, caller, now).await?))
            }
            Query::ListActivities { statuses, types, page } => {
                let filter = ActivityFilter { statuses, types };
                let records = store.activities(organization, &filter, page).await.map_err(away)?;
                let keys = self.services.keys.current();
                let mut shown = Vec::with_capacity(records.len());
                // Most of a list has few submitters, who live in one organization.
                let mut known: Vec<UserRecord> = Vec::new();
                let mut everybody: Option<(OrganizationId, Vec<UserRecord>)> = None;
                for record in &records {
                    let home = record.submitter.organization_id;
                    let voters = match &everybody {
                        Some((organization, users)) if *organization == home => users.clone(),
                        _ => {
                            let submitter = known.iter().find(|u| u.user.id == record.submitter.user_id);
                            self.voters(record, submitter).await?
                        }
                    };
                    if is_open(record.status) {
                        everybody = Some((home, voters.clone()));
                    } else if known.iter().all(|u| u.user.id != record.submitter.user_id) {
                        known.extend(voters.iter().find(|u| u.user.id == record.submitter.user_id).cloned());
                    }
                    let may_vote = self.can_vote(&keys, record, caller, &voters, now).await?;
                    // Lists carry no secrets, not even the submitter's own (D-11).
                    shown.push(views::activity(record, None, &voters, may_vote, now));
                }
                QueryAnswer::Activities(shown)
            }
            Query::GetUser(id) => {
                let record = store.user(organization, id).await.map_err(away)?;
                let record = record.ok_or_else(|| missing("user", id.to_string()))?;
                QueryAnswer::User(Box::new(views::user(&record, now)))
            }
            Query::ListUsers => {
                let records = store.users(organization).await.map_err(away)?;
                QueryAnswer::Users(records.iter().map(|r| views::user(r, now)).collect())
            }
            Query::ListSuborgs { filter, page } => {
                let Some(filter) = suborg_filter(filter, false)? else {
                    return Ok(QueryAnswer::OrganizationIds(Vec::new()));
                };
                let ids = store.sub_organizations(organization, filter.as_ref(), page).await.map_err(away)?;
                QueryAnswer::OrganizationIds(ids)
            }
            Query::ListVerifiedSuborgs { filter, page } => {
                let Some(filter) = suborg_filter(filter, true)? else {
                    return Ok(QueryAnswer::OrganizationIds(Vec::new()));
                };
                let ids = store.sub_organizations(organization, filter.as_ref(), page).await.map_err(away)?;
                QueryAnswer::OrganizationIds(ids)
            }
            Query::GetApiKey(id) => {
                let records = store.users(organization).await.map_err(away)?;
                let mut keys = records.iter().flat_map(|r| views::api_keys(r, now));
                let key =
                    keys.find(|k| k.api_key_id == id).ok_or_else(|| missing("api key", id.to_string()))?;
                QueryAnswer::ApiKey(Box::new(key))
            }
            Query::GetApiKeys(user) => {
                let records = self.users(organization, user).await?;
                QueryAnswer::ApiKeys(records.iter().flat_map(|r| views::api_keys(r, now)).collect())
            }
            Query::GetOrganizationConfigs => QueryAnswer::Configs(Config {
                features: caller.target.features.clone(),
                quorum: caller.target.quorum.clone(),
            }),
            Query::GetAuthProxyConfig => {
                let config = store.proxy_config_of(organization).await.map_err(away)?;
                let config = config
                    .ok_or_else(|| missing("auth proxy config of organization", organization.to_string()))?;
                QueryAnswer::AuthProxyConfig(Box::new(ProxyConfigAnswer {
                    config_id: config.id,
                    user_id: config.user_id,
                    settings: config.settings,
                }))
            }
            Query::GetAuthenticator(id) => {
                let records = store.users(organization).await.map_err(away)?;
                let mut all = records.iter().flat_map(views::authenticators);
                let found = all.find(|a| a.authenticator_id == id).ok_or(Refusal::AuthenticatorNotFound)?;
                QueryAnswer::Authenticator(Box::new(found))
            }
            Query::GetAuthenticators(user) => {
                let records = self.users(organization, Some(user)).await?;
                QueryAnswer::Authenticators(records.iter().flat_map(views::authenticators).collect())
            }
            Query::GetOauthProviders(user) => {
                let records = self.users(organization, user).await?;
                QueryAnswer::OauthProviders(records.iter().flat_map(views::oauth_providers).collect())
            }
            Query::GetPolicy(id) => {
                let found =
                    store.definition(organization, DefinitionKind::Policy, id.0).await.map_err(away)?;
                let policy = found.as_ref().and_then(views::policy);
                QueryAnswer::Policy(Box::new(policy.ok_or_else(|| missing("policy", id.to_string()))?))
            }
            Query::ListPolicies => {
                let found = store.definitions(organization, DefinitionKind::Policy).await.map_err(away)?;
                QueryAnswer::Policies(found.iter().rev().filter_map(views::policy).collect())
            }
            Query::GetPolicyEvaluations(id) => {
                let record = store.activity(organization, id).await.map_err(away)?;
                let record = record.ok_or_else(|| missing("activity", id.to_string()))?;
                // Policies are told to those who live under them, not to those they were applied to.
                let own = record.submitter.organization_id == caller.home.id;
                QueryAnswer::PolicyEvaluations(if own { views::evaluations(&record) } else { Vec::new() })
            }
            Query::ListUserTags => {
                let found = store.definitions(organization, DefinitionKind::UserTag).await.map_err(away)?;
                QueryAnswer::UserTags(found.iter().rev().map(views::tag).collect())
            }
            Query::GetSessionProfile(id) => {
                let (tenant, kind) = (caller.target.tenant(), DefinitionKind::SessionProfile);
                let found = store.definition(tenant, kind, id.0).await.map_err(away)?;
                let profile = found.as_ref().and_then(views::session_profile);
                let profile = profile.ok_or_else(|| missing("session profile", id.to_string()))?;
                QueryAnswer::SessionProfile(Box::new(profile))
            }
            Query::GetSessionProfiles => {
                let (tenant, kind) = (caller.target.tenant(), DefinitionKind::SessionProfile);
                let found = store.definitions(tenant, kind).await.map_err(away)?;
                let profiles = found.iter().rev().filter_map(views::session_profile);
                QueryAnswer::SessionProfiles(profiles.collect())
            }
            Query::GetMfaPolicies(user) => {
                let records = self.users(organization, Some(user)).await?;
                let policies = records.iter().flat_map(|record| &record.user.mfa_policies);
                QueryAnswer::MfaPolicies(policies.map(views::mfa_policy).collect())
            }
            Query::GetMfaPolicy { user_id, mfa_policy_id } => {
                let records = self.users(organization, Some(user_id)).await?;
                let mut policies = records.iter().flat_map(|record| &record.user.mfa_policies);
                let found = policies.find(|policy| policy.id == mfa_policy_id).map(views::mfa_policy);
                let found = found.ok_or_else(|| missing("mfa policy", mfa_policy_id.to_string()))?;
                QueryAnswer::MfaPolicy(Box::new(found))
            }
            Query::GetMfaStatus { activity_id, user_id } => {
                let record = store.activity(organization, activity_id).await.map_err(away)?;
                let record = record.ok_or_else(|| missing("activity", activity_id.to_string()))?;
                let keys = self.services.keys.current();
                let own = record.submitter.organization_id == caller.home.id;
                let statuses =
                    if own { self.mfa_statuses(&keys, &record, user_id, now).await? } else { Vec::new() };
                QueryAnswer::MfaStatuses(statuses)
            }
            Query::ListAppProofs(id) => {
                let record = store.activity(organization, id).await.map_err(away)?;
                record.ok_or_else(|| missing("activity", id.to_string()))?;
                QueryAnswer::AppProofs
            }
            Query::ListEmailEvents { email, event_type, page } => {
                let key = ContactKey::of(&email);
                let events = store.email_events(organization, key, event_type, page).await.map_err(away)?;
                QueryAnswer::EmailEvents(events.into_iter().map(Into::into).collect())
            }
            Query::ListWebhookEndpoints => {
                let endpoints = caller.target.webhooks.iter().rev();
                QueryAnswer::WebhookEndpoints(endpoints.map(|endpoint| endpoint.view(organization)).collect())
            }
        })
    }

    /// All users of an organization, or one that must exist.
    async fn users(
        &self,
        organization: OrganizationId,
        user: Option<UserId>,
    ) -> Result<Vec<UserRecord>, Refusal> {
        let store = &self.services.store;
        match user {
            None => store.users(organization).await.map_err(|error| unavailable(&error)),
            Some(id) => {
                let record = store.user(organization, id).await.map_err(|error| unavailable(&error))?;
                let missing = || Refusal::NotFound { kind: "user", id: id.to_string(), organization };
                Ok(vec![record.ok_or_else(missing)?])
            }
        }
    }
}

/// The look-up form of a filter: `None` where nothing can match, `Some(None)` for no filter.
#[allow(clippy::option_option)]
pub(crate) fn suborg_filter(
    filter: Option<Filter>,
    verified: bool,
) -> Result<Option<Option<SubOrganizationFilter>>, Refusal> {
    use SubOrganizationFilter as F;
    let Some(filter) = filter else { return Ok(Some(verified.then_some(F::AnyVerifiedContact))) };
    let found = match filter {
        Filter::CredentialId(text) => match decode_base64(&text) {
            Some(bytes) => F::Credential(bytes),
            None => return Ok(None),
        },
        Filter::Name(name) => F::Name(name),
        Filter::Username(name) => F::Username(name),
        Filter::Contact(kind, text) => {
            // What is no contact belongs to nobody.
            let Ok(contact) = Contact::stored(kind, &text) else { return Ok(None) };
            let key = ContactKey::of(&contact);
            if verified { F::VerifiedContact(key) } else { F::Contact(key) }
        }
        Filter::PublicKey(text) => match hex::decode(&text) {
            Ok(bytes) => F::Credential(bytes),
            Err(_) => return Ok(None),
        },
        Filter::OidcToken(token) => match activities::token_identity(&token) {
            Some(identity) => F::Credential(identity.lookup()),
            None => return Ok(None),
        },
        Filter::WalletAccountAddress => return Ok(None),
    };
    Ok(Some(Some(found)))
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let plain: String = text
        .trim_end_matches('=')
        .chars()
        .map(|c| {
            if c == '+' {
                '-'
            } else if c == '/' {
                '_'
            } else {
                c
            }
        })
        .collect();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(plain).ok()
}
