//! The operator's socket.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

use serde_json::json;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::oneshot;
use vestibule_crypto::p256::SigningKey;
use vestibule_http::admin::{AdminAnswer, AdminCommand, AdminError, call, execute, serve};
use vestibule_testkit::TestServer;
use vestibule_wire::{ActivityType, OrganizationId, OtpType};

struct Socket {
    server: TestServer,
    dir: TempDir,
    stop: oneshot::Sender<()>,
}

impl Socket {
    async fn open() -> Self {
        let server = TestServer::start().await;
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("admin.sock")).unwrap();
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(serve(listener, server.engine.clone(), async {
            let _ = stopped.await;
        }));
        Self { server, dir, stop }
    }

    async fn call(&self, command: AdminCommand) -> Result<AdminAnswer, AdminError> {
        call(&self.dir.path().join("admin.sock"), &command).await
    }
}

fn create(name: &str, api_public_key: Option<&str>, auth_proxy: bool) -> AdminCommand {
    AdminCommand::OrgCreate {
        name: name.into(),
        api_public_key: api_public_key.map(str::to_owned),
        auth_proxy,
    }
}

#[tokio::test]
async fn an_organization_made_over_the_socket_works_with_the_key_it_came_with() {
    let socket = Socket::open().await;
    let made = socket.call(create("Globex", None, true)).await.unwrap();
    assert!(!format!("{made:?}").contains(&secret_of(&made)), "the key is not printed by accident");
    let AdminAnswer::Created { organization_id, user_id, ref api_public_key, auth_proxy_config_id, .. } =
        made
    else {
        panic!("{made:?}")
    };
    let key = SigningKey::from_hex(&secret_of(&made)).unwrap();
    assert_eq!(key.public_key().to_hex(), *api_public_key);
    let whoami = socket.server.query(&key, "whoami", organization_id, json!({})).await;
    assert_eq!(whoami.body["userId"], json!(user_id));
    assert_eq!(whoami.body["organizationName"], "Globex");
    let proxy = socket.server.engine.auth_proxy_of(organization_id).await.unwrap();
    assert_eq!(proxy.map(|config| config.id), auth_proxy_config_id);
    assert!(auth_proxy_config_id.is_some());
}

