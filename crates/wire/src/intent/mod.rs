//! Activity bodies: the envelope, and the closed set of intents (protocol 00 section 4, protocol 02).
//!
//! Each version of an activity has its own struct with exactly the members of that version; all versions meet in one
//! domain type, made by `TryFrom`, in which defaults are filled in and bounds are checked.

mod credentials;
mod customization;
mod features;
mod organization;
mod otp;
mod proxy_config;

pub use credentials::*;
pub use customization::*;
pub use features::*;
pub use organization::*;
pub use otp::*;
pub use proxy_config::*;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{ActivityType, DecimalText, OrganizationId, Refusal, json};

/// What an activity asks for, whatever its version.
#[derive(Debug, Clone)]
pub enum Intent {
    /// `INIT_OTP` and `INIT_OTP_AUTH`, all versions.
    InitOtp(Box<InitOtp>),
    /// `VERIFY_OTP`, both versions.
    VerifyOtp(VerifyOtp),
    /// `OTP_LOGIN`, both versions.
    OtpLogin(OtpLogin),
    /// `OTP_AUTH`
    OtpAuth(OtpAuth),
    /// `STAMP_LOGIN`
    StampLogin(StampLogin),
    /// `CREATE_SUB_ORGANIZATION`, V4 to V8.
    CreateSubOrganization(Box<CreateSubOrganization>),
    /// `CREATE_API_KEYS`, both versions.
    CreateApiKeys(CreateApiKeys),
    /// `DELETE_API_KEYS`
    DeleteApiKeys(DeleteApiKeys),
    /// `SET_ORGANIZATION_FEATURE`
    SetOrganizationFeature(SetOrganizationFeature),
    /// `REMOVE_ORGANIZATION_FEATURE`
    RemoveOrganizationFeature(RemoveOrganizationFeature),
    /// `ENABLE_AUTH_PROXY`
    EnableAuthProxy,
    /// `DISABLE_AUTH_PROXY`
    DisableAuthProxy,
    /// `UPDATE_AUTH_PROXY_CONFIG`
    UpdateAuthProxyConfig(Box<UpdateAuthProxyConfig>),
}

/// A body whose outer form is sound. The intent is still unread, because a caller must be known before the server
/// says what is wrong with it.
#[derive(Debug)]
pub struct Envelope {
    /// The version submitted.
    pub activity_type: ActivityType,
    /// Epoch milliseconds by the client's clock.
    pub timestamp_ms: i64,
    /// The organization acted on.
    pub organization_id: OrganizationId,
    parameters: Value,
}

/// An intent with the echo of its parameters that `activity.intent` carries.
#[derive(Debug)]
pub struct ParsedIntent {
    /// The domain value.
    pub intent: Intent,
    /// The members as understood: unknown ones left out, absent ones absent.
    pub echo: Value,
}

