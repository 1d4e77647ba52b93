//! ENABLE_AUTH_PROXY, UPDATE_AUTH_PROXY_CONFIG, DISABLE_AUTH_PROXY (protocol 02 section 2c, protocol 04 section 2).

use vestibule_crypto::p256::SigningKey;
use vestibule_crypto::seal::place;
use vestibule_wire::view::CredentialType;
use vestibule_wire::{
    Feature, FeatureName, ProxyConfigId, ProxySettings, Refusal, UpdateAuthProxyConfig, UserId,
};

use super::features::{with, without, write};
use super::{Context, Effect, result};
use crate::model::{Credential, Owner, ProxyConfig, User};
use crate::store::{ChangeSet, Write};

/// Where the service user's key is sealed to.
pub(crate) fn proxy_key_place(id: ProxyConfigId) -> Vec<u8> {
    place("proxy_configs", "sealed_key", id.as_bytes())
}

pub(super) fn enable(cx: &Context<'_>) -> Result<Effect, Refusal> {
    let target = &cx.caller.target;
    if cx.facts.proxy_config.is_some() {
        return Err(Refusal::ProxyAlreadyEnabled);
    }
    let now = cx.facts.now;
    let id = ProxyConfigId(cx.id());
    let user_id = UserId(cx.id());
    let key = SigningKey::generate(cx.entropy);
    let mut changes = ChangeSet::new();
    let feature = Feature { name: FeatureName::AuthProxy, value: id.to_string() };
    changes.push(write(cx, with(&target.features, &feature)));
    let owner = Owner { organization_id: target.id, tenant_id: target.id, user_id };
    let service_user = User::new(owner, "Auth Proxy".to_owned(), None, None, now);
    changes.push(Write::InsertUser(Box::new(service_user)));
    changes.push(Write::InsertCredential(Box::new(Credential::of_key(
        owner,
        cx.id(),
        CredentialType::ApiKeyP256,
        "Auth Proxy".to_owned(),
        key.public_key().compressed().to_vec(),
        None,
        now,
    ))));
    let secret = key.secret_bytes();
    changes.push(Write::InsertProxyConfig(Box::new(ProxyConfig {
        id,
        organization_id: target.id,
        user_id,
        sealed_key: cx.keys.sealing_key().seal(cx.entropy, &proxy_key_place(id), &*secret),
        settings: ProxySettings::default(),
        version: 0,
        created_at: now,
        updated_at: now,
    })));
    Ok(Effect { result: result! { "userId": user_id.to_string() }, changes })
}

pub(super) fn update(cx: &Context<'_>, intent: &UpdateAuthProxyConfig) -> Result<Effect, Refusal> {
    let mut config = config(cx)?.clone();
    if intent.session_expiration_seconds().is_some_and(|s| s > cx.settings.max_session_s) {
        return Err(Refusal::InvalidField("sessionExpirationSeconds is above this server's limit"));
    }
    if intent.templates().any(|id| !cx.facts.named_templates.contains(&id)) {
        return Err(Refusal::UnknownTemplate);
    }
    let had_captcha = config.settings.captcha_enabled;
    intent.apply(&mut config.settings);
    // Where it is on already, another server on this database may have a provider.
    if config.settings.captcha_enabled && !had_captcha && cx.settings.captcha.is_none() {
        return Err(Refusal::InvalidField(
            "captchaEnabled needs a captcha provider, which this server has none of",
        ));
    }
    config.updated_at = cx.facts.now;
    let id = config.id;
    let mut changes = ChangeSet::new();
    changes.push(Write::UpdateProxyConfig(Box::new(config)));
    Ok(Effect { result: result! { "configId": id.to_string() }, changes })
}

pub(super) fn disable(cx: &Context<'_>) -> Result<Effect, Refusal> {
    let target = &cx.caller.target;
    let config = config(cx)?;
    let mut changes = ChangeSet::new();
    changes.push(write(cx, without(&target.features, FeatureName::AuthProxy)));
    changes.push(Write::DeleteProxyConfig { organization: target.id });
    changes.push(Write::DeleteUser { organization: target.id, user: config.user_id });
    Ok(Effect { result: result! {}, changes })
}

fn config<'a>(cx: &Context<'a>) -> Result<&'a ProxyConfig, Refusal> {
    let organization = cx.caller.target.id;
    cx.facts.proxy_config.as_ref().ok_or_else(|| Refusal::NotFound {
        kind: "auth proxy config of organization",
        id: organization.to_string(),
        organization,
    })
}
