//! What the operator does on the command line: tenants, templates, and contacts that ran out of failures.

mod webhooks;

use vestibule_crypto::entropy::uuid_v7;
use vestibule_crypto::p256::{PublicKey, SigningKey};
use vestibule_crypto::secret::Secret;
use vestibule_crypto::stamp::ApiStamp;
use vestibule_wire::view::{Activity, CredentialType, Quorum};
use vestibule_wire::{
    ActivityType, Contact, Feature, FeatureName, Locale, OrganizationId, OtpType, Refusal, TemplateId,
    UserId, label,
};

use crate::caller::StampHeaders;
use crate::engine::{Engine, unavailable};
use crate::model::{ContactKey, Credential, Organization, Owner, ProxyConfig, Template, User};
use crate::store::{ChangeSet, CommitError, Write};

pub use webhooks::WebhookStatus;

/// A new tenant.
#[derive(Debug)]
pub struct CreatedOrganization {
    /// The parent organization.
    pub organization_id: OrganizationId,
    /// Its root user.
    pub user_id: UserId,
    /// The root user's API key, compressed hex.
    pub api_public_key: String,
    /// Its private half, hex, where the server made it.
    pub api_private_key: Option<Secret<String>>,
}

impl Engine {
    /// Makes a parent organization with one root user, who stamps with `api_public_key` or a fresh key.
    ///
    /// Features as in G-FEAT-1: EMAIL_AUTH and OTP_EMAIL_AUTH, and SMS_AUTH where an SMS channel is configured.
    pub async fn create_organization(
        &self,
        name: &str,
        api_public_key: Option<&str>,
    ) -> Result<CreatedOrganization, Refusal> {
        label(name, "the name must have 1 to 256 bytes and no control characters")?;
        let entropy = &*self.services.entropy;
        let now = self.services.clock.now_ms();
        let (public_key, private_key) = match api_public_key {
            Some(hex) => (PublicKey::from_hex(hex).map_err(|_| Refusal::InvalidPublicKey)?, None),
            None => {
                let key = SigningKey::generate(entropy);
                let secret = hex::encode(*key.secret_bytes());
                (key.public_key().clone(), Some(Secret::new(secret)))
            }
        };
        let organization_id = OrganizationId(uuid_v7(entropy, now));
        let user_id = UserId(uuid_v7(entropy, now));
        let mut names = vec![FeatureName::EmailAuth, FeatureName::OtpEmailAuth];
        if self.settings.sms_enabled {
            names.push(FeatureName::SmsAuth);
        }
        let mut changes = ChangeSet::new();
        changes.push(Write::InsertOrganization(Box::new(Organization {
            id: organization_id,
            parent_id: None,
            name: name.to_owned(),
            features: names.into_iter().map(|name| Feature { name, value: String::new() }).collect(),
            quorum: Quorum { threshold: 1, user_ids: vec![user_id] },
            webhooks: Vec::new(),
            suspended_at: None,
            locale: None,
            version: 0,
            created_at: now,
            updated_at: now,
        })));
        let owner = Owner { organization_id, tenant_id: organization_id, user_id };
        let root = User::new(owner, "Root user".to_owned(), None, None, now);
        changes.push(Write::InsertUser(Box::new(root)));
        changes.push(Write::InsertCredential(Box::new(Credential::of_key(
            owner,
            uuid_v7(entropy, now),
            CredentialType::ApiKeyP256,
            "Root API key".to_owned(),
            public_key.compressed().to_vec(),
            None,
            now,
        ))));
        self.apply(changes, || Refusal::Unavailable).await?;
        Ok(CreatedOrganization {
            organization_id,
            user_id,
            api_public_key: public_key.to_hex(),
            api_private_key: private_key,
        })
    }

    /// All parent organizations, newest first.
    pub async fn list_organizations(&self) -> Result<Vec<Organization>, Refusal> {
        self.services.store.parents().await.map_err(|error| unavailable(&error))
    }

    /// Suspends a parent, with all its sub-organizations, or lets it work again.
    pub async fn set_suspended(&self, organization: OrganizationId, suspended: bool) -> Result<(), Refusal> {
        let suspended_at = suspended.then(|| self.services.clock.now_ms());
        let mut changes = ChangeSet::new();
        changes.push(Write::SetSuspended { organization, suspended_at });
        self.apply(changes, || Refusal::OrganizationNotFound).await
    }

    /// Sets the language of a parent's messages for whom none was asked for; `None`: English.
    pub async fn set_locale(
        &self,
        organization: OrganizationId,
        locale: Option<Locale>,
    ) -> Result<(), Refusal> {
        let mut changes = ChangeSet::new();
        changes.push(Write::SetLocale { organization, locale });
        self.apply(changes, || Refusal::OrganizationNotFound).await
    }