impl Envelope {
    /// Reads the envelope of a body posted to `/public/v1/submit/<path>`.
    pub fn parse(path: &str, body: &[u8]) -> Result<Self, Refusal> {
        let Ok(Value::Object(mut body)) = json::parse(body) else { return Err(Refusal::BadRequestBody) };
        let text = |body: &Map<String, Value>, name: &str| match body.get(name) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(Refusal::BadRequestBody),
            None => Err(Refusal::MissingField(name.to_owned())),
        };
        let organization_id =
            text(&body, "organizationId")?.parse().map_err(|_| Refusal::MalformedOrganizationId)?;
        let activity_type = ActivityType::from_name(&text(&body, "type")?)
            .filter(|t| t.path() == path)
            .ok_or(Refusal::BadRequestBody)?;
        let timestamp =
            body.get("timestampMs").ok_or_else(|| Refusal::MissingField("timestampMs".to_owned()))?;
        let timestamp_ms = serde_json::from_value::<DecimalText>(timestamp.clone())
            .ok()
            .and_then(|t| t.number())
            .and_then(|n| i64::try_from(n).ok())
            .ok_or(Refusal::BadRequestBody)?;
        let parameters = match body.remove("parameters") {
            Some(parameters @ Value::Object(_)) => parameters,
            Some(_) => return Err(Refusal::BadRequestBody),
            None => return Err(Refusal::MissingField("parameters".to_owned())),
        };
        Ok(Self { activity_type, timestamp_ms, organization_id, parameters })
    }

    /// Builds an envelope inside the server, for a call of the auth proxy (D-13).
    pub fn internal(
        activity_type: ActivityType,
        timestamp_ms: i64,
        organization_id: OrganizationId,
        parameters: Value,
    ) -> Self {
        Self { activity_type, timestamp_ms, organization_id, parameters }
    }

    /// Reads the parameters as the version demands.
    pub fn intent(&self) -> Result<ParsedIntent, Refusal> {
        use ActivityType as T;
        let p = &self.parameters;
        match self.activity_type {
            T::InitOtp => read::<InitOtpIntent, _>(p, |i| Ok(Intent::InitOtp(Box::new(i.try_into()?)))),
            T::InitOtpV2 => read::<InitOtpIntentV2, _>(p, |i| {
                Ok(Intent::InitOtp(Box::new(i.into_domain(OtpFlavour::Legacy)?)))
            }),
            T::InitOtpV3 => read::<InitOtpIntentV2, _>(p, |i| {
                Ok(Intent::InitOtp(Box::new(i.into_domain(OtpFlavour::Encrypted)?)))
            }),
            T::VerifyOtp => read::<VerifyOtpIntent, _>(p, |i| Ok(Intent::VerifyOtp(i.try_into()?))),
            T::VerifyOtpV2 => read::<VerifyOtpIntentV2, _>(p, |i| Ok(Intent::VerifyOtp(i.try_into()?))),
            T::OtpLogin => read::<OtpLoginIntent, _>(p, |i| Ok(Intent::OtpLogin(i.into()))),
            T::OtpLoginV2 => read::<OtpLoginIntentV2, _>(p, |i| Ok(Intent::OtpLogin(i.into()))),
            T::InitOtpAuth => {
                read::<InitOtpAuthIntent, _>(p, |i| Ok(Intent::InitOtp(Box::new(i.try_into()?))))
            }
            T::InitOtpAuthV2 => {
                read::<InitOtpAuthIntentV2, _>(p, |i| Ok(Intent::InitOtp(Box::new(i.try_into()?))))
            }
            T::InitOtpAuthV3 => read::<InitOtpIntentV2, _>(p, |i| {
                Ok(Intent::InitOtp(Box::new(i.into_domain(OtpFlavour::Auth)?)))
            }),
            T::OtpAuth => read::<OtpAuthIntent, _>(p, |i| Ok(Intent::OtpAuth(i.try_into()?))),
            T::StampLogin => read::<StampLoginIntent, _>(p, |i| Ok(Intent::StampLogin(i.into()))),
            T::CreateSubOrganizationV4 => read::<CreateSubOrganizationIntentV4, _>(p, sub_organization),
            T::CreateSubOrganizationV5 => read::<CreateSubOrganizationIntentV5, _>(p, sub_organization),
            T::CreateSubOrganizationV6 => read::<CreateSubOrganizationIntentV6, _>(p, sub_organization),
            T::CreateSubOrganizationV7 => read::<CreateSubOrganizationIntentV7, _>(p, sub_organization),
            T::CreateSubOrganizationV8 => read::<CreateSubOrganizationIntentV8, _>(p, sub_organization),
            T::CreateApiKeys => {
                read::<CreateApiKeysIntent, _>(p, |i| Ok(Intent::CreateApiKeys(i.try_into()?)))
            }
            T::CreateApiKeysV2 => {
                read::<CreateApiKeysIntentV2, _>(p, |i| Ok(Intent::CreateApiKeys(i.try_into()?)))
            }
            T::DeleteApiKeys => {
                read::<DeleteApiKeysIntent, _>(p, |i| Ok(Intent::DeleteApiKeys(i.try_into()?)))
            }
            T::SetOrganizationFeature => read::<SetOrganizationFeatureIntent, _>(p, |i| {
                Ok(Intent::SetOrganizationFeature(i.try_into()?))
            }),
            T::RemoveOrganizationFeature => read::<RemoveOrganizationFeatureIntent, _>(p, |i| {
                Ok(Intent::RemoveOrganizationFeature(i.into()))
            }),
            T::EnableAuthProxy => Ok(ParsedIntent { intent: Intent::EnableAuthProxy, echo: empty() }),
            T::DisableAuthProxy => Ok(ParsedIntent { intent: Intent::DisableAuthProxy, echo: empty() }),
            T::UpdateAuthProxyConfig => read::<UpdateAuthProxyConfigIntent, _>(p, |i| {
                Ok(Intent::UpdateAuthProxyConfig(Box::new(i.try_into()?)))
            }),
        }
    }
}

fn empty() -> Value {
    Value::Object(Map::new())
}

fn sub_organization<T: TryInto<CreateSubOrganization, Error = Refusal>>(wire: T) -> Result<Intent, Refusal> {
    Ok(Intent::CreateSubOrganization(Box::new(wire.try_into()?)))
}

fn read<T, F>(parameters: &Value, domain: F) -> Result<ParsedIntent, Refusal>
where
    T: DeserializeOwned + Serialize,
    F: FnOnce(T) -> Result<Intent, Refusal>,
{
    let wire: T = decode(parameters)?;
    let echo = serde_json::to_value(&wire).map_err(|_| Refusal::BadRequestBody)?;
    Ok(ParsedIntent { intent: domain(wire)?, echo })
}

/// Decodes a struct of the contract; a missing member is named, everything else is a bad body (protocol 00, 6.2).
pub(crate) fn decode<T: DeserializeOwned>(value: &Value) -> Result<T, Refusal> {
    T::deserialize(value).map_err(|error| {
        let text = error.to_string();
        match text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
            Some("attestation") => Refusal::MissingAttestation,
            Some(name) => Refusal::MissingField(name.to_owned()),
            None => Refusal::BadRequestBody,
        }
    })
}