fn secret_of(answer: &AdminAnswer) -> String {
    match answer {
        AdminAnswer::Created { api_private_key: Some(secret), .. } => secret.expose().clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_operator_who_brings_a_key_is_given_none() {
    let socket = Socket::open().await;
    let own = socket.server.tenant.key.public_key().to_hex();
    let made = socket.call(create("Initech", Some(&own), false)).await.unwrap();
    assert!(
        matches!(made, AdminAnswer::Created { ref api_public_key, api_private_key: None, auth_proxy_config_id: None, .. } if *api_public_key == own),
        "{made:?}"
    );
    let refused = socket.call(create("Initech", Some(&own), true)).await;
    assert!(
        matches!(refused, Err(AdminError::Refused(ref message)) if message.contains("enable_auth_proxy"))
    );
    let refused = socket.call(create("Initech", Some("02ab"), false)).await;
    assert!(matches!(refused, Err(AdminError::Refused(ref message)) if message == "invalid public key"));
}

#[tokio::test]
async fn a_suspended_organization_is_shown_as_such_and_works_again_when_resumed() {
    let socket = Socket::open().await;
    let organization = socket.server.tenant.organization_id;
    let suspended_at = async || match socket.call(AdminCommand::OrgList {}).await.unwrap() {
        AdminAnswer::Organizations { organizations } => {
            organizations.into_iter().find(|summary| summary.id == organization).unwrap().suspended_at
        }
        other => panic!("{other:?}"),
    };
    let features = async || {
        let parameters = json!({ "name": "FEATURE_NAME_EMAIL_AUTH", "value": "" });
        socket.server.backend(ActivityType::SetOrganizationFeature, parameters).await.status
    };
    assert_eq!(suspended_at().await, None);
    socket.call(AdminCommand::OrgSuspend { organization }).await.unwrap();
    assert_eq!(suspended_at().await, Some(socket.server.clock.now()));
    assert_eq!(features().await, 403);
    socket.call(AdminCommand::OrgResume { organization }).await.unwrap();
    assert_eq!((suspended_at().await, features().await), (None, 200));
    let nobody = OrganizationId(uuid::Uuid::from_u128(1));
    let refused = socket.call(AdminCommand::OrgSuspend { organization: nobody }).await;
    assert!(matches!(refused, Err(AdminError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn the_language_of_an_organization_is_set_listed_and_taken_away() {
    let socket = Socket::open().await;
    let organization = socket.server.tenant.organization_id;
    let set = async |organization, tag: Option<&str>| {
        let locale = tag.map(|tag| tag.parse().unwrap());
        socket.call(AdminCommand::OrgSetLocale { organization, locale }).await
    };
    let listed = async || match socket.call(AdminCommand::OrgList {}).await.unwrap() {
        AdminAnswer::Organizations { organizations } => {
            let found = organizations.into_iter().find(|summary| summary.id == organization).unwrap();
            found.locale.map(|locale| locale.to_string())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(listed().await, None);
    set(organization, Some("pt_br")).await.unwrap();
    assert_eq!(listed().await.as_deref(), Some("pt-BR"));
    set(organization, None).await.unwrap();
    assert_eq!(listed().await, None);
    let nobody = OrganizationId(uuid::Uuid::from_u128(1));
    assert!(matches!(set(nobody, Some("de")).await, Err(AdminError::Refused(_))));
}

#[tokio::test]
async fn a_template_is_added_listed_shown_and_removed() {
    let socket = Socket::open().await;
    let organization = socket.server.tenant.organization_id;
    let add = AdminCommand::TemplateAdd {
        organization,
        name: "welcome".into(),
        locale: Some("de".parse().unwrap()),
        subject: "Your code".into(),
        html: format!("<p>{{{{ .OtpCode }}}}</p>{}", " ".repeat(100_000)),
        text: None,
        sms: Some("{{ .OtpCode }}".into()),
    };
    let templates = |answer| match answer {
        AdminAnswer::Templates { templates } => templates,
        other => panic!("{other:?}"),
    };
    let added = templates(socket.call(add).await.unwrap()).remove(0);
    assert_eq!(added.name, "welcome");
    assert_eq!(
        (added.locale.as_ref().map(ToString::to_string), added.sms.is_some()),
        (Some("de".into()), true)
    );
    let template = added.id;
    assert_eq!(
        templates(socket.call(AdminCommand::TemplateList { organization }).await.unwrap()),
        std::slice::from_ref(&added)
    );
    let show = AdminCommand::TemplateShow { organization, template };
    assert_eq!(templates(socket.call(show.clone()).await.unwrap()), [added]);
    let removed = socket.call(AdminCommand::TemplateRemove { organization, template }).await;
    assert!(matches!(removed, Ok(AdminAnswer::Done {})), "{removed:?}");
    let gone = socket.call(show).await;
    assert!(
        matches!(gone, Err(AdminError::Refused(ref message)) if message.contains("unable to find template"))
    );
}

#[tokio::test]
async fn a_contact_is_reset_and_a_text_that_is_none_is_refused() {
    let socket = Socket::open().await;
    let organization = socket.server.tenant.organization_id;
    let reset = |contact: &str| AdminCommand::ContactReset {
        organization,
        kind: OtpType::Email,
        contact: contact.into(),
    };
    assert!(matches!(socket.call(reset("ann@example.com")).await, Ok(AdminAnswer::Done {})));
    let refused = socket.call(reset("ann")).await;
    assert!(matches!(refused, Err(AdminError::Refused(ref message)) if message == "invalid email address"));
}

#[tokio::test]
async fn without_a_server_the_client_says_so_and_the_command_runs_on_an_engine_of_its_own() {
    let Socket { server, dir, stop } = Socket::open().await;
    let missing = call(&dir.path().join("other.sock"), &AdminCommand::OrgList {}).await;
    assert!(matches!(missing, Err(AdminError::Unreachable { .. })), "{missing:?}");
    stop.send(()).unwrap();
    let listed = execute(&server.engine, AdminCommand::OrgList {}).await;
    assert!(matches!(listed, Ok(AdminAnswer::Organizations { organizations }) if organizations.len() == 1));
}

#[test]
fn commands_keep_their_form_on_the_socket() {
    let organization = OrganizationId(uuid::Uuid::from_u128(1));
    for (command, text) in [
        (
            create("Globex", None, true),
            json!({"command": "org_create", "name": "Globex", "apiPublicKey": null, "authProxy": true}),
        ),
        (AdminCommand::OrgList {}, json!({"command": "org_list"})),
        (
            AdminCommand::ContactReset { organization, kind: OtpType::Email, contact: "a@b.example".into() },
            json!({"command": "contact_reset", "organization": organization, "kind": "OTP_TYPE_EMAIL", "contact": "a@b.example"}),
        ),
    ] {
        assert_eq!(serde_json::to_value(&command).unwrap(), text);
        assert_eq!(serde_json::from_value::<AdminCommand>(text).unwrap(), command);
    }
    assert!(serde_json::from_value::<AdminCommand>(json!({"command": "org_list", "extra": 1})).is_err());
}
