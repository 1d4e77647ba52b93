//! Query bodies and answers (protocol 03).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::view::{self, ActivityStatus};
use crate::{ActivityId, ApiKeyId, DecimalText, OrganizationId, OtpType, Refusal, UserId, decode, json};

/// One query, read.
#[derive(Debug, Clone, PartialEq)]
pub enum Query {
    /// `whoami`
    Whoami,
    /// `get_activity`
    GetActivity(ActivityId),
    /// `list_activities`
    ListActivities {
        /// Empty: all.
        statuses: Vec<ActivityStatus>,
        /// Full names; empty: all. Names of activities that this server does not have match nothing.
        types: Vec<String>,
        /// Which page.
        page: Page,
    },
    /// `get_user`
    GetUser(UserId),
    /// `list_users`
    ListUsers,
    /// `list_suborgs`
    ListSuborgs {
        /// `None`: all.
        filter: Option<Filter>,
        /// Which page.
        page: Page,
    },
    /// `list_verified_suborgs`
    ListVerifiedSuborgs {
        /// `None`: all that have a verified contact.
        filter: Option<Filter>,
        /// Which page.
        page: Page,
    },
    /// `get_api_key`
    GetApiKey(ApiKeyId),
    /// `get_api_keys`
    GetApiKeys(Option<UserId>),
    /// `get_organization_configs`
    GetOrganizationConfigs,
    /// `get_auth_proxy_config`
    GetAuthProxyConfig,
}

/// What sub-organizations are looked up by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Raw credential id of a passkey.
    CredentialId(String),
    /// Name of the sub-organization.
    Name(String),
    /// Name of a user.
    Username(String),
    /// A user's contact, normalised by the engine.
    Contact(OtpType, String),
    /// A token of an OAuth provider; none are stored (G-OAUTH-1).
    OidcToken,
    /// A wallet address; there are none here.
    WalletAccountAddress,
    /// A user's API key, hex.
    PublicKey(String),
}

impl Filter {
    /// Reads `filterType` and `filterValue` (protocol 03, list_suborgs).
    pub fn parse(filter_type: &str, value: &str) -> Result<Self, Refusal> {
        let value = value.to_owned();
        Ok(match filter_type {
            "CREDENTIAL_ID" => Self::CredentialId(value),
            "NAME" => Self::Name(value),
            "USERNAME" => Self::Username(value),
            "EMAIL" => Self::Contact(OtpType::Email, value),
            "PHONE_NUMBER" => Self::Contact(OtpType::Sms, value),
            "OIDC_TOKEN" => Self::OidcToken,
            "WALLET_ACCOUNT_ADDRESS" => Self::WalletAccountAddress,
            "PUBLIC_KEY" => Self::PublicKey(value),
            _ => return Err(Refusal::InvalidFilter),
        })
    }
}

/// A window into a list, newest first (protocol 03, section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// 1 to 100.
    pub limit: u32,
    /// Where it starts.
    pub cursor: Cursor,
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: 10, cursor: Cursor::Start }
    }
}

/// Where a page starts; ids are exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// At the newest.
    Start,
    /// Behind this object in list order, that is, older ones.
    After(uuid::Uuid),
    /// The objects that come before this one in list order, that is, newer ones.
    Before(uuid::Uuid),
}

#[derive(Deserialize)]
struct PaginationParams {
    limit: Option<DecimalText>,
    before: Option<String>,
    after: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListParams {
    pagination_options: Option<PaginationParams>,
    filter_type: Option<String>,
    filter_value: Option<String>,
    #[serde(default)]
    filter_by_status: Vec<ActivityStatus>,
    #[serde(default)]
    filter_by_type: Vec<String>,
}

impl ListParams {
    fn page(&self) -> Result<Page, Refusal> {
        let Some(options) = &self.pagination_options else { return Ok(Page::default()) };
        let limit = match &options.limit {
            None => 10,
            Some(text) => match text.number() {
                Some(n @ 1..=100) => n as u32,
                _ => return Err(Refusal::InvalidPagination),
            },
        };
        let id = |text: &str| uuid::Uuid::try_parse(text).map_err(|_| Refusal::InvalidPagination);
        let cursor = match (&options.before, &options.after) {
            (None, None) => Cursor::Start,
            (None, Some(after)) => Cursor::After(id(after)?),
            (Some(before), None) => Cursor::Before(id(before)?),
            (Some(_), Some(_)) => return Err(Refusal::InvalidPagination),
        };
        Ok(Page { limit, cursor })
    }

    fn filter(&self) -> Result<Option<Filter>, Refusal> {
        match (&self.filter_type, &self.filter_value) {
            (None, None) => Ok(None),
            (Some(kind), Some(value)) => Filter::parse(kind, value).map(Some),
            _ => Err(Refusal::InvalidFilter),
        }
    }
}

/// A query body whose outer form is sound; its members are read once the caller is known.
#[derive(Debug)]
pub struct QueryBody {
    /// The organization asked about.
    pub organization_id: OrganizationId,
    members: Value,
}

impl QueryBody {
    /// Reads the outer form.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let Ok(members @ Value::Object(_)) = json::parse(body) else { return Err(Refusal::BadRequestBody) };
        let organization_id = match members.get("organizationId") {
            Some(Value::String(text)) => text.parse().map_err(|_| Refusal::MalformedOrganizationId)?,
            Some(_) => return Err(Refusal::BadRequestBody),
            None => return Err(Refusal::MissingField("organizationId".to_owned())),
        };
        Ok(Self { organization_id, members })
    }

