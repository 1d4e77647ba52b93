//! Answers of queries (protocol 03, section 2).

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::view;
use crate::{OrganizationId, UserId};

/// `GetWhoamiResponse`
#[derive(Debug, Clone, Serialize, JsonSchema)]
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

/// How answers are written: the value itself, or as the one member of an object.
macro_rules! answers {
    ($($(#[$doc:meta])* $variant:ident($ty:ty) = $member:literal;)*) => {
        /// Any answer, ready to be written.
        #[derive(Debug, Clone)]
        pub enum QueryAnswer {
            $($(#[$doc])* $variant($ty),)*
            /// `{"appProofs": []}`: there are none (G-PROOF-1).
            AppProofs,
        }

        impl Serialize for QueryAnswer {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$variant(value) => write_member(serializer, $member, value),)*
                    Self::AppProofs => write_member(serializer, "appProofs", &[(); 0]),
                }
            }
        }

        impl QueryAnswer {
            pub(super) fn schema(variant: &str, generator: &mut SchemaGenerator) -> Schema {
                match variant {
                    $(stringify!($variant) => member_schema::<$ty>($member, generator),)*
                    _ => member_schema::<[(); 0]>("appProofs", generator),
                }
            }
        }
    };
}

/// The value itself where `member` is empty.
fn write_member<S: Serializer, T: Serialize>(
    serializer: S,
    member: &str,
    value: &T,
) -> Result<S::Ok, S::Error> {
    if member.is_empty() {
        return value.serialize(serializer);
    }
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(member, value)?;
    map.end()
}

fn member_schema<T: JsonSchema>(member: &str, generator: &mut SchemaGenerator) -> Schema {
    let value = generator.subschema_for::<T>();
    if member.is_empty() {
        return value;
    }
    json_schema!({ "type": "object", "properties": { member: value }, "required": [member] })
}

answers! {
    /// `whoami`
    Whoami(Whoami) = "";
    /// `{"activity": …}`
    Activity(Box<view::Activity>) = "activity";
    /// `{"activities": […]}`
    Activities(Vec<view::Activity>) = "activities";
    /// `{"user": …}`
    User(Box<view::User>) = "user";
    /// `{"users": […]}`
    Users(Vec<view::User>) = "users";
    /// `{"organizationIds": […]}`
    OrganizationIds(Vec<OrganizationId>) = "organizationIds";
    /// `{"apiKey": …}`
    ApiKey(Box<view::ApiKey>) = "apiKey";
    /// `{"apiKeys": […]}`
    ApiKeys(Vec<view::ApiKey>) = "apiKeys";
    /// `{"configs": …}`
    Configs(view::Config) = "configs";
    /// The settings of the auth proxy, with its id.
    AuthProxyConfig(Box<ProxyConfigAnswer>) = "";
    /// `{"authenticator": …}`
    Authenticator(Box<view::Authenticator>) = "authenticator";
    /// `{"authenticators": […]}`
    Authenticators(Vec<view::Authenticator>) = "authenticators";
    /// `{"oauthProviders": […]}`
    OauthProviders(Vec<view::OauthProvider>) = "oauthProviders";
    /// `{"policy": …}`
    Policy(Box<view::Policy>) = "policy";
    /// `{"policies": […]}`
    Policies(Vec<view::Policy>) = "policies";
    /// `{"policyEvaluations": […]}`
    PolicyEvaluations(Vec<view::PolicyEvaluation>) = "policyEvaluations";
    /// `{"userTags": […]}`
    UserTags(Vec<view::Tag>) = "userTags";
    /// `{"emailEvents": […]}`
    EmailEvents(Vec<view::EmailEvent>) = "emailEvents";
    /// `{"sessionProfile": …}`
    SessionProfile(Box<view::SessionProfile>) = "sessionProfile";
    /// `{"sessionProfiles": […]}`
    SessionProfiles(Vec<view::SessionProfile>) = "sessionProfiles";
    /// `{"mfaPolicies": […]}`
    MfaPolicies(Vec<view::MfaPolicy>) = "mfaPolicies";
    /// `{"mfaPolicy": …}`
    MfaPolicy(Box<view::MfaPolicy>) = "mfaPolicy";
    /// `{"mfaStatuses": […]}`
    MfaStatuses(Vec<view::MfaStatus>) = "mfaStatuses";
    /// `{"webhookEndpoints": […]}`
    WebhookEndpoints(Vec<view::WebhookEndpointData>) = "webhookEndpoints";
}

/// Answer of `get_auth_proxy_config`, which the published API does not describe: the settings under the names of
/// `update_auth_proxy_config`, and `configId`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
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
