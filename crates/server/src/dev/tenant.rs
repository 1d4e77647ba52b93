//! The organization that `dev` works with, and the file that tells clients about it.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use vestibule_crypto::entropy::Entropy;
use vestibule_crypto::keyset::{KeyFile, KeySet};
use vestibule_crypto::seal::place;
use vestibule_crypto::secret::Secret;
use vestibule_engine::Engine;
use vestibule_engine::store::Store;
use vestibule_http::admin::{self, AdminAnswer, AdminCommand};
use vestibule_wire::{OrganizationId, ProxyConfigId, UserId};

use crate::files;

/// Its name, as messages show it.
const NAME: &str = "Vestibule";

/// Where the database keeps what `dev.env` says, so that the file can always be written again.
const TENANT: &str = "dev_tenant";

/// The file that tells clients what they need.
pub const ENV_FILE: &str = "dev.env";

/// The organization of a development server with its one API user.
#[derive(Debug)]
pub struct Tenant {
    /// The organization.
    pub organization_id: OrganizationId,
    /// Its root user.
    pub user_id: UserId,
    /// The user's key, compressed hex.
    pub api_public_key: String,
    /// Its private half, hex.
    pub api_private_key: Secret<String>,
    /// The auth proxy.
    pub auth_proxy_config_id: ProxyConfigId,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    organization_id: OrganizationId,
    user_id: UserId,
    api_public_key: String,
    /// Hex.
    sealed_api_private_key: String,
    auth_proxy_config_id: ProxyConfigId,
}

impl Tenant {
    /// The tenant of this database, made when there is none.
    pub async fn of(
        store: &dyn Store,
        engine: &Engine,
        keys: &KeyFile,
        entropy: &dyn Entropy,
    ) -> Result<Self> {
        match store.meta(TENANT).await? {
            Some(kept) => Self::open(store, &kept, keys, entropy).await,
            None => Self::make(store, engine, keys, entropy).await,
        }
    }

    async fn open(store: &dyn Store, kept: &str, keys: &KeyFile, entropy: &dyn Entropy) -> Result<Self> {
        let damaged = "the database's record of the development organization is damaged; remove the data directory to start afresh";
        let mut kept: Kept = serde_json::from_str(kept).context(damaged)?;
        let sealed = hex::decode(&kept.sealed_api_private_key).context(damaged)?;
        let opened = keys.open(&key_place(), &sealed).context(damaged)?;
        let text = std::str::from_utf8(&opened).context(damaged)?;
        // `keys rewrap` knows what every server stores; this record is ours alone.
        if let Some(anew) = keys.reseal(entropy, &key_place(), &sealed).context(damaged)? {
            kept.sealed_api_private_key = hex::encode(anew);
            store.put_meta(TENANT, &serde_json::to_string(&kept)?).await?;
        }
        let Kept {
            organization_id,
            user_id,
            api_public_key,
            sealed_api_private_key: _,
            auth_proxy_config_id,
        } = kept;
        let api_private_key = Secret::new(text.to_owned());
        Ok(Self { organization_id, user_id, api_public_key, api_private_key, auth_proxy_config_id })
    }

    /// Killed before the end, this leaves an organization that nobody uses; the next start makes another.
    async fn make(store: &dyn Store, engine: &Engine, keys: &KeyFile, entropy: &dyn Entropy) -> Result<Self> {
        let command =
            AdminCommand::OrgCreate { name: NAME.to_owned(), api_public_key: None, auth_proxy: true };
        let answer = admin::execute(engine, command).await;
        let answer =
            answer.map_err(|refusal| anyhow!("the development organization could not be made: {refusal}"))?;
        let AdminAnswer::Created {
            organization_id,
            user_id,
            api_public_key,
            api_private_key: Some(api_private_key),
            auth_proxy_config_id: Some(auth_proxy_config_id),
        } = answer
        else {
            bail!("the development organization lacks a key or an auth proxy");
        };
        let sealed = keys.sealing_key().seal(entropy, &key_place(), api_private_key.expose().as_bytes());
        let kept = Kept {
            organization_id,
            user_id,
            api_public_key: api_public_key.clone(),
            sealed_api_private_key: hex::encode(sealed),
            auth_proxy_config_id,
        };
        store.put_meta(TENANT, &serde_json::to_string(&kept)?).await?;
        Ok(Self { organization_id, user_id, api_public_key, api_private_key, auth_proxy_config_id })
    }

    /// Writes `dev.env`, with the keys that sign at `now`, epoch milliseconds.
    pub fn write_env(&self, data_dir: &Path, url: &str, keys: &KeySet, now: i64) -> Result<()> {
        let Self { organization_id, user_id, api_public_key, api_private_key, auth_proxy_config_id } = self;
        let bundle_signer = keys.bundle_signer(now).public_key().to_uncompressed_hex();
        let session_signer = keys.session_signer(now).public_key().to_uncompressed_hex();
        let private = api_private_key.expose();
        let text = Secret::new(format!(
            "# Written by `vestibule dev` at every start.\n\
             VESTIBULE_URL={url}\n\
             VESTIBULE_ORGANIZATION_ID={organization_id}\n\
             VESTIBULE_USER_ID={user_id}\n\
             VESTIBULE_API_PUBLIC_KEY={api_public_key}\n\
             VESTIBULE_API_PRIVATE_KEY={private}\n\
             VESTIBULE_AUTH_PROXY_CONFIG_ID={auth_proxy_config_id}\n\
             VESTIBULE_BUNDLE_SIGNER_PUBLIC_KEY={bundle_signer}\n\
             VESTIBULE_SESSION_SIGNER_PUBLIC_KEY={session_signer}\n"
        ));
        files::replace(&data_dir.join(ENV_FILE), text.expose())
    }
}

fn key_place() -> Vec<u8> {
    place("meta", "value", TENANT.as_bytes())
}
