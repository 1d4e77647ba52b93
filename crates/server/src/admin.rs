//! Administration from the command line: through the running server's socket, else on the store itself.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use tokio::net::UnixListener;
use vestibule_engine::limits;
use vestibule_http::admin::{self, AdminAnswer, AdminCommand, AdminError};
use vestibule_wire::{OrganizationId, OtpType};

use crate::abuse;
use crate::cli::{Abuse, Contact, Installation, NamedContact, Org, Route, RouteName, Webhook};
use crate::files;
use crate::installation::{Opened, Place};
use crate::output::{self, say};

/// The socket of a running server, in its data directory.
const SOCKET: &str = "admin.sock";

/// Binds the socket for its owner alone. The data directory is locked, so one that is there already was left behind.
pub fn bind(data_dir: &Path) -> Result<UnixListener> {
    let path = data_dir.join(SOCKET);
    remove(&path)?;
    // Between binding and narrowing the mode, the socket stands where nobody else can reach it.
    let hidden = data_dir.join("admin.new");
    files::private_directory(&hidden)?;
    fs::set_permissions(&hidden, fs::Permissions::from_mode(0o700))?;
    let inside = hidden.join("s");
    remove(&inside)?;
    let listener = StdUnixListener::bind(&inside).with_context(|| {
        format!(
            "cannot make the socket {}; if that path has over 100 bytes, name the data directory by a shorter one, for example relative to \
             the directory you start from",
            inside.display()
        )
    })?;
    let placed = fs::set_permissions(&inside, fs::Permissions::from_mode(0o600))
        .and_then(|()| fs::rename(&inside, &path))
        .and_then(|()| fs::remove_dir(&hidden))
        .and_then(|()| listener.set_nonblocking(true))
        .and_then(|()| UnixListener::from_std(listener));
    placed.with_context(|| format!("cannot make the socket {}", path.display()))
}

