//! Administration of a running server by its operator's command line: typed commands over a Unix socket.
//!
//! Whoever may open the socket is the operator: its file's permissions are the only check, and binding it is the
//! server's part. A command that runs without a server calls [`execute`] with an engine of its own.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Json, State};
use axum::http::{Method, Request, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixStream};
use vestibule_crypto::keyset::KeyRole;
use vestibule_crypto::p256::SigningKey;
use vestibule_crypto::secret::Secret;
use vestibule_engine::keys::{KeyStatus, Rewrapped};
use vestibule_engine::model::{AbuseRecord, Organization, Routes, Template};
use vestibule_engine::{
    AbuseFilter, ContactStanding, CreatedOrganization, Engine, NewTemplate, WebhookStatus,
};
use vestibule_wire::{
    ActivityType, Locale, OrganizationId, OtpType, ProxyConfigId, Refusal, TemplateId, UserId,
    WebhookEndpointId,
};

use crate::{answer, refusal};

const PATH: &str = "/admin";

/// The most records of one organization that a report tells.
const MOST_RECORDS: u32 = 10_000;

/// What the operator wants done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum AdminCommand {
    /// Makes a parent organization with one root API user.
    OrgCreate {
        /// Display name.
        name: String,
        /// The user's key, compressed hex; made by the server when absent.
        api_public_key: Option<String>,
        /// Whether the organization gets an auth proxy with default settings; only with a key made by the server.
        auth_proxy: bool,
    },
    /// Lists the parents, newest first.
    OrgList {},
    /// Refuses every request of a parent and its sub-organizations from now on.
    OrgSuspend {
        /// The parent.
        organization: OrganizationId,
    },
    /// Ends a suspension.
    OrgResume {
        /// The parent.
        organization: OrganizationId,
    },
    /// Sets the language of a parent's messages for whom none was asked for.
    OrgSetLocale {
        /// The parent.
        organization: OrganizationId,
        /// The language; absent: none of its own, which means English.
        locale: Option<Locale>,
    },
    /// Stores a message template.
    TemplateAdd {
        /// The parent.
        organization: OrganizationId,
        /// Label.
        name: String,
        /// Its language.
        #[serde(default)]
        locale: Option<Locale>,
        /// Subject, a template itself; empty, as `html`, in a template for SMS alone.
        subject: String,
        /// HTML body.
        html: String,
        /// Text body.
        text: Option<String>,
        /// Text of an SMS.
        #[serde(default)]
        sms: Option<String>,
    },
    /// Lists the templates of a parent, newest first.
    TemplateList {
        /// The parent.
        organization: OrganizationId,
    },
    /// Shows one template.
    TemplateShow {
        /// The parent.
        organization: OrganizationId,
        /// The template.
        template: TemplateId,
    },
    /// Removes a template.
    TemplateRemove {
        /// The parent.
        organization: OrganizationId,
        /// The template.
        template: TemplateId,
    },
    /// Clears the failures of a contact, so that it gets codes again.
    ContactReset {
        /// The parent.
        organization: OrganizationId,
        /// Kind of the contact.
        kind: OtpType,
        /// Address or number.
        contact: String,
    },
    /// Says how a contact stands: whether it is left alone, and what is counted against it.
    ContactShow {
        /// The parent.
        organization: OrganizationId,
        /// Kind of the contact.
        kind: OtpType,
        /// Address or number.
        contact: String,
    },
    /// Sends messages again to a contact that was left alone.
    ContactLift {
        /// The parent.
        organization: OrganizationId,
        /// Kind of the contact.
        kind: OtpType,
        /// Address or number.
        contact: String,
    },
    /// Lists the routes of a parent.
    RouteList {
        /// The parent.
        organization: OrganizationId,
    },
    /// Sets the providers of a parent's messages.
    RouteSet {
        /// The parent.
        organization: OrganizationId,
        /// Which messages.
        kind: OtpType,
        /// To which numbers; empty for all.
        prefix: String,
        /// In the order in which they are asked.
        providers: Vec<String>,
    },
    /// Removes one of a parent's routes.
    RouteClear {
        /// The parent.
        organization: OrganizationId,
        /// Which messages.
        kind: OtpType,
        /// To which numbers; empty for all.
        prefix: String,
    },
    /// Lists the webhook endpoints of an organization, with what became of their last deliveries.
    WebhookList {
        /// The organization, a parent or not.
        organization: OrganizationId,
    },
    /// Sends an endpoint an event that says nothing, to see whether it answers.
    WebhookPing {
        /// Whose endpoint it is.
        organization: OrganizationId,
        /// The endpoint; the organization's own id for its legacy webhook.
        endpoint: WebhookEndpointId,
    },
    /// Tells who was limited, and why.
    AbuseReport {
        /// Only requests to this parent; absent: all, and client addresses.
        organization: Option<OrganizationId>,
        /// Only this limit, by its name.
        limit: Option<String>,
        /// Hours back from now.
        hours: u32,
    },
    /// Lists the server's keys, without secrets.
    KeyList {},
    /// Makes a key that takes over from those of its role.
    KeyRotate {
        /// Any role but `sealing-key`.
        role: KeyRole,
        /// When it begins to sign, seconds from now; absent, or sooner than other servers learn of it: as soon as they do.
        after_seconds: Option<u32>,
    },
    /// Retires a key whose successor has begun.
    KeyRetire {
        /// Its name.
        id: String,
    },
    /// Moves everything sealed to the first sealing key of the server's key file.
    KeyRewrap {},
}

