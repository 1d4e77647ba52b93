//! Queries (protocol 03): any user of an organization, or of its parent, may ask.

use vestibule_wire::query::{Filter, ProxyConfigAnswer, Query, QueryAnswer, QueryBody, Whoami};
use vestibule_wire::view::Config;
use vestibule_wire::{Contact, OrganizationId, Refusal};

use crate::caller::{Caller, Stamp, StampHeaders, Surface, authenticate};
use crate::engine::{Engine, unavailable};
use crate::model::{ContactKey, UserRecord};
use crate::store::{ActivityFilter, IntentKeys, ReadKeys, SubOrganizationFilter};
use crate::views;

impl Engine {
    /// Answers `/public/v1/query/<name>`.
    pub async fn query(
        &self,
        name: &str,
        body: &[u8],
        headers: &StampHeaders<'_>,
    ) -> Result<QueryAnswer, Refusal> {
        if !vestibule_wire::query::served().any(|served| served == name) {
            return Err(Refusal::UnknownPath);
        }
        let stamp = Stamp::parse(headers, Surface::Query, &self.cache)?;
        let query_body = QueryBody::parse(body)?;
        let keys = ReadKeys {
            organization: query_body.organization_id,
            caller: stamp.caller_key(),
            fingerprint: None,
            intent: IntentKeys::default(),
        };
        let facts = self.services.store.read(&keys).await.map_err(|error| unavailable(&error))?;
        let caller = authenticate(&facts, &stamp, body, &self.settings, name == "whoami", false)?;
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
                let submitter =
                    self.voter(&record.submitter.organization_id, record.submitter.user_id).await?;
                QueryAnswer::Activity(Box::new(self.show(&keys, &record, submitter.as_ref(), caller, now)))
            }
            Query::ListActivities { statuses, types, page } => {
                let filter = ActivityFilter { statuses, types };
                let records = store.activities(organization, &filter, page).await.map_err(away)?;
                let mut voters: Vec<UserRecord> = Vec::new();
                let mut shown = Vec::with_capacity(records.len());
                for record in &records {
                    let (home, id) = (record.submitter.organization_id, record.submitter.user_id);
                    if !voters.iter().any(|v| v.user.id == id) {
                        voters.extend(self.voter(&home, id).await?);
                    }
                    let voter = voters.iter().find(|v| v.user.id == id);
                    // Lists carry no secrets, not even the submitter's own (D-11).
                    shown.push(views::activity(record, None, voter, now));
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
                let records = match user {
                    None => store.users(organization).await.map_err(away)?,
                    Some(id) => {
                        let record = store.user(organization, id).await.map_err(away)?;
                        vec![record.ok_or_else(|| missing("user", id.to_string()))?]
                    }
                };
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
            Query::GetAuthenticator(_)
            | Query::GetAuthenticators(_)
            | Query::GetOauthProviders(_)
            | Query::GetPolicy(_)
            | Query::ListPolicies
            | Query::GetPolicyEvaluations(_)
            | Query::ListUserTags
            | Query::ListEmailEvents { .. }
            | Query::GetSessionProfile(_)
            | Query::GetSessionProfiles
            | Query::GetMfaPolicies(_)
            | Query::GetMfaPolicy { .. }
            | Query::GetMfaStatus { .. }
            | Query::ListWebhookEndpoints
            | Query::ListAppProofs(_) => return Err(Refusal::UnknownPath),
        })
    }

    async fn voter(
        &self,
        home: &OrganizationId,
        user: vestibule_wire::UserId,
    ) -> Result<Option<UserRecord>, Refusal> {
        self.services.store.user(*home, user).await.map_err(|error| unavailable(&error))
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
            let Ok(contact) = Contact::parse(kind, &text) else { return Ok(None) };
            let key = ContactKey::of(&contact);
            if verified { F::VerifiedContact(key) } else { F::Contact(key) }
        }
        Filter::PublicKey(text) => match hex::decode(&text) {
            Ok(bytes) => F::Credential(bytes),
            Err(_) => return Ok(None),
        },
        Filter::OidcToken | Filter::WalletAccountAddress => return Ok(None),
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
