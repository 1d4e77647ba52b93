//! The auth proxy (protocol 04): each call runs activities for a browser that has no key yet.
//!
//! A call is an activity of the proxy's service user. Its body is built here, with a random nonce, so that equal
//! browser bodies are not merged (D-13), and signed by the service user's key.

use serde_json::{Map, Value, json};
use vestibule_crypto::entropy::array;
use vestibule_crypto::fingerprint::sha256;
use vestibule_crypto::p256::SigningKey;
use vestibule_crypto::token::{self, PeekedToken};
use vestibule_wire::proxy::{self, AccountAnswer, ClientParams, SignupAnswer, WalletKitConfig};
use vestibule_wire::query::{Cursor, Filter, Page};
use vestibule_wire::view::Activity;
use vestibule_wire::{
    ActivityType, Contact, Envelope, FeatureName, OrganizationId, OtpType, Refusal, TokenId, UserId,
    preferences,
};

use crate::activities::{self, proxy_key_place};
use crate::caller::StampRecord;
use crate::captcha::{CaptchaProvider, CaptchaWidget, Challenged};
use crate::engine::{Engine, Speaker, Submission, unavailable};
use crate::limits::Visit;
use crate::model::{ContactKey, Organization, ProxyConfig};
use crate::queries::suborg_filter;
use crate::store::{CallerKey, Facts, IntentKeys, ReadKeys};

/// The answer to a call, and what it did.
#[derive(Debug, Clone)]
pub struct ProxyAnswer {
    /// The body.
    pub body: Value,
    /// How the code came that was used, if one was.
    pub used: Option<OtpType>,
}

impl Engine {
    /// Finds the config that `X-Auth-Proxy-Config-Id` names (G-PXY-1).
    pub async fn proxy_config(&self, header: Option<&str>) -> Result<ProxyConfig, Refusal> {
        let id = header.and_then(|text| text.trim().parse().ok()).ok_or(Refusal::InvalidProxyConfigId)?;
        let config = self.services.store.proxy_config(id).await.map_err(|error| unavailable(&error))?;
        config.ok_or_else(|| Refusal::UnknownProxyConfig(id.to_string()))
    }

    /// Answers `POST /v1/<endpoint>` under a config whose origin was checked. `languages` are those of the browser, as in
    /// `Accept-Language`; messages are written in them where the body names none.
    pub async fn proxy_call(
        &self,
        config: &ProxyConfig,
        endpoint: &str,
        body: &[u8],
        languages: Option<&str>,
        challenged: &dyn Challenged,
        visit: Visit,
    ) -> Result<ProxyAnswer, Refusal> {
        let organization = self.proxied_organization(config).await?;
        let call = Call { engine: self, config, organization, languages, challenged, visit };
        match endpoint {
            "otp_init" => call.otp_init(ActivityType::InitOtpV2, body).await,
            "otp_init_v2" => call.otp_init(ActivityType::InitOtpV3, body).await,
            "otp_verify" => {
                let b: proxy::OtpVerify = proxy::parse(body)?;
                let guess = json!({ "otpId": b.otp_id, "otpCode": b.otp_code, "publicKey": b.public_key });
                call.otp_verify(ActivityType::VerifyOtp, guess).await
            }
            "otp_verify_v2" => {
                let b: proxy::OtpVerifyV2 = proxy::parse(body)?;
                let guess = json!({ "otpId": b.otp_id, "encryptedOtpBundle": b.encrypted_otp_bundle });
                call.otp_verify(ActivityType::VerifyOtpV2, guess).await
            }
            other => Ok(ProxyAnswer { body: call.other(other, body).await?, used: None }),
        }
    }

    /// The parent, with the proxy switched on (protocol 04, section 2).
    async fn proxied_organization(&self, config: &ProxyConfig) -> Result<Organization, Refusal> {
        let found = self.services.store.organization(config.organization_id).await;
        let organization =
            found.map_err(|error| unavailable(&error))?.ok_or(Refusal::OrganizationNotFound)?;
        if organization.suspended_at.is_some() {
            return Err(Refusal::OrganizationSuspended);
        }
        if !organization.has(FeatureName::AuthProxy) {
            return Err(Refusal::ProxyMethodDisabled);
        }
        Ok(organization)
    }
}