/// What came of a command.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum AdminAnswer {
    /// A new parent.
    Created {
        /// The parent.
        organization_id: OrganizationId,
        /// Its root user.
        user_id: UserId,
        /// The user's key, compressed hex.
        api_public_key: String,
        /// Its private key, where the server made it: shown this once.
        #[serde(default, with = "secret_text", skip_serializing_if = "Option::is_none")]
        api_private_key: Option<Secret<String>>,
        /// Its auth proxy, where one was asked for.
        auth_proxy_config_id: Option<ProxyConfigId>,
    },
    /// Parents.
    Organizations {
        /// Newest first.
        organizations: Vec<OrganizationSummary>,
    },
    /// Templates, with their bodies.
    Templates {
        /// Newest first; exactly one where one was added or shown.
        templates: Vec<Template>,
    },
    /// How a contact stands.
    Contact {
        /// Its standing.
        contact: ContactStanding,
    },
    /// The routes of a parent, as they are now.
    Routes {
        /// All of them.
        routes: Routes,
    },
    /// Webhook endpoints.
    Webhooks {
        /// Oldest first, the legacy webhook behind them.
        webhooks: Vec<WebhookStatus>,
    },
    /// An event is on its way.
    Pinged {
        /// Its id, as the endpoint sees it.
        event_id: String,
    },
    /// Who was limited, newest hours first.
    Abuse {
        /// Contacts are masked, identifiers hashed.
        records: Vec<AbuseRecord>,
    },
    /// The server's keys, without secrets.
    Keys {
        /// In the order in which they are published; exactly one where one was made.
        keys: Vec<KeyStatus>,
    },
    /// Everything sealed was moved.
    Rewrapped {
        /// How much of what.
        rewrapped: Rewrapped,
    },
    /// Done, and nothing to say.
    Done {},
}

/// A parent in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrganizationSummary {
    /// Id.
    pub id: OrganizationId,
    /// Display name.
    pub name: String,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// Epoch milliseconds; absent while it is not suspended.
    pub suspended_at: Option<i64>,
    /// Language of its messages for whom none was asked for; absent: English.
    #[serde(default)]
    pub locale: Option<Locale>,
}

impl From<Organization> for OrganizationSummary {
    fn from(organization: Organization) -> Self {
        let Organization {
            id,
            name,
            created_at,
            suspended_at,
            locale,
            parent_id: _,
            features: _,
            quorum: _,
            webhooks: _,
            version: _,
            updated_at: _,
        } = organization;
        Self { id, name, created_at, suspended_at, locale }
    }
}