    /// The auth proxy config of a parent.
    pub async fn auth_proxy_of(&self, organization: OrganizationId) -> Result<Option<ProxyConfig>, Refusal> {
        self.services.store.proxy_config_of(organization).await.map_err(|error| unavailable(&error))
    }

    /// Stores a template; the most recent one in the language of a message is used where a request names none.
    pub async fn add_template(&self, template: NewTemplate) -> Result<Template, Refusal> {
        label(&template.name, "the template's name must have 1 to 256 bytes and no control characters")?;
        self.parent(template.organization_id).await?;
        let now = self.services.clock.now_ms();
        let stored = Template {
            organization_id: template.organization_id,
            id: TemplateId(uuid_v7(&*self.services.entropy, now)),
            name: template.name,
            locale: template.locale,
            subject: template.subject,
            html: template.html,
            text: template.text,
            sms: template.sms,
            created_at: now,
        };
        let mut changes = ChangeSet::new();
        changes.push(Write::InsertTemplate(Box::new(stored.clone())));
        self.apply(changes, || Refusal::Unavailable).await?;
        Ok(stored)
    }

    /// The templates of a parent, newest first.
    pub async fn list_templates(&self, organization: OrganizationId) -> Result<Vec<Template>, Refusal> {
        self.parent(organization).await?;
        self.services.store.templates(organization).await.map_err(|error| unavailable(&error))
    }

    /// One template.
    pub async fn show_template(
        &self,
        organization: OrganizationId,
        id: TemplateId,
    ) -> Result<Template, Refusal> {
        let found =
            self.services.store.template(organization, id).await.map_err(|error| unavailable(&error))?;
        found.ok_or_else(|| Refusal::NotFound { kind: "template", id: id.to_string(), organization })
    }

    /// Removes a template.
    pub async fn remove_template(&self, organization: OrganizationId, id: TemplateId) -> Result<(), Refusal> {
        let mut changes = ChangeSet::new();
        changes.push(Write::DeleteTemplate { organization, template: id });
        self.apply(changes, || Refusal::NotFound { kind: "template", id: id.to_string(), organization }).await
    }

    /// Forgets the failures counted against a contact, so that it is sent codes again.
    pub async fn reset_contact(
        &self,
        organization: OrganizationId,
        kind: OtpType,
        contact: &str,
    ) -> Result<(), Refusal> {
        let contact = Contact::stored(kind, contact)?;
        self.parent(organization).await?;
        let mut changes = ChangeSet::new();
        changes.push(Write::ClearFailures {
            tenant: organization,
            contact: ContactKey::of(&contact),
            otp: None,
        });
        self.apply(changes, || Refusal::Unavailable).await
    }

    pub(crate) async fn parent(&self, id: OrganizationId) -> Result<Organization, Refusal> {
        let found = self.services.store.organization(id).await.map_err(|error| unavailable(&error))?;
        found.filter(|o| o.parent_id.is_none()).ok_or(Refusal::OrganizationNotFound)
    }

    /// Commits what the operator asked for: whoever can reach the admin socket or the data directory needs no permit.
    pub(crate) async fn apply(
        &self,
        changes: ChangeSet,
        on_conflict: impl FnOnce() -> Refusal,
    ) -> Result<(), Refusal> {
        match self.services.store.commit(changes).await {
            Ok(()) => Ok(()),
            Err(CommitError::Conflict(_)) => Err(on_conflict()),
            Err(CommitError::Unavailable(error)) => Err(unavailable(&error)),
        }
    }
}

/// A template to be stored; its syntax was checked by delivery.
#[derive(Debug, Clone)]
pub struct NewTemplate {
    /// The parent it is for.
    pub organization_id: OrganizationId,
    /// Label.
    pub name: String,
    /// Its language.
    pub locale: Option<Locale>,
    /// Subject; empty, as `html`, in a template for SMS alone.
    pub subject: String,
    /// HTML body.
    pub html: String,
    /// Text body.
    pub text: Option<String>,
    /// Text of an SMS.
    pub sms: Option<String>,
}

impl Engine {
    /// Submits an activity with a key the operator holds, exactly as a client would: stamped, and through the front door.
    pub async fn submit_with_key(
        &self,
        key: &SigningKey,
        activity: ActivityType,
        organization: OrganizationId,
        parameters: serde_json::Value,
    ) -> Result<Activity, Refusal> {
        let body = serde_json::json!({
            "type": activity.name(),
            "timestampMs": self.services.clock.now_ms().to_string(),
            "organizationId": organization,
            "parameters": parameters,
        })
        .to_string();
        let stamp = ApiStamp::make(key, body.as_bytes());
        let headers = StampHeaders { stamp: Some(&stamp), ..StampHeaders::default() };
        self.submit(activity.path(), body.as_bytes(), &headers).await
    }
}