    /// Reads the members of `/public/v1/query/<name>`; `None` for a name that is not served.
    pub fn query(&self, name: &str) -> Option<Result<Query, Refusal>> {
        Some(match name {
            "whoami" => Ok(Query::Whoami),
            "get_activity" => self.id("activityId").map(|id| Query::GetActivity(ActivityId(id))),
            "list_activities" => self.list_activities(),
            "get_user" => self.id("userId").map(|id| Query::GetUser(UserId(id))),
            "list_users" => Ok(Query::ListUsers),
            "list_suborgs" => self.list(|filter, page| Ok(Query::ListSuborgs { filter, page })),
            "list_verified_suborgs" => self.list(|filter, page| match filter {
                None | Some(Filter::Contact(..)) => Ok(Query::ListVerifiedSuborgs { filter, page }),
                Some(_) => Err(Refusal::InvalidFilter),
            }),
            "get_api_key" => self.id("apiKeyId").map(|id| Query::GetApiKey(ApiKeyId(id))),
            "get_api_keys" => match self.members.get("userId") {
                None => Ok(Query::GetApiKeys(None)),
                Some(_) => self.id("userId").map(|id| Query::GetApiKeys(Some(UserId(id)))),
            },
            "get_organization_configs" => Ok(Query::GetOrganizationConfigs),
            "get_auth_proxy_config" => Ok(Query::GetAuthProxyConfig),
            _ => return None,
        })
    }

    fn id(&self, name: &'static str) -> Result<uuid::Uuid, Refusal> {
        match self.members.get(name) {
            Some(Value::String(text)) => {
                uuid::Uuid::try_parse(text).map_err(|_| Refusal::InvalidField("an id is not a UUID"))
            }
            Some(_) => Err(Refusal::BadRequestBody),
            None => Err(Refusal::MissingField(name.to_owned())),
        }
    }

    fn list(
        &self,
        query: impl FnOnce(Option<Filter>, Page) -> Result<Query, Refusal>,
    ) -> Result<Query, Refusal> {
        let params: ListParams = decode(&self.members)?;
        query(params.filter()?, params.page()?)
    }

    fn list_activities(&self) -> Result<Query, Refusal> {
        let params: ListParams = decode(&self.members)?;
        let page = params.page()?;
        let types = params.filter_by_type.clone();
        if types.iter().any(|name| !name.starts_with("ACTIVITY_TYPE_")) {
            return Err(Refusal::InvalidFilter);
        }
        Ok(Query::ListActivities { statuses: params.filter_by_status, types, page })
    }
}

/// Names of all queries served, for routing and for tests that enumerate them.
pub const QUERIES: &[&str] = &[
    "whoami",
    "get_activity",
    "list_activities",
    "get_user",
    "list_users",
    "list_suborgs",
    "list_verified_suborgs",
    "get_api_key",
    "get_api_keys",
    "get_organization_configs",
    "get_auth_proxy_config",
];

/// `GetWhoamiResponse`
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Whoami {
    /// The caller's organization, or the target's when the caller lives in its parent.
    pub organization_id: OrganizationId,
    /// Its name.
    pub organization_name: String,
    /// The caller.
    pub user_id: UserId,
    /// The caller's name.
    pub username: String,
}

/// Any answer, ready to be written.
#[derive(Debug, Clone)]
pub enum QueryAnswer {
    /// `whoami`
    Whoami(Whoami),
    /// `{"activity": …}`
    Activity(Box<view::Activity>),
    /// `{"activities": […]}`
    Activities(Vec<view::Activity>),
    /// `{"user": …}`
    User(Box<view::User>),
    /// `{"users": […]}`
    Users(Vec<view::User>),
    /// `{"organizationIds": […]}`
    OrganizationIds(Vec<OrganizationId>),
    /// `{"apiKey": …}`
    ApiKey(Box<view::ApiKey>),
    /// `{"apiKeys": […]}`
    ApiKeys(Vec<view::ApiKey>),
    /// `{"configs": …}`
    Configs(view::Config),
    /// The settings of the auth proxy, with its id.
    AuthProxyConfig(Box<ProxyConfigAnswer>),
}

/// Answer of `get_auth_proxy_config`, which the published API does not describe: the settings under the names of
/// `update_auth_proxy_config`, and `configId`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyConfigAnswer {
    /// What clients send as `X-Auth-Proxy-Config-Id`.
    pub config_id: crate::ProxyConfigId,
    /// The proxy's service user.
    pub user_id: UserId,
    /// All settings.
    #[serde(flatten)]
    pub settings: crate::ProxySettings,
}

impl Serialize for QueryAnswer {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        fn one<S: serde::Serializer, T: Serialize>(s: S, name: &str, value: &T) -> Result<S::Ok, S::Error> {
            let mut map = s.serialize_map(Some(1))?;
            map.serialize_entry(name, value)?;
            map.end()
        }
        match self {
            Self::Whoami(whoami) => whoami.serialize(serializer),
            Self::Activity(activity) => one(serializer, "activity", activity),
            Self::Activities(activities) => one(serializer, "activities", activities),
            Self::User(user) => one(serializer, "user", user),
            Self::Users(users) => one(serializer, "users", users),
            Self::OrganizationIds(ids) => one(serializer, "organizationIds", ids),
            Self::ApiKey(key) => one(serializer, "apiKey", key),
            Self::ApiKeys(keys) => one(serializer, "apiKeys", keys),
            Self::Configs(configs) => one(serializer, "configs", configs),
            Self::AuthProxyConfig(config) => config.serialize(serializer),
        }
    }
}

/// An empty object, the answer of activities without a result.
pub fn empty_object() -> Value {
    Value::Object(Map::new())
}