/// Carries out a command.
pub async fn execute(engine: &Engine, command: AdminCommand) -> Result<AdminAnswer, Refusal> {
    match command {
        AdminCommand::OrgCreate { name, api_public_key, auth_proxy } => {
            if auth_proxy && api_public_key.is_some() {
                return Err(Refusal::InvalidField(
                    "only the holder of the API key can enable the auth proxy; submit enable_auth_proxy with it",
                ));
            }
            let created = engine.create_organization(&name, api_public_key.as_deref()).await?;
            let auth_proxy_config_id =
                if auth_proxy { enable_auth_proxy(engine, &created).await? } else { None };
            let CreatedOrganization { organization_id, user_id, api_public_key, api_private_key } = created;
            Ok(AdminAnswer::Created {
                organization_id,
                user_id,
                api_public_key,
                api_private_key,
                auth_proxy_config_id,
            })
        }
        AdminCommand::OrgList {} => {
            let organizations = engine.list_organizations().await?;
            Ok(AdminAnswer::Organizations {
                organizations: organizations.into_iter().map(Into::into).collect(),
            })
        }
        AdminCommand::OrgSuspend { organization } => {
            engine.set_suspended(organization, true).await?;
            Ok(AdminAnswer::Done {})
        }
        AdminCommand::OrgResume { organization } => {
            engine.set_suspended(organization, false).await?;
            Ok(AdminAnswer::Done {})
        }
        AdminCommand::OrgSetLocale { organization, locale } => {
            engine.set_locale(organization, locale).await?;
            Ok(AdminAnswer::Done {})
        }
        AdminCommand::TemplateAdd { organization, name, locale, subject, html, text, sms } => {
            let template =
                NewTemplate { organization_id: organization, name, locale, subject, html, text, sms };
            Ok(AdminAnswer::Templates { templates: vec![engine.add_template(template).await?] })
        }
        AdminCommand::TemplateList { organization } => {
            Ok(AdminAnswer::Templates { templates: engine.list_templates(organization).await? })
        }
        AdminCommand::TemplateShow { organization, template } => Ok(AdminAnswer::Templates {
            templates: vec![engine.show_template(organization, template).await?],
        }),
        AdminCommand::TemplateRemove { organization, template } => {
            engine.remove_template(organization, template).await?;
            Ok(AdminAnswer::Done {})
        }
        AdminCommand::ContactReset { organization, kind, contact } => {
            engine.reset_contact(organization, kind, &contact).await?;
            Ok(AdminAnswer::Done {})
        }
        AdminCommand::ContactShow { organization, kind, contact } => {
            Ok(AdminAnswer::Contact { contact: engine.contact_standing(organization, kind, &contact).await? })
        }
        AdminCommand::ContactLift { organization, kind, contact } => {
            engine.lift_suppression(organization, kind, &contact).await?;
            Ok(AdminAnswer::Done {})
        }
        AdminCommand::RouteList { organization } => {
            Ok(AdminAnswer::Routes { routes: engine.routes(organization).await? })
        }
        AdminCommand::RouteSet { organization, kind, prefix, providers } => Ok(AdminAnswer::Routes {
            routes: engine.set_route(organization, kind, &prefix, providers).await?,
        }),
        AdminCommand::RouteClear { organization, kind, prefix } => {
            Ok(AdminAnswer::Routes { routes: engine.clear_route(organization, kind, &prefix).await? })
        }
        AdminCommand::WebhookList { organization } => {
            Ok(AdminAnswer::Webhooks { webhooks: engine.list_webhooks(organization).await? })
        }
        AdminCommand::WebhookPing { organization, endpoint } => {
            Ok(AdminAnswer::Pinged { event_id: engine.ping_webhook(organization, endpoint).await? })
        }
        AdminCommand::AbuseReport { organization, limit, hours } => {
            let filter = AbuseFilter { organization, limit, hours, most: MOST_RECORDS };
            Ok(AdminAnswer::Abuse { records: engine.abuse_report(&filter).await? })
        }
        AdminCommand::KeyList {} => Ok(AdminAnswer::Keys { keys: engine.list_keys().await? }),
        AdminCommand::KeyRotate { role, after_seconds } => {
            let after_ms = after_seconds.map(|seconds| i64::from(seconds) * 1000);
            Ok(AdminAnswer::Keys { keys: vec![engine.rotate_key(role, after_ms).await?] })
        }
        AdminCommand::KeyRetire { id } => {
            engine.retire_key(&id).await?;
            Ok(AdminAnswer::Done {})
        }
        AdminCommand::KeyRewrap {} => Ok(AdminAnswer::Rewrapped { rewrapped: engine.rewrap().await? }),
    }
}