/// Removes the socket when the server stops.
pub fn unbind(data_dir: &Path) {
    if let Err(error) = remove(&data_dir.join(SOCKET)) {
        tracing::warn!(%error, "the socket is left behind; the next start removes it");
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Runs `vestibule org ...`.
pub async fn org(command: Org) -> Result<()> {
    let (place, command) = match command {
        Org::Create { place, name, api_public_key, auth_proxy } => {
            (place, AdminCommand::OrgCreate { name, api_public_key, auth_proxy })
        }
        Org::List { place } => (place, AdminCommand::OrgList {}),
        Org::Suspend { place, organization_id } => {
            (place, AdminCommand::OrgSuspend { organization: organization(&organization_id)? })
        }
        Org::SetLocale { place, organization_id, locale } => {
            let locale = match locale.as_str() {
                "-" => None,
                tag => Some(tag.parse().map_err(|error| anyhow!("{tag:?}: {error}"))?),
            };
            (place, AdminCommand::OrgSetLocale { organization: organization(&organization_id)?, locale })
        }
        Org::Resume { place, organization_id } => {
            (place, AdminCommand::OrgResume { organization: organization(&organization_id)? })
        }
    };
    run(&place, command).await
}

/// Runs `vestibule contact ...`.
pub async fn contact(command: Contact) -> Result<()> {
    let named = |named: NamedContact| -> Result<_> {
        let NamedContact { place, organization: id, kind, contact } = named;
        Ok((place, organization(&id)?, OtpType::from(kind), contact))
    };
    match command {
        Contact::Reset { contact } => {
            let (place, organization, kind, contact) = named(contact)?;
            run(&place, AdminCommand::ContactReset { organization, kind, contact }).await
        }
        Contact::Show { contact } => {
            let (place, organization, kind, contact) = named(contact)?;
            run(&place, AdminCommand::ContactShow { organization, kind, contact }).await
        }
        Contact::Lift { contact } => {
            let (place, organization, kind, contact) = named(contact)?;
            run(&place, AdminCommand::ContactLift { organization, kind, contact }).await
        }
    }
}

/// Runs `vestibule route ...`.
pub async fn route(command: Route) -> Result<()> {
    match command {
        Route::List { place, organization: id } => {
            run(&place, AdminCommand::RouteList { organization: organization(&id)? }).await
        }
        Route::Set { place, which, providers } => {
            let RouteName { organization: id, channel, prefix } = which;
            let (organization, kind) = (organization(&id)?, channel.into());
            let prefix = prefix.unwrap_or_default();
            run(&place, AdminCommand::RouteSet { organization, kind, prefix, providers }).await
        }
        Route::Clear { place, which } => {
            let RouteName { organization: id, channel, prefix } = which;
            let (organization, kind) = (organization(&id)?, channel.into());
            let prefix = prefix.unwrap_or_default();
            run(&place, AdminCommand::RouteClear { organization, kind, prefix }).await
        }
    }
}

/// Runs `vestibule webhook ...`.
pub async fn webhook(command: Webhook) -> Result<()> {
    let (place, command) = match command {
        Webhook::List { place, organization: id } => {
            (place, AdminCommand::WebhookList { organization: organization(&id)? })
        }
        Webhook::Ping { place, organization: id, endpoint_id } => {
            let endpoint = endpoint_id.parse().map_err(|_| {
                anyhow!("{endpoint_id:?} is no endpoint id; `vestibule webhook list` shows the ids")
            })?;
            (place, AdminCommand::WebhookPing { organization: organization(&id)?, endpoint })
        }
    };
    run(&place, command).await
}

/// Runs `vestibule abuse ...`.
pub async fn abuse(command: Abuse) -> Result<()> {
    let Abuse::Report { place, organization: id, limit, hours, json } = command;
    if let Some(limit) = limit.as_deref().filter(|limit| limits::why(limit).is_none()) {
        bail!("{limit:?} is no limit; docs/abuse.md lists them");
    }
    let organization = id.as_deref().map(organization).transpose()?;
    let answer = send(&place, AdminCommand::AbuseReport { organization, limit, hours }).await?;
    match &answer {
        AdminAnswer::Abuse { records } if !json => {
            output::print(format_args!("{}", abuse::table(records)));
            Ok(())
        }
        other => print(other),
    }
}

pub fn organization(text: &str) -> Result<OrganizationId> {
    text.parse().map_err(|_| anyhow!("{text:?} is no organization id; `vestibule org list` shows the ids"))
}

/// Sends a command and prints what came of it.
pub async fn run(installation: &Installation, command: AdminCommand) -> Result<()> {
    print(&send(installation, command).await?)
}

/// Sends a command to the server that runs, else carries it out on the store.
pub async fn send(installation: &Installation, command: AdminCommand) -> Result<AdminAnswer> {
    let place = Place::find(installation)?;
    match admin::call(&place.data_dir.join(SOCKET), &command).await {
        Ok(answer) => Ok(answer),
        Err(AdminError::Unreachable { .. }) => offline(&place, command).await,
        Err(AdminError::Refused(message)) => bail!(told(&message).to_owned()),
        Err(AdminError::Broken(cause)) => {
            bail!(
                "the server broke off its answer ({cause}); look with `list` whether the command was carried out"
            )
        }
    }
}

async fn offline(place: &Place, command: AdminCommand) -> Result<AdminAnswer> {
    let opened = Opened::existing(place).await?;
    let answer = admin::execute(&opened.engine, command).await;
    opened.close().await;
    answer.map_err(|refusal| anyhow!(told(&refusal.to_string()).to_owned()))
}

/// What a refusal tells somebody who wrote arguments and no body.
fn told(message: &str) -> &str {
    message.strip_prefix("invalid request body: ").unwrap_or(message)
}

/// Prints what an answer holds as JSON: an object, a list, or nothing.
pub fn print(answer: &AdminAnswer) -> Result<()> {
    let mut json = serde_json::to_value(answer)?;
    let members = json.as_object_mut().context("an answer is an object")?;
    members.remove("answer");
    let shown = match answer {
        AdminAnswer::Done {} => return Ok(()),
        AdminAnswer::Created { .. } => json,
        AdminAnswer::Organizations { .. } => members.remove("organizations").unwrap_or(Value::Null),
        AdminAnswer::Templates { .. } => members.remove("templates").unwrap_or(Value::Null),
        AdminAnswer::Contact { .. } => members.remove("contact").unwrap_or(Value::Null),
        AdminAnswer::Routes { .. } => members.remove("routes").unwrap_or(Value::Null),
        AdminAnswer::Webhooks { .. } => members.remove("webhooks").unwrap_or(Value::Null),
        AdminAnswer::Pinged { .. } => json,
        AdminAnswer::Abuse { .. } => members.remove("records").unwrap_or(Value::Null),
        AdminAnswer::Keys { .. } => members.remove("keys").unwrap_or(Value::Null),
        AdminAnswer::Rewrapped { .. } => members.remove("rewrapped").unwrap_or(Value::Null),
    };
    say!("{shown:#}");
    Ok(())
}