struct Call<'a> {
    engine: &'a Engine,
    config: &'a ProxyConfig,
    organization: Organization,
    languages: Option<&'a str>,
    challenged: &'a dyn Challenged,
    visit: Visit,
}

impl Call<'_> {
    async fn other(&self, endpoint: &str, body: &[u8]) -> Result<Value, Refusal> {
        match endpoint {
            "otp_login" => self.otp_login(ActivityType::OtpLogin, body).await,
            "otp_login_v2" => self.otp_login(ActivityType::OtpLoginV2, body).await,
            "account" => self.account(body).await,
            "signup" => self.signup(ActivityType::CreateSubOrganizationV7, body).await,
            "signup_v2" => self.signup(ActivityType::CreateSubOrganizationV8, body).await,
            "oauth_login" | "oauth2_authenticate" => Err(Refusal::OauthDisallowed),
            "wallet_kit_config" => {
                proxy::parse::<Map<String, Value>>(body)?;
                Ok(self.wallet_kit_config())
            }
            "wallet_kit_client_params" => {
                proxy::parse::<Map<String, Value>>(body)?;
                answer(&self.client_params())
            }
            _ => Err(Refusal::UnknownPath),
        }
    }

    async fn otp_init(&self, activity: ActivityType, body: &[u8]) -> Result<ProxyAnswer, Refusal> {
        let b: proxy::OtpInit = proxy::parse(body)?;
        self.channel(b.otp_type)?;
        if self.config.settings.captcha_enabled {
            // A token is good once: no typing mistake should use it up.
            if b.contact.is_empty() {
                return Err(Refusal::MissingField("contact".to_owned()));
            }
            Contact::parse(b.otp_type, &b.contact)?;
            self.challenged.prove_human().await?;
        }
        let s = &self.config.settings;
        let email = &s.email_customization_params;
        let template = match b.email_customization.and_then(|e| e.template_id) {
            Some(requested) => Some(requested),
            None => self.own_template().await?,
        };
        let parameters = json!({
            "otpType": b.otp_type,
            "contact": b.contact,
            "appName": email.app_name.clone().unwrap_or_else(|| self.organization.name.clone()),
            "otpLength": s.otp_length,
            "alphanumeric": s.otp_alphanumeric,
            "expirationSeconds": s.otp_expiration_seconds.to_string(),
            "emailCustomization": {
                "logoUrl": email.logo_url,
                "magicLinkTemplate": email.magic_link_template,
                "templateVariables": email.template_variables,
                "templateId": template,
            },
            "smsCustomization": s.sms_customization_params,
            "sendFromEmailAddress": s.send_from_email_address,
            "sendFromEmailSenderName": s.send_from_email_sender_name,
            "replyToEmailAddress": s.reply_to_email_address,
            "locale": self.locale(b.locale.as_deref()),
        });
        let activity = self.run(activity, self.organization.id, parameters).await?;
        Ok(ProxyAnswer { body: only_result(&activity), used: None })
    }

    /// The languages that the body asks for, else those of the browser, and of these no more than tags: the activity keeps them.
    fn locale(&self, asked: Option<&str>) -> String {
        let hints = [asked, self.languages].into_iter().flatten().map(preferences);
        let first = hints.into_iter().find(|locales| !locales.is_empty()).unwrap_or_default();
        first.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// The template that the config names. One that was removed since must not stop every login: the most recent one,
    /// or the built-in message, takes its place.
    async fn own_template(&self) -> Result<Option<String>, Refusal> {
        let s = &self.config.settings;
        let named = s.otp_template_id.as_ref().or(s.email_customization_params.template_id.as_ref());
        let Some(id) = named.and_then(|text| text.parse().ok()) else { return Ok(None) };
        let found = self.engine.services.store.template(self.organization.id, id).await;
        if found.map_err(|error| unavailable(&error))?.is_some_and(|template| template.offer().email) {
            return Ok(Some(id.to_string()));
        }
        tracing::warn!(config = %self.config.id, template = %id, "the auth proxy names a template that is gone or has no e-mail");
        Ok(None)
    }

    async fn otp_verify(&self, activity: ActivityType, mut guess: Value) -> Result<ProxyAnswer, Refusal> {
        let otp = guess["otpId"].as_str().and_then(|text| text.parse().ok());
        let facts = self.read(IntentKeys { otp, ..Default::default() }).await?;
        if let Some(otp) = &facts.otp {
            self.channel(otp.otp_type)?;
        }
        let lifetime = self.config.settings.verification_token_expiration_seconds;
        guess["expirationSeconds"] = lifetime.to_string().into();
        let activity = self.run(activity, self.organization.id, guess).await?;
        let used = facts.otp.map(|otp| otp.otp_type);
        Ok(ProxyAnswer { body: only_result(&activity), used })
    }

    async fn otp_login(&self, activity: ActivityType, body: &[u8]) -> Result<Value, Refusal> {
        let b: proxy::OtpLogin = proxy::parse(body)?;
        if activity == ActivityType::OtpLoginV2 && b.client_signature.is_none() {
            return Err(Refusal::MissingField("clientSignature".to_owned()));
        }
        let claims = token::peek(&b.verification_token).map_err(|_| Refusal::InvalidVerificationToken)?;
        self.channel(claims.verification_type)?;
        let target = self.login_target(&b, &claims).await?;
        let parameters = json!({
            "verificationToken": b.verification_token,
            "publicKey": b.public_key,
            "clientSignature": b.client_signature,
            "invalidateExisting": b.invalidate_existing,
            "expirationSeconds": self.config.settings.session_expiration_seconds.to_string(),
        });
        let activity = self.run(activity, target, parameters).await?;
        Ok(only_result(&activity))
    }

    /// The sub-organization in which the token's contact is verified, or the child that the request names.
    async fn login_target(
        &self,
        b: &proxy::OtpLogin,
        claims: &PeekedToken,
    ) -> Result<OrganizationId, Refusal> {
        if let Some(text) = &b.organization_id {
            let id: OrganizationId = text.parse().map_err(|_| Refusal::MalformedOrganizationId)?;
            let found =
                self.engine.services.store.organization(id).await.map_err(|error| unavailable(&error))?;
            let child = found.is_some_and(|o| o.parent_id == Some(self.organization.id));
            return if child { Ok(id) } else { Err(Refusal::OrganizationNotFound) };
        }
        let contact = Contact::stored(claims.verification_type, &claims.contact)
            .map_err(|_| Refusal::InvalidVerificationToken)?;
        let facts = self
            .read(IntentKeys {
                token: Some(TokenId(claims.id)),
                verified_contact: Some(ContactKey::of(&contact)),
                ..Default::default()
            })
            .await?;
        // Who has the contact is told only to whoever proved it.
        self.known(&facts, &b.verification_token)?;
        match facts.verified_contact.as_slice() {
            [holder] => Ok(holder.user.organization_id),
            [] => Err(Refusal::ContactNotFound {
                kind: claims.verification_type,
                organization: self.organization.id,
            }),
            [_, _, ..] => Err(Refusal::AmbiguousContact),
        }
    }

    async fn account(&self, body: &[u8]) -> Result<Value, Refusal> {
        let b: proxy::Account = proxy::parse(body)?;
        let filter = Filter::parse(&b.filter_type, &b.filter_value)?;
        let required = self.engine.settings.account_requires_token
            || self.config.settings.verification_token_required_for_get_account_pii;
        // Names often are contacts, and no token proves a name.
        if required && matches!(filter, Filter::Name(_) | Filter::Username(_)) {
            return Err(Refusal::InvalidFilter);
        }
        if let Filter::Contact(kind, value) = &filter {
            let contact = Contact::stored(*kind, value)?;
            match &b.verification_token {
                Some(text) => self.proves(text, &contact).await?,
                None if required => return Err(Refusal::MissingField("verificationToken".to_owned())),
                None => {}
            }
        }
        let Some(filter) = suborg_filter(Some(filter), true)? else {
            return answer(&AccountAnswer { organization_id: None });
        };
        let page = Page { limit: 2, cursor: Cursor::Start };
        let found =
            self.engine.services.store.sub_organizations(self.organization.id, filter.as_ref(), page).await;
        match found.map_err(|error| unavailable(&error))?.as_slice() {
            [] => answer(&AccountAnswer { organization_id: None }),
            [id] => answer(&AccountAnswer { organization_id: Some(*id) }),
            [_, _, ..] => Err(Refusal::AmbiguousAccount),
        }
    }

    async fn proves(&self, text: &str, contact: &Contact) -> Result<(), Refusal> {
        let claims = token::peek(text).map_err(|_| Refusal::InvalidVerificationToken)?;
        let facts = self.read(IntentKeys { token: Some(TokenId(claims.id)), ..Default::default() }).await?;
        let row = self.known(&facts, text)?;
        if row.contact_key == ContactKey::of(contact) {
            Ok(())
        } else {
            Err(Refusal::InvalidVerificationToken)
        }
    }

    fn known<'f>(&self, facts: &'f Facts, text: &str) -> Result<&'f crate::model::Token, Refusal> {
        let row = facts.token.as_ref();
        row.filter(|row| {
            row.hash == token::hash(text)
                && row.expires_at > facts.now
                && row.organization_id == self.organization.id
        })
        .ok_or(Refusal::InvalidVerificationToken)
    }

    async fn signup(&self, activity: ActivityType, body: &[u8]) -> Result<Value, Refusal> {
        let b: proxy::Signup = proxy::parse(body)?;
        if b.wallet.is_some() {
            return Err(Refusal::WalletsUnsupported);
        }
        if !b.oauth_providers.is_empty() {
            return Err(Refusal::OauthDisallowed);
        }
        if let Some(tag) = b.user_tag {
            return Err(Refusal::NotFound { kind: "user tag", id: tag, organization: self.organization.id });
        }
        let now = self.engine.services.clock.now_ms();
        let name = b.user_name.or_else(|| b.user_email.clone()).unwrap_or_else(|| format!("User - {now}"));
        match &b.verification_token {
            Some(text) => {
                let claims = token::peek(text).map_err(|_| Refusal::InvalidVerificationToken)?;
                self.channel(claims.verification_type)?;
            }
            None if b.authenticators.is_empty() && b.api_keys.is_empty() => {
                return Err(Refusal::MissingCredential(name));
            }
            None => {
                if !b.authenticators.is_empty() {
                    self.method("passkey")?;
                }
                // Beside its passkey a browser registers a key for the minute in which it logs in.
                if b.authenticators.is_empty()
                    || !matches!(b.api_keys.as_slice(), [] | [_])
                    || !b.api_keys.iter().all(is_brief)
                {
                    self.method("wallet")?;
                }
                // With a verification token the contact was proved, which took a captcha.
                if self.config.settings.captcha_enabled {
                    self.challenged.prove_human().await?;
                }
            }
        }
        let parameters = json!({
            "subOrganizationName": b.organization_name.unwrap_or_else(|| format!("sub-org-{now}")),
            "rootUsers": [{
                "userName": name,
                "userEmail": b.user_email,
                "userPhoneNumber": b.user_phone_number,
                "apiKeys": b.api_keys,
                "authenticators": b.authenticators,
                "oauthProviders": [],
            }],
            "rootQuorumThreshold": 1,
            "verificationToken": b.verification_token,
            "clientSignature": b.client_signature,
        });
        let done = self.run(activity, self.organization.id, parameters).await?;
        let result = &done.result[activity.result_key()];
        let organization_id: Option<OrganizationId> =
            result["subOrganizationId"].as_str().and_then(|text| text.parse().ok());
        let user_id: Option<UserId> = result["rootUserIds"][0].as_str().and_then(|text| text.parse().ok());
        match (organization_id, user_id) {
            (Some(organization_id), Some(user_id)) => {
                answer(&SignupAnswer { organization_id, user_id, app_proofs: [] })
            }
            _ => Err(Refusal::Unavailable),
        }
    }

    /// What clients need to show a captcha. The contract has a member for Turnstile alone.
    fn client_params(&self) -> ClientParams {
        let widget = self.engine.settings.captcha.as_ref().filter(|_| self.config.settings.captcha_enabled);
        let mut params = ClientParams::default();
        match widget {
            Some(CaptchaWidget { provider: CaptchaProvider::Turnstile, site_key }) => {
                params.turnstile_site_key = Some(site_key.clone());
            }
            Some(CaptchaWidget { provider, site_key }) => {
                params.captcha_provider = Some(provider.name());
                params.captcha_site_key = Some(site_key.clone());
            }
            None => {}
        }
        params
    }

    fn wallet_kit_config(&self) -> Value {
        let s = &self.config.settings;
        let config = WalletKitConfig {
            enabled_providers: s.allowed_auth_methods.clone(),
            session_expiration_seconds: s.session_expiration_seconds.to_string(),
            organization_id: self.organization.id,
            oauth_client_ids: s.wallet_kit_settings.oauth_client_ids.clone(),
            oauth_redirect_url: s.wallet_kit_settings.oauth_redirect_url.clone(),
            otp_alphanumeric: s.otp_alphanumeric,
            otp_length: s.otp_length.to_string(),
        };
        serde_json::to_value(config).unwrap_or_default()
    }

    fn channel(&self, kind: OtpType) -> Result<(), Refusal> {
        self.method(match kind {
            OtpType::Email => "email",
            OtpType::Sms => "sms",
        })
    }

    fn method(&self, name: &str) -> Result<(), Refusal> {
        let on = self.config.settings.allowed_auth_methods.iter().any(|m| m == name);
        if on { Ok(()) } else { Err(Refusal::ProxyMethodDisabled) }
    }

    async fn read(&self, intent: IntentKeys) -> Result<Facts, Refusal> {
        let keys = ReadKeys {
            organization: self.organization.id,
            caller: CallerKey::User(self.config.user_id),
            fingerprint: None,
            intent,
        };
        self.engine.services.store.read(&keys).await.map_err(|error| unavailable(&error))
    }

    /// Runs an activity of the service user.
    async fn run(
        &self,
        activity: ActivityType,
        target: OrganizationId,
        mut parameters: Value,
    ) -> Result<Activity, Refusal> {
        strip_absent(&mut parameters);
        let engine = self.engine;
        let timestamp_ms = engine.services.clock.now_ms();
        let nonce = hex::encode(array::<16>(&*engine.services.entropy));
        let body = json!({
            "type": activity.name(),
            "timestampMs": timestamp_ms.to_string(),
            "organizationId": target,
            "parameters": parameters,
            "nonce": nonce,
        })
        .to_string();
        let envelope = Envelope::internal(activity, timestamp_ms, target, parameters);
        let parsed = envelope.intent();
        let settings = &engine.settings;
        let intent =
            parsed.as_ref().map(|p| activities::keys(&p.intent, target, settings)).unwrap_or_default();
        // On the heap, as for stamped activities.
        Box::pin(engine.run(Submission {
            envelope: &envelope,
            body: body.as_bytes(),
            speaker: Speaker::Proxy(self.stamp(body.as_bytes())?),
            keys: ReadKeys {
                organization: target,
                caller: CallerKey::User(self.config.user_id),
                fingerprint: Some(sha256(body.as_bytes())),
                intent,
            },
            parsed,
            visit: self.visit.clone(),
        }))
        .await
    }

    fn stamp(&self, body: &[u8]) -> Result<StampRecord, Refusal> {
        let sealed = &self.config.sealed_key;
        let secret = self.engine.services.keys.current().open(&proxy_key_place(self.config.id), sealed).ok();
        let key = secret.and_then(|s| SigningKey::from_bytes(s.as_slice().try_into().ok()?).ok());
        let Some(key) = key else {
            tracing::error!(config = %self.config.id, "the auth proxy's key cannot be opened with this key set");
            return Err(Refusal::Unavailable);
        };
        Ok(StampRecord {
            public_key: key.public_key().to_hex(),
            signature: hex::encode(key.sign_der(body)),
            scheme: "SIGNATURE_SCHEME_TK_API_P256".into(),
        })
    }
}

fn answer<T: serde::Serialize>(value: &T) -> Result<Value, Refusal> {
    serde_json::to_value(value).map_err(|_| Refusal::Unavailable)
}

/// The longest lifetime of a key that a browser registers beside its passkey, seconds: that of a session by default.
const BRIEF_S: u64 = 900;

/// Whether an API key, as a sign-up names it, is a P-256 key that soon ends.
fn is_brief(api_key: &Value) -> bool {
    let text = |name| api_key.get(name).and_then(Value::as_str).unwrap_or_default();
    let lifetime = text("expirationSeconds").parse::<u64>();
    text("curveType") == "API_KEY_CURVE_P256" && lifetime.is_ok_and(|seconds| seconds <= BRIEF_S)
}

/// The one member of `activity.result`.
fn only_result(activity: &Activity) -> Value {
    let members = activity.result.as_object();
    members.and_then(|m| m.values().next()).cloned().unwrap_or_default()
}

/// Leaves out what is null or empty text, as the parser of public bodies does (D-5).
fn strip_absent(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, v| !v.is_null() && v.as_str() != Some(""));
            members.values_mut().for_each(strip_absent);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_absent),
        _ => {}
    }
}