/// Enables the auth proxy with the key that was just made, through the same door that its owner would use.
async fn enable_auth_proxy(
    engine: &Engine,
    created: &CreatedOrganization,
) -> Result<Option<ProxyConfigId>, Refusal> {
    let Some(secret) = &created.api_private_key else { return Ok(None) };
    let key = SigningKey::from_hex(secret.expose()).map_err(|_| Refusal::InvalidPublicKey)?;
    let organization = created.organization_id;
    let parameters = serde_json::json!({});
    engine.submit_with_key(&key, ActivityType::EnableAuthProxy, organization, parameters).await?;
    Ok(engine.auth_proxy_of(organization).await?.map(|config| config.id))
}

/// The socket's surface: `POST /admin` with a command, answered with an [`AdminAnswer`] or an error body.
pub fn router(engine: Arc<Engine>) -> Router {
    Router::new().route(PATH, post(run)).with_state(engine)
}

async fn run(State(engine): State<Arc<Engine>>, Json(command): Json<AdminCommand>) -> Response {
    match execute(&engine, command).await.and_then(|answered| answer::json(&answered)) {
        Ok(response) => response,
        Err(refused) => refusal::response(&refused).into_response(),
    }
}

/// Serves the socket until `shutdown` resolves and running commands are done.
pub async fn serve(
    listener: UnixListener,
    engine: Arc<Engine>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(engine)).with_graceful_shutdown(shutdown).await
}

/// Why a command was not carried out, as its client sees it.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No server listens there, or the socket may not be opened.
    #[error("no server answers at {path}: {cause}")]
    Unreachable {
        /// The socket.
        path: String,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The connection broke, or what came was no answer. Whether the command was carried out is not known.
    #[error("the server's answer could not be read: {0}")]
    Broken(String),
    /// The server refused; this is its message.
    #[error("{0}")]
    Refused(String),
}

/// Sends a command to the server that listens on the socket at `path`.
pub async fn call(path: &Path, command: &AdminCommand) -> Result<AdminAnswer, AdminError> {
    let stream = UnixStream::connect(path)
        .await
        .map_err(|cause| AdminError::Unreachable { path: path.display().to_string(), cause })?;
    let broken = |error: &dyn std::fmt::Display| AdminError::Broken(error.to_string());
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    let text = serde_json::to_vec(command).map_err(|error| broken(&error))?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(PATH)
        .header(header::HOST, "vestibule")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(bytes::Bytes::from(text)))
        .map_err(|error| broken(&error))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| broken(&error))?.to_bytes();
        Ok((status, body))
    };
    // The connection has to be driven while its one exchange runs; it has no use afterwards.
    let (status, body) = tokio::select! {
        exchanged = exchange => exchanged?,
        Err(error) = connection => return Err(broken(&error)),
    };
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|error| broken(&error));
    }
    #[derive(Deserialize)]
    struct ErrorBody {
        message: String,
    }
    match serde_json::from_slice::<ErrorBody>(&body) {
        Ok(error) => Err(AdminError::Refused(error.message)),
        Err(_) => Err(AdminError::Broken(format!("status {status}"))),
    }
}

/// A private key on its way to the operator's terminal: the one place where it is written out.
mod secret_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use vestibule_crypto::secret::Secret;

    pub(super) fn serialize<S: Serializer>(secret: &Option<Secret<String>>, s: S) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(Secret::expose).serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Secret<String>>, D::Error> {
        Ok(Option::<String>::deserialize(d)?.map(Secret::new))
    }
}
